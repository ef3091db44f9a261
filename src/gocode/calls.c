/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "sym/disasm.h"

enum {
	CHUNK = 1 << 20,
	NEAR = 64,   /* bytes of code between a receiver and the call of its method */
	BEFORE = 96, /* bytes of code looked at before a call, for its arguments */
	AFTER = 128, /* and after it, for the function of a closure */
	CALL = 5,    /* E8 and a displacement */
	RIP = 7,     /* REX.W, opcode, ModRM, displacement */
	OP_CALL = 0xe8,
	OP_LEA = 0x8d,
	OP_LOAD = 0x8b,
	OP_STORE = 0x89,
	REX_W = 0x48,
	MODRM_MASK = 0xc7,
	MODRM_RIP = 0x05,
	DEPTH = 16,	 /* structs that begin with structs */
	CANDIDATES = 64, /* different things that are said of one address */
};

struct scan {
	struct gocode_reader *r;
	const struct gort *g;
	uint64_t *sets;		  /* a bit a function: it sets variables */
	struct hash_map methods;  /* entry -> type of the receiver, or 0; plus SYNC_MAP of its methods */
	const unsigned char *buf; /* of the text at `base` */
	uint64_t base;
	size_t len;
};

#define SYNC_MAP UINT64_C(1) /* descriptors of types are aligned */

/* ---- code around a call ---- */

static uint64_t relative(const struct scan *r, size_t next, size_t disp)
{
	return r->base + next + (uint64_t)(int64_t)(int32_t)load_u32(r->buf + disp);
}

static bool is_entry(const struct scan *r, uint64_t addr)
{
	size_t f = 0;
	const struct gort_range *text = &r->g->module.text;
	return addr >= text->start && addr < text->end && sym_pclntab_find(r->g->pclntab, addr, &f) &&
	       sym_pclntab_entry(r->g->pclntab, f) == addr;
}

static const struct gocode_callee *called_at(const struct scan *r, size_t at)
{
	if (r->buf[at] != OP_CALL || at + CALL > r->len)
		return NULL;
	return gocode_callee_at(&r->r->callees, relative(r, at + CALL, at + 1));
}

/* The target of OP reg, [rip + disp] (REX.W) at a place, or 0. */
static uint64_t rip_target(const struct scan *r, size_t at, unsigned op, unsigned reg)
{
	if (at + RIP > r->len || r->buf[at] != REX_W || r->buf[at + 1] != op ||
	    r->buf[at + 2] != (MODRM_RIP | reg << 3))
		return 0;
	return relative(r, at + RIP, at + 3);
}

/* The nearest such instruction before the call, but not before another call. */
static uint64_t argument(const struct scan *r, size_t call, unsigned op, unsigned reg)
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

static void says(struct scan *r, uint64_t addr, uint64_t rtype, enum gocode_call_says what)
{
	*vec_push(&r->r->all) = (struct gocode_call){ addr, rtype, what };
}

static bool is_closure_type(struct scan *r, uint64_t rtype)
{
	uint32_t n = 0;
	const struct gort_type_field *f = gort_type_fields(r->r->types, rtype, &n);
	if (!n || f->offset || (strcmp(f->name, "F") != 0 && strcmp(f->name, ".F") != 0))
		return false;
	const struct gort_type *t = gort_type_any(r->r->types, f->type);
	return t && t->kind == GORT_KIND_UINTPTR;
}

/* LEA reg, [function]; MOV [RAX], reg: the function of a closure that was just allocated. */
static void closed(struct scan *r, size_t from, uint64_t rtype)
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

