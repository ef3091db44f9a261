/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/parallel.h"

enum {
	RUN = 1 << 20,	  /* bytes of neighbouring spans read in one go: few enough to stay in the cache until used */
	GAP = 16 << 10,	  /* bytes of other spans worth reading over rather than starting another read */
	PIECE = 32 << 20, /* bytes of spans a piece has: some ten milliseconds */
	PAGE = 4096,	  /* what is there and what is not comes in these */
};

struct goheap_sweep_worker {
	uint8_t *buf; /* [GOHEAP_SWEEP_WINDOW] */
	uint64_t copied, unreadable;
};

void goheap_sweep_begin(struct goheap_sweep *s)
{
	memshare_init(&s->src, s->objects->g->src);
	s->workers = xcalloc(PARALLEL_MAX, sizeof(*s->workers));
	s->copied = s->unreadable = 0;
}

void goheap_sweep_end(struct goheap_sweep *s)
{
	for (size_t i = 0; i < PARALLEL_MAX; i++) {
		s->copied += s->workers[i].copied;
		s->unreadable += s->workers[i].unreadable;
		free(s->workers[i].buf);
	}
	free(s->workers);
	s->workers = NULL;
	memshare_deinit(&s->src);
}

/* A part that cannot be read as a whole: page by page, zeros for what is not to be had. */
static void read_pages(struct goheap_sweep *s, struct goheap_sweep_worker *w, uint64_t addr, uint8_t *to, uint64_t len)
{
	for (uint64_t at = 0; at < len; at += PAGE) {
		size_t some = (size_t)num_min(PAGE, len - at);
		if (memsrc_read(&s->src.src, addr + at, to + at, some))
			continue;
		memset(to + at, 0, some);
		w->unreadable += some;
	}
}

static void hand_on(const struct goheap_sweep *s, struct goheap_sweep_part part, struct goheap_sweep_worker *w)
{
	w->copied += part.len;
	s->fn(s->ctx, &part);
}

static void sweep_windows(struct goheap_sweep *s, struct goheap_sweep_part part)
{
	struct goheap_sweep_worker *w = &s->workers[part.worker];
	const struct gort_span *span = &s->objects->heap->spans.v[part.span];
	for (uint64_t bytes = gort_span_bytes(span); part.at < bytes; part.at += part.len) {
		part.len = num_min(GOHEAP_SWEEP_WINDOW, bytes - part.at);
		part.bytes = w->buf;
		if (!memsrc_read(&s->src.src, span->start + part.at, w->buf, part.len))
			read_pages(s, w, span->start + part.at, w->buf, part.len);
		hand_on(s, part, w);
	}
}

static bool is_wanted(const struct goheap_sweep *s, uint32_t span)
{
	return (s->noscan || !(s->objects->places[span].flags & GOHEAP_PLACE_NOSCAN)) &&
	       (!s->wanted || s->wanted(s->ctx, span));
}

/* The span k, and those behind it that are near: returns the first that is not. *end: of the bytes to read. */
static size_t run_end(const struct goheap_sweep *s, size_t k, size_t to, uint64_t *end)
{
	const struct gort_span *spans = s->objects->heap->spans.v;
	const struct goheap_slots *order = s->objects->spans.v;
	uint64_t start = spans[order[k].span].start;
	*end = start + gort_span_bytes(&spans[order[k].span]);
	while (++k < to) {
		const struct gort_span *next = &spans[order[k].span];
		uint64_t last = next->start + gort_span_bytes(next);
		if (next->start < *end || next->start - *end > GAP || last - start > RUN)
			break;
		if (is_wanted(s, order[k].span))
			*end = last;
	}
	return k;
}

/* Neighbouring spans in one read; when that fails each by itself. */
static void sweep_run(struct goheap_sweep *s, size_t k, size_t last, uint64_t end, unsigned worker)
{
	struct goheap_sweep_worker *w = &s->workers[worker];
	const struct gort_span *spans = s->objects->heap->spans.v;
	const struct goheap_slots *order = s->objects->spans.v;
	uint64_t start = spans[order[k].span].start;
	bool ok = memsrc_read(&s->src.src, start, w->buf, end - start);
	for (; k < last; k++) {
		const struct gort_span *span = &spans[order[k].span];
		struct goheap_sweep_part part = { .span = order[k].span, .worker = worker };
		if (!is_wanted(s, part.span))
			continue;
		uint8_t *to = w->buf + (span->start - start);
		part.len = gort_span_bytes(span);
		part.bytes = to;
		if (!ok && !memsrc_read(&s->src.src, span->start, to, part.len))
			read_pages(s, w, span->start, to, part.len);
		hand_on(s, part, w);
	}
}

void goheap_sweep_spans(struct goheap_sweep *s, size_t from, size_t to, unsigned worker)
{
	struct goheap_sweep_worker *w = &s->workers[worker];
	if (!w->buf)
		w->buf = xmalloc(GOHEAP_SWEEP_WINDOW);
	for (size_t k = from; k < to;) {
		uint32_t span = s->objects->spans.v[k].span;
		uint64_t end = 0;
		if (!is_wanted(s, span)) {
			k++;
		} else if (gort_span_bytes(&s->objects->heap->spans.v[span]) > RUN) {
			sweep_windows(s, (struct goheap_sweep_part){ .span = span, .worker = worker });
			k++;
		} else {
			size_t last = run_end(s, k, to, &end);
			sweep_run(s, k, last, end, worker);
			k = last;
		}
	}
}

struct pieces {
	struct goheap_sweep *sweep;
	VEC(size_t) first; /* spans a piece begins with */
};

static void sweep_piece(void *ctx, size_t piece, unsigned worker)
{
	const struct pieces *p = ctx;
	size_t to = piece + 1 < p->first.n ? p->first.v[piece + 1] : p->sweep->objects->spans.n;
	goheap_sweep_spans(p->sweep, p->first.v[piece], to, worker);
}

struct err *goheap_sweep_run(struct goheap_sweep *s)
{
	struct pieces pieces = { .sweep = s };
	const struct goheap_objects *o = s->objects;
	uint64_t bytes = PIECE;
	goheap_sweep_begin(s);
	for (size_t k = 0; k < o->spans.n; k++) {
		if (bytes >= PIECE) {
			*vec_push(&pieces.first) = k;
			bytes = 0;
		}
		if (is_wanted(s, o->spans.v[k].span))
			bytes += gort_span_bytes(&o->heap->spans.v[o->spans.v[k].span]);
	}
	parallel_for(pieces.first.n, sweep_piece, &pieces);
	vec_deinit(&pieces.first);
	goheap_sweep_end(s);
	return NULL;
}
