/* SPDX-License-Identifier: Apache-2.0 */
#include "record/rows.h"

#include <stdlib.h>

#include "base/num.h"
#include "record/heap.h"
#include "record/what.h"

enum { RESIDENT_PIECES_MAX = 256 * 1024 };

/* ---- what the kernel has ---- */

/* Bytes of [start, end) that `set` has not, appended to `ret` as ranges. */
static uint64_t outside(const struct record_ranges *set, uint64_t start, uint64_t end, struct record_range_vec *ret)
{
	uint64_t sum = 0;
	while (start < end) {
		const struct record_range *next = record_ranges_next(set, start);
		uint64_t stop = next && next->start < end ? num_max(next->start, start) : end;
		if (stop > start) {
			sum += stop - start;
			if (ret)
				*vec_push(ret) = (struct record_range){ .start = start, .end = stop };
		}
		if (!next || next->start >= end)
			break;
		start = next->end;
	}
	return sum;
}

static void put(struct record_ranges *set, uint64_t start, uint64_t end)
{
	struct record_range range = { .start = start, .end = end };
	record_ranges_map(set, &range);
}

/* What grows by itself or is the kernel's own. */
static bool grows(const struct vma *v)
{
	return v->name[0] == '[' && v->name[1] != 'a' && v->name[1] != 'h';
}

static uint64_t seen_by_nobody(const struct record_target *t)
{
	struct record_ranges known;
	uint64_t sum = 0;
	record_ranges_init(&known);
	for (size_t i = 0; i < t->before.n; i++)
		put(&known, t->before.v[i].start, t->before.v[i].end);
	const struct record_range *at;
	for (uint64_t addr = 0; (at = record_ranges_next(&t->ranges, addr)); addr = at->end)
		put(&known, at->start, at->end);
	for (uint64_t addr = 0; (at = record_ranges_next(&t->late, addr)); addr = at->end)
		put(&known, at->start, at->end);
	for (size_t i = 0; i < t->t.maps.n; i++)
		if (!grows(&t->t.maps.v[i]))
			sum += outside(&known, t->t.maps.v[i].start, t->t.maps.v[i].end, NULL);
	record_ranges_deinit(&known);
	return sum;
}

/* The book has it, the kernel has not. */
static uint64_t drop_what_is_gone(struct record_target *t)
{
	struct record_ranges have;
	struct record_range_vec gone = { 0 };
	uint64_t sum = 0;
	record_ranges_init(&have);
	for (size_t i = 0; i < t->t.maps.n; i++)
		put(&have, t->t.maps.v[i].start, t->t.maps.v[i].end);
	const struct record_range *at;
	for (uint64_t addr = 0; (at = record_ranges_next(&t->late, addr)); addr = at->end)
		put(&have, at->start, at->end);
	for (uint64_t addr = 0; (at = record_ranges_next(&t->ranges, addr)); addr = at->end)
		sum += outside(&have, at->start, at->end, &gone);
	for (size_t i = 0; i < gone.n; i++)
		record_ranges_unmap(&t->ranges, gone.v[i].start, gone.v[i].end, INT64_MAX);
	vec_deinit(&gone);
	record_ranges_deinit(&have);
	return sum;
}

void record_rows_compare(struct record_watch *w, struct record_target *t)
{
	char size[NUM_SIZE_LEN];
	uint64_t gone = drop_what_is_gone(t), unseen = seen_by_nobody(t);
	if (gone)
		record_note(w->r,
			    "pid %d: %s that was seen mapped is not mapped any more by the kernel's own list; left out",
			    t->pid, num_size(gone, size));
	if (unseen)
		record_note(w->r, "pid %d: %s is mapped now that nobody was seen to map; in no call path", t->pid,
			    num_size(unseen, size));
	if (t->ranges.refused) {
		w->r->partial = true;
		record_note(w->r, "pid %d: %s of mappings did not fit into the book", t->pid,
			    num_size(t->ranges.refused, size));
	}
}

/* ---- rows ---- */

static struct record_row *new_row(struct record_watch *w, const struct record_target *t, enum record_kind kind,
				  uint32_t path)
{
	struct record_row *row = vec_push(&w->r->rows);
	row->kind = kind;
	row->pid = t->pid;
	row->stack = path;
	row->resident_bytes = row->peak_bytes = ACCOUNT_UNKNOWN;
	return row;
}

