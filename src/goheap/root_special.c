/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/root_parts.h"

enum {
	BATCH = 4096,
	WORD = 8,
	SPECIAL_MAX = 128, /* bytes of the largest of them; the runtime's have 56 */
	BLOCK_MAX = 16 * 1024,
	BLOCKS_MAX = 1 << 22,
};

/* How the kinds of specials are numbered, from each version on. */
struct numbers {
	int minor;
	uint8_t finalizer, weak, cleanup; /* 0: there are none */
};

static const struct numbers all_numbers[] = { { 25, 2, 3, 7 }, { 24, 1, 2, 6 }, { 23, 1, 2, 0 }, { 0, 1, 0, 0 } };

static const struct numbers *numbers_of(const struct gort_layout *l)
{
	const struct numbers *n = all_numbers;
	while (n->minor > l->minor)
		n++;
	return n;
}

/* Specials of a batch of spans, one step along each list at a time. */
struct specials {
	struct roots_reader *r;
	const struct numbers *numbers;
	uint32_t span[BATCH]; /* index in heap->spans */
	uint64_t at[BATCH];
	bool ok[BATCH];
	unsigned char head[BATCH * SPECIAL_MAX];
};

/* The field of a special, outside the part that all of them have. */
static uint64_t word_of(const struct roots_reader *r, uint64_t at, enum gort_field f)
{
	return gort_has(r->g->layout, f) ? memsrc_ptr(r->g->src, gort_at(r->g->layout, at, f)) : 0;
}

/* The object that a special is attached to: its first byte. */
static uint64_t object_of(const struct roots_reader *r, const struct gort_span *s, uint64_t offset)
{
	uint64_t size = gort_span_elemsize(s);
	return size && offset < gort_span_bytes(s) ? s->start + offset / size * size : 0;
}

static void take_special(struct specials *k, uint64_t at, uint64_t kind, uint64_t owner)
{
	struct roots_reader *r = k->r;
	struct goheap_root root = { .at = at, .owner = owner };
	if (kind == k->numbers->finalizer) {
		root.kind = GOHEAP_ROOT_FINALIZER;
		root.value = word_of(r, at, GORT_specialfinalizer_fn);
		r->out->finalizers++;
	} else if (kind == k->numbers->weak) {
		root.kind = GOHEAP_ROOT_WEAK;
		root.value = word_of(r, at, GORT_specialWeakHandle_handle);
	} else if (kind == k->numbers->cleanup) {
		root.kind = GOHEAP_ROOT_CLEANUP;
		root.value = word_of(r, at, GORT_specialCleanup_fn);
		r->out->cleanups++;
	} else {
		return;
	}
	roots_take(r, &root);
	root.value = root.kind == GOHEAP_ROOT_CLEANUP ? word_of(r, at, GORT_specialCleanup_arg) : 0;
	root.part = 1;
	if (root.value)
		roots_take(r, &root);
}

/* One step along n lists; returns how many go on. */
static size_t step(struct specials *k, size_t n)
{
	struct roots_reader *r = k->r;
	const struct gort_layout *l = r->g->layout;
	size_t len = gort_sizeof(l, GORT_special_SIZEOF), kept = 0;
	memsrc_gather(r->g->src, k->at, n, len, k->head, k->ok);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *rec = k->head + i * len;
		const struct gort_span *s = &r->o->heap->spans.v[k->span[i]];
		uint64_t owner = object_of(r, s, gort_load(l, rec, len, GORT_special_offset));
		uint64_t next = gort_load(l, rec, len, GORT_special_next);
		if (!k->ok[i] || !owner) {
			r->out->damaged = true;
			continue;
		}
		uint64_t kind = gort_load(l, rec, len, GORT_special_kind);
		if (kind)
			take_special(k, k->at[i], kind, owner);
		k->span[kept] = k->span[i];
		k->at[kept] = next;
		kept += roots_next(r, next);
	}
	return kept;
}

/* The lists of a batch of spans, from the addresses of their structures in k->at. */
static void follow(struct specials *k, size_t n)
{
	struct roots_reader *r = k->r;
	size_t kept = 0;
	memsrc_gather(r->g->src, k->at, n, WORD, k->head, NULL);
	for (size_t i = 0; i < n; i++) {
		k->span[kept] = k->span[i];
		k->at[kept] = load_u64(k->head + i * WORD);
		kept += roots_next(r, k->at[kept]);
	}
	while (kept)
		kept = step(k, kept);
}

void roots_read_specials(struct roots_reader *r)
{
	const struct gort_heap *h = r->o->heap;
	const struct gort_layout *l = r->g->layout;
	size_t len = gort_sizeof(l, GORT_special_SIZEOF);
	if (!gort_has(l, GORT_mspan_specials) || len < WORD || len > SPECIAL_MAX)
		return;
	AUTO_FREE struct specials *k = xcalloc(1, sizeof(*k));
	k->r = r;
	k->numbers = numbers_of(l);
	size_t n = 0;
	for (size_t i = 0; i < h->spans.n; i++) {
		if (h->spans.v[i].state != GORT_SPAN_HEAP)
			continue;
		k->span[n] = (uint32_t)i;
		k->at[n++] = gort_at(l, h->mspans.v[i], GORT_mspan_specials);
		if (n == BATCH) {
			follow(k, n);
			n = 0;
		}
	}
	follow(k, n);
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
