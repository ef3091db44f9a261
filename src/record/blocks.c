/* SPDX-License-Identifier: Apache-2.0 */
#include "record/blocks.h"

#include "base/num.h"
#include "record/cells.h"

enum { SLOTS_MIN = 1024 };

void record_blocks_init(struct record_blocks *b)
{
	*b = (struct record_blocks){ .cap = SLOTS_MIN };
	b->slots = xcalloc(b->cap, sizeof(*b->slots));
	record_cells_init(&b->cells);
}

void record_blocks_deinit(struct record_blocks *b)
{
	free(b->slots);
	record_sums_deinit(&b->sums);
	record_cells_deinit(&b->cells);
}

static size_t home(const struct record_blocks *b, uint64_t addr)
{
	return (size_t)hash_u64(addr) & (b->cap - 1);
}

/* The slot of the block at addr, or the empty one where it would be. */
static struct record_block *find(const struct record_blocks *b, uint64_t addr)
{
	size_t i = home(b, addr);
	while (b->slots[i].addr && b->slots[i].addr != addr)
		i = (i + 1) & (b->cap - 1);
	return &b->slots[i];
}

static void grow(struct record_blocks *b)
{
	struct record_blocks old = *b;
	b->cap *= 2;
	b->slots = xcalloc(b->cap, sizeof(*b->slots));
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].addr)
			*find(b, old.slots[i].addr) = old.slots[i];
	free(old.slots);
}

/* Empties a slot, and moves up what would not be found any more. */
static void erase(struct record_blocks *b, struct record_block *slot)
{
	record_sums_give(&b->sums, slot->path, slot->size, 1);
	b->n--;
	size_t mask = b->cap - 1, hole = (size_t)(slot - b->slots);
	for (size_t i = (hole + 1) & mask; b->slots[i].addr; i = (i + 1) & mask) {
		if (((i - home(b, b->slots[i].addr)) & mask) < ((i - hole) & mask))
			continue;
		b->slots[hole] = b->slots[i];
		hole = i;
	}
	b->slots[hole] = (struct record_block){ 0 };
}

void record_blocks_phase(struct record_blocks *b, bool on, int64_t time)
{
	if (b->on == on)
		return;
	if (on) {
		b->paused = b->paused || b->cells.phases;
		b->phase_began = time;
		b->phase = (b->phase + 1) & 0xffff;
	} else {
		record_cells_phase(&b->cells, time > b->phase_began ? (double)(time - b->phase_began) : 0);
	}
	b->on = on;
}

/* The block at addr is somebody's; false when it was not known. What came after the call began is somebody else's. */
static bool forget(struct record_blocks *b, uint64_t addr, int64_t began)
{
	struct record_block *slot = find(b, addr);
	if (!slot->addr || slot->time >= began)
		return slot->addr;
	record_cells_free(&b->cells, slot->path, slot->size);
	erase(b, slot);
	return true;
}

static void enter(struct record_blocks *b, const struct record_alloc *a, bool inner)
{
	if (b->n >= RECORD_BLOCKS_MAX) {
		b->refused++;
		record_cells_refused(&b->cells, a->path, a->size);
		return;
	}
	if ((b->n + 1) * 4 > b->cap * 3)
		grow(b);
	struct record_block *slot = find(b, a->addr);
	*slot = (struct record_block){ .addr = a->addr, .phase = b->phase, .time = a->time, .path = a->path };
	slot->size = a->size & ((UINT64_C(1) << 48) - 1);
	b->n++;
	record_sums_take(&b->sums, a->path, slot->size, 1);
	if (!inner)
		record_cells_alloc(&b->cells, a->path, slot->size);
}

void record_blocks_free(struct record_blocks *b, uint64_t addr, uint64_t chunk, int64_t began)
{
	if (!addr || forget(b, addr, began))
		return;
	if (b->on && began >= b->phase_began)
		record_cells_unknown_free(&b->cells, chunk);
}

void record_blocks_alloc(struct record_blocks *b, const struct record_alloc *a)
{
	if (a->old && (a->addr || !a->size))
		record_blocks_free(b, a->old, a->old_chunk ? a->old_chunk : record_chunk(a->size), a->began);
	if (!a->addr)
		return;
	struct record_block *slot = find(b, a->addr);
	bool inner = slot->addr && slot->time >= a->began;
	if (inner) {
		struct record_sum *sum = record_sums_at(&b->sums, slot->path);
		sum->total_bytes -= slot->size;
		sum->total_count--;
	}
	if (slot->addr)
		erase(b, slot);
	if (b->on && a->began >= b->phase_began)
		enter(b, a, inner);
}

static int by_addr(const void *a, const void *b)
{
	const struct record_block *x = a, *y = b;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void record_blocks_list(const struct record_blocks *b, struct record_block_vec *ret)
{
	vec_reserve(ret, ret->n + b->n + 1);
	for (size_t i = 0; i < b->cap; i++)
		if (b->slots[i].addr)
			*vec_push(ret) = b->slots[i];
	vec_sort(ret, by_addr);
}

/* Rounding, what is too small to be split off, and whole pages of the largest. */
static bool fits(uint64_t size, uint64_t chunk)
{
	enum { SPLIT_OFF = 32, LARGE = 64 * 1024, PAGES = 2 * 4096 };
	uint64_t need = record_chunk(size);
	return chunk >= need && chunk - need <= (size >= LARGE ? PAGES : SPLIT_OFF);
}

uint64_t record_blocks_confirm(struct record_blocks *b, const uint64_t *addrs, const uint64_t *chunks, size_t n)
{
	uint64_t gone = 0;
	for (size_t i = 0; i < n; i++) {
		struct record_block *slot = find(b, addrs[i]);
		if (!slot->addr || fits(slot->size, chunks[i]))
			continue;
		erase(b, slot);
		gone++;
	}
	return gone;
}

void record_blocks_bounds(struct record_blocks *b, const struct record_blocks_end *end, struct record_bound_vec *ret)
{
	record_cells_clear(&b->cells);
	for (size_t i = 0; i < b->cap; i++)
		if (b->slots[i].addr) {
			const struct record_block *block = &b->slots[i];
			bool sure = !b->paused || end->confirmed || block->phase == b->phase;
			record_cells_outstanding(&b->cells, block->path, block->size, block->time, sure);
		}
	record_cells_bounds(&b->cells, end, b->paused, ret);
	for (size_t i = 0; i < ret->n; i++) {
		uint64_t *at = hash_map_get(&b->sums.index, ret->v[i].path);
		if (!at)
			continue;
		ret->v[i].total_bytes = b->sums.v.v[*at].total_bytes;
		ret->v[i].total_count = b->sums.v.v[*at].total_count;
	}
}
