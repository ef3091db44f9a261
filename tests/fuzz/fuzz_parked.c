/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goroutines, their stacks and labels, and timers, over damaged memory: the input chooses a layout and is a list of
 * patches {region, place, value} of the fixture's program. A value may be an address near one that is there.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "fixture/goroutines.h"
#include "gort/labels.h"
#include "gort/parked.h"
#include "gort/timer.h"

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
		if (how & 2) /* a return address */
			value = goroutines_pc((enum goroutines_func)(value % GOROUTINES_FUNC_MAX_));
		fixture_put(f, r->addr + at * 8 % r->len, value, 8);
	}
}

static void use(const struct gort *g)
{
	struct stacks stacks;
	struct gort_parked_vec v = { 0 };
	struct gort_timer_vec timers = { 0 };
	struct goroutine_label_vec labels = { 0 };
	bool complete = false;
	uint32_t value = 0;
	stacks_init(&stacks);
	struct gort_unwinder *u = gort_unwinder_new(g, &stacks);
	struct err *err = u ? gort_parked_read(g, u, &v) : NULL;
	err_free(err);
	for (size_t i = 0; i < v.n && i < 64; i++) {
		gort_labels_read(g, v.v[i].labels, &stacks.strings, &labels);
		if (u)
			gort_unwind_place(u, v.v[i].gopc);
	}
	err = gort_timers_read(g, &timers, &complete);
	err_free(err);
	(void)gort_debug_value(g, "asynctimerchan", &value);
	gort_unwinder_free(u);
	vec_deinit(&v);
	vec_deinit(&timers);
	vec_deinit(&labels);
	stacks_deinit(&stacks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	struct fixture f;
	struct gort g;
	cursor_init(&c, data, size);
	goroutines_build(&f, &gort_layouts[cursor_u8(&c) % gort_layouts_count], &g);
	patch(&f, &c);
	use(&g);
	goroutines_free(&f, &g);
	return 0;
}
