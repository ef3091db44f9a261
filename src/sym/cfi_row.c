/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sym/cfi_parts.h"

enum {
	PROGRAM_MAX = 64 * 1024, /* bytes of one function's; compilers make a few hundred */
	REMEMBERED_MAX = 16,
};

/* A program at work. */
struct machine {
	const struct cfi_section *section;
	const struct cfi_common *common;
	struct cursor c;
	uint64_t at, until; /* the address that rules hold for now, and the one that is asked for */
	struct sym_cfi_row *row;
	struct sym_rule initial[SYM_REG_MAX_];
	struct sym_cfi_row remembered[REMEMBERED_MAX];
	size_t n_remembered;
	bool bad;
};

static void set(struct machine *m, uint64_t reg, struct sym_rule rule)
{
	if (reg < SYM_REG_MAX_) /* vector registers and such hold no address */
		m->row->reg[reg] = rule;
}

static int32_t narrow(struct machine *m, int64_t v)
{
	m->bad |= v > INT32_MAX || v < INT32_MIN;
	return (int32_t)v;
}

static int64_t factored(struct machine *m, int64_t v)
{
	int64_t product = 0;
	m->bad |= __builtin_mul_overflow(v, m->common->data_align, &product);
	return product;
}

static struct sym_rule at_offset(struct machine *m, enum sym_rule_kind kind, int64_t v)
{
	return (struct sym_rule){ .kind = (uint8_t)kind, .offset = narrow(m, factored(m, v)) };
}

static struct sym_rule expression(struct machine *m, enum sym_rule_kind kind)
{
	uint64_t len = cursor_uvarint(&m->c);
	size_t at = cursor_offset(&m->c);
	if (!cursor_skip(&m->c, len) || len > UINT16_MAX)
		m->bad = true;
	return (struct sym_rule){ .kind = (uint8_t)kind, .len = (uint16_t)len, .offset = (int32_t)at };
}

static void advance(struct machine *m, uint64_t n)
{
	uint64_t step = 0;
	if (__builtin_mul_overflow(n, m->common->code_align, &step) || m->at > UINT64_MAX - step)
		m->bad = true;
	else
		m->at += step;
}

static void define_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->bad |= reg >= SYM_REG_MAX_;
	m->row->cfa = (struct sym_rule){ .kind = SYM_RULE_REGISTER, .reg = (uint8_t)reg, .offset = narrow(m, offset) };
}

/* The other half of a CFA that is a register and an offset. */
static void change_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->bad |= m->row->cfa.kind != SYM_RULE_REGISTER;
	define_cfa(m, reg, offset);
}

static int64_t unsigned_operand(struct machine *m)
{
	uint64_t v = cursor_uvarint(&m->c);
	m->bad |= v > INT64_MAX;
	return (int64_t)(v & INT64_MAX);
}

/* Remembered and restored is what the registers and the CFA are, not what the row is of. */
static void remember(struct machine *m)
{
	if (m->n_remembered == REMEMBERED_MAX)
		m->bad = true;
	else
		m->remembered[m->n_remembered++] = *m->row;
}

static void restore(struct machine *m)
{
	if (!m->n_remembered)
		m->bad = true;
	else
		*m->row = m->remembered[--m->n_remembered];
}

/* Those that say where registers are. False: not one of them. */
static bool run_register(struct machine *m, uint8_t op)
{
	uint64_t reg = cursor_uvarint(&m->c);
	switch (op) {
	case 0x05: /* offset_extended */
		set(m, reg, at_offset(m, SYM_RULE_AT, unsigned_operand(m)));
		return true;
	case 0x06: /* restore_extended */
		if (reg < SYM_REG_MAX_)
			set(m, reg, m->initial[reg]);
		return true;
	case 0x07: /* undefined */
		set(m, reg, (struct sym_rule){ .kind = SYM_RULE_UNDEFINED });
		return true;
	case 0x08: /* same_value */
		set(m, reg, (struct sym_rule){ .kind = SYM_RULE_SAME });
		return true;
	case 0x09: { /* register */
		uint64_t other = cursor_uvarint(&m->c);
		uint8_t kind = other < SYM_REG_MAX_ ? SYM_RULE_REGISTER : SYM_RULE_UNDEFINED;
		set(m, reg, (struct sym_rule){ .kind = kind, .reg = (uint8_t)(other & 31) });
		return true;
	}
	case 0x10: /* expression */
		set(m, reg, expression(m, SYM_RULE_EXPR_AT));
		return true;
	case 0x11: /* offset_extended_sf */
		set(m, reg, at_offset(m, SYM_RULE_AT, cfi_svarint(&m->c)));
		return true;
	case 0x14: /* val_offset */
		set(m, reg, at_offset(m, SYM_RULE_IS, unsigned_operand(m)));
		return true;
	case 0x15: /* val_offset_sf */
		set(m, reg, at_offset(m, SYM_RULE_IS, cfi_svarint(&m->c)));
		return true;
	case 0x16: /* val_expression */
		set(m, reg, expression(m, SYM_RULE_EXPR_IS));
		return true;
	case 0x2f: /* GNU_negative_offset_extended */
		set(m, reg, at_offset(m, SYM_RULE_AT, -unsigned_operand(m)));
		return true;
	default:
		return false;
	}
}

