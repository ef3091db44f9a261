/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
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
	OLD_CALLS = 64,
	BARRIERS = 16,
	SIZED = 70, /* allocators for one size each, 1.27 on */
	WORD = 8,
};

enum reg { RAX = 0, RBX = 3, RSI = 6 };

/* Which argument is the type, and what else the call tells. */
enum tells { RESULT, ARG_SELF, ARG_VALUE, BARRIER };

struct callee {
	const char *name;
	enum reg type;
	enum tells tells;
	enum gort_call_says says;
};

static const struct callee callees[] = {
	{ "runtime.newobject", RAX, RESULT, GORT_CALL_POINTER },
	{ "runtime.makeslice", RAX, RESULT, GORT_CALL_SLICE },
	{ "runtime.makeslice64", RAX, RESULT, GORT_CALL_SLICE },
	{ "runtime.makeslicecopy", RAX, RESULT, GORT_CALL_SLICE },
	{ "runtime.growslice", RSI, RESULT, GORT_CALL_SLICE },
	{ "runtime.makemap", RAX, RESULT, GORT_CALL_SELF },
	{ "runtime.makemap64", RAX, RESULT, GORT_CALL_SELF },
	{ "runtime.makechan", RAX, RESULT, GORT_CALL_SELF },
	{ "runtime.makechan64", RAX, RESULT, GORT_CALL_SELF },
	{ "runtime.mapassign", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast32", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast32ptr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast64", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast64ptr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_faststr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_fast32", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_fast64", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_faststr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_fast32", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_fast64", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_faststr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_fast32", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_fast64", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_faststr", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapiterinit", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapIterStart", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.mapclear", RAX, ARG_SELF, GORT_CALL_SELF },
	{ "runtime.typedmemmove", RAX, ARG_VALUE, GORT_CALL_VALUE },
	{ "runtime.wbMove", RAX, ARG_VALUE, GORT_CALL_VALUE },
	{ "runtime.convT", RAX, ARG_VALUE, GORT_CALL_VALUE },
	/* These keep all registers. */
	{ "runtime.gcWriteBarrier", RAX, BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier1", RAX, BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier2", RAX, BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier3", RAX, BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier4", RAX, BARRIER, GORT_CALL_VALUE },
};

static const struct callee sized = { "runtime.mallocgcSmallScanNoHeaderSC%u", RBX, RESULT, GORT_CALL_POINTER };
static const struct callee sized_noscan = { "runtime.mallocgcSmallNoScanSC%u", RBX, RESULT, GORT_CALL_POINTER };

enum { CALLEES = sizeof(callees) / sizeof(callees[0]) };

struct reader {
	struct gort_types *types;
	const struct gort *g;
	struct hash_map callees; /* entry -> address of the callee's row */
	uint64_t first, last;	 /* of the entries: most calls go elsewhere */
	struct gort_call_vec all;
	const unsigned char *buf; /* of the text at `base` */
	uint64_t base;
	size_t len;
};

/* ---- the functions ---- */

static void add_callees(struct reader *r, const char *const *names, const struct callee *rows, size_t n, bool same)
{
	size_t at[SYM_PCLNTAB_FIND_MAX];
	sym_pclntab_find_names(r->g->pclntab, names, n, at);
	for (size_t i = 0; i < n; i++) {
		if (at[i] == SYM_PCLNTAB_NONE)
			continue;
		uint64_t entry = sym_pclntab_entry(r->g->pclntab, at[i]);
		*hash_map_at(&r->callees, entry, NULL) = (uint64_t)(uintptr_t)&rows[same ? 0 : i];
		r->first = num_min(r->first, entry);
		r->last = num_max(r->last, entry);
	}
}

static void find_sized(struct reader *r, const struct callee *row, const char *format, unsigned from)
{
	enum { HALF = SIZED / 2, NAME = 64 };
	char text[HALF][NAME];
	const char *names[HALF];
	for (unsigned i = 0; i < HALF; i++) {
		snprintf(text[i], NAME, "%s%u", format, from + i);
		names[i] = text[i];
	}
	add_callees(r, names, row, HALF, true);
}

static void find_callees(struct reader *r)
{
	const char *names[CALLEES];
	for (size_t i = 0; i < CALLEES; i++)
		names[i] = callees[i].name;
	add_callees(r, names, callees, CALLEES, false);
	if (r->g->layout->minor < 27)
		return;
	for (unsigned from = 0; from < SIZED; from += SIZED / 2) {
		find_sized(r, &sized, "runtime.mallocgcSmallScanNoHeaderSC", from);
		find_sized(r, &sized_noscan, "runtime.mallocgcSmallNoScanSC", from);
	}
}

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

static const struct callee *called_at(const struct reader *r, size_t at)
{
	if (r->buf[at] != OP_CALL || at + CALL > r->len)
		return NULL;
	uint64_t target = relative(r, at + CALL, at + 1);
	const uint64_t *row = target < r->first || target > r->last ? NULL : hash_map_get(&r->callees, target);
	return row ? (const struct callee *)(uintptr_t)*row : NULL;
}

