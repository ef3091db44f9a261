/* SPDX-License-Identifier: Apache-2.0 */
#include "record/ranges.h"

#include "base/num.h"

/* A skip list: of the nodes on one level, every fourth is on the next one too. Node 0 is the head. */
enum { LEVELS = 10 };

struct record_range_node {
	struct record_range range;
	uint32_t next[LEVELS]; /* 0: none */
};

void record_ranges_init(struct record_ranges *r)
{
	*r = (struct record_ranges){ .random = 1 };
	r->cap_nodes = 64;
	r->nodes = xcalloc(r->cap_nodes, sizeof(*r->nodes));
	r->n_nodes = 1;
}

void record_ranges_deinit(struct record_ranges *r)
{
	record_sums_deinit(&r->sums);
	free(r->nodes);
}

/* The last node before the first piece that ends behind `addr`, on each level. */
static void find(const struct record_ranges *r, uint64_t addr, uint32_t before[LEVELS])
{
	uint32_t at = 0;
	for (int level = LEVELS - 1; level >= 0; level--) {
		for (uint32_t next; (next = r->nodes[at].next[level]) != 0 && r->nodes[next].range.end <= addr;)
			at = next;
		before[level] = at;
	}
}

static uint32_t new_node(struct record_ranges *r)
{
	if (r->free) {
		uint32_t id = r->free;
		r->free = r->nodes[id].next[0];
		return id;
	}
	if (r->n_nodes == r->cap_nodes) {
		r->cap_nodes *= 2;
		r->nodes = xrealloc(r->nodes, r->cap_nodes * sizeof(*r->nodes));
	}
	return (uint32_t)r->n_nodes++;
}

static unsigned pick_height(struct record_ranges *r)
{
	r->random = hash_u64(r->random);
	unsigned height = 1;
	for (uint64_t bits = r->random; height < LEVELS && (bits & 3) == 0; bits >>= 2)
		height++;
	return height;
}

static void add(struct record_ranges *r, const struct record_range *range)
{
	uint32_t before[LEVELS];
	find(r, range->start, before);
	uint32_t id = new_node(r);
	struct record_range_node *node = &r->nodes[id];
	*node = (struct record_range_node){ .range = *range };
	unsigned height = pick_height(r);
	for (unsigned level = 0; level < height; level++) {
		node->next[level] = r->nodes[before[level]].next[level];
		r->nodes[before[level]].next[level] = id;
	}
	r->n++;
}

/* `before` is what find() gave for an address inside or before it. */
static void drop(struct record_ranges *r, uint32_t id, const uint32_t before[LEVELS])
{
	for (unsigned level = 0; level < LEVELS; level++)
		if (r->nodes[before[level]].next[level] == id)
			r->nodes[before[level]].next[level] = r->nodes[id].next[level];
	r->nodes[id].next[0] = r->free;
	r->free = id;
	r->n--;
}

/* Takes [start, end) out of the piece `id`, which it overlaps. */
static void cut(struct record_ranges *r, uint32_t id, uint64_t start, uint64_t end, const uint32_t before[LEVELS])
{
	struct record_range old = r->nodes[id].range, rest = old;
	start = num_max(start, old.start);
	end = num_min(end, old.end);
	record_sums_give(&r->sums, old.path, end - start, start == old.start && end == old.end);
	if (start == old.start && end == old.end) {
		drop(r, id, before);
		return;
	}
	if (start == old.start) {
		r->nodes[id].range.start = end;
		return;
	}
	r->nodes[id].range.end = start;
	if (end == old.end)
		return;
	rest.start = end;
	r->sums.count++;
	record_sums_at(&r->sums, old.path)->count++;
	add(r, &rest);
}

void record_ranges_unmap(struct record_ranges *r, uint64_t start, uint64_t end, int64_t began)
{
	while (start < end) {
		uint32_t before[LEVELS];
		find(r, start, before);
		uint32_t id = r->nodes[before[0]].next[0];
		if (!id || r->nodes[id].range.start >= end)
			return;
		uint64_t next = r->nodes[id].range.end;
		if (r->nodes[id].range.time < began)
			cut(r, id, start, end, before);
		start = next;
	}
}

/* Enters a piece as it is; the range must be free. */
static void enter(struct record_ranges *r, const struct record_range *range, bool fresh)
{
	if (range->start >= range->end)
		return;
	uint64_t bytes = range->end - range->start;
	if (r->n >= RECORD_RANGES_MAX) {
		r->refused += bytes;
		return;
	}
	add(r, range);
	if (fresh) {
		record_sums_take(&r->sums, range->path, bytes, 1);
		return;
	}
	struct record_sum *sum = record_sums_at(&r->sums, range->path);
	sum->bytes += bytes;
	sum->count++;
	r->sums.bytes += bytes;
	r->sums.count++;
}

void record_ranges_map(struct record_ranges *r, const struct record_range *range)
{
	if (range->start >= range->end)
		return;
	record_ranges_unmap(r, range->start, range->end, INT64_MAX);
	struct record_range piece = *range;
	piece.mapping = ++r->mappings;
	enter(r, &piece, true);
}

/* What is known of [start, end) that was there before `began`, appended to `ret`. */
static void copy(const struct record_ranges *r, uint64_t start, uint64_t end, int64_t began,
		 struct record_range_vec *ret)
{
	for (const struct record_range *piece; start < end; start = piece->end) {
		piece = record_ranges_next(r, start);
		if (!piece || piece->start >= end)
			return;
		if (piece->time >= began)
			continue;
		struct record_range *part = vec_push(ret);
		*part = *piece;
		part->start = num_max(piece->start, start);
		part->end = num_min(piece->end, end);
	}
}

void record_ranges_move(struct record_ranges *r, const struct record_move *move)
{
	const struct record_range *to = &move->to;
	if (move->keep) {
		record_ranges_map(r, to);
		return;
	}
	if (to->start >= to->end || move->old + move->old_len < move->old)
		return;
	uint64_t moved = num_min(move->old_len, to->end - to->start);
	struct record_range_vec parts = { 0 };
	copy(r, move->old, move->old + moved, move->began, &parts);
	record_ranges_unmap(r, move->old, move->old + move->old_len, move->began);
	record_ranges_unmap(r, to->start, to->end, INT64_MAX);
	for (size_t i = 0; i < parts.n; i++) {
		struct record_range part = parts.v[i];
		part.start = part.start - move->old + to->start;
		part.end = part.end - move->old + to->start;
		enter(r, &part, false);
	}
	vec_deinit(&parts);
	struct record_range growth = *to;
	growth.start += moved;
	if (growth.start >= growth.end)
		return;
	growth.mapping = ++r->mappings;
	enter(r, &growth, true);
}

const struct record_range *record_ranges_next(const struct record_ranges *r, uint64_t addr)
{
	uint32_t before[LEVELS];
	find(r, addr, before);
	uint32_t id = r->nodes[before[0]].next[0];
	return id ? &r->nodes[id].range : NULL;
}
