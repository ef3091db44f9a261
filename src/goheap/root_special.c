/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/root_parts.h"
#include "goheap/special.h"

enum {
	WORD = 8,
	BLOCK_MAX = 16 * 1024,
	BLOCKS_MAX = 1 << 22,
};

/* The field of a special, outside the part that all of them have. */
static uint64_t word_of(const struct roots_reader *r, uint64_t at, enum gort_field f)
{
	return gort_has(r->g->layout, f) ? memsrc_ptr(r->g->src, gort_at(r->g->layout, at, f)) : 0;
}

static void take_special(void *ctx, const struct goheap_special *s)
{
	struct roots_reader *r = ctx;
	const struct gort_span *span = &r->o->heap->spans.v[s->span];
	uint64_t size = gort_span_elemsize(span);
	struct goheap_root root = { .at = s->addr, .owner = size ? span->start + s->offset / size * size : 0 };
	if (!root.owner)
		return;
	if (s->kind == GOHEAP_SPECIAL_FINALIZER) {
		root.kind = GOHEAP_ROOT_FINALIZER;
		root.value = word_of(r, s->addr, GORT_specialfinalizer_fn);
		r->out->finalizers++;
	} else if (s->kind == GOHEAP_SPECIAL_WEAK) {
		root.kind = GOHEAP_ROOT_WEAK;
		root.value = word_of(r, s->addr, GORT_specialWeakHandle_handle);
	} else if (s->kind == GOHEAP_SPECIAL_CLEANUP) {
		root.kind = GOHEAP_ROOT_CLEANUP;
		root.value = word_of(r, s->addr, GORT_specialCleanup_fn);
		r->out->cleanups++;
	} else {
		return;
	}
	roots_take(r, &root);
	root.value = root.kind == GOHEAP_ROOT_CLEANUP ? word_of(r, s->addr, GORT_specialCleanup_arg) : 0;
	root.part = 1;
	if (root.value)
		roots_take(r, &root);
}

void roots_read_specials(struct roots_reader *r)
{
	if (!goheap_specials_read(r->o, take_special, r))
		r->out->damaged = true;
}

/* A list of blocks of calls that are to be made. */
struct queue {
	uint64_t first;
	enum gort_field block, link, count, calls;
	size_t size, fn, arg; /* of a call; arg == size: it has none */
	uint8_t part;	      /* of the root that the argument is */
};

static void take_calls(struct roots_reader *r, const struct queue *q, uint64_t block, const unsigned char *rec,
		       size_t len)
{
	const struct gort_layout *l = r->g->layout;
	size_t from = (size_t)l->f[q->calls].off, room = len > from ? (len - from) / q->size : 0;
	uint64_t n = gort_load(l, rec, len, q->count);
	if (n > room) {
		r->out->damaged = true;
		n = room;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = from + i * q->size;
		struct goheap_root root = {
			.at = block + at,
			.value = load_u64(rec + at + q->fn),
			.kind = GOHEAP_ROOT_QUEUED,
		};
		roots_take(r, &root);
		root.value = q->arg < q->size ? load_u64(rec + at + q->arg) : 0;
		root.part = q->part;
		if (root.value)
			roots_take(r, &root);
		r->out->queued++;
	}
}

static void read_queue(struct roots_reader *r, const struct queue *q)
{
	const struct gort_layout *l = r->g->layout;
	size_t len = gort_sizeof(l, q->block);
	if (!len || len > BLOCK_MAX || !gort_has(l, q->calls) || q->size < WORD)
		return;
	AUTO_FREE unsigned char *rec = xmalloc(len);
	uint64_t block = q->first;
	for (int i = 0; i < BLOCKS_MAX && roots_next(r, block); i++) {
		if (!memsrc_read(r->g->src, block, rec, len)) {
			r->out->damaged = true;
			return;
		}
		take_calls(r, q, block, rec, len);
		block = gort_load(l, rec, len, q->link);
	}
}

/* Within a record of `size` bytes, or `size` where it is not. */
static size_t place(const struct gort_layout *l, enum gort_field f, size_t size)
{
	return gort_has(l, f) ? (size_t)num_min((uint64_t)l->f[f].off, size) : size;
}

void roots_read_queues(struct roots_reader *r)
{
	const struct gort_layout *l = r->g->layout;
	uint64_t finalizers = gort_var(r->g, GORT_VAR_ALLFIN), cleanups = gort_var(r->g, GORT_VAR_GCCLEANUPS);
	size_t size = gort_sizeof(l, GORT_finalizer_SIZEOF);
	r->out->no_finalizer_queue = !finalizers;
	r->out->no_cleanup_queue = !cleanups && gort_has(l, GORT_cleanupQueue_all);
	if (finalizers) {
		const struct queue q = {
			.first = memsrc_ptr(r->g->src, finalizers),
			.block = GORT_finblock_SIZEOF,
			.link = GORT_finblock_alllink,
			.count = GORT_finblock_cnt,
			.calls = GORT_finblock_fin,
			.size = size,
			.fn = place(l, GORT_finalizer_fn, 0),
			.arg = place(l, GORT_finalizer_arg, size),
			.part = 1,
		};
		read_queue(r, &q);
	}
	/* to 1.25 a cleanup is a closure alone */
	size = gort_has(l, GORT_cleanupFn_SIZEOF) ? gort_sizeof(l, GORT_cleanupFn_SIZEOF) : WORD;
	if (cleanups && gort_has(l, GORT_cleanupQueue_all)) {
		const struct queue q = {
			.first = word_of(r, cleanups, GORT_cleanupQueue_all),
			.block = GORT_cleanupBlock_SIZEOF,
			.link = GORT_cleanupBlock_alllink,
			.count = GORT_cleanupBlock_n,
			.calls = GORT_cleanupBlock_cleanups,
			.size = size,
			.fn = place(l, GORT_cleanupFn_fn, size - WORD),
			.arg = place(l, GORT_cleanupFn_arg, size),
			.part = 2,
		};
		read_queue(r, &q);
	}
}
