/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

enum {
	WORD = 8,
	REGS = 16,
	RCX = 1,
	RDX = 2,
	RDI = 7,
	DEPTH = 6,	   /* of functions that return what others return */
	FIELD_DEPTH = 16,  /* structs in structs */
	PASSES = 32,	   /* over a function, until nothing changes */
	FAR = 1 << 24,	   /* pages at all places, were they all different */
	CLEARED = 1 << 10, /* bytes that a loop without a known length writes */
};

/* The registers for results, in order: internal/abi, amd64. */
static const uint8_t result_regs[GOCODE_RESULTS] = { GOCODE_RAX, GOCODE_RBX, RCX, RDI };

/* One function while it is followed. */
struct flow {
	struct gocode_reader *r;
	const struct gocode_body *b;
	const char *name;
	size_t width; /* REGS and the words of the frame */
	struct gocode_pool pool;
	struct gocode_page ***states; /* by number of place: on entry; NULL: not reached yet, or over */
	struct gocode_page **now;
	uint8_t *place; /* by number of place: enum place_state */
	bool dead, failed;
	bool last; /* nothing changes any more: what there is, is told */
	bool returned;
	struct gocode_value results[GOCODE_RESULTS];
	VEC(struct gocode_call) maps;	 /* addr: the instruction that made it; rtype: its type, 0: several */
	VEC(struct gocode_call) waiting; /* variables that hold them: rtype is the instruction */
	uint64_t probe;			 /* offset of the end of a call; 0: none */
	struct gocode_slot_vec *slots;
};

bool gocode_is_variable(const struct gort_module *m, uint64_t addr)
{
	return addr % WORD == 0 &&
	       ((addr >= m->data.start && addr < m->data.end) || (addr >= m->bss.start && addr < m->bss.end));
}

enum place_state { PLACE_PENDING = 1, PLACE_OVER = 2 };

static const struct gocode_value nothing = { 0 };
static const struct gocode_value nil = { .what = GOCODE_NIL };

static struct gocode_value get(const struct flow *f, size_t i)
{
	return gocode_state_get(f->now, i);
}

static void put(struct flow *f, size_t i, struct gocode_value v)
{
	gocode_state_put(&f->pool, f->now, i, v);
}

static bool failed(const struct flow *f)
{
	return f->failed || f->pool.full;
}

/* ---- values ---- */

static bool same(const struct gocode_value *a, const struct gocode_value *b)
{
	return a->what == b->what && a->says == b->says && a->reg == b->reg && a->at == b->at;
}

static void find_results(struct gocode_reader *r, size_t function, size_t at);

/* What a function returns, by what it returns itself. */
static struct gocode_value resolve(struct gocode_reader *r, struct gocode_value v)
{
	if (v.what != GOCODE_RESULT)
		return v;
	uint64_t f = gocode_function_at(r, v.at);
	const uint64_t *known = hash_map_get(&r->known, v.at);
	if (known) {
		const struct gocode_results *results = &r->results.v[*known - 1];
		return results->done ? results->v[v.reg] : nothing;
	}
	if (f < GOCODE_FUNCTION || r->depth >= DEPTH || !r->budget)
		return nothing;
	vec_push(&r->results);
	size_t at = r->results.n - 1;
	*hash_map_at(&r->known, v.at, NULL) = r->results.n;
	find_results(r, f - GOCODE_FUNCTION, at);
	return r->results.v[at].v[v.reg];
}

/* What is true of both. */
static struct gocode_value meet(struct flow *f, struct gocode_value a, struct gocode_value b)
{
	if (same(&a, &b) || b.what == GOCODE_NIL)
		return a;
	if (a.what == GOCODE_NIL)
		return b;
	if (a.what == GOCODE_NOTHING || b.what == GOCODE_NOTHING)
		return nothing;
	a = resolve(f->r, a);
	b = resolve(f->r, b);
	if (same(&a, &b) || b.what == GOCODE_NIL)
		return a;
	return a.what == GOCODE_NIL ? b : nothing;
}