/* Those that say what the CFA is, and the others. */
static void run_other(struct machine *m, uint8_t op)
{
	uint64_t reg = 0, addr = 0;
	switch (op) {
	case 0x00: /* nop */
	case 0x2d: /* GNU_window_save: of other machines */
		break;
	case 0x01: /* set_loc */
		m->bad |= !cfi_pointer(m->section, &m->c, m->common->encoding, &addr) || addr < m->at;
		m->at = addr;
		break;
	case 0x02:
		advance(m, cursor_u8(&m->c));
		break;
	case 0x03:
		advance(m, cursor_u16(&m->c));
		break;
	case 0x04:
		advance(m, cursor_u32(&m->c));
		break;
	case 0x0a:
		remember(m);
		break;
	case 0x0b:
		restore(m);
		break;
	case 0x0c: /* def_cfa */
		reg = cursor_uvarint(&m->c);
		define_cfa(m, reg, unsigned_operand(m));
		break;
	case 0x0d: /* def_cfa_register */
		change_cfa(m, cursor_uvarint(&m->c), m->row->cfa.offset);
		break;
	case 0x0e: /* def_cfa_offset */
		change_cfa(m, m->row->cfa.reg, unsigned_operand(m));
		break;
	case 0x0f: /* def_cfa_expression */
		m->row->cfa = expression(m, SYM_RULE_EXPR_IS);
		break;
	case 0x12: /* def_cfa_sf */
		reg = cursor_uvarint(&m->c);
		define_cfa(m, reg, factored(m, cfi_svarint(&m->c)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		change_cfa(m, m->row->cfa.reg, factored(m, cfi_svarint(&m->c)));
		break;
	case 0x2e: /* GNU_args_size */
		cursor_uvarint(&m->c);
		break;
	default:
		m->bad = true;
	}
}

static bool names_register(uint8_t op)
{
	return (op >= 0x05 && op <= 0x09) || op == 0x10 || op == 0x11 || (op >= 0x14 && op <= 0x16) || op == 0x2f;
}

static bool run(struct machine *m, size_t from, size_t end)
{
	m->c = cfi_cursor(m->section, from, end);
	if (m->c.bad || cursor_left(&m->c) > PROGRAM_MAX)
		return false;
	while (cursor_left(&m->c) && m->at <= m->until) {
		uint8_t op = cursor_u8(&m->c), low = op & 0x3f;
		if (op >> 6 == 1)
			advance(m, low);
		else if (op >> 6 == 2)
			set(m, low, at_offset(m, SYM_RULE_AT, unsigned_operand(m)));
		else if (op >> 6 == 3)
			set(m, low, low < SYM_REG_MAX_ ? m->initial[low] : (struct sym_rule){ 0 });
		else if (!names_register(op))
			run_other(m, op);
		else
			m->bad |= !run_register(m, op);
		if (m->bad || m->c.bad)
			return false;
	}
	return true;
}

bool cfi_interpret(const struct cfi_section *s, const struct cfi_function *f, uint64_t addr, struct sym_cfi_row *ret)
{
	struct cfi_entry e;
	struct cfi_common common;
	uint64_t start = 0, len = 0;
	if (!cfi_entry(s, f->at, &e) || e.common || !cfi_common(s, e.common_at, &common))
		return false;
	struct cursor c = cfi_cursor(s, e.at, e.end);
	if (!cfi_range(s, &common, &c, &start, &len))
		return false;
	*ret = (struct sym_cfi_row){ .function = start,
				     .return_reg = (uint8_t)common.return_reg,
				     .signal = common.signal,
				     .debug_frame = s->debug_frame };
	/* What the ABI says where no rule does: the caller's stack pointer is the CFA, the rest is left alone. */
	ret->reg[SYM_REG_RSP].kind = SYM_RULE_IS;
	struct machine m = { .section = s, .common = &common, .row = ret, .at = start, .until = addr };
	if (!run(&m, common.program, common.program_end))
		return false;
	memcpy(m.initial, ret->reg, sizeof(m.initial));
	if (!run(&m, cursor_offset(&c), e.end))
		return false;
	return ret->cfa.kind == SYM_RULE_REGISTER || ret->cfa.kind == SYM_RULE_EXPR_IS;
}
