/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/flow.h"

#include <string.h>

#include "base/num.h"
#include "sym/disasm.h"

enum {
	WORD = 8,
	REGS = 16,
	SLOTS = 1 << 15, /* words of the frame that are followed */
	AHEAD = 12,	 /* instructions looked at behind a jump */
	MAPS = 4096,	 /* maps of a type that is not known yet, in one function */
};

enum what { NOTHING, ADDRESS, VARIABLE, RESULT, MAP };

struct value {
	uint8_t what, says; /* says: of a RESULT */
	uint32_t map;	    /* which MAP */
	uint64_t at;	    /* address; of a variable; of the type of a RESULT */
};

struct state {
	const struct gocode_flow *f;
	const unsigned char *code;
	size_t len;
	uint64_t addr;
	struct value reg[REGS], slot[SLOTS];
	VEC(uint64_t) maps;		 /* types of the maps, 0: not known */
	VEC(struct gocode_call) waiting; /* variables that hold them: rtype is the number of the map */
};

bool gocode_is_variable(const struct gort_module *m, uint64_t addr)
{
	return addr % WORD == 0 &&
	       ((addr >= m->data.start && addr < m->data.end) || (addr >= m->bss.start && addr < m->bss.end));
}

static bool is_variable(const struct state *s, uint64_t addr)
{
	return gocode_is_variable(&s->f->types->g->module, addr);
}

static void says(struct state *s, uint64_t addr, uint64_t rtype, enum gocode_call_says what)
{
	*vec_push(s->f->out) = (struct gocode_call){ addr, rtype, what };
}

/* ---- stores ---- */

/* A variable gets a value. */
static void store_variable(struct state *s, uint64_t addr, const struct value *v)
{
	if (v->what == RESULT)
		says(s, addr, v->at, (enum gocode_call_says)v->says);
	else if (v->what == MAP)
		*vec_push(&s->waiting) = (struct gocode_call){ addr, v->map, GOCODE_CALL_SELF };
}

/* The type of the field at an offset of a struct, through structs inside of it; 0 when it is none of a single word. */
static uint64_t field_at(struct gort_types *types, uint64_t rtype, uint64_t offset)
{
	for (unsigned depth = 0; depth < REGS; depth++) {
		uint32_t n = 0;
		const struct gort_type_field *fields = gort_type_fields(types, rtype, &n), *in = NULL;
		for (uint32_t i = 0; i < n; i++) {
			if (fields[i].offset <= offset)
				in = &fields[i];
		}
		if (!in)
			return depth && !offset ? rtype : 0;
		offset -= in->offset;
		rtype = in->type;
	}
	return 0;
}

/* A field of fresh memory gets a variable's value or address: the field's type is the variable's. */
static void store_field(struct state *s, const struct value *base, int64_t disp, const struct value *v)
{
	if (base->says != GOCODE_CALL_POINTER || disp < 0 || !is_variable(s, v->at))
		return;
	uint64_t rtype = field_at(s->f->types, base->at, (uint64_t)disp);
	const struct gort_type *t = rtype ? gort_type_at(s->f->types, rtype) : NULL;
	if (!t)
		return;
	if (v->what == ADDRESS && t->kind == GORT_KIND_POINTER)
		says(s, v->at, t->elem, GOCODE_CALL_VALUE);
	else if (v->what == VARIABLE && t->kind == GORT_KIND_POINTER)
		says(s, v->at, t->elem, GOCODE_CALL_POINTER);
	else if (v->what == VARIABLE && t->kind == GORT_KIND_SLICE)
		says(s, v->at, t->elem, GOCODE_CALL_SLICE);
	else if (v->what == VARIABLE && (t->kind == GORT_KIND_MAP || t->kind == GORT_KIND_CHAN))
		says(s, v->at, rtype, GOCODE_CALL_SELF);
}

/* ---- calls ---- */

static void call(struct state *s, const struct sym_insn *i)
{
	const struct gocode_callee *c = i->target ? gocode_callee_at(s->f->callees, i->target) : NULL;
	struct value result = { 0 };
	if (c && c->tells == GOCODE_CALLEE_BARRIER)
		return;
	if (c) {
		const struct value *type = &s->reg[c->type], *arg = &s->reg[GOCODE_RBX];
		bool typed = type->what == ADDRESS && gort_type_at(s->f->types, type->at);
		if (c->tells == GOCODE_CALLEE_MAP && s->maps.n < MAPS) {
			*vec_push(&s->maps) = 0;
			result = (struct value){ .what = MAP, .map = (uint32_t)s->maps.n - 1 };
		} else if (c->tells == GOCODE_CALLEE_RESULT && typed) {
			result = (struct value){ .what = RESULT, .says = (uint8_t)c->says, .at = type->at };
		} else if (c->tells == GOCODE_CALLEE_SELF && typed && arg->what == MAP) {
			s->maps.v[arg->map] = type->at;
		} else if (c->tells == GOCODE_CALLEE_SELF && typed && arg->what == VARIABLE) {
			says(s, arg->at, type->at, GOCODE_CALL_SELF);
		}
	}
	memset(s->reg, 0, sizeof(s->reg));
	s->reg[GOCODE_RAX] = result;
}

