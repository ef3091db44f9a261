/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/types.h"
#include "gort/type.h"

#define TYPES UINT64_C(0x6000000)
#define MODULE UINT64_C(0x6800000)
#define MADE UINT64_C(0xc000100000)

enum { LEN = 32 << 10, NAMES = 4096, LONG_NAMES = 8192, STAR = 2 };

struct spec {
	uint64_t at, size, ptrdata, kind, tflag, str, align;
};

static void put(struct fixture *f, const struct gort_layout *l, const struct spec *s)
{
	const struct {
		enum gort_field field;
		uint64_t value;
	} fields[] = {
		{ GORT_type_size, s->size },   { GORT_type_ptrdata, s->ptrdata }, { GORT_type_kind, s->kind },
		{ GORT_type_tflag, s->tflag }, { GORT_type_str, s->str },	  { GORT_type_align, s->align },
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fixture_put(f, gort_at(l, TYPES + s->at, fields[i].field), fields[i].value, l->f[fields[i].field].size);
}

/* Flags, length, text. */
static void put_name(unsigned char *types, size_t at, const char *text, size_t len)
{
	types[at++] = 0;
	if (len >= 128)
		types[at++] = (unsigned char)(len & 0x7f) | 0x80;
	types[at++] = (unsigned char)(len >= 128 ? len >> 7 : len);
	memcpy(types + at, text, strnlen(text, len));
}

static unsigned char *setup(struct fixture *f, struct gort *g, const struct gort_layout *l)
{
	fixture_init(f);
	unsigned char *types = fixture_region(f, TYPES, LEN);
	fixture_region(f, MODULE, gort_sizeof(l, GORT_moduledata_SIZEOF));
	fixture_put(f, gort_at(l, MODULE, GORT_moduledata_types), TYPES, 8);
	fixture_put(f, gort_at(l, MODULE, GORT_moduledata_etypes), TYPES + LEN, 8);
	*g = (struct gort){ .src = &f->src, .layout = l };
	g->module.moduledata = MODULE;
	put_name(types, NAMES, "*main.Session", 13);
	put_name(types, NAMES + 64, "map[string]int", 14);
	return types;
}

static void names_are_read_in_every_layout(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g;
		struct gort_types ts;
		const struct gort_layout *l = &gort_layouts[i];
		setup(&f, &g, l);
		put(&f, l, &(struct spec){ 64, 48, 24, 25, STAR, NAMES, 8 });
		put(&f, l, &(struct spec){ 256, 8, 8, 22 | 32, 0, NAMES, 8 });
		put(&f, l, &(struct spec){ 512, 8, 8, 21, 0, NAMES + 64, 8 });
		gort_types_init(&ts, &g);
		assert_string_equal(gort_type_name(&ts, TYPES + 64), "main.Session");
		assert_string_equal(gort_type_name(&ts, TYPES + 256), "*main.Session");
		assert_string_equal(gort_type_name(&ts, TYPES + 512), "map[string]int");
		const struct gort_type *type = gort_type_at(&ts, TYPES + 64);
		assert_non_null(type);
		assert_int_equal(type->size, 48);
		assert_int_equal(type->ptrdata, 24);
		assert_int_equal(gort_type_at(&ts, TYPES + 256)->kind, 22);
		unsigned reads = f.reads;
		assert_non_null(gort_type_at(&ts, TYPES + 512));
		assert_int_equal(f.reads, reads); /* kept */
		gort_types_deinit(&ts);
		fixture_deinit(&f);
	}
}

/* Whatever is no type has no name, however it looks; nothing is read outside of the types. */
static void what_is_no_type_has_no_name(void **state)
{
	(void)state;
	static const struct spec damaged[] = {
		{ 64, 48, 24, 0, 0, NAMES, 8 },
		{ 64, 48, 24, 27, 0, NAMES, 8 },
		{ 64, 48, 49, 25, 0, NAMES, 8 },
		{ 64, UINT64_C(1) << 50, 0, 25, 0, NAMES, 8 },
		{ 64, 48, 24, 25, 0, NAMES, 3 },
		{ 64, 48, 24, 25, 0, NAMES, 0 },
		{ 64, 48, 24, 25, 0, LEN, 8 },
		{ 64, 48, 24, 25, 0, LEN - 2, 8 },
		{ 64, 48, 24, 25, 0, UINT32_MAX, 8 },
		{ 64, 48, 24, 25, 0, NAMES + 200, 8 },
		{ 64, 48, 24, 25, 0, LONG_NAMES + 512, 8 },
		{ LEN - 16, 48, 24, 25, 0, NAMES, 8 },
	};
	const struct gort_layout *l = &gort_layouts[gort_layouts_count - 1];
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct fixture f;
		struct gort g;
		struct gort_types ts;
		unsigned char *types = setup(&f, &g, l);
		memset(types + LONG_NAMES + 512, 0xff, 8); /* a length that does not end */
		put(&f, l, &damaged[i]);
		gort_types_init(&ts, &g);
		assert_null(gort_type_name(&ts, TYPES + damaged[i].at));
		assert_null(gort_type_name(&ts, TYPES + 65));
		assert_null(gort_type_name(&ts, TYPES - 8));
		assert_null(gort_type_name(&ts, TYPES + LEN));
		assert_null(gort_type_name(&ts, 0));
		gort_types_deinit(&ts);
		fixture_deinit(&f);
	}
}

