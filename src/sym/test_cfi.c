/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "fixture/sanitized.h"
#include "sym/cfi.h"

enum { CODE = 0x401000, STACK = 0x7000, RBP = SYM_REG_RBP, RSP = SYM_REG_RSP, RIP = SYM_REG_RIP };

/* ---- sections made by hand ---- */

struct bytes {
	unsigned char v[512];
	size_t n;
};

static void put(struct bytes *b, const void *data, size_t len)
{
	assert_true(b->n + len <= sizeof(b->v));
	memcpy(b->v + b->n, data, len);
	b->n += len;
}

static void put_u32(struct bytes *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

/* An entry: length, id, and what follows, filled up with nops. */
static void put_entry(struct bytes *b, uint32_t id, const void *data, size_t len)
{
	static const unsigned char nops[4] = { 0 };
	size_t pad = -len & 3;
	put_u32(b, (uint32_t)(4 + len + pad));
	put_u32(b, id);
	put(b, data, len);
	put(b, nops, pad);
}

/* Version 1, "zR", absolute addresses: CFA = rsp + 8, return address at CFA - 8. */
static void put_common(struct bytes *b)
{
	static const unsigned char cie[] = { 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x04, 0x0c, 7, 8, 0x90, 1 };
	put_entry(b, 0, cie, sizeof(cie));
}

static void put_function(struct bytes *b, uint64_t start, uint64_t len, const void *program, size_t n)
{
	unsigned char body[128] = { 0 };
	memcpy(body, &start, 8);
	memcpy(body + 8, &len, 8);
	memcpy(body + 17, program, n);
	put_entry(b, (uint32_t)b->n + 4, body, 17 + n);
}

static struct sym_cfi *parsed(const struct bytes *b)
{
	struct sym_cfi *c = NULL;
	ok(sym_cfi_new(b->v, b->n, 0x500000, false, &c));
	return c;
}

static struct sym_cfi *of_program(const void *program, size_t n)
{
	struct bytes b = { .n = 0 };
	put_common(&b);
	put_function(&b, CODE, 0x100, program, n);
	return parsed(&b);
}

static struct sym_registers registers(uint64_t rip, uint64_t rsp, uint64_t rbp)
{
	struct sym_registers r = { .known = 1u << RIP | 1u << RSP | 1u << RBP };
	r.v[RIP] = rip;
	r.v[RSP] = rsp;
	r.v[RBP] = rbp;
	return r;
}

static void a_row_changes_along_a_function(void **state)
{
	/* push rbp; mov rbp, rsp; ...; leave */
	static const unsigned char program[] = { 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x60, 0x0c, 7, 8 };
	AUTO(sym_cfi) struct sym_cfi *c = of_program(program, sizeof(program));
	struct sym_cfi_row row;
	assert_int_equal(sym_cfi_count(c), 1);
	assert_true(sym_cfi_row(c, CODE, &row));
	assert_int_equal(row.cfa.reg, RSP);
	assert_int_equal(row.cfa.offset, 8);
	assert_int_equal(row.reg[RBP].kind, SYM_RULE_SAME);
	assert_true(sym_cfi_row(c, CODE + 1, &row));
	assert_int_equal(row.cfa.offset, 16);
	assert_int_equal(row.reg[RBP].kind, SYM_RULE_AT);
	assert_int_equal(row.reg[RBP].offset, -16);
	assert_true(sym_cfi_row(c, CODE + 4, &row));
	assert_int_equal(row.cfa.reg, RBP);
	assert_true(sym_cfi_row(c, CODE + 0x24, &row));
	assert_int_equal(row.cfa.reg, RSP);
	assert_int_equal(row.function, CODE);
	assert_false(sym_cfi_row(c, CODE - 1, &row));
	assert_false(sym_cfi_row(c, CODE + 0x100, &row));
}

static void a_step_restores_what_was_saved(void **state)
{
	static const unsigned char program[] = { 0x0e, 16, 0x86, 2 };
	AUTO(sym_cfi) struct sym_cfi *c = of_program(program, sizeof(program));
	uint64_t words[] = { 0xbbbb, 0x401999, 7 };
	struct sym_stack stack = { STACK, (const unsigned char *)words, sizeof(words) };
	struct sym_registers r = registers(CODE + 8, STACK, 1);
	struct sym_cfi_row row;
	assert_true(sym_cfi_row(c, CODE + 8, &row));
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED);
	assert_int_equal(r.v[RIP], 0x401999);
	assert_int_equal(r.v[RSP], STACK + 16);
	assert_int_equal(r.v[RBP], 0xbbbb);
	assert_int_equal(r.known & 1u << SYM_REG_RBX, 0); /* it never was */

	stack.len = 12;
	r = registers(CODE + 8, STACK, 1);
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED_SHORT);
}

