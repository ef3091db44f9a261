/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/cfi_parts.h"

enum {
	WORD = 8,
	VALUES_MAX = 32,
	OPERATIONS_MAX = 256,
};

bool sym_stack_word(const struct sym_stack *s, uint64_t addr, uint64_t *ret)
{
	if (addr < s->addr || s->len < WORD || addr - s->addr > s->len - WORD)
		return false;
	*ret = load_u64(s->bytes + (addr - s->addr));
	return true;
}

/* ---- expressions (DWARF 5, 2.5) ---- */

struct evaluation {
	struct cursor c;
	const struct sym_stack *stack;
	const struct sym_registers *regs;
	uint64_t v[VALUES_MAX];
	size_t n;
	bool bad, beyond;
};

static void push(struct evaluation *e, uint64_t v)
{
	if (e->n == VALUES_MAX)
		e->bad = true;
	else
		e->v[e->n++] = v;
}

static uint64_t pop(struct evaluation *e)
{
	if (!e->n) {
		e->bad = true;
		return 0;
	}
	return e->v[--e->n];
}

static void push_register(struct evaluation *e, uint64_t reg, int64_t offset)
{
	if (reg >= SYM_REG_MAX_ || !(e->regs->known >> reg & 1))
		e->bad = true;
	else
		push(e, e->regs->v[reg] + (uint64_t)offset);
}

/* The value `depth` below the top. */
static void pick(struct evaluation *e, size_t depth)
{
	if (depth >= e->n)
		e->bad = true;
	else
		push(e, e->v[e->n - 1 - depth]);
}

static void load(struct evaluation *e, unsigned size)
{
	uint64_t addr = pop(e), v = 0;
	if (!sym_stack_word(e->stack, addr, &v))
		e->bad = e->beyond = true;
	else if (size != WORD && size != 4 && size != 2 && size != 1)
		e->bad = true;
	else
		push(e, size == WORD ? v : v & ((UINT64_C(1) << 8 * size) - 1));
}

/* DW_OP_swap and DW_OP_rot: the top one goes below the next `n`. */
static void rotate(struct evaluation *e, size_t n)
{
	if (e->n < n + 1) {
		e->bad = true;
		return;
	}
	uint64_t top = e->v[e->n - 1];
	for (size_t i = 0; i < n; i++)
		e->v[e->n - 1 - i] = e->v[e->n - 2 - i];
	e->v[e->n - 1 - n] = top;
}

static void jump(struct evaluation *e, bool taken)
{
	int16_t by = (int16_t)cursor_u16(&e->c);
	int64_t to = (int64_t)cursor_offset(&e->c) + by;
	if (taken && (to < 0 || !cursor_seek(&e->c, (uint64_t)to)))
		e->bad = true;
}

static uint64_t shift_right_signed(uint64_t a, uint64_t by)
{
	return (uint64_t)((int64_t)a >> (by > 63 ? 63 : by));
}

static void run_binary(struct evaluation *e, uint8_t op)
{
	uint64_t b = pop(e), a = pop(e);
	int64_t x = (int64_t)a, y = (int64_t)b;
	switch (op) {
	case 0x1a:
		return push(e, a & b);
	case 0x1b: /* div, signed; the one quotient that does not fit is a wrap */
		e->bad |= !y;
		return push(e, !y ? 0 : y == -1 ? 0 - a : (uint64_t)(x / y));
	case 0x1c:
		return push(e, a - b);
	case 0x1d:
		e->bad |= !b;
		return push(e, b ? a % b : 0);
	case 0x1e:
		return push(e, a * b);
	case 0x21:
		return push(e, a | b);
	case 0x22:
		return push(e, a + b);
	case 0x24:
		return push(e, b > 63 ? 0 : a << b);
	case 0x25:
		return push(e, b > 63 ? 0 : a >> b);
	case 0x26:
		return push(e, shift_right_signed(a, b));
	case 0x27:
		return push(e, a ^ b);
	case 0x29:
		return push(e, x == y);
	case 0x2a:
		return push(e, x >= y);
	case 0x2b:
		return push(e, x > y);
	case 0x2c:
		return push(e, x <= y);
	case 0x2d:
		return push(e, x < y);
	case 0x2e:
		return push(e, x != y);
	default:
		e->bad = true;
	}
}

