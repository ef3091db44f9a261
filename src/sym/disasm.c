/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/disasm.h"

#include <Zydis/Zydis.h>

enum { NO_REG = 16 };

/* The memory operand that is relative to RIP, or NULL. */
static const ZydisDecodedOperand *rip_operand(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops)
{
	for (unsigned i = 0; i < insn->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY && ops[i].mem.base == ZYDIS_REGISTER_RIP)
			return &ops[i];
	return NULL;
}

static bool is_test(const ZydisDecodedInstruction *insn)
{
	return insn->mnemonic == ZYDIS_MNEMONIC_CMP || insn->mnemonic == ZYDIS_MNEMONIC_TEST;
}

static enum sym_ref_kind kind_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *mem)
{
	if (insn->mnemonic == ZYDIS_MNEMONIC_LEA)
		return SYM_REF_LEA;
	if (is_test(insn))
		return SYM_REF_RMW;
	if (!(mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return SYM_REF_LOAD;
	return mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? SYM_REF_RMW : SYM_REF_STORE;
}

/* Number of the general register that an operand overwrites without reading it. */
static unsigned register_set(const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
		return NO_REG;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value);
	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return NO_REG;
	return (unsigned)(whole - ZYDIS_REGISTER_RAX);
}

static bool branch_out(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *op, uint64_t at, uint64_t start,
		       uint64_t end, struct sym_ref *ret)
{
	ZyanU64 target = 0;
	if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op->imm.is_relative ||
	    !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(insn, op, at, &target)))
		return false;
	if (insn->mnemonic != ZYDIS_MNEMONIC_CALL && target >= start && target < end)
		return false;
	*ret = (struct sym_ref){ SYM_REF_CALL, at, target, NO_REG };
	return true;
}

/* What one instruction refers to; false when it is nothing of interest. */
static bool ref_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t at, uint64_t start,
		   uint64_t end, struct sym_ref *ret)
{
	const ZydisDecodedOperand *mem = rip_operand(insn, ops);
	ZyanU64 target = 0;
	if (!insn->operand_count_visible)
		return false;
	if (!mem)
		return branch_out(insn, &ops[0], at, start, end, ret);
	if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(insn, mem, at, &target)))
		return false;
	enum sym_ref_kind kind = kind_of(insn, mem);
	bool sets = kind == SYM_REF_LEA || kind == SYM_REF_LOAD;
	*ret = (struct sym_ref){ kind, at, target, sets ? register_set(&ops[0]) : NO_REG };
	return true;
}

size_t sym_disasm_refs(const void *code, size_t len, uint64_t addr, struct sym_ref *ret, size_t max)
{
	const unsigned char *p = code;
	ZydisDecoder decoder;
	size_t n = 0;
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return 0;
	for (size_t pos = 0; pos < len && n < max;) {
		ZydisDecoderContext context;
		ZydisDecodedInstruction insn;
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, &context, p + pos, len - pos, &insn))) {
			pos++;
			continue;
		}
		/* Operands cost most of the time, and few instructions are relative to RIP. */
		if ((insn.attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
		    ZYAN_SUCCESS(
			    ZydisDecoderDecodeOperands(&decoder, &context, &insn, ops, insn.operand_count_visible)) &&
		    ref_of(&insn, ops, addr + pos, addr, addr + len, &ret[n]))
			n++;
		pos += insn.length;
	}
	return n;
}

/* ---- one instruction ---- */

static unsigned register_number(ZydisRegister r)
{
	if (r == ZYDIS_REGISTER_RIP)
		return SYM_RIP;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return SYM_NO_REG;
	return (unsigned)(whole - ZYDIS_REGISTER_RAX);
}