static void expressions_are_evaluated(void **state)
{
	/* As linkers write it for the PLT: CFA = rsp + 8 + ((rip & 15) >= 11) * 8. */
	static const unsigned char program[] = { 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22 };
	AUTO(sym_cfi) struct sym_cfi *c = of_program(program, sizeof(program));
	uint64_t words[] = { 1, 2, 3, 4 };
	struct sym_stack stack = { STACK, (const unsigned char *)words, sizeof(words) };
	struct sym_cfi_row row;
	struct sym_registers r = registers(CODE + 0x16, STACK, 0);
	assert_true(sym_cfi_row(c, CODE + 0x16, &row));
	assert_int_equal(row.cfa.kind, SYM_RULE_EXPR_IS);
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED);
	assert_int_equal(r.v[RIP], 1);
	r = registers(CODE + 0x1b, STACK, 0);
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED);
	assert_int_equal(r.v[RIP], 2);
}

static void an_expression_without_end_is_lost(void **state)
{
	static const unsigned char program[] = { 0x0f, 4, 0x30, 0x2f, 0xfd, 0xff }; /* skip -3: to itself */
	AUTO(sym_cfi) struct sym_cfi *c = of_program(program, sizeof(program));
	struct sym_stack stack = { STACK, NULL, 0 };
	struct sym_registers r = registers(CODE, STACK, 0);
	struct sym_cfi_row row;
	assert_true(sym_cfi_row(c, CODE, &row));
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED_LOST);
}

static void an_undefined_return_address_is_the_last(void **state)
{
	static const unsigned char program[] = { 0x07, 16 };
	AUTO(sym_cfi) struct sym_cfi *c = of_program(program, sizeof(program));
	struct sym_stack stack = { STACK, NULL, 0 };
	struct sym_registers r = registers(CODE, STACK, 0);
	struct sym_cfi_row row;
	assert_true(sym_cfi_row(c, CODE, &row));
	assert_int_equal(sym_cfi_step(c, &row, &stack, &r), SYM_STEPPED_LAST);
}

static void programs_that_make_no_sense_give_no_row(void **state)
{
	static const unsigned char bad[][4] = {
		{ 0x0b },	     /* restore without remember */
		{ 0x3f },	     /* no such operation */
		{ 0x0f, 100, 0x30 }, /* an expression longer than the program */
		{ 0x0c, 99, 0 },     /* the CFA by a register that there is not */
		{ 0x0f, 1, 0x30, 0x0e } /* an offset to an expression */,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO(sym_cfi) struct sym_cfi *c = of_program(bad[i], sizeof(bad[i]));
		struct sym_cfi_row row;
		assert_false(sym_cfi_row(c, CODE, &row));
	}
}

static void functions_are_found_in_any_order_and_damage_is_left_out(void **state)
{
	struct bytes b = { .n = 0 };
	put_common(&b);
	put_function(&b, 0x3000, 0x10, "", 0);
	put_u32(&b, 0); /* the end of one file's part */
	put_function(&b, 0x1000, 0x10, "", 0);
	put_entry(&b, 0xffff, "x", 1); /* what is common to it lies outside */
	put_function(&b, 0x2000, 0x10, "", 0);
	put_u32(&b, 0x7fffffff); /* longer than the section */
	put_u32(&b, 0);
	AUTO(sym_cfi) struct sym_cfi *c = parsed(&b);
	uint64_t start = 0, end = 0;
	assert_true(sym_cfi_function(c, 0x100f, &start, &end));
	assert_int_equal(start, 0x1000);
	assert_int_equal(end, 0x1010);
	assert_true(sym_cfi_function(c, 0x3000, &start, &end));
	assert_false(sym_cfi_function(c, 0x1010, &start, &end));
}

