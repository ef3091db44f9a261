/* SPDX-License-Identifier: Apache-2.0 */
#include "callpath/parts.h"

#include "base/cursor.h"

enum {
	WORD = 8,
	KEPT = 1u << SYM_REG_RBX | 1u << SYM_REG_RBP | 1u << SYM_REG_R12 | 1u << SYM_REG_R13,
};

/* A copy of a stack, and where in it we are. */
struct walker {
	struct callpath *c;
	struct sym_stack stack;
	struct sym_registers regs;
	bool system; /* a thread's own stack, not a goroutine's */
	bool exact;  /* the pc is that of the instruction itself */
	enum walk_end end;
};

static bool word_at(struct walker *w, uint64_t addr, uint64_t *ret)
{
	if (sym_stack_word(&w->stack, addr, ret))
		return true;
	w->end = WALK_CUT;
	return false;
}

/* The return address is at `at`. */
static bool return_from(struct walker *w, uint64_t at)
{
	uint64_t pc = 0;
	if (!word_at(w, at, &pc))
		return false;
	w->regs.v[SYM_REG_RIP] = pc;
	w->regs.v[SYM_REG_RSP] = at + WORD;
	w->exact = false;
	return true;
}

/* By the frame size of Go's table. A frame of some size holds the caller's frame pointer at its top. */
static bool step_go(struct walker *w, const struct place *p)
{
	w->end = WALK_LOST;
	if (p->spdelta < 0)
		return false;
	uint64_t at = w->regs.v[SYM_REG_RSP] + (uint64_t)p->spdelta;
	if (p->spdelta >= WORD)
		sym_stack_word(&w->stack, at - WORD, &w->regs.v[SYM_REG_RBP]);
	w->regs.known &= ~((uint32_t)KEPT & ~(1u << SYM_REG_RBP));
	return return_from(w, at);
}

/* What asmcgocall's first "sub $imm8, %rsp" takes: 64 bytes, from 1.22 on 16. */
static uint64_t cgo_area(struct callpath *c, const struct place *p)
{
	unsigned char code[256];
	if (!c->cgo_area && module_code(c, p->function, code, sizeof(code))) {
		for (size_t i = 0; i + 4 <= sizeof(code) && !c->cgo_area; i++) {
			if (code[i] == 0x48 && code[i + 1] == 0x83 && code[i + 2] == 0xec)
				c->cgo_area = code[i + 3];
		}
	}
	return c->cgo_area;
}

/*
 * runtime.asmcgocall, called on the goroutine's stack, leaves it here. Called on the system stack it goes on there: it
 * keeps no g then, and the old stack pointer in the word below (runtime/asm_amd64.s).
 */
static bool step_asmcgocall(struct walker *w, const struct place *p)
{
	uint64_t area = cgo_area(w->c, p), sp = w->regs.v[SYM_REG_RSP], g = 0, old = 0;
	w->end = WALK_SWITCH;
	if (area != 64 && area != 16)
		return false;
	uint64_t at = sp + (area == 64 ? 40 : 0);
	if (!word_at(w, at, &old) || !word_at(w, at + WORD, &g))
		return false;
	w->end = WALK_SWITCH;
	if (g)
		return false;
	if (old > sp && p->spdelta >= 0)
		return return_from(w, old + (uint64_t)p->spdelta);
	w->end = WALK_LOST;
	return false;
}

/* crosscall2 pushes the flags and makes room for what it keeps: DI, SI, BP, BX, R12..R15 from below (abi_amd64.h). */
static bool step_crosscall(struct walker *w, const struct place *p)
{
	enum { AREA = 0x18 }; /* of the arguments of cgocallback, below */
	static const struct {
		unsigned reg, at;
	} kept[] = { { SYM_REG_RBP, 2 }, { SYM_REG_RBX, 3 }, { SYM_REG_R12, 4 },
		     { SYM_REG_R13, 5 }, { SYM_REG_R14, 6 }, { SYM_REG_R15, 7 } };
	uint64_t sp = w->regs.v[SYM_REG_RSP] + AREA;
	if (!step_go(w, p))
		return false;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		unsigned reg = kept[i].reg;
		if (sym_stack_word(&w->stack, sp + (uint64_t)WORD * kept[i].at, &w->regs.v[reg]))
			w->regs.known |= 1u << reg;
	}
	return true;
}

/* runtime.callCgoMmap and its like align the stack and put the stack pointer that they had where it points to then. */
static bool step_aligned(struct walker *w, const struct place *p)
{
	enum { ALIGNMENT = 16 };
	uint64_t sp = w->regs.v[SYM_REG_RSP], old = 0;
	if (!w->exact && word_at(w, sp, &old) && old >= sp && old - sp < ALIGNMENT)
		w->regs.v[SYM_REG_RSP] = old;
	return step_go(w, p);
}

/* By the frame pointer, where the file says nothing: if it leads up, to what a call left. */
static bool step_frame_pointer(struct walker *w)
{
	uint64_t bp = w->regs.v[SYM_REG_RBP], saved = 0, ra = 0, target = 0;
	w->end = WALK_LOST;
	if (!(w->regs.known >> SYM_REG_RBP & 1) || bp < w->regs.v[SYM_REG_RSP] || bp % WORD)
		return false;
	if (!word_at(w, bp, &saved) || !word_at(w, bp + WORD, &ra))
		return false;
	w->end = WALK_LOST;
	if (!chain_is_return(w->c, ra, &target))
		return false;
	w->regs.v[SYM_REG_RBP] = saved;
	w->regs.known = 1u << SYM_REG_RBP | 1u << SYM_REG_RSP | 1u << SYM_REG_RIP;
	return return_from(w, bp + WORD);
}

