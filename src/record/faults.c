/* SPDX-License-Identifier: Apache-2.0 */
#include "record/faults.h"

#include <math.h>

#include "base/num.h"

/* Quantile of the normal distribution for RECORD_CONFIDENCE, both sides. */
#define Z 3.29

void record_faults_deinit(struct record_faults *f)
{
	vec_deinit(&f->v);
	hash_map_deinit(&f->regions);
}

static struct record_sample *sample(struct record_faults *f, uint32_t id)
{
	return &f->v.v[id - 1];
}

static uint32_t new_sample(struct record_faults *f)
{
	uint32_t id = f->free;
	if (id) {
		f->free = sample(f, id)->next;
		return id;
	}
	vec_push(&f->v);
	return (uint32_t)f->v.n;
}

void record_faults_add(struct record_faults *f, uint64_t addr, uint32_t weight, uint32_t path, int64_t time)
{
	uint64_t page = addr & ~(uint64_t)(RECORD_PAGE - 1);
	if (!page)
		return;
	uint64_t *first = hash_map_at(&f->regions, page / RECORD_HUGE, NULL);
	uint32_t id = (uint32_t)*first;
	while (id && sample(f, id)->page != page)
		id = sample(f, id)->next;
	if (!id && f->n >= RECORD_FAULTS_MAX) {
		f->refused++;
		return;
	}
	if (!id) {
		id = new_sample(f);
		*sample(f, id) = (struct record_sample){ .page = page, .next = (uint32_t)*first };
		*first = id;
		f->n++;
	}
	sample(f, id)->time = time;
	sample(f, id)->weight = weight;
	sample(f, id)->path = path;
}

struct span {
	uint64_t start, end;
	int64_t began;
	struct record_sample_vec *moved; /* what was there goes here, or NULL */
};

static void drop_region(struct record_faults *f, uint64_t *first, const struct span *span)
{
	uint32_t kept = 0;
	for (uint32_t id = (uint32_t)*first, next; id; id = next) {
		struct record_sample *s = sample(f, id);
		next = s->next;
		if (s->page < span->start || s->page >= span->end || s->time >= span->began) {
			s->next = kept;
			kept = id;
			continue;
		}
		if (span->moved)
			*vec_push(span->moved) = *s;
		*s = (struct record_sample){ .next = f->free };
		f->free = id;
		f->n--;
	}
	*first = kept;
}

static void drop(struct record_faults *f, const struct span *span)
{
	if (span->start >= span->end || !f->n)
		return;
	uint64_t from = span->start / RECORD_HUGE, to = (span->end - 1) / RECORD_HUGE;
	if (to - from < f->regions.cap) {
		for (uint64_t region = from; region <= to; region++) {
			uint64_t *first = hash_map_get(&f->regions, region);
			if (first)
				drop_region(f, first, span);
		}
		return;
	}
	for (size_t i = 0; i < f->regions.cap; i++)
		if (f->regions.used[i] && f->regions.slots[i].key >= from && f->regions.slots[i].key <= to)
			drop_region(f, &f->regions.slots[i].value, span);
}

void record_faults_drop(struct record_faults *f, uint64_t start, uint64_t end, int64_t began)
{
	struct span span = { start, end, began, NULL };
	drop(f, &span);
}

void record_faults_move(struct record_faults *f, uint64_t old, uint64_t len, uint64_t to, int64_t began)
{
	struct record_sample_vec moved = { 0 };
	struct span span = { old, old + len, began, &moved };
	drop(f, &span);
	record_faults_drop(f, to, to + len, began);
	for (size_t i = 0; i < moved.n; i++) {
		const struct record_sample *s = &moved.v[i];
		record_faults_add(f, s->page - old + to, s->weight, s->path, s->time);
	}
	vec_deinit(&moved);
}

static int by_page(const void *a, const void *b)
{
	const struct record_sample *x = a, *y = b;
	return x->page < y->page ? -1 : x->page > y->page;
}

void record_faults_list(const struct record_faults *f, struct record_sample_vec *ret)
{
	for (size_t i = 0; i < f->v.n; i++)
		if (f->v.v[i].page)
			*vec_push(ret) = f->v.v[i];
	vec_sort(ret, by_page);
}

/* Bounds of what a Poisson count of n was drawn from, by Wilson and Hilferty's approximation of the quantiles. */
static double count_low(double n)
{
	if (n < 1)
		return 0;
	double root = 1 - 1 / (9 * n) - Z / (3 * sqrt(n));
	return root > 0 ? n * root * root * root : 0;
}

static double count_high(double n)
{
	double m = n + 1, root = 1 - 1 / (9 * m) + Z / (3 * sqrt(m));
	return m * root * root * root;
}

static int by_row(const void *a, const void *b)
{
	const struct record_resident *x = a, *y = b;
	if (x->path != y->path)
		return x->path < y->path ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

static void fill_row(const struct record_resident *v, size_t n, struct record_bound *ret)
{
	double count = 0, square = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t pages = v[i].bytes / RECORD_PAGE;
		count += (double)v[i].weight * (double)pages;
		square += (double)v[i].weight * (double)(v[i].weight - 1) * (double)pages * (double)pages;
		ret->first = ret->first && ret->first < v[i].time ? ret->first : v[i].time;
		ret->last = ret->last > v[i].time ? ret->last : v[i].time;
	}
	ret->count = ret->low_count = ret->high_count = (uint64_t)count;
	if (square > 0) { /* as many samples of one weight as would be as uncertain; all that was seen is sure */
		double unit = square / count, samples = count / unit;
		uint64_t seen = 0;
		for (size_t i = 0; i < n; i++)
			seen += v[i].bytes / RECORD_PAGE;
		ret->low_count = num_max((uint64_t)(count_low(samples) * unit), seen);
		ret->high_count = (uint64_t)(count_high(samples) * unit);
	}
	ret->bytes = ret->count * RECORD_PAGE;
	ret->low_bytes = ret->low_count * RECORD_PAGE;
	ret->high_bytes = ret->high_count * RECORD_PAGE;
}

void record_faults_rows(struct record_resident_vec *v, struct record_fault_row_vec *ret)
{
	vec_sort(v, by_row);
	for (size_t i = 0, next; i < v->n; i = next) {
		for (next = i + 1; next < v->n && by_row(&v->v[i], &v->v[next]) == 0;)
			next++;
		struct record_fault_row *row = vec_push(ret);
		row->bound.path = v->v[i].path;
		row->what = v->v[i].what;
		fill_row(&v->v[i], next - i, &row->bound);
	}
}
