/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/sample.h"

#include "goheap/special.h"

enum {
	WORD = 8,
	HEAD_MAX = 128,	 /* of a bucket in front of its stack */
	MEM_PROFILE = 1, /* bucketType memProfile */
};

struct reader {
	const struct goheap_objects *o;
	struct goheap_sample_vec *out;
};

static void take(void *ctx, const struct goheap_special *s)
{
	struct reader *r = ctx;
	struct goheap_object_at at;
	uint64_t addr = r->o->heap->spans.v[s->span].start + s->offset;
	if (s->kind != GOHEAP_SPECIAL_PROFILE || r->out->n >= GOHEAP_SAMPLES_MAX)
		return;
	if (goheap_object_find(r->o, addr, &at) && at.allocated)
		*vec_push(r->out) = (struct goheap_sample){
			.bucket = gort_load(r->o->g->layout, s->rec, s->len, GORT_specialprofile_b),
			.addr = addr,
			.object = at.number,
		};
}

void goheap_samples_read(const struct goheap_objects *o, struct goheap_sample_vec *ret)
{
	struct reader r = { .o = o, .out = ret };
	goheap_specials_read(o, take, &r); /* of a damaged list what came before */
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
