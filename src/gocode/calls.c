/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "gocode/flow.h"
#include "sym/disasm.h"

enum {
	CHUNK = 1 << 20,
	BEFORE = 96, /* bytes of code looked at before a call, for its arguments */
	AFTER = 128, /* and after it, for what becomes of its result */
	CALL = 5,    /* E8 and a displacement */
	RIP = 7,     /* REX.W, opcode, ModRM, displacement */
	OP_CALL = 0xe8,
	OP_LEA = 0x8d,
	OP_LOAD = 0x8b,
	OP_STORE = 0x89,
	REX_W = 0x48,
	MODRM_MASK = 0xc7,
	MODRM_RIP = 0x05,
	OLD_GROWSLICE = 19, /* up to there the type came first */
	WORD = 8,
};

struct reader {
	struct gort_types *types;
	const struct gort *g;
	struct gocode_callees callees;
	uint64_t *makes, *sets; /* one bit a function: it makes something of a type; it sets variables */
	struct gocode_call_vec all;
	const unsigned char *buf; /* of the text at `base` */
	uint64_t base;
	size_t len;
};

/* ---- code around a call ---- */

static uint64_t relative(const struct reader *r, size_t next, size_t disp)
{
	return r->base + next + (uint64_t)(int64_t)(int32_t)load_u32(r->buf + disp);
}

static bool is_entry(const struct reader *r, uint64_t addr)
{
	size_t f = 0;
	const struct gort_range *text = &r->g->module.text;
	return addr >= text->start && addr < text->end && sym_pclntab_find(r->g->pclntab, addr, &f) &&
	       sym_pclntab_entry(r->g->pclntab, f) == addr;
}

static const struct gocode_callee *called_at(const struct reader *r, size_t at)
{
	if (r->buf[at] != OP_CALL || at + CALL > r->len)
		return NULL;
	return gocode_callee_at(&r->callees, relative(r, at + CALL, at + 1));
}

/* The target of OP reg, [rip + disp] (REX.W) at a place, or 0. */
static uint64_t rip_target(const struct reader *r, size_t at, unsigned op, unsigned reg)
{
	if (at + RIP > r->len || r->buf[at] != REX_W || r->buf[at + 1] != op ||
	    r->buf[at + 2] != (MODRM_RIP | reg << 3))
		return 0;
	return relative(r, at + RIP, at + 3);
}

/* The nearest such instruction before the call, but not before another call. */
static uint64_t argument(const struct reader *r, size_t call, unsigned op, unsigned reg)
{
	size_t from = call > BEFORE ? call - BEFORE : 0;
	for (size_t at = call; at-- > from;) {
		uint64_t target = rip_target(r, at, op, reg);
		if (target)
			return target;
		if (r->buf[at] == OP_CALL && at + CALL <= call && is_entry(r, relative(r, at + CALL, at + 1)))
			return 0;
	}
	return 0;
}

static void says(struct reader *r, uint64_t addr, uint64_t rtype, enum gocode_call_says what)
{
	*vec_push(&r->all) = (struct gocode_call){ addr, rtype, what };
}

static bool keeps(const struct reader *r, size_t from, size_t to)
{
	struct sym_insn insn;
	while (from < to) {
		if (!sym_disasm_step(r->buf + from, to - from, r->base + from, &insn) || insn.kind == SYM_INSN_CALL ||
		    insn.written & 1u << SYM_RAX)
			return false;
		from += insn.len;
	}
	return true;
}

/* Is the result in RAX still there at `at`? Write barriers in between keep it. */
static bool kept(const struct reader *r, size_t from, size_t at)
{
	for (size_t i = from; i < at; i++) {
		const struct gocode_callee *c = called_at(r, i);
		if (!c || c->tells != GOCODE_CALLEE_BARRIER)
			continue;
		if (!keeps(r, from, i))
			return false;
		from = i + CALL;
		i = from - 1;
	}
	return keeps(r, from, at);
}

