/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/split.h"

#include <string.h>

#include "base/num.h"

struct splitter {
	const struct gort_heap *h;
	const struct claim_vec *stacks;
	const struct page_run *run;
	split_fn emit;
	void *ctx;
};

static void put(const struct splitter *sp, uint64_t start, uint64_t end, uint64_t bytes, enum mem_class class,
		uint32_t owner)
{
	if (!bytes)
		return;
	struct piece p = { start, end, bytes, class, owner, sp->run };
	sp->emit(sp->ctx, &p);
}

/* A whole span is resident: counts are enough. */
static void split_whole(const struct splitter *sp, const struct gort_span *s, uint64_t start, uint64_t end)
{
	uint64_t elem = gort_span_elemsize(s);
	uint64_t alloc = num_min(s->alloc_count * elem, end - start);
	uint64_t live = s->flags & GORT_SPAN_MARKS_KNOWN ? num_min(s->live * elem, alloc) : alloc;
	put(sp, start, end, live, CLASS_GO_HEAP_LIVE, 0);
	put(sp, start, end, alloc - live, CLASS_GO_HEAP_DEAD, 0);
	put(sp, start, end, end - start - alloc, CLASS_GO_HEAP_FREE, 0);
}

static bool bit(const unsigned char *bits, unsigned i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* Read `n` bits at addr into `bits` (GORT_MARKS_MAX bytes); false leaves them clear. */
static bool read_bits(const struct gort_heap *h, uint64_t addr, unsigned n, unsigned char *bits)
{
	memset(bits, 0, GORT_MARKS_MAX);
	return addr && n <= GORT_MARKS_MAX * 8 && memsrc_read(h->g->src, addr, bits, (n + 7) / 8);
}

/* Part of a span is resident: slot by slot. Object i is allocated when i < freeindex or its bit is set. */
static void split_part(const struct splitter *sp, const struct gort_span *s, uint64_t start, uint64_t end)
{
	unsigned char alloc[GORT_MARKS_MAX], mark[GORT_MARKS_MAX];
	read_bits(sp->h, s->alloc_bits, s->nelems, alloc);
	bool marks = s->flags & GORT_SPAN_MARKS_KNOWN && read_bits(sp->h, gort_span_marks(s), s->nelems, mark);
	uint64_t elem = gort_span_elemsize(s), bytes[2] = { 0, 0 };
	unsigned first = (unsigned)num_min((start - s->start) / elem, s->nelems);
	for (unsigned i = first; i < s->nelems; i++) {
		uint64_t a = s->start + i * elem, b = a + elem;
		if (a >= end)
			break;
		if (i >= s->freeindex && !bit(alloc, i))
			continue;
		bytes[marks && !bit(mark, i)] += num_min(b, end) - num_max(a, start);
	}
	put(sp, start, end, bytes[0], CLASS_GO_HEAP_LIVE, 0);
	put(sp, start, end, bytes[1], CLASS_GO_HEAP_DEAD, 0);
	put(sp, start, end, num_sub(end - start, bytes[0] + bytes[1]), CLASS_GO_HEAP_FREE, 0);
}

/* Stack memory: what a goroutine's stack covers is in use. */
static void split_stacks(const struct splitter *sp, uint64_t start, uint64_t end)
{
	for (size_t i = claim_after(sp->stacks, start); i < sp->stacks->n && start < end; i++) {
		const struct claim *c = &sp->stacks->v[i];
		if (c->start >= end)
			break;
		uint64_t a = num_max(c->start, start), b = num_min(c->end, end);
		put(sp, start, a, a - start, CLASS_GO_STACK_FREE, 0);
		put(sp, a, b, b - a, c->class, c->owner);
		start = b;
	}
	put(sp, start, end, end - start, CLASS_GO_STACK_FREE, 0);
}

static void split_span(const struct splitter *sp, const struct gort_span *s, uint64_t start, uint64_t end)
{
	if (s->state == GORT_SPAN_DEAD)
		put(sp, start, end, end - start, CLASS_GO_HEAP_IDLE, 0);
	else if (s->state == GORT_SPAN_MANUAL && s->flags & GORT_SPAN_STACK)
		split_stacks(sp, start, end);
	else if (s->state == GORT_SPAN_MANUAL)
		put(sp, start, end, end - start, CLASS_GO_META_GC, 0);
	else if (s->flags & GORT_SPAN_LARGE || (start == s->start && end == s->start + gort_span_bytes(s)))
		split_whole(sp, s, start, end);
	else
		split_part(sp, s, start, end);
}

/* Where the run of pages with the same owner that starts at `start` ends. */
static uint64_t same_owner(const struct gort_arena *a, uint64_t start, uint64_t end)
{
	uint64_t page = (start - a->base) / GORT_PAGE, last = (end - 1 - a->base) / GORT_PAGE;
	uint32_t owner = a->owner[page];
	while (page < last && a->owner[page + 1] == owner)
		page++;
	return num_min(end, a->base + (page + 1) * GORT_PAGE);
}

void gort_heap_split(const struct gort_heap *h, const struct claim_vec *stacks, const struct page_run *run,
		     split_fn emit, void *ctx)
{
	struct splitter sp = { h, stacks, run, emit, ctx };
	const struct gort_arena *a = gort_heap_arena(h, run->start);
	uint64_t start = run->start, end = run->end;
	if (a && !a->owner) { /* no span in it */
		put(&sp, start, end, end - start, CLASS_GO_HEAP_IDLE, 0);
		return;
	}
	while (a && start < end) {
		uint64_t to = same_owner(a, start, end);
		uint32_t owner = a->owner[(start - a->base) / GORT_PAGE];
		if (owner)
			split_span(&sp, &h->spans.v[owner - 1], start, to);
		else
			put(&sp, start, to, to - start, CLASS_GO_HEAP_IDLE, 0);
		start = to;
	}
	put(&sp, start, end, end - start, CLASS_UNEXPLAINED, 0);
}