static void look(struct scan *r, size_t call, const struct gocode_callee *c)
{
	uint64_t rtype = argument(r, call, OP_LEA, c->type), var = 0;
	const struct gort_type *t = rtype ? gort_type_at(r->r->types, rtype) : NULL;
	if (!t)
		return;
	unsigned kind = t->kind;
	switch (c->tells) {
	case GOCODE_CALLEE_RESULT:
		if (c->says == GOCODE_CALL_POINTER && kind == GORT_KIND_STRUCT)
			closed(r, call + CALL, rtype);
		break;
	case GOCODE_CALLEE_SELF:
		var = argument(r, call, OP_LOAD, GOCODE_RBX);
		if (gocode_is_variable(&r->g->module, var) && kind == GORT_KIND_MAP)
			says(r, var, rtype, GOCODE_CALL_SELF);
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

/* Is what the instruction at `from` loads into a register still there at the call, in RAX? Copies count. */
static bool arrives(const struct scan *r, size_t from, size_t call)
{
	struct sym_insn insn;
	uint32_t holders = 0;
	for (bool first = true; from < call; first = false, from += insn.len) {
		if (!sym_disasm_step(r->buf + from, call - from, r->base + from, &insn) || insn.kind > SYM_INSN_JUMP ||
		    insn.kind == SYM_INSN_CALL || insn.always)
			return false;
		bool copy = first || (insn.kind == SYM_INSN_COPY && holders >> insn.base & 1);
		holders &= ~insn.written;
		if (copy && insn.reg < SYM_RIP)
			holders |= UINT32_C(1) << insn.reg;
	}
	return from == call && holders & 1u << SYM_RAX;
}

/* The type to a pointer of which what is called is a method, or 0; of those of sync.Map plus SYNC_MAP. */
static uint64_t receiver_of(struct scan *r, uint64_t target)
{
	bool fresh = false;
	const struct gort_range *text = &r->g->module.text;
	if (target < text->start || target >= text->end)
		return 0;
	uint64_t *known = hash_map_at(&r->methods, target, &fresh);
	if (fresh)
		*known = gocode_receiver_type(r->r, target) | (gocode_of_sync_map(r->r, target) ? SYNC_MAP : 0);
	return *known;
}

/* The variable that an instruction loads the address or the value of, 0: it is no such. */
static uint64_t loads_variable(const struct scan *r, size_t at, bool *address)
{
	const unsigned char *p = r->buf + at;
	if ((p[0] & 0xfb) != REX_W || (p[1] != OP_LEA && p[1] != OP_LOAD) || (p[2] & MODRM_MASK) != MODRM_RIP)
		return 0;
	*address = p[1] == OP_LEA;
	uint64_t var = relative(r, at + RIP, at + 3);
	return gocode_is_variable(&r->g->module, var) ? var : 0;
}

static void note_map(struct scan *r, uint64_t var, size_t call)
{
	size_t caller = 0;
	if (sym_pclntab_find(r->g->pclntab, r->base + call, &caller) && r->r->maps.n < GOCODE_CALLS_MAX)
		*vec_push(&r->r->maps) = (struct gocode_map_use){ var, (uint32_t)caller };
}

/* A method is called on a variable or on what it points to. */
static void look_at_method(struct scan *r, size_t call)
{
	size_t from = call > NEAR ? call - NEAR : 0;
	for (size_t at = call - num_min(call, RIP); at > from; at--) {
		bool address = false;
		uint64_t var = loads_variable(r, at, &address);
		if (!var)
			continue;
		uint64_t receiver = receiver_of(r, relative(r, call + CALL, call + 1)), rtype = receiver & ~SYNC_MAP;
		if (!receiver)
			return;
		if (!arrives(r, at, call))
			continue;
		if (rtype)
			says(r, var, rtype, address ? GOCODE_CALL_VALUE : GOCODE_CALL_POINTER);
		if (address && receiver & SYNC_MAP)
			note_map(r, var, call);
		return;
	}
}

/* ---- the whole ---- */

static void note_function(struct scan *r, uint64_t *bits, size_t at)
{
	size_t f = 0;
	if (sym_pclntab_find(r->g->pclntab, r->base + at, &f))
		bits[f / 64] |= UINT64_C(1) << f % 64;
}

static void read_calls(struct scan *r, size_t from, size_t to)
{
	while (from + CALL <= to) {
		const unsigned char *next = memchr(r->buf + from, OP_CALL, to - from);
		if (!next)
			return;
		from = (size_t)(next - r->buf) + 1;
		if (from - 1 + CALL > to)
			return;
		const struct gocode_callee *c = called_at(r, from - 1);
		if (c)
			look(r, from - 1, c);
		else
			look_at_method(r, from - 1);
	}
}

/* MOV [rip + disp], reg of a variable. */
static void read_stores(struct scan *r, size_t from, size_t to)
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

static void read_text(struct scan *r)
{
	const struct gort_range *text = &r->g->module.text;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	r->buf = buf;
	for (uint64_t at = text->start; at < text->end && r->r->all.n < GOCODE_CALLS_MAX;) {
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

/* Does a value of a type begin with one of another? */
static bool begins_with(struct gort_types *types, uint64_t outer, uint64_t inner)
{
	for (unsigned depth = 0; depth < DEPTH && outer; depth++) {
		uint32_t n = 0;
		if (outer == inner)
			return true;
		const struct gort_type_field *fields = gort_type_fields(types, outer, &n);
		outer = n && !fields[0].offset ? fields[0].type : 0;
	}
	return false;
}

/* Is what one place says true as well, when what the other says is? */
static bool agrees(struct gort_types *types, const struct gocode_call *chosen, const struct gocode_call *other)
{
	bool begins = chosen->says == GOCODE_CALL_VALUE || chosen->says == GOCODE_CALL_POINTER;
	return chosen->says == other->says &&
	       (chosen->rtype == other->rtype || (begins && begins_with(types, chosen->rtype, other->rtype)));
}

/* Of the places that speak of one address, what two thirds of them say: of types that begin with each other, the largest. */
static void elect(struct gort_types *types, const struct gocode_call *v, size_t n, struct gocode_call_vec *ret)
{
	size_t most = 0, at = 0;
	for (size_t i = 0, run = 0, tried = 0; i < n && tried < CANDIDATES; i += run, tried++) {
		size_t votes = 0;
		for (run = 1; i + run < n && by_place(&v[i], &v[i + run]) == 0;)
			run++;
		for (size_t k = 0; k < n; k++)
			votes += agrees(types, &v[i], &v[k]);
		if (votes > most) {
			most = votes;
			at = i;
		}
	}
	bool any = false;
	for (size_t i = 0; i < n; i++)
		any |= v[i].says == GOCODE_CALL_ANY;
	if (most * 3 >= n * 2 && (!any || v[at].says == GOCODE_CALL_VALUE))
		*vec_push(ret) = v[at];
}

static void elect_all(struct gocode_reader *r, bool closures, struct gocode_call_vec *ret)
{
	const struct gocode_call *v = r->all.v;
	vec_sort(&r->all, by_place);
	for (size_t i = 0, some = 0; i < r->all.n; i += some) {
		for (some = 1; i + some < r->all.n && v[i].addr == v[i + some].addr;)
			some++;
		if ((v[i].says == GOCODE_CALL_CLOSURE) == closures)
			elect(r->types, v + i, some, ret);
	}
}

/* What closures hold, for those that follow. */
static void note_captures(struct gocode_reader *r)
{
	struct gocode_call_vec closures = { 0 };
	elect_all(r, true, &closures);
	for (size_t i = 0; i < closures.n; i++)
		*hash_map_at(&r->captures, closures.v[i].addr, NULL) = closures.v[i].rtype;
	vec_deinit(&closures);
}

void gocode_calls_read(struct gocode_reader *r, struct gocode_call_vec *ret)
{
	struct scan s = { .r = r, .g = r->g };
	size_t n = sym_pclntab_count(r->g->pclntab);
	s.sets = xcalloc(n / 64 + 1, sizeof(*s.sets));
	read_text(&s);
	note_captures(r);
	for (size_t f = 0; f < n && r->budget; f++) {
		if (s.sets[f / 64] >> f % 64 & 1)
			gocode_flow_variables(r, f);
	}
	elect_all(r, false, ret);
	elect_all(r, true, ret);
	free(s.sets);
	hash_map_deinit(&s.methods);
}
