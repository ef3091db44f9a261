/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/special.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "base/hash.h"

enum {
	BATCH = 4096,
	WORD = 8,
	RECORD_MAX = 128, /* the runtime's have 24 or 32 bytes, as far as they are read here */
};

/* How the kinds are numbered, from each version on; 0: there is none. */
struct numbers {
	int minor;
	uint8_t finalizer, weak, profile, cleanup;
};

static const struct numbers all_numbers[] = {
	{ 25, 2, 3, 4, 7 }, { 24, 1, 2, 3, 6 }, { 23, 1, 2, 3, 0 }, { 0, 1, 0, 2, 0 }
};

/* Lists of a batch of spans, one step along each at a time. */
struct reader {
	const struct goheap_objects *o;
	goheap_special_fn fn;
	void *ctx;
	const struct numbers *numbers;
	struct hash_map seen; /* records, so that no list is followed for ever */
	bool damaged;
	size_t len;
	uint32_t span[BATCH];
	uint64_t at[BATCH];
	bool ok[BATCH];
	unsigned char records[BATCH * RECORD_MAX];
};

static enum goheap_special_kind kind_of(const struct numbers *n, uint64_t number)
{
	return !number			? GOHEAP_SPECIAL_OTHER
	       : number == n->finalizer ? GOHEAP_SPECIAL_FINALIZER
	       : number == n->weak	? GOHEAP_SPECIAL_WEAK
	       : number == n->profile	? GOHEAP_SPECIAL_PROFILE
	       : number == n->cleanup	? GOHEAP_SPECIAL_CLEANUP
					: GOHEAP_SPECIAL_OTHER;
}

/* Does a list go on there? */
static bool goes_on(struct reader *r, uint64_t addr)
{
	bool fresh = false;
	if (!addr)
		return false;
	hash_map_at(&r->seen, addr, &fresh);
	r->damaged = r->damaged || !fresh;
	return fresh;
}

/* Returns how many of n lists go on. */
static size_t step(struct reader *r, size_t n)
{
	const struct gort_layout *l = r->o->g->layout;
	size_t kept = 0;
	memsrc_gather(r->o->g->src, r->at, n, r->len, r->records, r->ok);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *rec = r->records + i * r->len;
		struct goheap_special s = { .addr = r->at[i], .span = r->span[i], .rec = rec, .len = r->len };
		s.offset = gort_load(l, rec, r->len, GORT_special_offset);
		if (!r->ok[i] || s.offset >= gort_span_bytes(&r->o->heap->spans.v[s.span])) {
			r->damaged = true;
			continue;
		}
		s.kind = kind_of(r->numbers, gort_load(l, rec, r->len, GORT_special_kind));
		r->fn(r->ctx, &s);
		r->span[kept] = s.span;
		r->at[kept] = gort_load(l, rec, r->len, GORT_special_next);
		kept += goes_on(r, r->at[kept]);
	}
	return kept;
}

/* The lists whose heads are at r->at. */
static void follow(struct reader *r, size_t n)
{
	size_t kept = 0;
	memsrc_gather(r->o->g->src, r->at, n, WORD, r->records, r->ok);
	for (size_t i = 0; i < n; i++) {
		r->span[kept] = r->span[i];
		r->at[kept] = r->ok[i] ? load_u64(r->records + i * WORD) : 0;
		kept += goes_on(r, r->at[kept]);
	}
	while (kept)
		kept = step(r, kept);
}

bool goheap_specials_read(const struct goheap_objects *o, goheap_special_fn fn, void *ctx)
{
	const struct gort_layout *l = o->g->layout;
	size_t len = gort_sizeof(l, GORT_specialprofile_SIZEOF), n = 0;
	if (!gort_has(l, GORT_mspan_specials) || len < WORD || len > RECORD_MAX)
		return true;
	AUTO_FREE struct reader *r = xcalloc(1, sizeof(*r));
	r->o = o;
	r->fn = fn;
	r->ctx = ctx;
	r->len = len;
	r->numbers = all_numbers;
	while (r->numbers->minor > l->minor)
		r->numbers++;
	for (size_t i = 0; i < o->heap->spans.n; i++) {
		if (o->heap->spans.v[i].state != GORT_SPAN_HEAP)
			continue;
		r->span[n] = (uint32_t)i;
		r->at[n++] = gort_at(l, o->heap->mspans.v[i], GORT_mspan_specials);
		if (n == BATCH) {
			follow(r, n);
			n = 0;
		}
	}
	follow(r, n);
	hash_map_deinit(&r->seen);
	return !r->damaged;
}