/* A word that has the type. */
static struct gocode_value value_of(struct gocode_reader *r, uint64_t rtype)
{
	const struct gort_type *t = rtype ? gort_type_at(r->types, rtype) : NULL;
	struct gocode_value v = { .what = GOCODE_TYPED, .says = GOCODE_CALL_SELF, .at = rtype };
	if (t && (t->kind == GORT_KIND_MAP || t->kind == GORT_KIND_CHAN))
		return v;
	if (!t || (t->kind != GORT_KIND_POINTER && t->kind != GORT_KIND_SLICE) || !gort_type_at(r->types, t->elem))
		return nothing;
	t = gort_type_at(r->types, rtype);
	v.says = t->kind == GORT_KIND_POINTER ? GOCODE_CALL_POINTER : GOCODE_CALL_SLICE;
	v.at = t->elem;
	return v;
}

/* The type of the field at an offset of a struct, through structs inside of it; 0 when it is none of a single word. */
static uint64_t field_at(struct gort_types *types, uint64_t rtype, uint64_t offset)
{
	for (unsigned depth = 0; depth < FIELD_DEPTH; depth++) {
		uint32_t n = 0;
		const struct gort_type_field *fields = gort_type_fields(types, rtype, &n), *in = NULL;
		for (uint32_t i = 0; i < n; i++) {
			if (fields[i].offset <= offset)
				in = &fields[i];
		}
		if (!in)
			return offset ? 0 : rtype;
		offset -= in->offset;
		rtype = in->type;
	}
	return 0;
}

/* What is at an offset behind a pointer. */
static struct gocode_value behind(struct flow *f, struct gocode_value v, int64_t disp)
{
	v = resolve(f->r, v);
	const struct gort_type *t = v.what == GOCODE_TYPED ? gort_type_at(f->r->types, v.at) : NULL;
	if (!t || disp < 0 || v.says == GOCODE_CALL_SELF)
		return nothing;
	uint64_t at = (uint64_t)disp, size = t->size;
	if (v.says == GOCODE_CALL_SLICE && size)
		at %= size;
	return at < size ? value_of(f->r, field_at(f->r->types, v.at, at)) : nothing;
}

/* ---- what is told ---- */

static void says(struct flow *f, uint64_t addr, uint64_t rtype, enum gocode_call_says what)
{
	if (f->last && f->r->all.n < GOCODE_CALLS_MAX)
		*vec_push(&f->r->all) = (struct gocode_call){ addr, rtype, what };
}

/* A variable gets a value. */
static void store_variable(struct flow *f, uint64_t addr, struct gocode_value v)
{
	if (!f->last)
		return;
	v = resolve(f->r, v);
	if (v.what == GOCODE_TYPED)
		says(f, addr, v.at, (enum gocode_call_says)v.says);
	else if (v.what == GOCODE_MAP)
		*vec_push(&f->waiting) = (struct gocode_call){ addr, v.at, GOCODE_CALL_SELF };
	else if (v.what == GOCODE_ADDRESS && gort_type_of_interface(f->r->types, v.at))
		says(f, addr + WORD, 0, GOCODE_CALL_ANY);
}

/* A field of known memory gets a variable's value or address: the field's type is the variable's. */
static void store_field(struct flow *f, const struct gocode_value *base, int64_t disp, const struct gocode_value *v)
{
	if (!f->last || base->says != GOCODE_CALL_POINTER || disp < 0 || !gocode_is_variable(&f->r->g->module, v->at))
		return;
	uint64_t rtype = field_at(f->r->types, base->at, (uint64_t)disp);
	const struct gort_type *t = rtype ? gort_type_at(f->r->types, rtype) : NULL;
	if (!t)
		return;
	if (v->what == GOCODE_ADDRESS && t->kind == GORT_KIND_POINTER)
		says(f, v->at, t->elem, GOCODE_CALL_VALUE);
	else if (v->what == GOCODE_VARIABLE && t->kind == GORT_KIND_POINTER)
		says(f, v->at, t->elem, GOCODE_CALL_POINTER);
	else if (v->what == GOCODE_VARIABLE && t->kind == GORT_KIND_SLICE)
		says(f, v->at, t->elem, GOCODE_CALL_SLICE);
	else if (v->what == GOCODE_VARIABLE && (t->kind == GORT_KIND_MAP || t->kind == GORT_KIND_CHAN))
		says(f, v->at, rtype, GOCODE_CALL_SELF);
}