/* The variable that the result is stored in. */
static void stored(struct reader *r, size_t from, uint64_t rtype, enum gocode_call_says what)
{
	size_t end = num_min(from + AFTER, r->len);
	for (size_t at = from; at < end; at++) {
		uint64_t target = rip_target(r, at, OP_STORE, GOCODE_RAX);
		if (!target || !gocode_is_variable(&r->g->module, target))
			continue;
		if (kept(r, from, at))
			says(r, target, rtype, what);
		return;
	}
}

static bool is_closure_type(struct reader *r, uint64_t rtype)
{
	uint32_t n = 0;
	const struct gort_type_field *f = gort_type_fields(r->types, rtype, &n);
	if (!n || f->offset || (strcmp(f->name, "F") != 0 && strcmp(f->name, ".F") != 0))
		return false;
	const struct gort_type *t = gort_type_any(r->types, f->type);
	return t && t->kind == GORT_KIND_UINTPTR;
}

/* LEA reg, [function]; MOV [RAX], reg: the function of a closure that was just allocated. */
static void closed(struct reader *r, size_t from, uint64_t rtype)
{
	size_t end = num_min(from + AFTER, r->len);
	if (!is_closure_type(r, rtype))
		return;
	for (size_t at = from; at + RIP + 3 <= end; at++) {
		const unsigned char *p = r->buf + at;
		if ((p[0] & 0xfb) != REX_W || p[1] != OP_LEA || (p[2] & MODRM_MASK) != MODRM_RIP)
			continue;
		uint64_t target = relative(r, at + RIP, at + 3);
		const unsigned char *store = p + RIP;
		if ((store[0] & 0xfb) == REX_W && store[1] == OP_STORE && store[2] == (p[2] & 0x38) &&
		    store[0] == p[0] && is_entry(r, target)) {
			says(r, target, rtype, GOCODE_CALL_CLOSURE);
			return;
		}
	}
}

static void look(struct reader *r, size_t call, const struct gocode_callee *c)
{
	bool old = c->type == GOCODE_RSI && r->g->layout->minor <= OLD_GROWSLICE;
	uint64_t rtype = argument(r, call, OP_LEA, old ? GOCODE_RAX : c->type), var = 0;
	const struct gort_type *t = rtype ? gort_type_at(r->types, rtype) : NULL;
	if (!t)
		return;
	unsigned kind = t->kind;
	switch (c->tells) {
	case GOCODE_CALLEE_RESULT:
		stored(r, call + CALL, rtype, c->says);
		if (c->says == GOCODE_CALL_POINTER && kind == GORT_KIND_STRUCT)
			closed(r, call + CALL, rtype);
		break;
	case GOCODE_CALLEE_SELF:
		var = argument(r, call, OP_LOAD, GOCODE_RBX);
		if (gocode_is_variable(&r->g->module, var) && kind == GORT_KIND_MAP)
			says(r, var, rtype, c->says);
		break;
	case GOCODE_CALLEE_VALUE:
		var = argument(r, call, OP_LEA, GOCODE_RBX);
		if (gocode_is_variable(&r->g->module, var))
			says(r, var, rtype, c->says);
		break;
	case GOCODE_CALLEE_MAP:
	case GOCODE_CALLEE_BARRIER:
		break;
	}
}

/* ---- the whole ---- */

static void note_function(struct reader *r, uint64_t *bits, size_t at)
{
	size_t f = 0;
	if (sym_pclntab_find(r->g->pclntab, r->base + at, &f))
		bits[f / 64] |= UINT64_C(1) << f % 64;
}

static void read_calls(struct reader *r, size_t from, size_t to)
{
	while (from + CALL <= to) {
		const unsigned char *next = memchr(r->buf + from, OP_CALL, to - from);
		if (!next)
			return;
		from = (size_t)(next - r->buf) + 1;
		const struct gocode_callee *c = from - 1 + CALL <= to ? called_at(r, from - 1) : NULL;
		if (!c || c->tells == GOCODE_CALLEE_BARRIER)
			continue;
		look(r, from - 1, c);
		if (c->tells == GOCODE_CALLEE_RESULT || c->tells == GOCODE_CALLEE_MAP)
			note_function(r, r->makes, from - 1);
	}
}