static void long_names_are_cut(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_types ts;
	const struct gort_layout *l = &gort_layouts[0];
	unsigned char *types = setup(&f, &g, l);
	put_name(types, LONG_NAMES, "struct {", 9000);
	memset(types + LONG_NAMES + 3, 'x', 9000);
	put(&f, l, &(struct spec){ 64, 48, 24, 25, 0, LONG_NAMES, 8 });
	gort_types_init(&ts, &g);
	assert_int_equal(strlen(gort_type_name(&ts, TYPES + 64)), 4096);
	gort_types_deinit(&ts);
	fixture_deinit(&f);
}

/* Fields, elements, and the type behind an itab. */
static void types_tell_what_they_are_made_of(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g = { .layout = &gort_layouts[i] };
		struct gort_types ts;
		struct types t;
		uint32_t n = 0;
		fixture_init(&f);
		g.src = &f.src;
		types_init(&t, &f, &g);
		uint64_t node = types_add(&t, "main.node", GORT_KIND_STRUCT, 16, 8);
		uint64_t pointer = types_add(&t, "*main.node", GORT_KIND_POINTER, 8, 8);
		uint64_t iface = types_add(&t, "main.I", GORT_KIND_INTERFACE, 16, 16);
		types_set(&t, pointer, GORT_ptrtype_elem, node);
		types_field(&t, node, "next", pointer, 0);
		types_field(&t, node, "n", 0, 8);
		gort_types_init(&ts, &g);
		assert_true(gort_type_any(&ts, pointer)->direct);
		assert_true(gort_type_any(&ts, pointer)->elem == node);
		const struct gort_type_field *fields = gort_type_fields(&ts, node, &n);
		assert_int_equal(n, 2);
		assert_string_equal(fields[0].name, "next");
		assert_true(fields[0].type == pointer);
		assert_int_equal(fields[1].offset, 8);
		assert_null(gort_type_fields(&ts, pointer, &n));
		fixture_region(&f, MADE, 4096);
		fixture_put(&f, MADE, iface, 8);
		fixture_put(&f, MADE + 8, node, 8);
		fixture_put(&f, MADE + 16, gort_type_any(&ts, node)->hash, 4);
		assert_true(gort_type_of_interface(&ts, MADE) == node);
		assert_true(gort_type_of_interface(&ts, node) == node);
		assert_int_equal(gort_type_of_interface(&ts, MADE + 8), 0);
		assert_int_equal(gort_type_of_interface(&ts, 0), 0);
		gort_types_deinit(&ts);
		fixture_deinit(&f);
	}
}

/* A slice of a type that reflect made; the same with a size that no slice has; one that is made of itself. */
static void types_made_at_run_time_are_known_by_their_parts(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g = { .layout = &gort_layouts[gort_layouts_count - 1] };
	struct gort_types ts;
	struct types t;
	fixture_init(&f);
	g.src = &f.src;
	types_init(&t, &f, &g);
	uint64_t node = types_add(&t, "main.node", GORT_KIND_STRUCT, 16, 8);
	gort_types_init(&ts, &g);
	fixture_region(&f, MADE, 4096);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t at = MADE + i * 512;
		types_set(&t, at, GORT_type_size, i == 1 ? 32 : 24);
		types_set(&t, at, GORT_type_ptrdata, 8);
		types_set(&t, at, GORT_type_align, 8);
		types_set(&t, at, GORT_type_kind, GORT_KIND_SLICE);
		types_set(&t, at, GORT_slicetype_elem, i == 2 ? at : node);
	}
	assert_string_equal(gort_type_any(&ts, MADE)->name, "[]main.node");
	assert_null(gort_type_any(&ts, MADE + 512));
	assert_null(gort_type_any(&ts, MADE + 1024));
	assert_null(gort_type_any(&ts, MADE + 4));
	assert_null(gort_type_at(&ts, MADE));
	gort_types_deinit(&ts);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_in_every_layout),
		cmocka_unit_test(what_is_no_type_has_no_name),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(types_tell_what_they_are_made_of),
		cmocka_unit_test(types_made_at_run_time_are_known_by_their_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