static int64_t since(const struct record_watch *w, int64_t time)
{
	return time > w->began ? time - w->began : 0;
}

static unsigned eighth(const struct record_watch *w, int64_t time)
{
	int64_t length = w->end - w->began, at = since(w, time);
	if (length <= 0)
		return 0;
	unsigned part = (unsigned)((double)at / (double)length * RECORD_PARTS);
	return part < RECORD_PARTS ? part : RECORD_PARTS - 1;
}

/* Of the mappings of one path. */
struct mapped {
	uint64_t what[RECORD_WHAT_MAX_], resident, count;
	uint64_t parts[RECORD_PARTS];
	int64_t first, last;
};

static uint64_t resident_of(struct record_target *t, const struct record_range *piece, struct page_vec *pages)
{
	uint64_t sum = 0;
	pages->n = 0;
	struct err *err AUTO(err) = target_pages(&t->t, piece->start, piece->end, pages);
	for (size_t i = 0; i < pages->n; i++)
		if (pages->v[i].kind != PAGE_SWAP)
			sum += pages->v[i].end - pages->v[i].start;
	return err ? 0 : sum;
}

static void add_piece(const struct record_watch *w, struct mapped *m, const struct record_range *piece,
		      struct hash_map *mappings)
{
	bool fresh;
	hash_map_at(mappings, piece->mapping, &fresh);
	m->count += fresh;
	m->parts[eighth(w, piece->time)] += piece->end - piece->start;
	m->first = m->first && m->first < piece->time ? m->first : piece->time;
	m->last = m->last > piece->time ? m->last : piece->time;
}

static bool by_the_runtime(const struct record *r, uint32_t path)
{
	struct record_row row = { .kind = RECORD_MMAP, .stack = path };
	return record_taker(r, &row) == RECORD_BY_RUNTIME;
}

static enum record_what most_of(const struct mapped *m, const struct record_sum *sum, bool resident, bool go)
{
	enum { TOUCHED = 32 }; /* less than one byte in so many is nearly none */
	enum record_what most = RECORD_WHAT_UNKNOWN;
	if (go)
		return RECORD_WHAT_GO;
	for (unsigned i = 0; i < RECORD_WHAT_MAX_; i++)
		if (m->what[i] > m->what[most])
			most = i;
	bool memory = most == RECORD_WHAT_ANON || most == RECORD_WHAT_SHARED;
	return resident && memory && m->resident < sum->bytes / TOUCHED ? RECORD_WHAT_UNTOUCHED : most;
}

static void fill_mmap_row(struct record_watch *w, struct record_target *t, const struct record_sum *sum,
			  const struct mapped *m, bool resident)
{
	struct record_row *row = new_row(w, t, RECORD_MMAP, sum->path);
	row->what = most_of(m, sum, resident, by_the_runtime(w->r, sum->path));
	row->bytes = row->low_bytes = row->high_bytes = sum->bytes;
	row->count = row->low_count = row->high_count = m->count;
	row->resident_bytes = resident ? m->resident : ACCOUNT_UNKNOWN;
	row->peak_bytes = sum->peak_bytes;
	row->total_bytes = sum->total_bytes;
	row->total_count = sum->total_count;
	row->first_ns = m->first ? since(w, m->first) : 0;
	row->last_ns = m->last ? since(w, m->last) : 0;
	for (unsigned i = 0; i < RECORD_PARTS; i++)
		row->parts[i] = m->parts[i];
}

static void add_mappings(struct record_watch *w, struct record_target *t, const struct record_what_source *what)
{
	struct mapped *sums = xcalloc(t->ranges.sums.v.n + 1, sizeof(*sums));
	struct hash_map mappings = { 0 };
	struct page_vec pages = { 0 };
	bool resident = !t->over && t->t.has_pages && t->ranges.n <= RESIDENT_PIECES_MAX;
	const struct record_range *at;
	for (uint64_t addr = 0; (at = record_ranges_next(&t->ranges, addr)); addr = at->end) {
		const uint64_t *index = hash_map_get(&t->ranges.sums.index, at->path);
		if (!index)
			continue;
		struct mapped *m = &sums[*index];
		add_piece(w, m, at, &mappings);
		uint64_t here = resident ? resident_of(t, at, &pages) : 0;
		m->resident += here;
		bool page = pages.n > 0;
		enum record_what kind = record_what_at(what, at->start, at->flags, page, page ? pages.v[0].kind : 0);
		m->what[kind] += at->end - at->start;
	}
	for (size_t i = 0; i < t->ranges.sums.v.n; i++) {
		const struct record_sum *sum = &t->ranges.sums.v.v[i];
		if (sum->bytes || sum->peak_bytes)
			fill_mmap_row(w, t, sum, &sums[i], resident);
	}
	free(sums);
	hash_map_deinit(&mappings);
	vec_deinit(&pages);
}