/* The target of OP reg, [rip + disp] (REX.W) at a place, or 0. */
static uint64_t rip_target(const struct reader *r, size_t at, unsigned op, enum reg reg)
{
	if (at + RIP > r->len || r->buf[at] != REX_W || r->buf[at + 1] != op ||
	    r->buf[at + 2] != (MODRM_RIP | (unsigned)reg << 3))
		return 0;
	return relative(r, at + RIP, at + 3);
}

/* The nearest such instruction before the call, but not before another call. */
static uint64_t argument(const struct reader *r, size_t call, unsigned op, enum reg reg)
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

static bool in_data(const struct gort_module *m, uint64_t addr)
{
	return addr % WORD == 0 &&
	       ((addr >= m->data.start && addr < m->data.end) || (addr >= m->bss.start && addr < m->bss.end));
}

static void says(struct reader *r, uint64_t addr, uint64_t rtype, enum gort_call_says what)
{
	*vec_push(&r->all) = (struct gort_call){ addr, rtype, what };
}

/* Is the result in RAX still there at `at`? Write barriers in between keep it. */
static bool kept(const struct reader *r, size_t from, size_t at)
{
	for (size_t i = from; i < at; i++) {
		const struct callee *c = called_at(r, i);
		if (!c || c->tells != BARRIER)
			continue;
		if (!sym_disasm_keeps(r->buf + from, i - from, RAX))
			return false;
		from = i + CALL;
		i = from - 1;
	}
	return sym_disasm_keeps(r->buf + from, at - from, RAX);
}

/* The variable that the result is stored in. */
static void stored(struct reader *r, size_t from, uint64_t rtype, enum gort_call_says what)
{
	size_t end = num_min(from + AFTER, r->len);
	for (size_t at = from; at < end; at++) {
		uint64_t target = rip_target(r, at, OP_STORE, RAX);
		if (!target || !in_data(&r->g->module, target))
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
			says(r, target, rtype, GORT_CALL_CLOSURE);
			return;
		}
	}
}

static void look(struct reader *r, size_t call, const struct callee *c)
{
	bool old = c->type == RSI && r->g->layout->minor <= OLD_GROWSLICE;
	uint64_t rtype = argument(r, call, OP_LEA, old ? RAX : c->type), var = 0;
	const struct gort_type *t = rtype ? gort_type_at(r->types, rtype) : NULL;
	if (!t)
		return;
	unsigned kind = t->kind;
	switch (c->tells) {
	case RESULT:
		stored(r, call + CALL, rtype, c->says);
		if (c->says == GORT_CALL_POINTER && kind == GORT_KIND_STRUCT)
			closed(r, call + CALL, rtype);
		break;
	case ARG_SELF:
		var = argument(r, call, OP_LOAD, RBX);
		if (in_data(&r->g->module, var) && kind == GORT_KIND_MAP)
			says(r, var, rtype, c->says);
		break;
	case ARG_VALUE:
		var = argument(r, call, OP_LEA, RBX);
		if (in_data(&r->g->module, var))
			says(r, var, rtype, c->says);
		break;
	case BARRIER:
		break;
	}
}

/* ---- the whole ---- */

static void read_calls(struct reader *r, size_t from, size_t to)
{
	while (from + CALL <= to) {
		const unsigned char *next = memchr(r->buf + from, OP_CALL, to - from);
		if (!next)
			return;
		from = (size_t)(next - r->buf) + 1;
		const struct callee *c = from - 1 + CALL <= to ? called_at(r, from - 1) : NULL;
		if (c && c->tells != BARRIER)
			look(r, from - 1, c);
	}
}

static void read_text(struct reader *r)
{
	const struct gort_range *text = &r->g->module.text;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	r->buf = buf;
	for (uint64_t at = text->start; at < text->end && r->all.n < GORT_CALLS_MAX;) {
		r->base = at;
		r->len = (size_t)num_min(CHUNK, text->end - at);
		if (!memsrc_read(r->g->src, at, buf, r->len))
			return;
		bool last = at + r->len >= text->end;
		size_t from = at == text->start ? 0 : BEFORE, to = last ? r->len : r->len - AFTER - CALL;
		read_calls(r, from, to);
		if (last)
			return;
		at += to - CALL - BEFORE;
	}
}

static int by_place(const void *a, const void *b)
{
	const struct gort_call *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rtype != y->rtype)
		return x->rtype < y->rtype ? -1 : 1;
	return x->says < y->says ? -1 : x->says > y->says;
}

/* Of the places that speak of one address, what two thirds of them say. */
static void elect(const struct gort_call *v, size_t n, struct gort_call_vec *ret)
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

void gort_calls_read(struct gort_types *types, struct gort_call_vec *ret)
{
	struct reader r = { .types = types, .g = types->g, .first = UINT64_MAX };
	if (!r.g->pclntab || !sym_pclntab_count(r.g->pclntab))
		return;
	find_callees(&r);
	if (r.callees.n)
		read_text(&r);
	vec_sort(&r.all, by_place);
	for (size_t i = 0, n = 0; i < r.all.n; i += n) {
		for (n = 1; i + n < r.all.n && r.all.v[i].addr == r.all.v[i + n].addr;)
			n++;
		elect(r.all.v + i, n, ret);
	}
	hash_map_deinit(&r.callees);
	vec_deinit(&r.all);
}
