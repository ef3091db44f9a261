/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roots of the collector over damaged memory: the input chooses a layout and is a list of patches {region, place, value}
 * of the fixture. A value may be an address near one that is there.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "fixture/roots.h"
#include "goheap/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void patch(struct fixture *f, struct cursor *c)
{
	while (cursor_left(c) >= 12) {
		struct fixture_region *r = &f->regions.v[cursor_u8(c) % f->regions.n];
		unsigned how = cursor_u8(c);
		size_t at = cursor_u16(c);
		uint64_t value = cursor_u64(c);
		if (how & 1) /* a pointer to somewhere in memory */
			value = f->regions.v[(value >> 32) % f->regions.n].addr + (uint16_t)value;
		fixture_put(f, r->addr + at * 8 % r->len, value, 8);
	}
}

static void use(const struct gort *g, const struct gort_heap *h)
{
	struct goheap_objects objects;
	struct goheap_roots roots = { 0 };
	struct err *err = goheap_objects_init(g, h, &objects);
	if (!err) {
		err = goheap_roots_read(&objects, &roots);
		goheap_roots_deinit(&roots);
		goheap_objects_deinit(&objects);
	}
	err_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	struct fixture f;
	struct gort g;
	struct gort_heap h;
	cursor_init(&c, data, size);
	roots_build(&f, &gort_layouts[cursor_u8(&c) % gort_layouts_count], &g);
	patch(&f, &c);
	struct err *err = gort_heap_read(&g, 1, &h);
	if (!err) {
		use(&g, &h);
		gort_heap_deinit(&h);
	}
	err_free(err);
	fixture_deinit(&f);
	return 0;
}