static void fill_bound(const struct record_watch *w, const struct record_bound *b, struct record_row *row)
{
	row->bytes = b->bytes;
	row->low_bytes = b->low_bytes;
	row->high_bytes = b->high_bytes;
	row->count = b->count;
	row->low_count = b->low_count;
	row->high_count = b->high_count;
	row->total_bytes = b->total_bytes;
	row->total_count = b->total_count;
	row->first_ns = b->first ? since(w, b->first) : 0;
	row->last_ns = b->last ? since(w, b->last) : 0;
}

/* When what is outstanding was taken, by the blocks that were seen; of the row's bytes. */
static void fill_parts(const struct record_watch *w, const struct record_target *t, const struct hash_map *rows)
{
	struct record_block_vec blocks = { 0 };
	record_blocks_list(&t->blocks, &blocks);
	for (size_t i = 0; i < blocks.n; i++) {
		const uint64_t *row = hash_map_get(rows, blocks.v[i].path);
		if (row)
			w->r->rows.v[*row].parts[eighth(w, blocks.v[i].time)] += blocks.v[i].size;
	}
	vec_deinit(&blocks);
	for (size_t i = 0; i < rows->cap; i++) {
		if (!rows->used[i])
			continue;
		struct record_row *row = &w->r->rows.v[rows->slots[i].value];
		uint64_t sum = 0;
		for (unsigned p = 0; p < RECORD_PARTS; p++)
			sum += row->parts[p];
		for (unsigned p = 0; sum && sum != row->bytes && p < RECORD_PARTS; p++)
			row->parts[p] = (uint64_t)((double)row->bytes * (double)row->parts[p] / (double)sum);
	}
}

static void add_blocks(struct record_watch *w, struct record_target *t, const struct record_scale *scale)
{
	bool sizes = t->heap_before.known && t->heap_after.known;
	struct record_blocks_end end = { .confirmed = t->confirmed, .scale = scale->likely, .scale_high = scale->high };
	end.before = sizes ? &t->heap_before.sizes : NULL;
	end.after = sizes ? &t->heap_after.sizes : NULL;
	end.large_before = t->heap_before.large;
	end.large_after = t->heap_after.large;
	end.large_bytes_before = t->heap_before.large_bytes;
	end.large_bytes_after = t->heap_after.large_bytes;
	struct record_bound_vec bounds = { 0 };
	struct hash_map rows = { 0 };
	record_blocks_bounds(&t->blocks, &end, &bounds);
	for (size_t i = 0; i < bounds.n; i++) {
		const struct record_sum *sum = record_sums_at(&t->blocks.sums, bounds.v[i].path);
		uint64_t peak = t->blocks.paused ? ACCOUNT_UNKNOWN : sum->peak_bytes;
		if (!bounds.v[i].high_count && (!peak || peak == ACCOUNT_UNKNOWN))
			continue;
		*hash_map_at(&rows, bounds.v[i].path, NULL) = w->r->rows.n;
		struct record_row *row = new_row(w, t, RECORD_MALLOC, bounds.v[i].path);
		row->what = RECORD_WHAT_ANON;
		fill_bound(w, &bounds.v[i], row);
		row->peak_bytes = peak;
	}
	fill_parts(w, t, &rows);
	hash_map_deinit(&rows);
	vec_deinit(&bounds);
}

/* ---- page faults ---- */

/* The run of pages that holds a page, or NULL. */
static const struct page_run *run_of(const struct page_vec *runs, uint64_t page)
{
	for (size_t i = 0; i < runs->n; i++)
		if (page >= runs->v[i].start && page < runs->v[i].end)
			return runs->v[i].kind == PAGE_SWAP ? NULL : &runs->v[i];
	return NULL;
}

