/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The span walk and the division of pages over damaged memory: the input is a list of patches {where, value} applied to
 * the fixture heap of some layout.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "fixture/fixture.h"
#include "gort/census.h"
#include "gort/goroutine.h"
#include "gort/heap.h"
#include "gort/meta.h"
#include "gort/profile.h"
#include "gort/split.h"
#include "gort/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore_piece(void *ctx, const struct piece *p)
{
	*(uint64_t *)ctx += p->bytes;
}

static void patch(struct fixture *f, struct cursor *c)
{
	while (cursor_left(c) >= 11) {
		struct fixture_region *r = &f->regions.v[cursor_u8(c) % f->regions.n];
		size_t at = cursor_u16(c);
		uint64_t value = cursor_u64(c);
		fixture_put(f, r->addr + at * 8 % r->len, value, 8);
	}
}

static void ignore_type(void *ctx, const struct gort_type *type, uint64_t bytes, uint64_t weight)
{
	*(uint64_t *)ctx += bytes * weight + type->size;
}

static void census(const struct gort *g, const struct gort_heap *h, uint64_t *sum)
{
	struct gort_census_vec rows = { 0 };
	struct gort_types types;
	gort_census_count(g, h, &rows);
	vec_deinit(&rows);
	gort_types_init(&types, g);
	gort_census_types(g, h, &types, ignore_type, sum);
	gort_types_deinit(&types);
}

static void use(struct gort *g, struct gort_heap *h)
{
	static const struct claim_vec none;
	gort_heap_marks(h);
	uint64_t sum = 0;
	struct page_run run = { FIXTURE_ARENA + 4096, FIXTURE_ARENA + 15 * GORT_PAGE, PAGE_ANON, false };
	gort_heap_split(h, &none, &run, ignore_piece, &sum);
	struct claim_vec claims = { 0 };
	gort_meta_claims(g, h, &claims);
	claim_settle(&claims);
	vec_deinit(&claims);
	census(g, h, &sum);
	struct gort_profile profile;
	gort_profile_read(g, GORT_PROFILE_PUBLISHED, &profile);
	gort_profile_deinit(&profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	cursor_init(&c, data, size);
	struct fixture f;
	struct gort g;
	struct gort_heap h;
	fixture_init(&f);
	fixture_heap(&f, &gort_layouts[cursor_u8(&c) % gort_layouts_count], &g);
	g.module.moduledata = FIXTURE_MSTATS;
	g.globals.addr[GORT_VAR_ALLGS] = FIXTURE_LIST;
	g.globals.addr[GORT_VAR_ALLM] = FIXTURE_LIST + 8;
	g.globals.addr[GORT_VAR_ALLP] = FIXTURE_LIST;
	g.globals.addr[GORT_VAR_MBUCKETS] = FIXTURE_LIST + 16;
	g.globals.addr[GORT_VAR_PERSISTENTCHUNKS] = FIXTURE_LIST + 24;
	g.globals.addr[GORT_VAR_GCBITSARENAS] = FIXTURE_BITS;
	patch(&f, &c);
	struct err *err = gort_heap_read(&g, 1, &h);
	if (!err) {
		use(&g, &h);
		gort_heap_deinit(&h);
	}
	err_free(err);
	struct gort_goroutines gs;
	err = gort_goroutines_read(&g, &gs);
	if (!err)
		gort_goroutines_deinit(&gs);
	err_free(err);
	struct gort_stats s;
	gort_stats_read(&g, &s);
	fixture_deinit(&f);
	return 0;
}