/* A map that was made without a type. */
static void tell_map(struct flow *f, uint64_t made, uint64_t rtype)
{
	for (size_t i = 0; i < f->maps.n; i++) {
		if (f->maps.v[i].addr == made) {
			f->maps.v[i].rtype = f->maps.v[i].rtype == rtype ? rtype : 0;
			return;
		}
	}
	*vec_push(&f->maps) = (struct gocode_call){ made, rtype, GOCODE_CALL_SELF };
}

static uint64_t map_type(const struct flow *f, uint64_t made)
{
	for (size_t i = 0; i < f->maps.n; i++) {
		if (f->maps.v[i].addr == made)
			return f->maps.v[i].rtype;
	}
	return 0;
}

/* ---- the frame ---- */

/* The word of the frame, or the number of words. What pointers lead to is not followed. */
static size_t slot_of(const struct flow *f, unsigned base, int64_t disp)
{
	size_t none = f->width - REGS;
	struct gocode_value v = base < REGS && base != SYM_RSP ? get(f, base) : nothing;
	if (v.what == GOCODE_FRAME)
		disp += (int64_t)v.at;
	else if (base != SYM_RSP)
		return none;
	size_t slot = (size_t)disp / WORD;
	if (disp < 0 || disp % WORD || slot >= none || f->b->exposed[slot / 64] >> slot % 64 & 1)
		return none;
	return slot;
}

/* Bytes of the frame are overwritten with who knows what. */
static void overwrite(struct flow *f, int64_t from, uint64_t len)
{
	uint64_t first = from > 0 ? (uint64_t)from / WORD : 0, end = ((uint64_t)from + len + WORD - 1) / WORD;
	for (uint64_t i = first; from >= 0 && i < end && i < f->width - REGS; i++)
		put(f, REGS + i, nothing);
}

static void write_memory(struct flow *f, const struct sym_insn *i)
{
	uint64_t len = i->size ? i->size : CLEARED;
	struct gocode_value base = i->base < REGS && i->base != SYM_RSP ? get(f, i->base) : nothing;
	if (i->base == SYM_RSP)
		overwrite(f, i->disp, len);
	else if (base.what == GOCODE_FRAME)
		overwrite(f, (int64_t)base.at + i->disp, len);
}

/* ---- calls ---- */

static void call_runtime(struct flow *f, const struct gocode_insn *i, const struct gocode_callee *c,
			 struct gocode_value *result)
{
	const struct gocode_value type = get(f, c->type), arg = get(f, GOCODE_RBX);
	const struct gort_type *t = type.what == GOCODE_ADDRESS ? gort_type_at(f->r->types, type.at) : NULL;
	if (c->tells == GOCODE_CALLEE_MAP)
		*result = (struct gocode_value){ .what = GOCODE_MAP, .at = i->at };
	if (!t)
		return;
	if (c->tells == GOCODE_CALLEE_RESULT)
		*result = (struct gocode_value){ .what = GOCODE_TYPED, .says = (uint8_t)c->says, .at = type.at };
	if (c->tells != GOCODE_CALLEE_SELF)
		return;
	if (c->says == GOCODE_CALL_POINTER && t->kind == GORT_KIND_MAP && gort_type_at(f->r->types, t->elem)) {
		t = gort_type_at(f->r->types, type.at);
		*result = (struct gocode_value){ .what = GOCODE_TYPED, .says = GOCODE_CALL_POINTER, .at = t->elem };
	}
	if (arg.what == GOCODE_MAP && f->last)
		tell_map(f, arg.at, type.at);
	else if (arg.what == GOCODE_VARIABLE)
		says(f, arg.at, type.at, GOCODE_CALL_SELF);
}

