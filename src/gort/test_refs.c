/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/image.h"
#include "gort/refs.h"

static const uint64_t variable = IMAGE_DATA + IMAGE_PTRDATA + 0x40;

/* Operand bytes of an instruction of `len` bytes at `at` whose displacement starts at `disp`. */
static void aim(unsigned char *code, size_t disp, size_t len, uint64_t at, uint64_t target)
{
	uint32_t d = (uint32_t)(target - (at + len));
	memcpy(code + disp, &d, sizeof(d));
}

static void attach(struct fixture *f, struct gort *g, const struct image_func *funcs, size_t n)
{
	struct image spec = { .magic = 0xf1, .funcs = funcs, .nfuncs = n, .version = "go1.22.12" };
	fixture_init(f);
	image_build(f, &spec);
	*g = (struct gort){ .src = &f->src };
	assert_null(gort_module_find(&f->src, image_vmas, IMAGE_VMAS, &g->module));
	struct sym_pclntab_layout l = gort_module_pclntab(&g->module, &f->src);
	assert_null(sym_pclntab_new(&l, &g->pclntab));
}

static void detach(struct fixture *f, struct gort *g)
{
	sym_pclntab_free(g->pclntab);
	gort_module_deinit(&g->module);
	fixture_deinit(f);
}

/* lea, a comparison with an immediate, and a load of something that is no data. */
static void operands_are_found(void **state)
{
	(void)state;
	unsigned char lea[] = { 0x90, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xc3 };
	unsigned char cmp[] = { 0x83, 0x3d, 0, 0, 0, 0, 0x01, 0xc3 };
	unsigned char other[] = { 0x48, 0x8b, 0x05, 0, 0, 0, 0, 0xc3 };
	aim(lea, 4, 8, image_func_addr(0), variable);
	aim(cmp, 2, 7, image_func_addr(1), variable + 8);
	aim(other, 3, 7, image_func_addr(2), IMAGE_RODATA + 0x20);
	const struct image_func funcs[] = {
		{ "main.a", lea, sizeof(lea) },
		{ "main.b", cmp, sizeof(cmp) },
		{ "main.c", other, sizeof(other) },
	};
	struct fixture f;
	struct gort g;
	attach(&f, &g, funcs, 3);
	struct gort_ref_vec refs = { 0 };
	gort_refs_read(&g, &refs);
	assert_int_equal(refs.n, 2);
	assert_int_equal(refs.v[0].addr, variable);
	assert_int_equal(refs.v[0].func, 0);
	assert_int_equal(refs.v[1].addr, variable + 8);
	assert_int_equal(refs.v[1].func, 1);
	vec_deinit(&refs);
	detach(&f, &g);
}

/* Code that cannot be read gives no references and no crash. */
static void unreadable_code_is_no_code(void **state)
{
	(void)state;
	const unsigned char ret[] = { 0xc3 };
	const struct image_func funcs[] = { { "main.a", ret, 1 } };
	struct fixture f;
	struct gort g;
	attach(&f, &g, funcs, 1);
	f.fail_at = f.reads + 1;
	struct gort_ref_vec refs = { 0 };
	gort_refs_read(&g, &refs);
	assert_int_equal(refs.n, 0);
	vec_deinit(&refs);
	detach(&f, &g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands_are_found),
		cmocka_unit_test(unreadable_code_is_no_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
