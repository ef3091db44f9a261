/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/pages.h"

#include "base/num.h"

enum { PAGE = 4096 };

#define BYTES_MAX ((size_t)1 << 30) /* of a terabyte of heaps */

static uint64_t page_of(const struct glibc_region *r, uint64_t addr)
{
	return (addr - r->start / PAGE * PAGE) / PAGE;
}

struct err *glibc_pages_init(struct glibc_pages *p, const struct glibc_heaps *h)
{
	*p = (struct glibc_pages){ .h = h, .first = xcalloc(h->regions.n + 1, sizeof(*p->first)) };
	for (size_t i = 0; i < h->regions.n; i++) {
		const struct glibc_region *r = &h->regions.v[i];
		p->first[i] = p->n;
		p->n += (size_t)page_of(r, r->end - 1) + 1;
	}
	return alloc_checked(p->n + 1, sizeof(*p->v), BYTES_MAX, &p->v);
}

void glibc_pages_deinit(struct glibc_pages *p)
{
	free(p->v);
	free(p->first);
	*p = (struct glibc_pages){ 0 };
}

/* What is told of a page must not be more than there is, whatever a target shows that changes meanwhile. */
static void add(struct glibc_page *page, bool unknown, uint64_t bytes)
{
	uint16_t room = (uint16_t)(PAGE - page->free - page->unknown), n = (uint16_t)num_min(bytes, room);
	if (unknown)
		page->unknown = (uint16_t)(page->unknown + n);
	else
		page->free = (uint16_t)(page->free + n);
}

void glibc_pages_chunk(struct glibc_pages *p, const struct glibc_chunk *c)
{
	const struct glibc_region *r = &p->h->regions.v[c->region];
	if (c->state == GLIBC_USED || c->state == GLIBC_RECORD)
		return;
	uint64_t end = num_min(c->addr + c->size, r->end);
	for (uint64_t at = num_max(c->addr, r->start); at < end;) {
		uint64_t next = num_min((at / PAGE + 1) * PAGE, end);
		add(&p->v[p->first[c->region] + page_of(r, at)], c->state == GLIBC_UNKNOWN, next - at);
		at = next;
	}
}

struct glibc_pages_sum glibc_pages_sum(const struct glibc_pages *p, const struct glibc_region *r, uint64_t start,
				       uint64_t end)
{
	struct glibc_pages_sum sum = { 0 };
	size_t region = (size_t)(r - p->h->regions.v);
	for (uint64_t at = start; at < end; at += PAGE) {
		if (at >= r->end) { /* behind the heap's end */
			sum.free += end - at;
			break;
		}
		const struct glibc_page *page = &p->v[p->first[region] + page_of(r, at)];
		uint64_t bytes = num_min(end - at, PAGE), tail = num_sub(at + bytes, r->end);
		sum.free += page->free + tail;
		sum.unknown += page->unknown;
		sum.used += bytes - page->free - page->unknown - tail;
	}
	return sum;
}