static uint32_t flags_at(const struct record_target *t, uint64_t addr)
{
	const struct record_range *at = record_ranges_next(&t->ranges, addr);
	return at && at->start <= addr ? at->flags : 0;
}

static uint32_t what_of_page(const struct record_watch *w, const struct record_what_source *what,
			     const struct record_sample *s, enum page_kind kind)
{
	const struct record_target *t = what->t;
	const struct record_range *at = record_ranges_next(&t->ranges, s->page);
	if (at && at->start <= s->page && by_the_runtime(w->r, at->path))
		return RECORD_WHAT_GO;
	return record_what_at(what, s->page, flags_at(t, s->page), true, kind);
}

/* Samples of one region of 2 MiB: with a huge page there, and one fault alone, that fault brought all of it. */
static void add_region(const struct record_watch *w, const struct record_what_source *what,
		       const struct record_sample *v, size_t n, struct record_resident_vec *ret)
{
	struct page_vec runs = { 0 };
	uint64_t start = v->page / RECORD_HUGE * RECORD_HUGE;
	struct err *err AUTO(err) = target_pages(&what->t->t, start, start + RECORD_HUGE, &runs);
	for (size_t i = 0; !err && i < n; i++) {
		const struct page_run *run = run_of(&runs, v[i].page);
		if (!run)
			continue;
		*vec_push(ret) = (struct record_resident){ .path = v[i].path,
							   .weight = v[i].weight,
							   .what = what_of_page(w, what, &v[i], run->kind),
							   .bytes = run->huge && n == 1 ? RECORD_HUGE : RECORD_PAGE,
							   .time = v[i].time };
	}
	vec_deinit(&runs);
}

static void add_faults(struct record_watch *w, struct record_target *t, const struct record_what_source *what)
{
	struct record_sample_vec samples = { 0 };
	struct record_resident_vec resident = { 0 };
	struct record_fault_row_vec rows = { 0 };
	record_faults_list(&t->faults, &samples);
	for (size_t i = 0, next; i < samples.n; i = next) {
		for (next = i + 1;
		     next < samples.n && samples.v[next].page / RECORD_HUGE == samples.v[i].page / RECORD_HUGE;)
			next++;
		add_region(w, what, &samples.v[i], next - i, &resident);
	}
	record_faults_rows(&resident, &rows);
	for (size_t i = 0; i < rows.n; i++) {
		struct record_row *row = new_row(w, t, RECORD_RESIDENT, rows.v[i].bound.path);
		row->what = rows.v[i].what;
		fill_bound(w, &rows.v[i].bound, row);
		row->resident_bytes = row->bytes;
	}
	vec_deinit(&samples);
	vec_deinit(&resident);
	vec_deinit(&rows);
}

static void add_go(struct record_watch *w, struct record_target *t, const struct record_scale *scale)
{
	for (size_t i = 0; i < t->go.v.n; i++) {
		const struct record_sum *sum = &t->go.v.v[i];
		struct record_row *row = new_row(w, t, RECORD_GO, sum->path);
		row->what = RECORD_WHAT_GO;
		row->low_bytes = row->total_bytes = sum->bytes;
		row->low_count = row->total_count = sum->count;
		row->bytes = (uint64_t)((double)sum->bytes * scale->likely);
		row->count = (uint64_t)((double)sum->count * scale->likely);
		row->high_bytes = (uint64_t)((double)sum->bytes * scale->high);
		row->high_count = (uint64_t)((double)sum->count * scale->high);
		row->first_ns = since(w, t->go_first);
		row->last_ns = since(w, t->go_last);
	}
}

void record_rows_add(struct record_watch *w, struct record_target *t, const struct record_scale *scale)
{
	struct record_what_source what;
	record_what_init(&what, t);
	if (w->opt->wanted & 1u << RECORD_MMAP)
		add_mappings(w, t, &what);
	if (w->opt->wanted & 1u << RECORD_MALLOC)
		add_blocks(w, t, scale);
	if (w->opt->wanted & 1u << RECORD_RESIDENT && !t->over)
		add_faults(w, t, &what);
	if (w->opt->wanted & 1u << RECORD_GO)
		add_go(w, t, scale);
	record_what_deinit(&what);
}

static int by_kind(const void *a, const void *b)
{
	const struct record_row *x = a, *y = b;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

void record_rows_sort(struct record *r)
{
	vec_sort(&r->rows, by_kind);
}