/* A method is called on a variable, or on what it points to. */
static void call_method(struct flow *f, uint64_t target)
{
	const struct gocode_value v = get(f, GOCODE_RAX);
	bool variable =
		v.what == GOCODE_VARIABLE || (v.what == GOCODE_ADDRESS && gocode_is_variable(&f->r->g->module, v.at));
	uint64_t rtype = f->last && variable ? gocode_receiver_type(f->r, target) : 0;
	if (rtype)
		says(f, v.at, rtype, v.what == GOCODE_VARIABLE ? GOCODE_CALL_POINTER : GOCODE_CALL_VALUE);
}

static void look_at_slots(struct flow *f)
{
	for (size_t i = REGS; i < f->width; i++) {
		struct gocode_value v = resolve(f->r, get(f, i));
		if (v.what == GOCODE_TYPED)
			*vec_push(f->slots) = (struct gocode_slot){ (uint32_t)(i - REGS), v.says, v.at };
	}
}

static void call(struct flow *f, const struct gocode_insn *i)
{
	uint64_t target = i->i.target, what = target ? gocode_function_at(f->r, target) : GOCODE_NO_FUNCTION;
	const struct gocode_callee *c = target ? gocode_callee_at(&f->r->callees, target) : NULL;
	struct gocode_value result = nothing;
	if (c && c->tells == GOCODE_CALLEE_BARRIER)
		return;
	if (f->last && f->probe && i->at + i->i.len == f->probe)
		look_at_slots(f);
	if (what == GOCODE_CLEARS || what == GOCODE_COPIES) {
		if (get(f, RDI).what == GOCODE_FRAME)
			overwrite(f, (int64_t)get(f, RDI).at, CLEARED);
		put(f, RDI, nothing);
		put(f, GOCODE_RSI, nothing);
		put(f, RCX, nothing);
		return;
	}
	if (c)
		call_runtime(f, i, c, &result);
	else if (what >= GOCODE_FUNCTION)
		call_method(f, target);
	gocode_state_drop(&f->pool, &f->now[0]); /* all registers */
	put(f, GOCODE_RAX, result);
	for (unsigned k = 0; !c && what >= GOCODE_FUNCTION && k < GOCODE_RESULTS; k++)
		put(f, result_regs[k], (struct gocode_value){ .what = GOCODE_RESULT, .reg = (uint8_t)k, .at = target });
	f->dead = what == GOCODE_STOPS;
}

/* ---- instructions ---- */

static struct gocode_value loaded(struct flow *f, const struct sym_insn *i)
{
	size_t slot = slot_of(f, i->base, i->disp);
	if (slot < f->width - REGS)
		return get(f, REGS + slot);
	if (i->base == SYM_RIP && gocode_is_variable(&f->r->g->module, i->target))
		return (struct gocode_value){ .what = GOCODE_VARIABLE, .at = i->target };
	return i->base < REGS && i->base != SYM_RSP ? behind(f, get(f, i->base), i->disp) : nothing;
}

/* An element of a slice of pointers, or the like. */
static struct gocode_value element(struct flow *f, const struct sym_insn *i)
{
	struct gocode_value v = resolve(f->r, get(f, i->base));
	const struct gort_type *t =
		v.what == GOCODE_TYPED && v.says == GOCODE_CALL_SLICE ? gort_type_at(f->r->types, v.at) : NULL;
	return t && t->size == WORD && i->disp % WORD == 0 ? value_of(f->r, v.at) : nothing;
}

static struct gocode_value address(const struct flow *f, const struct sym_insn *i)
{
	if (i->base == SYM_RIP)
		return (struct gocode_value){ .what = GOCODE_ADDRESS, .at = i->target };
	if (i->base == SYM_RSP && i->disp >= 0)
		return (struct gocode_value){ .what = GOCODE_FRAME, .at = (uint64_t)i->disp };
	struct gocode_value base = i->base < REGS ? get(f, i->base) : nothing;
	if (base.what == GOCODE_FRAME && (int64_t)base.at + i->disp >= 0)
		return (struct gocode_value){ .what = GOCODE_FRAME, .at = base.at + (uint64_t)i->disp };
	return nothing;
}

