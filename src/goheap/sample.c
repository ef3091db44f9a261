/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/sample.h"

#include <stdlib.h>

#include "base/cursor.h"

enum {
	BATCH = 4096,
	WORD = 8,
	RECORD_MAX = 128, /* bytes of a special; the runtime's have 24 */
	HEAD_MAX = 128,	  /* of a bucket in front of its stack */
	STEPS_MAX = 8192, /* along one list: a span has at most 1024 objects with a few specials each */
	MEM_PROFILE = 1,  /* bucketType memProfile */
};

/* How the kind of special is numbered, from each version on. */
static const struct {
	int minor;
	uint8_t profile;
} numbers[] = { { 25, 4 }, { 23, 3 }, { 0, 2 } };

/* Lists of a batch of spans, one step along each at a time. */
struct reader {
	const struct goheap_objects *o;
	struct goheap_sample_vec *out;
	size_t len; /* of a record: all that is read of a special */
	uint64_t profile;
	uint32_t span[BATCH]; /* index in heap->spans */
	uint64_t at[BATCH];
	bool ok[BATCH];
	unsigned char records[BATCH * RECORD_MAX];
};

static void take(struct reader *r, const unsigned char *rec, uint32_t span)
{
	const struct gort_layout *l = r->o->g->layout;
	struct goheap_object_at at;
	uint64_t offset = gort_load(l, rec, r->len, GORT_special_offset);
	if (gort_load(l, rec, r->len, GORT_special_kind) != r->profile || r->out->n >= GOHEAP_SAMPLES_MAX)
		return;
	const struct gort_span *s = &r->o->heap->spans.v[span];
	if (offset < gort_span_bytes(s) && goheap_object_find(r->o, s->start + offset, &at) && at.allocated)
		*vec_push(r->out) = (struct goheap_sample){
			.bucket = gort_load(l, rec, r->len, GORT_specialprofile_b),
			.object = at.number,
		};
}

/* Returns how many of n lists go on. */
static size_t step(struct reader *r, size_t n)
{
	const struct gort_layout *l = r->o->g->layout;
	size_t kept = 0;
	memsrc_gather(r->o->g->src, r->at, n, r->len, r->records, r->ok);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *rec = r->records + i * r->len;
		uint64_t next = gort_load(l, rec, r->len, GORT_special_next);
		if (!r->ok[i])
			continue;
		take(r, rec, r->span[i]);
		r->span[kept] = r->span[i];
		r->at[kept] = next;
		kept += next != 0 && next != r->at[i];
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
		r->at[kept] = load_u64(r->records + i * WORD);
		kept += r->ok[i] && r->at[kept];
	}
	for (int steps = 0; kept && steps < STEPS_MAX; steps++)
		kept = step(r, kept);
}

void goheap_samples_read(const struct goheap_objects *o, struct goheap_sample_vec *ret)
{
	const struct gort_layout *l = o->g->layout;
	size_t len = gort_sizeof(l, GORT_specialprofile_SIZEOF), n = 0, row = 0;
	if (!gort_has(l, GORT_mspan_specials) || len < WORD || len > RECORD_MAX)
		return;
	AUTO_FREE struct reader *r = xcalloc(1, sizeof(*r));
	r->o = o;
	r->out = ret;
	r->len = len;
	while (numbers[row].minor > l->minor)
		row++;
	r->profile = numbers[row].profile;
	for (size_t i = 0; i < o->heap->spans.n; i++) {
		if (o->first[i] == GOHEAP_NONE)
			continue;
		r->span[n] = (uint32_t)i;
		r->at[n++] = gort_at(l, o->heap->mspans.v[i], GORT_mspan_specials);
		if (n == BATCH) {
			follow(r, n);
			n = 0;
		}
	}
	follow(r, n);
}

size_t goheap_sample_stack(const struct gort *g, uint64_t bucket, uint64_t pcs[GORT_PROFILE_STACK])
{
	const struct gort_layout *l = g->layout;
	unsigned char head[HEAD_MAX];
	size_t len = gort_sizeof(l, GORT_bucket_SIZEOF);
	if (!bucket || !len || len > HEAD_MAX || !memsrc_read(g->src, bucket, head, len))
		return 0;
	uint64_t n = gort_load(l, head, len, GORT_bucket_nstk);
	if (gort_load(l, head, len, GORT_bucket_typ) != MEM_PROFILE || n > GORT_PROFILE_STACK)
		return 0;
	return memsrc_read(g->src, bucket + len, pcs, n * WORD) ? n : 0;
}
