/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/parallel.h"

enum {
	RUN = 1 << 20,	  /* bytes read in one go: few enough to stay in the cache until used */
	NEAR = 2 << 20,	  /* bytes of address space that they come from */
	RANGES = 64,	  /* ... and of how many ranges */
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

/* Spans [k, last) of those in order of address, as far as they are wanted: neighbours are one range. */
struct run {
	struct memsrc_range ranges[RANGES];
	size_t n, k, last;
};

static void collect_run(const struct goheap_sweep *s, size_t k, size_t to, uint8_t *buf, struct run *run)
{
	const struct gort_span *spans = s->objects->heap->spans.v;
	const struct goheap_slots *order = s->objects->spans.v;
	uint64_t from = spans[order[k].span].start, end = from, bytes = 0;
	run->n = 0;
	run->k = k;
	for (; k < to; k++) {
		const struct gort_span *span = &spans[order[k].span];
		uint64_t len = gort_span_bytes(span);
		if (!is_wanted(s, order[k].span))
			continue;
		if (span->start < end || len > RUN - bytes || span->start - from > NEAR - len)
			break;
		if (!run->n || span->start != end) {
			if (run->n == RANGES)
				break;
			run->ranges[run->n++] = (struct memsrc_range){ .addr = span->start, .buf = buf + bytes };
		}
		run->ranges[run->n - 1].len += len;
		bytes += len;
		end = span->start + len;
	}
	run->last = k;
}

/* All ranges at once; of one that could not be read each span by itself. */
static void sweep_run(struct goheap_sweep *s, struct run *run, unsigned worker)
{
	struct goheap_sweep_worker *w = &s->workers[worker];
	const struct gort_span *spans = s->objects->heap->spans.v;
	const struct memsrc_range *range = run->ranges;
	memsrc_read_ranges(&s->src.src, run->ranges, run->n);
	for (size_t k = run->k; k < run->last; k++) {
		struct goheap_sweep_part part = { .span = s->objects->spans.v[k].span, .worker = worker };
		const struct gort_span *span = &spans[part.span];
		if (!is_wanted(s, part.span))
			continue;
		range += span->start - range->addr >= range->len;
		uint8_t *to = (uint8_t *)range->buf + (span->start - range->addr);
		part.len = gort_span_bytes(span);
		part.bytes = to;
		if (!range->ok && !memsrc_read(&s->src.src, span->start, to, part.len))
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
		struct run run;
		if (!is_wanted(s, span)) {
			k++;
		} else if (gort_span_bytes(&s->objects->heap->spans.v[span]) > RUN) {
			sweep_windows(s, (struct goheap_sweep_part){ .span = span, .worker = worker });
			k++;
		} else {
			collect_run(s, k, to, w->buf, &run);
			sweep_run(s, &run, worker);
			k = run.last;
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