static void store(struct flow *f, const struct sym_insn *i, const struct gocode_value *v)
{
	size_t slot = slot_of(f, i->base, i->disp);
	if (slot < f->width - REGS)
		put(f, REGS + slot, *v);
	else if (i->base == SYM_RIP && gocode_is_variable(&f->r->g->module, i->target))
		store_variable(f, i->target, *v);
	else if (i->base == SYM_RSP)
		overwrite(f, i->disp, WORD);
	else if (i->base < REGS && (v->what == GOCODE_ADDRESS || v->what == GOCODE_VARIABLE)) {
		struct gocode_value base = f->last ? resolve(f->r, get(f, i->base)) : nothing;
		if (base.what == GOCODE_TYPED)
			store_field(f, &base, i->disp, v);
	}
}

static struct gocode_value moved(struct flow *f, const struct sym_insn *i)
{
	switch (i->kind) {
	case SYM_INSN_COPY:
		return i->base == SYM_RSP ? (struct gocode_value){ .what = GOCODE_FRAME } : get(f, i->base);
	case SYM_INSN_LOAD:
		return loaded(f, i);
	case SYM_INSN_ADDRESS:
		return address(f, i);
	case SYM_INSN_ELEMENT:
		return element(f, i);
	case SYM_INSN_ZERO:
		return nil;
	case SYM_INSN_STORE:
		return get(f, i->reg);
	default:
		return nothing;
	}
}

static void take_results(struct flow *f, uint64_t tail)
{
	if (!f->last)
		return;
	for (unsigned k = 0; k < GOCODE_RESULTS; k++) {
		struct gocode_value v = get(f, result_regs[k]);
		if (tail)
			v = (struct gocode_value){ .what = GOCODE_RESULT, .reg = (uint8_t)k, .at = tail };
		/* a function that returns what it returns itself adds nothing */
		if (v.what == GOCODE_RESULT && v.at == f->b->entry && v.reg == k)
			v = nil;
		f->results[k] = f->returned ? meet(f, f->results[k], v) : v;
	}
	f->returned = true;
}

/* ---- ways ---- */

/* What is known at a place so far meets what is known now; true when it becomes less. */
static bool join_page(struct flow *f, struct gocode_page **known, const struct gocode_page *now)
{
	bool changed = false;
	if (*known == now || !*known)
		return false;
	if (!now) {
		gocode_state_drop(&f->pool, known);
		return true;
	}
	for (size_t i = 0; i < GOCODE_PAGE; i++) {
		struct gocode_value old = (*known)->v[i];
		if (same(&old, &now->v[i]))
			continue;
		struct gocode_value v = meet(f, old, now->v[i]);
		if (same(&v, &old))
			continue;
		changed = true;
		gocode_state_own(&f->pool, known)->v[i] = v;
	}
	return changed;
}

static void join(struct flow *f, uint32_t place)
{
	struct gocode_page **s = f->states[place];
	bool changed = !s;
	if (f->last) /* nothing changes */
		return;
	f->failed |= f->place[place] == PLACE_OVER;
	if (failed(f))
		return;
	if (!s) {
		s = xcalloc(f->pool.n, sizeof(*s));
		gocode_state_copy(&f->pool, s, f->now);
		f->states[place] = s;
	}
	for (size_t i = 0; i < f->pool.n; i++)
		changed |= join_page(f, &s[i], f->now[i]);
	if (changed)
		f->place[place] = PLACE_PENDING;
}

static void jump(struct flow *f, size_t at)
{
	const struct sym_insn *i = &f->b->insns.v[at].i;
	if (i->target && i->target - f->b->entry < f->b->len) {
		uint32_t to = gocode_body_find(f->b, i->target - f->b->entry);
		if (to != UINT32_MAX)
			join(f, f->b->insns.v[to].leader - 1);
	} else if (i->target && i->always) {
		take_results(f, i->target);
	}
	for (size_t k = 0; !i->target && k + 2 < f->b->tables.n; k += 3) {
		for (uint32_t t = 0; f->b->tables.v[k] == at && t < f->b->tables.v[k + 2]; t++)
			join(f, f->b->insns.v[f->b->targets.v[f->b->tables.v[k + 1] + t]].leader - 1);
	}
	f->dead = i->always;
}

