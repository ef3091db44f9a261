/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sym/disasm.h"

enum { AT = 0x1000, MAX = 8 };

#define CODE(...) { __VA_ARGS__ }, sizeof((const unsigned char[]){ __VA_ARGS__ })

static const struct {
	const char *what;
	unsigned char code[16];
	size_t len;
	struct sym_ref want;
} single[] = {
	{ "lea rax, [rip+0x10]", CODE(0x48, 0x8d, 0x05, 0x10, 0, 0, 0), { SYM_REF_LEA, AT, AT + 7 + 0x10, 0 } },
	{ "lea r10, [rip-8]", CODE(0x4c, 0x8d, 0x15, 0xf8, 0xff, 0xff, 0xff), { SYM_REF_LEA, AT, AT + 7 - 8, 10 } },
	{ "mov rcx, [rip+4]", CODE(0x48, 0x8b, 0x0d, 4, 0, 0, 0), { SYM_REF_LOAD, AT, AT + 7 + 4, 1 } },
	{ "mov ebx, [rip+4]", CODE(0x8b, 0x1d, 4, 0, 0, 0), { SYM_REF_LOAD, AT, AT + 6 + 4, 3 } },
	{ "movzx edx, byte [rip]", CODE(0x0f, 0xb6, 0x15, 0, 0, 0, 0), { SYM_REF_LOAD, AT, AT + 7, 2 } },
	{ "movups xmm0, [rip]", CODE(0x0f, 0x10, 0x05, 0, 0, 0, 0), { SYM_REF_LOAD, AT, AT + 7, 16 } },
	{ "add rax, [rip]", CODE(0x48, 0x03, 0x05, 0, 0, 0, 0), { SYM_REF_LOAD, AT, AT + 7, 16 } },
	{ "mov [rip+2], rdx", CODE(0x48, 0x89, 0x15, 2, 0, 0, 0), { SYM_REF_STORE, AT, AT + 7 + 2, 16 } },
	{ "mov dword [rip], 1", CODE(0xc7, 0x05, 0, 0, 0, 0, 1, 0, 0, 0), { SYM_REF_STORE, AT, AT + 10, 16 } },
	{ "cmp dword [rip], 0", CODE(0x83, 0x3d, 0, 0, 0, 0, 0), { SYM_REF_RMW, AT, AT + 7, 16 } },
	{ "cmp rax, [rip]", CODE(0x48, 0x3b, 0x05, 0, 0, 0, 0), { SYM_REF_RMW, AT, AT + 7, 16 } },
	{ "lock xadd [rip], eax", CODE(0xf0, 0x0f, 0xc1, 0x05, 0, 0, 0, 0), { SYM_REF_RMW, AT, AT + 8, 16 } },
	{ "inc qword [rip]", CODE(0x48, 0xff, 0x05, 0, 0, 0, 0), { SYM_REF_RMW, AT, AT + 7, 16 } },
	{ "call $+0x105", CODE(0xe8, 0, 1, 0, 0), { SYM_REF_CALL, AT, AT + 5 + 0x100, 16 } },
	{ "jmp $+0x105", CODE(0xe9, 0, 1, 0, 0), { SYM_REF_CALL, AT, AT + 5 + 0x100, 16 } },
	{ "call to itself", CODE(0xe8, 0xfb, 0xff, 0xff, 0xff), { SYM_REF_CALL, AT, AT, 16 } },
};

static void an_instruction_gives_its_reference(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		struct sym_ref r[MAX] = { { 0 } };
		size_t n = sym_disasm_refs(single[i].code, single[i].len, AT, r, MAX);
		const struct sym_ref *want = &single[i].want;
		if (n != 1 || r[0].kind != want->kind || r[0].at != want->at || r[0].target != want->target ||
		    r[0].reg != want->reg)
			fail_msg("%s: %zu references, kind %d, target %#llx, register %u", single[i].what, n,
				 (int)r[0].kind, (unsigned long long)r[0].target, r[0].reg);
	}
}

static void what_refers_to_nothing_gives_nothing(void **state)
{
	(void)state;
	static const unsigned char code[] = {
		0x48, 0x89, 0xd8,	      /* mov rax, rbx */
		0x48, 0x8b, 0x43, 0x08,	      /* mov rax, [rbx+8] */
		0xeb, 0xf7,		      /* jmp to the start: inside */
		0x74, 0x00,		      /* je to the next */
		0xff, 0xd0,		      /* call rax */
		0x64, 0x48, 0x8b, 0x04, 0x25, /* mov rax, fs:[-8] */
		0xf8, 0xff, 0xff, 0xff, 0xc3, /* ret */
	};
	struct sym_ref r[MAX];
	assert_int_equal(sym_disasm_refs(code, sizeof(code), AT, r, MAX), 0);
	assert_int_equal(sym_disasm_refs(code, 0, AT, r, MAX), 0);
}

/* Bytes inside an instruction are not taken for another one. */
static void constants_are_not_code(void **state)
{
	(void)state;
	static const unsigned char code[] = { 0x48, 0xb8, 0x48, 0x8d, 0x05, 0x10, 0, 0, 0, 0, /* mov rax, imm64 */
					      0xe8, 0,	  0,	0,    0 };
	struct sym_ref r[MAX];
	assert_int_equal(sym_disasm_refs(code, sizeof(code), AT, r, MAX), 1);
	assert_int_equal(r[0].kind, SYM_REF_CALL);
	assert_int_equal(r[0].at, AT + 10);
}

