/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dump_copy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bisect.h"
#include "base/num.h"

enum {
	PAGE = 4096,
	CHUNK = 1 << 20,
	POPULATE_WRITE = 23, /* MADV_POPULATE_WRITE, from Linux 5.14 on */
};

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- while it stands still ---- */

bool held_open(struct held_memory *h, size_t size)
{
	*h = (struct held_memory){ 0 };
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	madvise(p, size, MADV_HUGEPAGE);
	if (madvise(p, size, POPULATE_WRITE) != 0)
		memset(p, 0, size);
	h->memory = p;
	h->size = size;
	return true;
}

void held_close(struct held_memory *h)
{
	if (h->memory)
		munmap(h->memory, h->size);
	vec_deinit(&h->pieces);
	*h = (struct held_memory){ 0 };
}

static void hold(struct held_memory *h, uint64_t start, uint64_t end)
{
	if (h->pieces.n && h->pieces.v[h->pieces.n - 1].end == start)
		h->pieces.v[h->pieces.n - 1].end = end;
	else
		*vec_push(&h->pieces) = (struct held_piece){ start, end, h->used };
	h->used += (size_t)(end - start);
}

uint64_t held_copy(struct held_memory *h, struct memsrc *src, const struct core_range_vec *ranges, int64_t deadline,
		   const volatile sig_atomic_t *interrupted)
{
	size_t before = h->used;
	for (size_t i = 0; i < ranges->n; i++) {
		const struct core_range *r = &ranges->v[i];
		for (uint64_t at = r->start, next = 0; at < r->end; at = next) {
			next = num_min(at + CHUNK, r->end);
			if (next - at > h->size - h->used || now_ns() > deadline || (interrupted && *interrupted))
				return h->used - before;
			if (memsrc_read(src, at, h->memory + h->used, (size_t)(next - at)))
				hold(h, at, next);
		}
	}
	return h->used - before;
}

static int by_start(const void *a, const void *b)
{
	const struct held_piece *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

void held_finish(struct held_memory *h)
{
	vec_sort(&h->pieces, by_start);
}

/* The first piece that ends behind addr, or NULL. */
static const struct held_piece *held_after(const struct held_memory *h, uint64_t addr)
{
	size_t lo = bisect(h->pieces.n, i, h->pieces.v[i].end <= addr);
	return lo < h->pieces.n ? &h->pieces.v[lo] : NULL;
}

/* ---- into the file ---- */

static bool is_zero(const unsigned char *p)
{
	return !p[0] && memcmp(p, p + 1, PAGE - 1) == 0;
}

/* Pages of zeros stay holes. */
static struct err *put(struct dump_copy *c, uint64_t at, const unsigned char *data, size_t len)
{
	for (size_t i = 0, n = 0; i < len; i += n ? n : PAGE) {
		for (n = 0; i + n < len && !is_zero(data + i + n); n += PAGE)
			;
		if (n)
			TRY(c->write(c->ctx, at + i, data + i, n));
	}
	return NULL;
}

/* What cannot be read in one go is read page by page: its mapping may have gone, or a page moved to swap. */
static void read_pages(struct dump_copy *c, uint64_t addr, unsigned char *buf, size_t len)
{
	if (memsrc_read(c->src, addr, buf, len))
		return;
	for (size_t i = 0; i < len; i += PAGE) {
		if (memsrc_read(c->src, addr + i, buf + i, PAGE))
			continue;
		memset(buf + i, 0, PAGE);
		c->out->unread += PAGE;
	}
}

static struct err *copy_range(struct dump_copy *c, const struct core_segment *s, uint64_t start, uint64_t end,
			      unsigned char *buf)
{
	for (uint64_t at = start, next = 0; at < end; at = next) {
		const struct held_piece *h = held_after(c->held, at);
		next = num_min(at + CHUNK, end);
		unsigned char *data = buf;
		if (h && h->start <= at) {
			next = num_min(next, h->end);
			data = c->held->memory + h->at + (at - h->start);
		} else {
			next = h ? num_min(next, h->start) : next;
			read_pages(c, at, buf, (size_t)(next - at));
		}
		if (c->structure)
			dump_structure_blank(c->structure, at, data, (size_t)(next - at));
		c->out->contents += next - at;
		TRY(put(c, s->at + (at - s->start), data, (size_t)(next - at)));
	}
	return NULL;
}

struct err *dump_copy_run(struct dump_copy *c)
{
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	size_t r = 0;
	for (size_t i = 0; i < c->segments->n; i++) {
		const struct core_segment *s = &c->segments->v[i];
		for (; r < c->ranges->n && c->ranges->v[r].start < s->end; r++) {
			if (c->interrupted && *c->interrupted) {
				c->out->interrupted = true;
				return NULL;
			}
			TRY(copy_range(c, s, c->ranges->v[r].start, c->ranges->v[r].end, buf));
		}
	}
	return NULL;
}