static bool step_c(struct walker *w, const struct place *p)
{
	if (!p->has_row)
		return step_frame_pointer(w);
	const struct sym_cfi_row *row = &w->c->rows.v[p->row];
	w->end = WALK_LOST;
	switch (sym_cfi_step(w->c->modules.v[p->module].cfi, row, &w->stack, &w->regs)) {
	case SYM_STEPPED:
		w->exact = row->signal;
		return true;
	case SYM_STEPPED_LAST:
		w->end = WALK_TOP;
		return false;
	case SYM_STEPPED_SHORT:
		w->end = WALK_CUT;
		return false;
	case SYM_STEPPED_LOST:
		break;
	}
	return false;
}

/* From a frame to its caller; false: it ends, as w->end says. */
static bool step(struct walker *w, const struct place *p)
{
	switch ((enum place_kind)p->kind) {
	case PLACE_NOWHERE:
		w->end = WALK_LOST;
		return false;
	case PLACE_C:
		return step_c(w, p);
	case PLACE_SWITCH:
	case PLACE_MCALL:
		w->end = WALK_SWITCH;
		return !w->system && step_go(w, p);
	case PLACE_ASMCGOCALL:
		return w->system ? step_asmcgocall(w, p) : step_go(w, p);
	case PLACE_CROSSCALL:
		return step_crosscall(w, p);
	case PLACE_ALIGNED:
		return step_aligned(w, p);
	case PLACE_INJECTED:
		if (!step_go(w, p))
			return false;
		w->exact = true;
		return true;
	case PLACE_GO:
	case PLACE_MARK:
	case PLACE_CGOCALLBACK:
		break;
	}
	w->end = WALK_TOP;
	return !p->top && step_go(w, p);
}

static enum walk_end run(struct walker *w)
{
	struct path *steps = &w->c->walk;
	while (steps->n < STEPS_MAX) {
		uint64_t pc = w->regs.v[SYM_REG_RIP];
		if (!pc && !w->exact)
			return WALK_TOP; /* where a thread begins */
		struct place p = *place_at(w->c, pc, w->exact);
		path_add(steps, p.kind == PLACE_NOWHERE ? STEP_UNKNOWN : STEP(pc, w->exact));
		if (!step(w, &p))
			return w->end;
	}
	return WALK_LOST;
}

/*
 * asmcgocall began where the stack pointer of the system stack had been left, by the cgocallback that Go code had come
 * through: above its area, which is aligned, lie that frame and crosscall2's.
 */
static bool before_callback(struct walker *w, uint64_t cgocallback)
{
	struct place p = *place_at(w->c, cgocallback, false);
	uint64_t base = w->regs.v[SYM_REG_RSP] + w->c->cgo_area, ra = 0;
	if (p.kind != PLACE_CGOCALLBACK || p.spdelta < 0)
		return false;
	for (int i = 0; i < 2; i++, base += WORD) {
		uint64_t at = base + (uint64_t)p.spdelta;
		if (sym_stack_word(&w->stack, at, &ra) && place_at(w->c, ra, false)->kind == PLACE_CROSSCALL)
			return return_from(w, at);
	}
	return false;
}

/* A mark follows upon a callback, but for that of a thread which Go did not begin. */
static void run_callbacks(struct walker *w, const struct callpath_raw *raw)
{
	for (size_t i = 1; i < raw->n_go; i++) {
		bool last = i + 1 == raw->n_go;
		if (!last && !place_is_mark(w->c, raw->go[i + 1]))
			continue;
		if (!before_callback(w, raw->go[i]))
			return;
		path_add(&w->c->walk, STEP_CALLBACK);
		enum walk_end end = run(w);
		w->c->walk_top = end == WALK_TOP;
		if (end != WALK_SWITCH)
			return;
	}
}

static void set(struct sym_registers *r, unsigned reg, uint64_t v)
{
	r->v[reg] = v;
	r->known |= 1u << reg;
}

enum walk_end walk_bytes(struct callpath *c, const struct callpath_raw *raw)
{
	struct walker w = { .c = c,
			    .stack = { raw->sp, raw->bytes, raw->n_bytes },
			    .system = !(raw->flags & CALLPATH_ON_GOROUTINE),
			    .exact = true };
	c->walk.n = 0;
	c->walk_top = false;
	set(&w.regs, SYM_REG_RIP, raw->ip);
	set(&w.regs, SYM_REG_RSP, raw->sp);
	set(&w.regs, SYM_REG_RBP, raw->bp);
	set(&w.regs, SYM_REG_RBX, raw->regs[0]);
	set(&w.regs, SYM_REG_R12, raw->regs[1]);
	set(&w.regs, SYM_REG_R13, raw->regs[2]);
	enum walk_end end = run(&w);
	if (raw->n_bytes < WORD && end != WALK_TOP) { /* a thread that has just begun needs none */
		c->walk.n = 0;
		return WALK_NONE;
	}
	if (end == WALK_SWITCH && c->cgo_area)
		run_callbacks(&w, raw);
	return end;
}
