/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/image.h"
#include "gort/site.h"

#define TYPES UINT64_C(0x700000)

enum { TYPES_LEN = 4096, NAME = 1024, SESSION = 64, LEA_AT = 100, CALL_AT = 110, CODE = 128, CALLER = 1 };

enum { LEA_RAX = 0x05, LEA_RBX = 0x1d, LEA_RCX = 0x0d, LEA_RSI = 0x35 };

static const unsigned char ret_code[] = { 0xc3 };

static void aim(unsigned char *code, size_t disp, size_t end, uint64_t target)
{
	uint32_t d = (uint32_t)(target - (image_func_addr(CALLER) + end));
	memcpy(code + disp, &d, sizeof(d));
}

struct world {
	struct fixture f;
	struct gort g;
	struct gort_types types;
	unsigned char code[CODE];
};

static const struct gort_layout *layout_of(int minor)
{
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		if (gort_layouts[i].minor == minor && !*gort_layouts[i].experiment)
			return &gort_layouts[i];
	}
	return &gort_layouts[0];
}

static void put_types(struct world *w, const struct gort_layout *l)
{
	unsigned char *bytes = fixture_region(&w->f, TYPES, TYPES_LEN);
	const struct {
		uint64_t at;
		uint64_t value;
		size_t size;
	} words[] = {
		{ gort_at(l, w->g.module.moduledata, GORT_moduledata_types), TYPES, 8 },
		{ gort_at(l, w->g.module.moduledata, GORT_moduledata_etypes), TYPES + TYPES_LEN, 8 },
		{ gort_at(l, TYPES + SESSION, GORT_type_size), 48, 8 },
		{ gort_at(l, TYPES + SESSION, GORT_type_ptrdata), 8, 8 },
		{ gort_at(l, TYPES + SESSION, GORT_type_kind), 25, 1 },
		{ gort_at(l, TYPES + SESSION, GORT_type_align), 8, 1 },
		{ gort_at(l, TYPES + SESSION, GORT_type_str), NAME, 4 },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		fixture_put(&w->f, words[i].at, words[i].value, words[i].size);
	static const unsigned char name[] = { 0, 12, 'm', 'a', 'i', 'n', '.', 'S', 'e', 's', 's', 'i', 'o', 'n' };
	memcpy(bytes + NAME, name, sizeof(name));
}

/* main.work loads a type into a register and calls `callee`. */
static void setup(struct world *w, int minor, unsigned char modrm, const char *callee, unsigned char call)
{
	const struct gort_layout *l = layout_of(minor);
	memset(w->code, 0x90, CODE);
	memcpy(w->code + LEA_AT, (unsigned char[]){ 0x48, 0x8d, modrm }, 3);
	aim(w->code, LEA_AT + 3, LEA_AT + 7, TYPES + SESSION);
	w->code[CALL_AT] = call;
	aim(w->code, CALL_AT + 1, CALL_AT + 5, image_func_addr(2));
	const struct image_func funcs[] = {
		{ "main.first", ret_code, 1 },
		{ "main.work", w->code, CODE },
		{ callee, ret_code, 1 },
	};
	struct image spec = { .magic = minor < 20 ? 0xf0 : 0xf1, .funcs = funcs, .nfuncs = 3, .version = "go1.22.12" };
	fixture_init(&w->f);
	image_build(&w->f, &spec);
	w->g = (struct gort){ .src = &w->f.src, .layout = l };
	assert_null(gort_module_find(&w->f.src, image_vmas, IMAGE_VMAS, &w->g.module));
	struct sym_pclntab_layout tab = gort_module_pclntab(&w->g.module, &w->f.src);
	assert_null(sym_pclntab_new(&tab, &w->g.pclntab));
	put_types(w, l);
	gort_types_init(&w->types, &w->g);
}

static void teardown(struct world *w)
{
	gort_types_deinit(&w->types);
	sym_pclntab_free(w->g.pclntab);
	gort_module_deinit(&w->g.module);
	fixture_deinit(&w->f);
}

static const uint64_t pc = IMAGE_TEXT + (uint64_t)CALLER * IMAGE_FUNC_LEN + CALL_AT + 5;

static void the_register_of_the_callee_counts(void **state)
{
	(void)state;
	static const struct {
		int minor;
		unsigned char modrm;
		const char *callee, *type;
		bool parts;
	} cases[] = {
		{ 22, LEA_RAX, "runtime.newobject", "main.Session", false },
		{ 27, LEA_RBX, "runtime.mallocgcSmallScanNoHeaderSC5", "main.Session", false },
		{ 22, LEA_RAX, "runtime.makeslice", "[]main.Session", false },
		{ 22, LEA_RSI, "runtime.growslice", "[]main.Session", false },
		{ 19, LEA_RAX, "runtime.growslice", "[]main.Session", false },
		{ 22, LEA_RAX, "runtime.mapassign_faststr", "main.Session", true },
		{ 22, LEA_RCX, "runtime.slicebytetostring", "string", false },
		{ 22, LEA_RBX, "runtime.newobject", NULL, false },
		{ 22, LEA_RAX, "runtime.growslice", NULL, false },
		{ 22, LEA_RAX, "runtime.newobjects", NULL, false },
		{ 22, LEA_RAX, "main.newobject", NULL, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct gort_site site = { 0 };
		setup(&w, cases[i].minor, cases[i].modrm, cases[i].callee, 0xe8);
		assert_int_equal(gort_site_type(&w.types, pc, &site), cases[i].type != NULL);
		if (cases[i].type) {
			assert_string_equal(site.type, cases[i].type);
			assert_int_equal(site.parts, cases[i].parts);
		}
		teardown(&w);
	}
}

static void what_does_not_fit_exactly_is_unknown(void **state)
{
	(void)state;
	struct world w;
	struct gort_site site = { 0 };
	setup(&w, 22, LEA_RAX, "runtime.newobject", 0xe9); /* a jump */
	assert_false(gort_site_type(&w.types, pc, &site));
	assert_false(gort_site_type(&w.types, pc + 1, &site));
	assert_false(gort_site_type(&w.types, 0, &site));
	assert_false(gort_site_type(&w.types, UINT64_MAX, &site));
	teardown(&w);
	setup(&w, 22, LEA_RAX, "runtime.newobject", 0xe8);
	fixture_put(&w.f, gort_at(w.g.layout, TYPES + SESSION, GORT_type_kind), 31, 1); /* no type after all */
	assert_false(gort_site_type(&w.types, pc, &site));
	w.f.fail_at = w.f.reads + 1;
	assert_false(gort_site_type(&w.types, pc, &site));
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_register_of_the_callee_counts),
		cmocka_unit_test(what_does_not_fit_exactly_is_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