static uint32_t written_by(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops)
{
	uint32_t mask = 0;
	for (unsigned i = 0; i < insn->operand_count; i++) {
		if (ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !(ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		unsigned reg = register_number(ops[i].reg.value);
		if (reg < SYM_RIP)
			mask |= 1u << reg;
	}
	return mask;
}

static bool is_register(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->size == 64 && register_number(op->reg.value) < SYM_RIP;
}

/* [base + disp], without an index. */
static bool is_place(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.index == ZYDIS_REGISTER_NONE &&
	       op->mem.segment != ZYDIS_REGISTER_FS && op->mem.segment != ZYDIS_REGISTER_GS &&
	       register_number(op->mem.base) != SYM_NO_REG;
}

static void take_place(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *op, uint64_t addr,
		       struct sym_insn *ret)
{
	ret->base = register_number(op->mem.base);
	ret->disp = op->mem.disp.value;
	if (ret->base == SYM_RIP)
		ret->target = addr + insn->length + (uint64_t)ret->disp;
}

static void take_move(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t addr,
		      struct sym_insn *ret)
{
	bool lea = insn->mnemonic == ZYDIS_MNEMONIC_LEA;
	if (is_register(&ops[0]) && is_place(&ops[1])) {
		ret->kind = lea ? SYM_INSN_ADDRESS : SYM_INSN_LOAD;
		ret->reg = register_number(ops[0].reg.value);
		take_place(insn, &ops[1], addr, ret);
	} else if (!lea && is_place(&ops[0]) && is_register(&ops[1])) {
		ret->kind = SYM_INSN_STORE;
		ret->reg = register_number(ops[1].reg.value);
		take_place(insn, &ops[0], addr, ret);
	} else if (!lea && is_register(&ops[0]) && is_register(&ops[1])) {
		ret->kind = SYM_INSN_COPY;
		ret->reg = register_number(ops[0].reg.value);
		ret->base = register_number(ops[1].reg.value);
	} else if (!lea && is_register(&ops[0]) && ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		   register_number(ops[1].mem.base) < SYM_RIP) {
		ret->kind = SYM_INSN_ELEMENT;
		ret->reg = register_number(ops[0].reg.value);
		ret->base = register_number(ops[1].mem.base);
		ret->disp = ops[1].mem.disp.value;
	}
}

/* A register that is set to 0: by itself, or by a constant. */
static bool take_zero(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, struct sym_insn *ret)
{
	bool both = insn->mnemonic == ZYDIS_MNEMONIC_XOR && ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ops[0].reg.value == ops[1].reg.value;
	bool constant = insn->mnemonic == ZYDIS_MNEMONIC_MOV && ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			!ops[1].imm.value.u;
	if (ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER || ops[0].size < 32 || !(both || constant) ||
	    register_number(ops[0].reg.value) >= SYM_RIP)
		return false;
	ret->kind = SYM_INSN_ZERO;
	ret->reg = register_number(ops[0].reg.value);
	return true;
}

/* An exchange leaves in memory what was in the register. */
static bool take_exchange(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t addr,
			  struct sym_insn *ret)
{
	unsigned memory = ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 0 : 1;
	if (insn->mnemonic != ZYDIS_MNEMONIC_XCHG || !is_place(&ops[memory]) || !is_register(&ops[1 - memory]))
		return false;
	ret->kind = SYM_INSN_STORE;
	ret->reg = register_number(ops[1 - memory].reg.value);
	take_place(insn, &ops[memory], addr, ret);
	return true;
}

static void take_write(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t addr,
		       struct sym_insn *ret)
{
	for (unsigned i = 0; i < insn->operand_count; i++) {
		const ZydisDecodedOperand *op = &ops[i];
		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		bool repeated = insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
		unsigned base = register_number(op->mem.base);
		bool stack = base == SYM_RSP && op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN; /* push, call */
		if (base == SYM_NO_REG || stack)
			continue;
		ret->kind = SYM_INSN_WRITE;
		take_place(insn, op, addr, ret);
		ret->size = repeated || op->mem.index != ZYDIS_REGISTER_NONE ? 0 : op->size / 8;
		return;
	}
}

static bool ends(const ZydisDecodedInstruction *insn)
{
	return insn->mnemonic == ZYDIS_MNEMONIC_UD2 || insn->mnemonic == ZYDIS_MNEMONIC_INT3 ||
	       insn->mnemonic == ZYDIS_MNEMONIC_HLT;
}

static void take_branch(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t target,
			struct sym_insn *ret)
{
	ret->kind = insn->mnemonic == ZYDIS_MNEMONIC_CALL ? SYM_INSN_CALL : SYM_INSN_JUMP;
	ret->target = target;
	ret->always = insn->mnemonic == ZYDIS_MNEMONIC_JMP;
	if (ret->kind == SYM_INSN_JUMP && !target && ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		ret->base = register_number(ops[0].mem.base);
}

static void take_other(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops, uint64_t addr,
		       struct sym_insn *ret)
{
	bool two = insn->operand_count_visible == 2;
	if (insn->mnemonic == ZYDIS_MNEMONIC_RET)
		ret->kind = SYM_INSN_RETURN;
	else if (ends(insn))
		ret->kind = SYM_INSN_STOP;
	else if (two && (insn->mnemonic == ZYDIS_MNEMONIC_MOV || insn->mnemonic == ZYDIS_MNEMONIC_LEA))
		take_move(insn, ops, addr, ret);
	if (ret->kind == SYM_INSN_OTHER &&
	    (!two || (!take_zero(insn, ops, ret) && !take_exchange(insn, ops, addr, ret))))
		take_write(insn, ops, addr, ret);
}

bool sym_disasm_step(const void *code, size_t len, uint64_t addr, struct sym_insn *ret)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZyanU64 target = 0;
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, &insn, ops)))
		return false;
	*ret = (struct sym_insn){ .len = insn.length, .reg = SYM_NO_REG, .base = SYM_NO_REG };
	ret->written = written_by(&insn, ops);
	bool relative = insn.operand_count_visible && ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			ops[0].imm.is_relative && ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &ops[0], addr, &target));
	if (insn.mnemonic == ZYDIS_MNEMONIC_CALL || insn.mnemonic == ZYDIS_MNEMONIC_JMP || relative)
		take_branch(&insn, ops, target, ret);
	else
		take_other(&insn, ops, addr, ret);
	return true;
}