/* MOV [rip + disp], reg of a variable. */
static void read_stores(struct reader *r, size_t from, size_t to)
{
	while (from + RIP <= to) {
		const unsigned char *next = memchr(r->buf + from, OP_STORE, to - from);
		if (!next)
			return;
		size_t at = (size_t)(next - r->buf);
		from = at + 1;
		if (at + RIP - 1 <= to && (next[1] & MODRM_MASK) == MODRM_RIP &&
		    gocode_is_variable(&r->g->module, relative(r, at + RIP - 1, at + 2)))
			note_function(r, r->sets, at);
	}
}

static void read_text(struct reader *r)
{
	const struct gort_range *text = &r->g->module.text;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	r->buf = buf;
	for (uint64_t at = text->start; at < text->end && r->all.n < GOCODE_CALLS_MAX;) {
		r->base = at;
		r->len = (size_t)num_min(CHUNK, text->end - at);
		if (!memsrc_read(r->g->src, at, buf, r->len))
			return;
		bool last = at + r->len >= text->end;
		size_t from = at == text->start ? 0 : BEFORE, to = last ? r->len : r->len - AFTER - CALL;
		read_calls(r, from, to);
		read_stores(r, from, to);
		if (last)
			return;
		at += to - CALL - BEFORE;
	}
}

static int by_place(const void *a, const void *b)
{
	const struct gocode_call *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rtype != y->rtype)
		return x->rtype < y->rtype ? -1 : 1;
	return x->says < y->says ? -1 : x->says > y->says;
}

/* Of the places that speak of one address, what two thirds of them say. */
static void elect(const struct gocode_call *v, size_t n, struct gocode_call_vec *ret)
{
	size_t most = 0, at = 0;
	for (size_t i = 0, run = 0; i < n; i += run) {
		for (run = 1; i + run < n && by_place(&v[i], &v[i + run]) == 0;)
			run++;
		if (run > most) {
			most = run;
			at = i;
		}
	}
	if (most * 3 >= n * 2)
		*vec_push(ret) = v[at];
}

/* Functions that make something and set variables: worth following. */
static void read_flows(struct reader *r)
{
	struct sym_pclntab *tab = r->g->pclntab;
	struct gocode_flow flow = { .types = r->types, .callees = &r->callees, .out = &r->all };
	AUTO_FREE unsigned char *code = xmalloc(GOCODE_FLOW_MAX);
	for (size_t f = 0; f < sym_pclntab_count(tab) && r->all.n < GOCODE_CALLS_MAX; f++) {
		if (!(r->makes[f / 64] & r->sets[f / 64]) || !((r->makes[f / 64] & r->sets[f / 64]) >> f % 64 & 1))
			continue;
		uint64_t entry = sym_pclntab_entry(tab, f);
		size_t len = (size_t)num_min(sym_pclntab_entry(tab, f + 1) - entry, GOCODE_FLOW_MAX);
		if (memsrc_read(r->g->src, entry, code, len))
			gocode_flow_read(&flow, code, len, entry);
	}
}

void gocode_calls_read(struct gort_types *types, struct gocode_call_vec *ret)
{
	struct reader r = { .types = types, .g = types->g };
	size_t n = r.g->pclntab ? sym_pclntab_count(r.g->pclntab) : 0;
	if (!n)
		return;
	gocode_callees_find(r.g, &r.callees);
	r.makes = xcalloc(n / 64 + 1, sizeof(*r.makes));
	r.sets = xcalloc(n / 64 + 1, sizeof(*r.sets));
	read_text(&r);
	read_flows(&r);
	vec_sort(&r.all, by_place);
	for (size_t i = 0, some = 0; i < r.all.n; i += some) {
		for (some = 1; i + some < r.all.n && r.all.v[i].addr == r.all.v[i + some].addr;)
			some++;
		elect(r.all.v + i, some, ret);
	}
	gocode_callees_deinit(&r.callees);
	free(r.makes);
	free(r.sets);
	vec_deinit(&r.all);
}