static void step(struct flow *f, size_t at)
{
	const struct gocode_insn *insn = &f->b->insns.v[at];
	const struct sym_insn *i = &insn->i;
	struct gocode_value v = moved(f, i);
	if (i->kind == SYM_INSN_WRITE)
		write_memory(f, i);
	for (unsigned r = 0; i->kind != SYM_INSN_CALL && r < REGS; r++) {
		if (i->written & 1u << r)
			put(f, r, nothing);
	}
	switch (i->kind) {
	case SYM_INSN_COPY:
	case SYM_INSN_LOAD:
	case SYM_INSN_ADDRESS:
	case SYM_INSN_ELEMENT:
	case SYM_INSN_ZERO:
		if (i->reg != SYM_RSP)
			put(f, i->reg, v);
		break;
	case SYM_INSN_STORE:
		store(f, i, &v);
		break;
	case SYM_INSN_CALL:
		call(f, insn);
		break;
	case SYM_INSN_JUMP:
		jump(f, at);
		break;
	case SYM_INSN_RETURN:
		take_results(f, 0);
		f->dead = true;
		break;
	case SYM_INSN_STOP:
		f->dead = true;
		break;
	case SYM_INSN_WRITE:
	case SYM_INSN_OTHER:
		break;
	}
}

/* From a place to the next one. */
static void run(struct flow *f, uint32_t place)
{
	size_t at = f->b->leaders.v[place];
	gocode_state_clear(&f->pool, f->now);
	gocode_state_copy(&f->pool, f->now, f->states[place]);
	f->dead = false;
	do {
		step(f, at++);
		f->r->budget -= f->r->budget > 0;
		if (!f->dead && at < f->b->insns.n && f->b->insns.v[at].leader) {
			join(f, f->b->insns.v[at].leader - 1);
			return;
		}
	} while (!f->dead && !failed(f) && at < f->b->insns.n);
}

/* Places first to last of the order, which only lead back to each other: until nothing changes. */
static void settle(struct flow *f, const uint32_t *order, size_t first, size_t last)
{
	bool again = true;
	for (unsigned pass = 0; again && !failed(f); pass++) {
		again = false;
		f->failed |= pass == PASSES || !f->r->budget;
		for (size_t i = first; i <= last && !failed(f); i++) {
			if (f->place[order[i]] != PLACE_PENDING)
				continue;
			f->place[order[i]] = 0;
			again = true;
			run(f, order[i]);
		}
	}
}

/* Then once more, telling; after that they are over. */
static void tell(struct flow *f, const uint32_t *order, size_t first, size_t last)
{
	for (size_t i = first; i <= last && !failed(f); i++) {
		struct gocode_page **s = f->states[order[i]];
		f->last = true;
		if (s)
			run(f, order[i]);
		f->last = false;
		f->place[order[i]] = PLACE_OVER;
		if (s)
			gocode_state_clear(&f->pool, s);
		free(s);
		f->states[order[i]] = NULL;
	}
}

static void follow(struct flow *f)
{
	size_t n = f->b->leaders.n;
	for (size_t first = 0, last = 0; first < n && !failed(f); first = ++last) {
		for (size_t i = last; i <= last; i++)
			last = num_max(last, f->b->back.v[i]);
		settle(f, f->b->order.v, first, last);
		tell(f, f->b->order.v, first, last);
	}
}

static void enter(struct flow *f)
{
	uint64_t rtype = gocode_names_receiver(&f->r->names, f->name);
	const uint64_t *context = hash_map_get(&f->r->captures, f->b->entry);
	struct gocode_value v = { .what = GOCODE_TYPED, .says = GOCODE_CALL_POINTER, .at = rtype };
	if (rtype)
		put(f, GOCODE_RAX, v);
	v.at = context ? *context : 0;
	if (v.at)
		put(f, RDX, v);
	join(f, 0);
}