/* ---- our own stack ---- */

struct module {
	uintptr_t bias, low, high;
	struct sym_cfi *cfi;
};

static struct module modules[64];
static size_t n_modules;

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = &modules[n_modules];
	AUTO_CLOSE int fd = open(*info->dlpi_name ? info->dlpi_name : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct sym_elf elf;
	if (fd < 0 || n_modules == 64)
		return 0;
	*m = (struct module){ .bias = info->dlpi_addr };
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		m->low = m->bias + p->p_vaddr;
		m->high = m->low + p->p_memsz;
	}
	ok(sym_elf_open(fd, info->dlpi_name, &elf));
	ok(sym_cfi_open(fd, &elf, &m->cfi));
	sym_elf_close(&elf);
	n_modules++;
	return 0;
}

static const struct module *module_of(uintptr_t pc)
{
	for (size_t i = 0; i < n_modules; i++) {
		if (pc >= modules[i].low && pc < modules[i].high)
			return &modules[i];
	}
	return NULL;
}

enum { DEPTH = 64 };

struct own_stack {
	void *theirs[DEPTH], *ours[DEPTH];
	size_t n_theirs, n_ours;
};

static void unwind_here(struct own_stack *s)
{
	ucontext_t here;
	int n = backtrace(s->theirs, DEPTH);
	s->n_theirs = (size_t)n;
	assert_int_equal(getcontext(&here), 0);
	const greg_t *g = here.uc_mcontext.gregs;
	struct sym_registers r = registers((uint64_t)g[REG_RIP], (uint64_t)g[REG_RSP], (uint64_t)g[REG_RBP]);
	static const struct {
		unsigned ours;
		int theirs;
	} saved[] = { { SYM_REG_RBX, REG_RBX }, { SYM_REG_R12, REG_R12 }, { SYM_REG_R13, REG_R13 } };
	for (size_t i = 0; i < 3; i++) {
		r.v[saved[i].ours] = (uint64_t)g[saved[i].theirs];
		r.known |= 1u << saved[i].ours;
	}
	struct sym_stack stack = { r.v[RSP], (const unsigned char *)r.v[RSP], 1 << 12 };
	for (s->n_ours = 0; s->n_ours < DEPTH;) {
		s->ours[s->n_ours] = (void *)r.v[RIP];
		const struct module *m = module_of(r.v[RIP] - (s->n_ours > 0));
		s->n_ours++;
		struct sym_cfi_row row;
		uint64_t pc = r.v[RIP] - (s->n_ours > 1) - (m ? m->bias : 0);
		if (!m || !sym_cfi_row(m->cfi, pc, &row) || sym_cfi_step(m->cfi, &row, &stack, &r) != SYM_STEPPED)
			break;
	}
}

static struct own_stack own;

static int compare(const void *a, const void *b)
{
	if (!own.n_ours)
		unwind_here(&own);
	return *(const int *)a - *(const int *)b;
}

/* Through libc's qsort(), which keeps no frame pointer. */
static void our_own_stack_is_unwound_as_libgcc_does(void **state)
{
	int v[] = { 3, 1, 2 };
	if (SANITIZED)
		return; /* the plain build runs it */
	dl_iterate_phdr(add_module, NULL);
	qsort(v, 3, sizeof(v[0]), compare);
	assert_true(own.n_theirs > 6);
	assert_true(own.n_ours >= 6);
	for (size_t i = 1; i < own.n_ours && i < 6; i++)
		assert_ptr_equal(own.ours[i], own.theirs[i]);
	for (size_t i = 0; i < n_modules; i++)
		sym_cfi_free(modules[i].cfi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_changes_along_a_function),
		cmocka_unit_test(a_step_restores_what_was_saved),
		cmocka_unit_test(expressions_are_evaluated),
		cmocka_unit_test(an_expression_without_end_is_lost),
		cmocka_unit_test(an_undefined_return_address_is_the_last),
		cmocka_unit_test(programs_that_make_no_sense_give_no_row),
		cmocka_unit_test(functions_are_found_in_any_order_and_damage_is_left_out),
		cmocka_unit_test(our_own_stack_is_unwound_as_libgcc_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
