/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/walk.h"

#include "base/cursor.h"
#include "base/num.h"
#include "glibc/lists.h"

enum {
	PAGE = 4096,
	WINDOW_MIN = 4096,
	WINDOW_MAX = 1 << 20,
	AGAIN = 3,	    /* reads of a head that does not fit */
	SURE = 64,	    /* chunks in a row that fit, to go on after a gap */
	RUNS_MAX = 1 << 16, /* places tried for that in one region */
};

/* A stretch of the target, copied. It grows while all of it is used and shrinks when chunks are longer. */
struct window {
	struct memsrc *src;
	unsigned char *buf;
	uint64_t start, end;
	size_t ask;
};

struct walk {
	const struct glibc *g;
	const struct glibc_heaps *h;
	const struct glibc_region *r;
	bool main;
	uint64_t top; /* 0: in another region */
	struct window win;
	struct glibc_lists *lists;
	glibc_chunk_fn fn;
	void *ctx;
};

/* ---- reading ---- */

static bool window_fill(struct window *w, uint64_t at, uint64_t end)
{
	bool on = at >= w->start && at <= w->end + PAGE && w->end > w->start;
	w->ask = on ? num_min(w->ask * 2, WINDOW_MAX) : num_max(w->ask / 4, WINDOW_MIN);
	size_t len = (size_t)num_min(end - at, w->ask);
	w->start = w->end = at;
	if (!memsrc_read(w->src, at, w->buf, len)) {
		/* up to the end of the page: what is behind it may be in swap */
		len = (size_t)num_min(PAGE - at % PAGE, end - at);
		if (len < GLIBC_CHUNK_HEAD || !memsrc_read(w->src, at, w->buf, len))
			return false;
	}
	w->end = at + len;
	return true;
}

/* `len` bytes at `at`, which lie before the region's end, or NULL. */
static const unsigned char *peek(struct walk *w, uint64_t at, size_t len)
{
	struct window *win = &w->win;
	if (at < win->start || at + len > win->end) {
		if (len > w->r->end - at || !window_fill(win, at, w->r->end) || at + len > win->end)
			return NULL;
	}
	return win->buf + (at - win->start);
}

/* ---- chunks ---- */

struct head {
	uint64_t size;
	unsigned flags;
};

static bool read_head(struct walk *w, uint64_t at, struct head *ret)
{
	const unsigned char *p = peek(w, at, GLIBC_CHUNK_HEAD);
	if (!p)
		return false;
	uint64_t word = load_u64(p + 8);
	*ret = (struct head){ word & ~(uint64_t)GLIBC_FLAGS, word & GLIBC_FLAGS };
	return true;
}

/* A chunk that lies in the region; its size may be that of a fence post, or 0 at the end of a heap that is full. */
static bool head_fits(const struct walk *w, uint64_t at, const struct head *h)
{
	if (h->size % GLIBC_CHUNK_ALIGN || h->size > w->r->end - at || h->flags & GLIBC_IS_MMAPPED)
		return false;
	if (w->main && h->flags & GLIBC_NON_MAIN)
		return false;
	return h->size || (!w->main && w->r->end - at == GLIBC_CHUNK_HEAD);
}

/*
 * The chunk that reaches the end of its arena. Since the end was read the target may have made it begin further on, or end
 * further on.
 */
static bool is_top(const struct walk *w, uint64_t at, const struct head *h)
{
	return w->top && at >= w->top && h->size % GLIBC_CHUNK_ALIGN == 0 && h->size >= w->r->end - at;
}

/* What stands at `at`: its state by the head of the chunk behind it. False: nothing that fits. */
static bool read_chunk(struct walk *w, uint64_t at, struct glibc_chunk *ret)
{
	struct head h, next;
	if (!read_head(w, at, &h))
		return false;
	*ret = (struct glibc_chunk){ at, w->r->end - at, (uint32_t)(w->r - w->h->regions.v), GLIBC_RECORD };
	if (is_top(w, at, &h)) {
		ret->state = GLIBC_TOP;
		return true;
	}
	if (!head_fits(w, at, &h))
		return false;
	if (h.size)
		ret->size = h.size;
	if (h.size < GLIBC_CHUNK_MIN)
		return true;
	uint64_t end = at + h.size;
	if (!read_head(w, end, &next) || !(head_fits(w, end, &next) || is_top(w, end, &next)))
		return false;
	ret->state = next.flags & GLIBC_PREV_INUSE ? GLIBC_USED : GLIBC_FREE;
	const unsigned char *p = peek(w, end, GLIBC_CHUNK_HEAD);
	return ret->state == GLIBC_USED || (p && load_u64(p) == h.size); /* a free one's size stands at its end, too */
}