static void flow_run(struct flow *f)
{
	f->width = REGS + f->b->slots;
	f->pool.n = (f->width + GOCODE_PAGE - 1) / GOCODE_PAGE;
	f->failed = f->pool.n * f->b->leaders.n > FAR;
	if (f->failed)
		return;
	f->states = xcalloc(f->b->leaders.n, sizeof(struct gocode_page **));
	f->place = xcalloc(f->b->leaders.n, sizeof(*f->place));
	f->now = xcalloc(f->pool.n, sizeof(struct gocode_page *));
	enter(f);
	f->r->depth++;
	follow(f);
	f->r->depth--;
	f->last = true;
	for (size_t i = 0; i < f->waiting.n && !failed(f); i++) {
		uint64_t type = map_type(f, f->waiting.v[i].rtype);
		if (type)
			says(f, f->waiting.v[i].addr, type, GOCODE_CALL_SELF);
	}
}

static void flow_deinit(struct flow *f)
{
	for (size_t i = 0; f->states && i < f->b->leaders.n; i++) {
		if (f->states[i])
			gocode_state_clear(&f->pool, f->states[i]);
		free(f->states[i]);
	}
	if (f->now)
		gocode_state_clear(&f->pool, f->now);
	free(f->states);
	free(f->place);
	free(f->now);
	vec_deinit(&f->maps);
	vec_deinit(&f->waiting);
}

/* ---- the whole ---- */

/* What a value means outside of its function. */
static struct gocode_value outside(struct flow *f, struct gocode_value v)
{
	v = resolve(f->r, v);
	uint64_t type = v.what == GOCODE_MAP ? map_type(f, v.at) : 0;
	if (type)
		v = (struct gocode_value){ .what = GOCODE_TYPED, .says = GOCODE_CALL_SELF, .at = type };
	return v.what == GOCODE_MAP || v.what == GOCODE_FRAME || v.what == GOCODE_RESULT ? nothing : v;
}

static void find_results(struct gocode_reader *r, size_t function, size_t at)
{
	struct gocode_body body;
	struct flow f = { .r = r, .b = &body, .name = sym_pclntab_name(r->g->pclntab, function) };
	struct gocode_value found[GOCODE_RESULTS] = { 0 };
	size_t told = r->all.n;
	if (gocode_body_read(r->g, function, &body)) {
		flow_run(&f);
		for (unsigned k = 0; k < GOCODE_RESULTS && f.returned && !failed(&f); k++)
			found[k] = outside(&f, f.results[k]);
		flow_deinit(&f);
	}
	r->all.n = told; /* it will be told when its turn comes */
	gocode_body_deinit(&body);
	memcpy(r->results.v[at].v, found, sizeof(found));
	r->results.v[at].done = true;
}

void gocode_flow_bytes(struct gocode_reader *r, const char *name, const unsigned char *code, size_t len, uint64_t entry)
{
	struct gocode_body body;
	struct flow f = { .r = r, .b = &body, .name = name };
	if (gocode_body_take(r->g->src, code, len, entry, &body))
		flow_run(&f);
	flow_deinit(&f);
	gocode_body_deinit(&body);
}

void gocode_flow_variables(struct gocode_reader *r, size_t function)
{
	struct gocode_body body;
	struct flow f = { .r = r, .b = &body, .name = sym_pclntab_name(r->g->pclntab, function) };
	if (gocode_body_read(r->g, function, &body))
		flow_run(&f);
	flow_deinit(&f);
	gocode_body_deinit(&body);
}

void gocode_flow_slots(struct gocode_reader *r, uint64_t pc, struct gocode_slot_vec *ret)
{
	struct gocode_body body;
	size_t function = 0, told = r->all.n;
	if (!sym_pclntab_find(r->g->pclntab, pc - 1, &function))
		return;
	struct flow f = { .r = r, .b = &body, .name = sym_pclntab_name(r->g->pclntab, function) };
	size_t had = ret->n;
	if (gocode_body_read(r->g, function, &body)) {
		f.probe = pc - body.entry;
		f.slots = ret;
		flow_run(&f);
		if (failed(&f))
			ret->n = had;
	}
	r->all.n = told;
	flow_deinit(&f);
	gocode_body_deinit(&body);
}