static void run_constant(struct evaluation *e, uint8_t op)
{
	switch (op) {
	case 0x03: /* addr */
	case 0x0e:
	case 0x0f:
		return push(e, cursor_u64(&e->c));
	case 0x08:
		return push(e, cursor_u8(&e->c));
	case 0x09:
		return push(e, (uint64_t)(int64_t)(int8_t)cursor_u8(&e->c));
	case 0x0a:
		return push(e, cursor_u16(&e->c));
	case 0x0b:
		return push(e, (uint64_t)(int64_t)(int16_t)cursor_u16(&e->c));
	case 0x0c:
		return push(e, cursor_u32(&e->c));
	case 0x0d:
		return push(e, (uint64_t)(int64_t)(int32_t)cursor_u32(&e->c));
	case 0x10:
		return push(e, cursor_uvarint(&e->c));
	case 0x11:
		return push(e, (uint64_t)cfi_svarint(&e->c));
	default:
		e->bad = true;
	}
}

static void run_one(struct evaluation *e, uint8_t op)
{
	int64_t v = 0;
	switch (op) {
	case 0x06:
		return load(e, WORD);
	case 0x94:
		return load(e, cursor_u8(&e->c));
	case 0x12:
		return pick(e, 0);
	case 0x13:
		(void)pop(e);
		return;
	case 0x14:
		return pick(e, 1);
	case 0x15:
		return pick(e, cursor_u8(&e->c));
	case 0x16:
		return rotate(e, 1);
	case 0x17:
		return rotate(e, 2);
	case 0x19:
		v = (int64_t)pop(e);
		return push(e, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
	case 0x1f:
		return push(e, 0 - pop(e));
	case 0x20:
		return push(e, ~pop(e));
	case 0x23:
		return push(e, pop(e) + cursor_uvarint(&e->c));
	case 0x28:
		return jump(e, pop(e) != 0);
	case 0x2f:
		return jump(e, true);
	case 0x92: { /* bregx */
		uint64_t reg = cursor_uvarint(&e->c);
		return push_register(e, reg, cfi_svarint(&e->c));
	}
	case 0x96: /* nop */
		return;
	default:
		if (op >= 0x30 && op <= 0x4f)
			return push(e, op - 0x30u);
		if (op >= 0x70 && op <= 0x8f)
			return push_register(e, op - 0x70u, cfi_svarint(&e->c));
		if (op <= 0x11)
			return run_constant(e, op);
		run_binary(e, op);
	}
}

static enum sym_stepped evaluate(const struct cfi_section *s, const struct sym_rule *rule,
				 const struct sym_stack *stack, const struct sym_registers *regs, const uint64_t *first,
				 uint64_t *ret)
{
	struct evaluation e = { .stack = stack, .regs = regs };
	cursor_init(&e.c, s->bytes + rule->offset, rule->len);
	if (first)
		push(&e, *first);
	for (unsigned i = 0; cursor_left(&e.c) && !e.bad && !e.c.bad; i++) {
		if (i == OPERATIONS_MAX)
			return SYM_STEPPED_LOST;
		run_one(&e, cursor_u8(&e.c));
	}
	*ret = pop(&e);
	if (!e.bad && !e.c.bad)
		return SYM_STEPPED;
	return e.beyond ? SYM_STEPPED_SHORT : SYM_STEPPED_LOST;
}

/* ---- a step ---- */

struct step {
	const struct cfi_section *section;
	const struct sym_stack *stack;
	const struct sym_registers *old;
	uint64_t cfa;
};

/* The caller's value of one register. SHORT and LOST: not known. */
static enum sym_stepped apply(const struct step *s, const struct sym_rule *rule, unsigned reg, uint64_t *ret)
{
	enum sym_stepped done = SYM_STEPPED;
	unsigned from = rule->kind == SYM_RULE_REGISTER ? rule->reg : reg;
	switch ((enum sym_rule_kind)rule->kind) {
	case SYM_RULE_SAME:
	case SYM_RULE_REGISTER:
		*ret = s->old->v[from];
		return s->old->known >> from & 1 ? SYM_STEPPED : SYM_STEPPED_LOST;
	case SYM_RULE_AT:
		return sym_stack_word(s->stack, s->cfa + (uint64_t)(int64_t)rule->offset, ret) ? SYM_STEPPED
											       : SYM_STEPPED_SHORT;
	case SYM_RULE_IS:
		*ret = s->cfa + (uint64_t)(int64_t)rule->offset;
		return SYM_STEPPED;
	case SYM_RULE_EXPR_IS:
		return evaluate(s->section, rule, s->stack, s->old, &s->cfa, ret);
	case SYM_RULE_EXPR_AT:
		done = evaluate(s->section, rule, s->stack, s->old, &s->cfa, ret);
		if (done == SYM_STEPPED && !sym_stack_word(s->stack, *ret, ret))
			done = SYM_STEPPED_SHORT;
		return done;
	case SYM_RULE_UNDEFINED:
		break;
	}
	return SYM_STEPPED_LOST;
}

static enum sym_stepped find_cfa(const struct cfi_section *s, const struct sym_cfi_row *row,
				 const struct sym_stack *stack, const struct sym_registers *regs, uint64_t *ret)
{
	if (row->cfa.kind == SYM_RULE_EXPR_IS)
		return evaluate(s, &row->cfa, stack, regs, NULL, ret);
	if (!(regs->known >> row->cfa.reg & 1))
		return SYM_STEPPED_LOST;
	*ret = regs->v[row->cfa.reg] + (uint64_t)(int64_t)row->cfa.offset;
	return SYM_STEPPED;
}

static const struct cfi_section *section_of(const struct sym_cfi *c, const struct sym_cfi_row *row)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->sections[i].debug_frame == row->debug_frame)
			return &c->sections[i];
	}
	return &c->sections[0];
}