/* ---- instructions ---- */

/* The word of the frame, or SLOTS. */
static size_t slot_of(const struct sym_insn *i)
{
	bool slot = i->base == SYM_RSP && i->disp >= 0 && i->disp % WORD == 0 && i->disp / WORD < SLOTS;
	return slot ? (size_t)i->disp / WORD : SLOTS;
}

static struct value loaded(struct state *s, const struct sym_insn *i)
{
	size_t slot = slot_of(i);
	if (slot < SLOTS)
		return s->slot[slot];
	if (i->base == SYM_RIP && is_variable(s, i->target))
		return (struct value){ .what = VARIABLE, .at = i->target };
	return (struct value){ 0 };
}

static void store(struct state *s, const struct sym_insn *i)
{
	size_t slot = slot_of(i);
	const struct value *v = &s->reg[i->reg];
	if (slot < SLOTS)
		s->slot[slot] = *v;
	else if (i->base == SYM_RIP && is_variable(s, i->target))
		store_variable(s, i->target, v);
	else if (i->base < REGS && s->reg[i->base].what == RESULT)
		store_field(s, &s->reg[i->base], i->disp, v);
}

/* What is behind a jump stores what was just made, as a loop's body does that stands above its head. */
static void look_behind(struct state *s, uint64_t target)
{
	const struct value v = s->reg[GOCODE_RAX];
	struct sym_insn i;
	size_t at = target - s->addr;
	if ((v.what != RESULT && v.what != MAP) || target < s->addr || at >= s->len)
		return;
	for (unsigned n = 0; n < AHEAD && at < s->len; n++, at += i.len) {
		if (!sym_disasm_step(s->code + at, s->len - at, s->addr + at, &i) || i.kind == SYM_INSN_CALL ||
		    i.written & 1u << GOCODE_RAX)
			return;
		if (i.kind == SYM_INSN_STORE && i.reg == GOCODE_RAX && i.base == SYM_RIP && is_variable(s, i.target)) {
			store_variable(s, i.target, &v);
			return;
		}
	}
}

static void step(struct state *s, const struct sym_insn *i)
{
	struct value v = { 0 };
	if (i->kind == SYM_INSN_COPY)
		v = s->reg[i->base];
	else if (i->kind == SYM_INSN_LOAD)
		v = loaded(s, i);
	else if (i->kind == SYM_INSN_ADDRESS && i->base == SYM_RIP)
		v = (struct value){ .what = ADDRESS, .at = i->target };
	for (unsigned r = 0; r < REGS; r++) {
		if (i->written & 1u << r && i->kind != SYM_INSN_CALL)
			s->reg[r] = (struct value){ 0 };
	}
	switch (i->kind) {
	case SYM_INSN_COPY:
	case SYM_INSN_LOAD:
	case SYM_INSN_ADDRESS:
		s->reg[i->reg] = v;
		break;
	case SYM_INSN_STORE:
		store(s, i);
		break;
	case SYM_INSN_CALL:
		call(s, i);
		break;
	case SYM_INSN_JUMP:
		look_behind(s, i->target);
		break;
	case SYM_INSN_OTHER:
		break;
	}
}

void gocode_flow_read(const struct gocode_flow *f, const unsigned char *code, size_t len, uint64_t addr)
{
	AUTO_FREE struct state *s = xcalloc(1, sizeof(*s));
	s->f = f;
	s->code = code;
	s->len = num_min(len, GOCODE_FLOW_MAX);
	s->addr = addr;
	struct sym_insn insn;
	for (size_t at = 0; at < s->len; at += insn.len) {
		if (!sym_disasm_step(code + at, s->len - at, addr + at, &insn)) {
			insn.len = 1;
			continue;
		}
		step(s, &insn);
	}
	for (size_t i = 0; i < s->waiting.n; i++) {
		uint64_t type = s->maps.v[s->waiting.v[i].rtype];
		if (type)
			says(s, s->waiting.v[i].addr, type, GOCODE_CALL_SELF);
	}
	vec_deinit(&s->maps);
	vec_deinit(&s->waiting);
}
