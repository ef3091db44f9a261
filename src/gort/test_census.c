/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/census.h"

#define ALLP UINT64_C(0x6000000)
#define CACHES UINT64_C(0x6100000)
#define MODULE UINT64_C(0x6200000)
#define TYPES UINT64_C(0x6300000)

enum { CACHE_LEN = 8192, P_LEN = 1 << 16, P_STEP = P_LEN - 128, SMALL = 5 << 1, TYPES_LEN = 4096, NAME = 1024 };

static void put_word(struct fixture *f, const struct gort_layout *l, uint64_t base, enum gort_field field, uint64_t v)
{
	fixture_put(f, gort_at(l, base, field), v, l->f[field].size);
}

/* The heap of the fixture, and two Ps, the second of which holds the first span. */
static void setup(struct fixture *f, struct gort *g, const struct gort_layout *l)
{
	fixture_init(f);
	fixture_heap(f, l, g);
	fixture_region(f, ALLP, (size_t)2 * P_LEN + 64);
	fixture_region(f, CACHES, (size_t)2 * CACHE_LEN);
	fixture_put(f, ALLP, ALLP + 64, 8);
	fixture_put(f, ALLP + 8, 2, 8);
	for (uint64_t i = 0; i < 2; i++) {
		fixture_put(f, ALLP + 64 + i * 8, ALLP + 128 + i * P_STEP, 8);
		put_word(f, l, ALLP + 128 + i * P_STEP, GORT_p_mcache, CACHES + i * CACHE_LEN);
	}
	fixture_put(f, gort_at(l, CACHES + CACHE_LEN, GORT_mcache_alloc) + UINT64_C(8) * SMALL, FIXTURE_SPANS, 8);
	g->globals.addr[GORT_VAR_ALLP] = ALLP;
}

static void every_span_has_a_class_and_a_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g;
		struct gort_heap h;
		struct gort_census_vec rows = { 0 };
		setup(&f, &g, &gort_layouts[i]);
		assert_null(gort_heap_read(&g, 1, &h));
		gort_census_count(&g, &h, &rows);
		assert_int_equal(rows.n, 3);
		const struct gort_census_row *large = &rows.v[0], *small = &rows.v[1], *held = &rows.v[2];
		assert_int_equal(large->spanclass, 0);
		assert_int_equal(large->p, -1);
		assert_int_equal(large->full, 1);
		assert_int_equal(large->object_bytes, 3 * GORT_PAGE);
		assert_int_equal(small->spanclass, SMALL);
		assert_int_equal(small->p, -1);
		assert_int_equal(small->spans, 2);
		assert_int_equal(small->objects, 200);
		assert_int_equal(small->slots, 2 * 170);
		assert_int_equal(small->cached, 1);
		assert_int_equal(small->unswept, 1);
		assert_int_equal(small->partial + small->full, 0);
		assert_int_equal(held->p, 1);
		assert_int_equal(held->objects, 100);
		assert_int_equal(held->bytes, GORT_PAGE);
		vec_deinit(&rows);
		gort_heap_deinit(&h);
		fixture_deinit(&f);
	}
}

struct found {
	char name[64];
	uint64_t objects, bytes;
};

static void note_type(void *ctx, const struct gort_type *type, uint64_t bytes, uint64_t weight)
{
	struct found *found = ctx;
	strncpy(found->name, type->name, sizeof(found->name) - 1);
	found->objects += weight;
	found->bytes += bytes * weight;
}

/* The large object's span names its type; the small ones have none. */
static void large_objects_tell_their_type(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		const struct gort_layout *l = &gort_layouts[i];
		struct fixture f;
		struct gort g;
		struct gort_heap h;
		struct gort_types types;
		setup(&f, &g, l);
		fixture_region(&f, MODULE, gort_sizeof(l, GORT_moduledata_SIZEOF));
		unsigned char *bytes = fixture_region(&f, TYPES, TYPES_LEN);
		put_word(&f, l, MODULE, GORT_moduledata_types, TYPES);
		put_word(&f, l, MODULE, GORT_moduledata_etypes, TYPES + TYPES_LEN);
		g.module.moduledata = MODULE;
		put_word(&f, l, TYPES + 64, GORT_type_size, 20000);
		put_word(&f, l, TYPES + 64, GORT_type_ptrdata, 8);
		put_word(&f, l, TYPES + 64, GORT_type_kind, 25);
		put_word(&f, l, TYPES + 64, GORT_type_align, 8);
		put_word(&f, l, TYPES + 64, GORT_type_str, NAME);
		memcpy(bytes + NAME, (unsigned char[]){ 0, 9, 'm', 'a', 'i', 'n', '.', 'B', 'l', 'o', 'b' }, 11);
		if (gort_has(l, GORT_mspan_largeType))
			put_word(&f, l, FIXTURE_SPANS + 2 * (uint64_t)gort_sizeof(l, GORT_mspan_SIZEOF),
				 GORT_mspan_largeType, TYPES + 64);
		assert_null(gort_heap_read(&g, 1, &h));
		gort_types_init(&types, &g);
		struct found found = { { 0 }, 0, 0 };
		assert_int_equal(gort_census_types(&g, &h, &types, note_type, &found), 1);
		assert_int_equal(found.objects, gort_census_headers(&g) ? 1 : 0);
		if (gort_census_headers(&g)) {
			assert_string_equal(found.name, "main.Blob");
			assert_int_equal(found.bytes, 3 * GORT_PAGE);
		}
		gort_types_deinit(&types);
		gort_heap_deinit(&h);
		fixture_deinit(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_span_has_a_class_and_a_state),
		cmocka_unit_test(large_objects_tell_their_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