enum sym_stepped sym_cfi_step(const struct sym_cfi *c, const struct sym_cfi_row *row, const struct sym_stack *stack,
			      struct sym_registers *regs)
{
	struct sym_registers old = *regs;
	struct step s = { .section = section_of(c, row), .stack = stack, .old = &old };
	const struct sym_rule *ra = &row->reg[row->return_reg];
	uint64_t pc = 0;
	if (ra->kind == SYM_RULE_UNDEFINED)
		return SYM_STEPPED_LAST;
	enum sym_stepped done =
		ra->kind == SYM_RULE_SAME ? SYM_STEPPED_LOST : find_cfa(s.section, row, stack, regs, &s.cfa);
	if (done == SYM_STEPPED)
		done = apply(&s, ra, row->return_reg, &pc);
	if (done != SYM_STEPPED)
		return done;
	regs->known = 0;
	for (unsigned i = 0; i < SYM_REG_RIP; i++) {
		if (apply(&s, &row->reg[i], i, &regs->v[i]) == SYM_STEPPED)
			regs->known |= 1u << i;
	}
	regs->v[SYM_REG_RIP] = pc;
	regs->known |= 1u << SYM_REG_RIP;
	/* A frame ends above where it began, a signal's excepted: or the stack would have no end. */
	bool up = regs->v[SYM_REG_RSP] > old.v[SYM_REG_RSP] || row->signal;
	return regs->known >> SYM_REG_RSP & 1 && up ? SYM_STEPPED : SYM_STEPPED_LOST;
}