static void bytes_that_are_no_code_are_stepped_over(void **state)
{
	(void)state;
	static const unsigned char code[] = { 0x06, 0x06, 0x48, 0x8d, 0x05, 0, 0, 0, 0, /* no such instruction; lea */
					      0x48, 0x8d, 0x05, 0 };			/* cut short */
	struct sym_ref r[MAX];
	assert_int_equal(sym_disasm_refs(code, sizeof(code), AT, r, MAX), 1);
	assert_int_equal(r[0].at, AT + 2);
}

static void no_more_is_written_than_there_is_room_for(void **state)
{
	(void)state;
	unsigned char code[70];
	for (size_t i = 0; i < sizeof(code); i += 7) {
		static const unsigned char lea[7] = { 0x48, 0x8d, 0x05, 0, 0, 0, 0 };
		for (size_t k = 0; k < sizeof(lea); k++)
			code[i + k] = lea[k];
	}
	struct sym_ref r[4] = { { 0 } };
	assert_int_equal(sym_disasm_refs(code, sizeof(code), AT, r, 3), 3);
	assert_int_equal(r[2].at, AT + 14);
	assert_int_equal(r[3].at, 0);
	assert_int_equal(sym_disasm_refs(code, sizeof(code), AT, r, 0), 0);
}

/* What one instruction moves: kind, register, base, displacement, target, bytes written. */
static const struct {
	const char *what;
	unsigned char code[16];
	size_t len;
	struct sym_insn want;
} steps[] = {
	{ "mov rcx, rax", CODE(0x48, 0x89, 0xc1), { SYM_INSN_COPY, .reg = 1, .base = 0 } },
	{ "mov rax, [rsp+0x18]",
	  CODE(0x48, 0x8b, 0x44, 0x24, 0x18),
	  { SYM_INSN_LOAD, .reg = 0, .base = 4, .disp = 0x18 } },
	{ "mov [rbx+8], r9", CODE(0x4c, 0x89, 0x4b, 0x08), { SYM_INSN_STORE, .reg = 9, .base = 3, .disp = 8 } },
	{ "xchg [rbx], rcx", CODE(0x48, 0x87, 0x0b), { SYM_INSN_STORE, .reg = 1, .base = 3 } },
	{ "lea rdi, [rsp+0x20]",
	  CODE(0x48, 0x8d, 0x7c, 0x24, 0x20),
	  { SYM_INSN_ADDRESS, .reg = 7, .base = 4, .disp = 0x20 } },
	{ "mov rdx, [rax+rcx*8]", CODE(0x48, 0x8b, 0x14, 0xc8), { SYM_INSN_ELEMENT, .reg = 2, .base = 0 } },
	{ "xor eax, eax", CODE(0x31, 0xc0), { SYM_INSN_ZERO, .reg = 0, .base = SYM_NO_REG } },
	{ "xor eax, ecx", CODE(0x31, 0xc8), { SYM_INSN_OTHER, .reg = SYM_NO_REG, .base = SYM_NO_REG } },
	{ "movups [rsp+0x10], xmm0",
	  CODE(0x0f, 0x11, 0x44, 0x24, 0x10),
	  { SYM_INSN_WRITE, .reg = SYM_NO_REG, .base = 4, .disp = 0x10, .size = 16 } },
	{ "mov qword [rsp+8], 1",
	  CODE(0x48, 0xc7, 0x44, 0x24, 0x08, 1, 0, 0, 0),
	  { SYM_INSN_WRITE, .reg = SYM_NO_REG, .base = 4, .disp = 8, .size = 8 } },
	{ "rep stosq", CODE(0xf3, 0x48, 0xab), { SYM_INSN_WRITE, .reg = SYM_NO_REG, .base = 7 } },
	{ "call $+0x105", CODE(0xe8, 0, 1, 0, 0), { SYM_INSN_CALL, .base = SYM_NO_REG, .target = AT + 0x105 } },
	{ "call rdx", CODE(0xff, 0xd2), { SYM_INSN_CALL, .base = SYM_NO_REG } },
	{ "je $+4", CODE(0x74, 0x02), { SYM_INSN_JUMP, .base = SYM_NO_REG, .target = AT + 4 } },
	{ "jmp [rax+rcx*8]", CODE(0xff, 0x24, 0xc8), { SYM_INSN_JUMP, .base = 0, .always = true } },
	{ "ret", CODE(0xc3), { SYM_INSN_RETURN, .base = SYM_NO_REG } },
	{ "ud2", CODE(0x0f, 0x0b), { SYM_INSN_STOP, .base = SYM_NO_REG } },
};

static void an_instruction_tells_what_it_moves(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct sym_insn *want = &steps[i].want;
		struct sym_insn got;
		assert_true(sym_disasm_step(steps[i].code, steps[i].len, AT, &got));
		bool moves = want->kind < SYM_INSN_WRITE && want->kind != SYM_INSN_OTHER;
		if (got.kind != want->kind || got.len != steps[i].len || (moves && got.reg != want->reg) ||
		    got.base != want->base || got.disp != want->disp || got.target != want->target ||
		    got.size != want->size || (got.kind == SYM_INSN_JUMP && got.always != want->always))
			fail_msg("%s: kind %d, register %u, base %u, displacement %lld, %u bytes", steps[i].what,
				 (int)got.kind, got.reg, got.base, (long long)got.disp, got.size);
	}
	struct sym_insn none;
	assert_false(sym_disasm_step(steps[0].code, 2, AT, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instruction_gives_its_reference),
		cmocka_unit_test(what_refers_to_nothing_gives_nothing),
		cmocka_unit_test(constants_are_not_code),
		cmocka_unit_test(bytes_that_are_no_code_are_stepped_over),
		cmocka_unit_test(no_more_is_written_than_there_is_room_for),
		cmocka_unit_test(an_instruction_tells_what_it_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
