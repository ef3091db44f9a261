/* SPDX-License-Identifier: Apache-2.0 */
#include "model/claim.h"

#include "base/bisect.h"
#include "base/num.h"

void claim_add(struct claim_vec *claims, uint64_t start, uint64_t end, enum mem_class class, uint32_t owner)
{
	if (start >= end)
		return;
	struct claim *last = claims->n ? &claims->v[claims->n - 1] : NULL;
	if (last && last->end == start && last->class == class && last->owner == owner) {
		last->end = end;
		return;
	}
	*vec_push(claims) = (struct claim){ start, end, class, owner };
}

static int by_start(const void *a, const void *b)
{
	const struct claim *x = *(const struct claim *const *)a, *y = *(const struct claim *const *)b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* A binary heap of claims that hold the current address; the one added first, which has the lowest address, on top. */
VEC_TYPE(heap, const struct claim *);

static void heap_push(struct heap *h, const struct claim *c)
{
	size_t i = h->n;
	*vec_push(h) = c;
	for (; i && c < h->v[(i - 1) / 2]; i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = c;
}

static void heap_pop(struct heap *h)
{
	const struct claim *c = h->v[--h->n];
	size_t i = 0;
	for (size_t child = 1; child < h->n; child = 2 * i + 1) {
		if (child + 1 < h->n && h->v[child + 1] < h->v[child])
			child++;
		if (c < h->v[child])
			break;
		h->v[i] = h->v[child];
		i = child;
	}
	h->v[i] = c;
}

uint64_t claim_settle(struct claim_vec *claims)
{
	size_t n = claims->n;
	if (!n)
		return 0;
	AUTO_FREE const struct claim **order = xmalloc(n * sizeof(const struct claim *));
	uint64_t twice = 0;
	for (size_t i = 0; i < n; i++) {
		order[i] = &claims->v[i];
		twice += claims->v[i].end - claims->v[i].start;
	}
	qsort(order, n, sizeof(const struct claim *), by_start);

	struct claim_vec out = { 0 };
	struct heap active = { 0 };
	uint64_t at = 0;
	for (size_t next = 0; next < n || active.n;) {
		if (!active.n)
			at = order[next]->start;
		for (; next < n && order[next]->start <= at; next++)
			heap_push(&active, order[next]);
		const struct claim *top = active.v[0];
		uint64_t end = next < n ? num_min(top->end, order[next]->start) : top->end;
		if (end > at) {
			claim_add(&out, at, end, top->class, top->owner);
			twice -= end - at;
			at = end;
		}
		while (active.n && active.v[0]->end <= at)
			heap_pop(&active);
	}
	vec_deinit(&active);
	vec_deinit(claims);
	*claims = out;
	return twice;
}

size_t claim_after(const struct claim_vec *claims, uint64_t addr)
{
	size_t lo = bisect(claims->n, i, claims->v[i].end <= addr);
	return lo;
}