static void emit_gap(struct walk *w, uint64_t start, uint64_t end, enum glibc_state state)
{
	const struct glibc_chunk gap = { start, end - start, (uint32_t)(w->r - w->h->regions.v), state };
	if (end > start)
		w->fn(w->ctx, &gap);
}

/* ---- after a gap ---- */

/* Do chunks from `at` on fit, up to the region's end or for a good while? */
static bool is_boundary(struct walk *w, uint64_t at)
{
	for (unsigned i = 0; i < SURE && at < w->r->end; i++) {
		struct glibc_chunk c;
		if (!read_chunk(w, at, &c))
			return false;
		at += c.size;
	}
	return true;
}

/* The next place from which chunks fit, or the end. */
static uint64_t find_boundary(struct walk *w, uint64_t from)
{
	uint64_t at = from + GLIBC_CHUNK_ALIGN;
	for (unsigned runs = 0; at < w->r->end && runs < RUNS_MAX; at += GLIBC_CHUNK_ALIGN) {
		const unsigned char *p = peek(w, at, GLIBC_CHUNK_HEAD);
		if (!p) {
			at = (at / PAGE + 1) * PAGE - GLIBC_CHUNK_ALIGN;
			continue;
		}
		uint64_t size = load_u64(p + 8) & ~(uint64_t)GLIBC_FLAGS;
		if (size < GLIBC_CHUNK_MIN || size % GLIBC_CHUNK_ALIGN || size > w->r->end - at)
			continue;
		runs++;
		if (is_boundary(w, at))
			return at;
	}
	return w->r->end;
}

static bool read_again(struct walk *w, uint64_t at, struct glibc_chunk *ret)
{
	for (int i = 0; i < AGAIN; i++) {
		w->win.start = w->win.end = 0;
		if (read_chunk(w, at, ret))
			return true;
	}
	return false;
}

/* ---- regions ---- */

/* The cache of a thread is a used chunk of a certain size; the lists look closer. */
static void offer(struct walk *w, const struct glibc_chunk *c)
{
	size_t len = c->state == GLIBC_USED ? glibc_lists_cache_bytes(c->size) : 0;
	const unsigned char *p = len ? peek(w, c->addr + GLIBC_CHUNK_HEAD, len) : NULL;
	if (p)
		glibc_lists_offer(w->lists, c, p);
}

static void walk_region(struct walk *w)
{
	const struct glibc_arena *a = &w->h->arenas.v[w->r->arena];
	w->main = a->main;
	w->top = a->top >= w->r->first && a->top < w->r->end ? a->top : 0;
	w->win.start = w->win.end = 0;
	w->win.ask = WINDOW_MIN;
	emit_gap(w, w->r->start, w->r->first, GLIBC_RECORD);
	for (uint64_t at = w->r->first; at < w->r->end;) {
		struct glibc_chunk c;
		if (w->r->end - at < GLIBC_CHUNK_HEAD) {
			emit_gap(w, at, w->r->end, GLIBC_UNKNOWN);
			break;
		}
		if (!read_chunk(w, at, &c) && !read_again(w, at, &c)) {
			uint64_t next = find_boundary(w, at);
			emit_gap(w, at, next, GLIBC_UNKNOWN);
			at = next;
			continue;
		}
		offer(w, &c);
		w->fn(w->ctx, &c);
		at += c.size;
	}
}

bool glibc_walk(const struct glibc *g, const struct glibc_heaps *h, glibc_chunk_fn fn, void *ctx)
{
	AUTO_FREE unsigned char *buf = xmalloc(WINDOW_MAX);
	struct glibc_lists lists;
	glibc_lists_init(&lists, g, h);
	struct walk w = {
		.g = g, .h = h, .win = { .src = g->where.src, .buf = buf }, .lists = &lists, .fn = fn, .ctx = ctx
	};
	for (size_t i = 0; i < h->regions.n; i++) {
		w.r = &h->regions.v[i];
		walk_region(&w);
	}
	bool whole = glibc_lists_read(&lists, fn, ctx);
	glibc_lists_deinit(&lists);
	return whole;
}
