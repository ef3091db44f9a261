/* SPDX-License-Identifier: Apache-2.0 */
#include "record/sums.h"

#include "base/num.h"

void record_sums_deinit(struct record_sums *s)
{
	vec_deinit(&s->v);
	hash_map_deinit(&s->index);
}

struct record_sum *record_sums_at(struct record_sums *s, uint32_t path)
{
	bool fresh;
	uint64_t *at = hash_map_at(&s->index, path, &fresh);
	if (fresh) {
		*at = s->v.n;
		vec_push(&s->v)->path = path;
	}
	return &s->v.v[*at];
}

void record_sums_take(struct record_sums *s, uint32_t path, uint64_t bytes, uint64_t count)
{
	struct record_sum *sum = record_sums_at(s, path);
	sum->bytes += bytes;
	sum->count += count;
	sum->total_bytes += bytes;
	sum->total_count += count;
	s->bytes += bytes;
	s->count += count;
}

void record_sums_give(struct record_sums *s, uint32_t path, uint64_t bytes, uint64_t count)
{
	struct record_sum *sum = record_sums_at(s, path);
	sum->bytes = num_sub(sum->bytes, bytes);
	sum->count = num_sub(sum->count, count);
	s->bytes = num_sub(s->bytes, bytes);
	s->count = num_sub(s->count, count);
}

void record_sums_peak(struct record_sums *s)
{
	for (size_t i = 0; i < s->v.n; i++)
		s->v.v[i].peak_bytes = s->v.v[i].bytes;
}
