/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal.h"

#include "base/cursor.h"

struct wanted {
	const struct journal *j;
	int64_t target;
	uint32_t no;
};

static bool same(const void *ctx, uint32_t i)
{
	const struct wanted *w = ctx;
	return w->j->chunks.v[i].target == w->target && w->j->chunks.v[i].no == w->no;
}

static struct journal_chunk *chunk_at(struct journal *j, int64_t target, uint32_t no)
{
	uint64_t hash = hash_u64((uint64_t)target << 24 ^ no);
	uint32_t i = hash_index_find(&j->by_id, hash, same, &(struct wanted){ j, target, no });
	if (i != HASH_NONE)
		return &j->chunks.v[i];
	if (j->chunks.n >= JOURNAL_CHUNKS)
		return NULL;
	hash_index_add(&j->by_id, hash, (uint32_t)j->chunks.n);
	struct journal_chunk *c = vec_push(&j->chunks);
	c->target = target;
	c->no = no;
	strbuf_init(&c->data);
	return c;
}

void journal_add(struct journal *j, const void *row, size_t len)
{
	struct cursor c;
	cursor_init(&c, row, len);
	while (cursor_left(&c)) {
		uint64_t target = cursor_uvarint(&c);
		uint64_t no = cursor_uvarint(&c);
		uint64_t n = cursor_uvarint(&c);
		const unsigned char *data = cursor_bytes(&c, n);
		if (!data || c.bad || target > INT64_MAX || no > UINT32_MAX || j->bytes + n > JOURNAL_BYTES)
			return;
		if (j->only && j->only != (int64_t)target)
			continue;
		struct journal_chunk *chunk = chunk_at(j, (int64_t)target, (uint32_t)no);
		if (!chunk)
			return;
		strbuf_add(&chunk->data, data, n);
		j->bytes += n;
	}
}

void journal_deinit(struct journal *j)
{
	for (size_t i = 0; i < j->chunks.n; i++)
		strbuf_deinit(&j->chunks.v[i].data);
	vec_deinit(&j->chunks);
	hash_index_deinit(&j->by_id);
}
