/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second look at contents, over objects whose contents contradict their types: the input is a list of steps that give
 * an object of a small heap a kind, a word or a pointer. Seeds from below are looked for in the same heap.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "fixture/spans.h"
#include "goheap/typing.h"

enum { STEP = 12, STEPS_MAX = 4096, KINDS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kinds of every form that the holders look into. */
static void make_kinds(struct spans *h, uint32_t kinds[KINDS])
{
	uint64_t byte = spans_type(h, 0x100, &(struct spans_type){ "uint8", 8, 1, 0, { 0 } });
	uint64_t item = spans_type(h, 0x200, &(struct spans_type){ "main.Item", 25, 48, 0, { 0 } });
	uint64_t string = spans_type(h, 0x300, &(struct spans_type){ "string", 24, 16, 8, { 0 } });
	uint64_t slice = spans_type(h, 0x400, &(struct spans_type){ "[]uint8", 23, 24, 8, { byte } });
	uint64_t pointer = spans_type(h, 0x500, &(struct spans_type){ "*main.Item", 22, 8, 8, { item } });
	uint64_t func = spans_type(h, 0x600, &(struct spans_type){ "func()", 19, 8, 8, { 0 } });
	uint64_t part = spans_type(h, 0x700, &(struct spans_type){ "map.group[int]*main.Item", 25, 144, 144, { 0 } });
	uint64_t map =
		spans_type(h, 0x800, &(struct spans_type){ "map[int]*list.Element", 21, 8, 8, { 0, pointer, part } });
	uint64_t chan = spans_type(h, 0x900, &(struct spans_type){ "chan string", 18, 8, 8, { string } });
	uint64_t ctx = spans_type(h, 0xa00, &(struct spans_type){ "context.cancelCtx", 25, 64, 48, { 0 } });
	uint64_t value = spans_type(h, 0xb00, &(struct spans_type){ "context.valueCtx", 25, 48, 48, { 0 } });
	uint64_t closure =
		spans_type(h, 0xc00, &(struct spans_type){ "struct { F uintptr; x int }", 25, 16, 16, { 0 } });
	const struct goheap_kind all[] = {
		{ .form = GOHEAP_FORM_ARRAY, .rtype = string, .name = "[]string" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = slice, .name = "[]uint8" },
		{ .form = GOHEAP_FORM_ARRAY, .rtype = slice, .name = "[][]uint8" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = pointer, .name = "*main.Item" },
		{ .form = GOHEAP_FORM_ARRAY, .rtype = func, .name = "[]func()" },
		{ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]*list.Element" },
		{ .form = GOHEAP_FORM_MAP_PART, .rtype = map, .part = GOHEAP_MAP_GROUPS, .name = "groups" },
		{ .form = GOHEAP_FORM_CHAN, .rtype = string, .name = "chan string" },
		{ .form = GOHEAP_FORM_CHAN_PART, .rtype = string, .name = "chan string" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = ctx, .name = "context.cancelCtx" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = value, .name = "context.valueCtx" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = closure, .name = "struct { F uintptr }" },
		{ .form = GOHEAP_FORM_CLOSURE, .pc = 1, .name = "func main.f" },
		{ .form = GOHEAP_FORM_RUNTIME, .name = "time.Timer" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = chan, .name = "chan string" },
		{ .form = GOHEAP_FORM_VALUE, .rtype = 12345, .name = "no type" },
	};
	_Static_assert(sizeof(all) / sizeof(all[0]) == KINDS, "kinds");
	for (size_t i = 0; i < KINDS; i++)
		kinds[i] = spans_kind(h, all[i]);
}

static void step(struct spans *h, struct cursor *c, const uint32_t kinds[KINDS])
{
	unsigned what = cursor_u8(c), span = cursor_u8(c) % SPANS, index = cursor_u8(c), word = cursor_u8(c);
	uint64_t value = cursor_u64(c);
	const struct goheap_place *p = &h->w.objects.places[span];
	uint64_t bytes = p->size ? p->size : SPANS_LARGE_BYTES;
	index %= p->slots;
	word %= (unsigned)(bytes / 8);
	uint32_t object = spans_object(h, (enum spans_span)span, index);
	if (what % 3 == 0)
		h->w.typing.kind[object] = kinds[value % KINDS];
	else if (what % 3 == 1)
		spans_put(h, (enum spans_span)span, index, word, value);
	else
		spans_point(h, (enum spans_span)span, index, word,
			    FIXTURE_ARENA + value % (UINT64_C(4) * SPANS * GORT_PAGE));
}

static void below(struct spans *h)
{
	struct goheap_seen_vec seen = { 0 };
	struct goheap_seed_vec seeds = { 0 };
	uint64_t types = h->w.typing.types.n_modules ? h->w.typing.types.modules[0].start : 0;
	for (uint32_t i = 0; i < h->w.objects.n_inner; i += 3)
		*vec_push(&seen) = (struct goheap_seen){ i, GOHEAP_SEEN_HEADER, types + 0x700 };
	goheap_seeds_below(&h->w.objects, &h->w.graph, &seen, &h->w.typing.types, &seeds);
	vec_deinit(&seen);
	vec_deinit(&seeds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int minors[] = { 19, 22, 24, 27 };
	struct cursor c;
	struct spans h;
	uint32_t kinds[KINDS];
	cursor_init(&c, data, size);
	spans_init(&h, minors[cursor_u8(&c) % 4]);
	make_kinds(&h, kinds);
	for (unsigned i = 0; cursor_left(&c) >= STEP && i < STEPS_MAX; i++)
		step(&h, &c, kinds);
	err_free(spans_run(&h));
	below(&h);
	spans_deinit(&h);
	return 0;
}
