/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hostile code says about types: the input is the code of functions of an image, among functions of the runtime that
 * it may call. Its first bytes patch the descriptors of the types.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "fixture/image.h"
#include "fixture/types.h"
#include "gocode/calls.h"

enum { OWN = 4, CALLED = 6, FUNCS = OWN + CALLED };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[FUNCS] = {
	"main.f",
	"main.(*node).g",
	"main.h",
	"main.h.func1",
	"runtime.newobject",
	"runtime.makemap_small",
	"runtime.mapassign_faststr",
	"runtime.gcWriteBarrier2",
	"runtime.gopanic",
	"runtime.duffzero",
};

static void make_types(struct fixture *f, struct gort *g, struct cursor *c)
{
	struct types t;
	types_init(&t, f, g);
	uint64_t node = types_add(&t, "main.node", GORT_KIND_STRUCT, 32, 32);
	uint64_t pointer = types_add(&t, "*main.node", GORT_KIND_POINTER, 8, 8);
	uint64_t slice = types_add(&t, "[]*main.node", GORT_KIND_SLICE, 24, 8);
	uint64_t map = types_add(&t, "map[string]*main.node", GORT_KIND_MAP, 8, 8);
	types_set(&t, pointer, GORT_ptrtype_elem, node);
	types_set(&t, slice, GORT_slicetype_elem, pointer);
	types_set(&t, map, GORT_maptype_elem, pointer);
	types_field(&t, node, "next", pointer, 0);
	types_field(&t, node, "all", slice, 8);
	types_path(&t, node, GORT_structtype_SIZEOF, "main");
	for (unsigned n = cursor_u8(c) & 7; n; n--) {
		uint64_t at = cursor_u16(c), value = cursor_u64(c);
		fixture_put(f, TYPES_AT + at % (TYPES_LEN - 8), value, 8);
	}
}

static void make_functions(struct cursor *c, const uint8_t *data, size_t size, struct image_func *ret)
{
	static const unsigned char leave[] = { 0xc3 };
	size_t at = num_min(cursor_offset(c), size), part = (size - at) / OWN;
	for (size_t i = 0; i < FUNCS; i++)
		ret[i] = (struct image_func){ names[i], leave, sizeof(leave) };
	for (size_t i = 0; i < OWN && part; i++)
		ret[i] = (struct image_func){ names[i], data + at + i * part, num_min(part, IMAGE_FUNC_LEN) };
}

static void ask(struct gort *g, uint64_t moduledata)
{
	struct gort_types types;
	struct gocode_reader r;
	struct gocode_call_vec calls = { 0 };
	struct gocode_slot_vec slots = { 0 };
	g->module.moduledata = moduledata;
	gort_types_init(&types, g);
	gocode_reader_init(&r, &types);
	gocode_calls_read(&r, &calls);
	for (size_t i = 0; i < calls.n;
	     i++) /* an earlier one's address is no return address, but may be taken for one */
		gocode_flow_slots(&r, image_func_addr(i % OWN) + calls.v[i].rtype % IMAGE_FUNC_LEN, &slots);
	for (uint64_t pc = 0; pc < IMAGE_FUNC_LEN; pc += 61)
		gocode_flow_slots(&r, image_func_addr(0) + pc, &slots);
	vec_deinit(&slots);
	vec_deinit(&calls);
	gocode_reader_deinit(&r);
	gort_types_deinit(&types);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture f;
	struct gort g = { .layout = &gort_layouts[0] };
	struct image_func funcs[FUNCS];
	struct cursor c;
	cursor_init(&c, data, size);
	fixture_init(&f);
	g.src = &f.src;
	make_types(&f, &g, &c);
	make_functions(&c, data, size, funcs);
	struct image spec = { .magic = 0xf1, .funcs = funcs, .nfuncs = FUNCS, .version = "go1.22.12" };
	uint64_t moduledata = g.module.moduledata;
	image_build(&f, &spec);
	struct err *err = gort_module_find(&f.src, image_vmas, IMAGE_VMAS, &g.module);
	if (!err) {
		struct sym_pclntab_layout l = gort_module_pclntab(&g.module, &f.src);
		err = sym_pclntab_new(&l, &g.pclntab);
		if (!err)
			ask(&g, moduledata);
		sym_pclntab_free(g.pclntab);
		gort_module_deinit(&g.module);
	}
	err_free(err);
	fixture_deinit(&f);
	return 0;
}
