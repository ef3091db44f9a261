/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/offheap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/whose.h"
#include "base/hash.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- whose frame ---- */

static const char *const thread_makers[] = { "pthread_create", "__pthread_create", "allocate_stack" };

static bool is_thread_maker(const char *function)
{
	for (size_t i = 0; i < LEN(thread_makers); i++) {
		if (strncmp(function, thread_makers[i], strlen(thread_makers[i])) == 0)
			return true;
	}
	return false;
}

static bool passes(const struct stacks *s, uint32_t stack, bool (*through)(const char *function))
{
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		if (through(stacks_at(s, stack, i)->function))
			return true;
	}
	return false;
}

/* The runtime asks the kernel for itself through these. */
static bool is_runtime_mapping(const char *function)
{
	static const char *const names[] = { "runtime.mmap",	     "runtime.sysAlloc",       "runtime.sysReserve",
					     "runtime.sysReserveOS", "runtime.sysMap",	       "runtime.sysMapOS",
					     "runtime.sysAllocOS",   "runtime.persistentalloc" };
	for (size_t i = 0; i < LEN(names); i++) {
		if (strcmp(function, names[i]) == 0)
			return true;
	}
	return false;
}

/* The Go function that called into C, or into the kernel: innermost of the program's own, else of a library; or NULL. */
static const struct frame *caller_of(const struct stacks *s, uint32_t stack, const char *module)
{
	const struct frame *innermost = record_site(s, stack).go;
	bool reached = false;
	for (uint32_t i = 0; innermost && i < stacks_depth(s, stack); i++) {
		const struct frame *f = stacks_at(s, stack, i);
		reached |= f == innermost;
		if (reached && !rule_of_runtime(f->function) && !rule_of_library(f->function, module))
			return f;
	}
	return innermost;
}

/* ---- rows into groups ---- */

/* False: no growth of the program's own. */
static bool sort_of(const struct record_row *row, const struct stacks *s, uint32_t stack, enum offheap_sort *ret)
{
	if (row->what == RECORD_WHAT_GO || row->kind == RECORD_GO)
		return false;
	if (row->kind == RECORD_MALLOC)
		*ret = OFFHEAP_MALLOC;
	else if (row->kind == RECORD_RESIDENT)
		*ret = OFFHEAP_TOUCHED;
	else if (row->what == RECORD_WHAT_STACK || passes(s, stack, is_thread_maker))
		*ret = OFFHEAP_STACKS;
	else if (record_site(s, stack).allocator)
		*ret = OFFHEAP_ALLOCATOR;
	else
		*ret = OFFHEAP_MAPPED;
	return *ret == OFFHEAP_MALLOC || *ret == OFFHEAP_TOUCHED || !passes(s, stack, is_runtime_mapping);
}

static uint64_t key_of(struct stacks *s, uint32_t stack, enum offheap_sort sort, const char *module)
{
	const struct frame *f = caller_of(s, stack, module);
	if (!f)
		f = record_site(s, stack).inner;
	struct frame key = f ? *f : (struct frame){ .function = "", .file = "" };
	return (uint64_t)stacks_place(s, key.function, key.file, key.line) * OFFHEAP_SORT_MAX_ + sort;
}

static double known(uint64_t v)
{
	return v == ACCOUNT_UNKNOWN ? (double)NAN : (double)v;
}

static void add_row(struct offheap_group *g, const struct record_row *row, enum offheap_sort sort, uint32_t stack)
{
	if (g->count <= 0)
		g->first = row->first_ns;
	g->first = row->first_ns < g->first ? row->first_ns : g->first;
	g->last = row->last_ns > g->last ? row->last_ns : g->last;
	g->sort = sort;
	if ((double)row->bytes > g->largest || g->largest <= 0) {
		g->largest = (double)row->bytes;
		g->what = row->what;
		g->stack = stack;
	}
	g->bytes += (double)row->bytes;
	g->low += (double)row->low_bytes;
	g->high += (double)row->high_bytes;
	g->count += (double)row->count;
	g->low_count += (double)row->low_count;
	g->high_count += (double)row->high_count;
	g->resident += known(row->resident_bytes);
	g->untouched += row->what == RECORD_WHAT_UNTOUCHED ? (double)row->bytes : 0;
	for (size_t i = 0; i < RECORD_PARTS; i++)
		g->parts[i] += (double)row->parts[i];
}

static int by_bytes(const void *a, const void *b)
{
	const struct offheap_group *x = a, *y = b;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void add_rows(const struct record *r, const char *module, struct offheap *o)
{
	struct hash_map index = { 0 };
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		enum offheap_sort sort;
		uint32_t stack = stacks_copy(&o->stacks, &r->stacks, row->stack, false);
		bool own = sort_of(row, &o->stacks, stack, &sort);
		if (own || row->kind == RECORD_MMAP) /* the address space is one, resident memory is without Go's */
			o->taken[row->kind] += (double)row->bytes;
		if (!own)
			continue;
		bool fresh = false;
		uint64_t *at = hash_map_at(&index, key_of(&o->stacks, stack, sort, module), &fresh);
		if (fresh) {
			*at = o->v.n;
			vec_push(&o->v);
		}
		add_row(&o->v.v[*at], row, sort, stack);
	}
	hash_map_deinit(&index);
}

/* ---- what grew on balance ---- */

static void balance_malloc(const struct record *r, double resident, struct offheap *o)
{
	double grown = 0;
	for (size_t i = 0; i < r->processes.n; i++) {
		const struct record_allocator *a = &r->processes.v[i].allocator;
		grown += known(a->inuse_after) - known(a->inuse_before);
	}
	o->exact = r->processes.n && isfinite(grown);
	o->grown[RECORD_MALLOC] = o->exact ? grown : resident;
}

/* Events that were lost would make the record's own balance drift: the smaller of the two figures counts. */
static void balance(const struct record *r, const struct offheap_looks *looks, struct offheap *o)
{
	double net = r->series.n ? (double)r->series.v[r->series.n - 1].mapped_bytes : (double)NAN;
	balance_malloc(r, looks->resident, o);
	o->grown[RECORD_MMAP] = fmin(net, looks->space); /* of what is known */
	o->grown[RECORD_RESIDENT] = looks->resident;
	for (size_t i = 0; i < o->v.n; i++) {
		struct offheap_group *g = &o->v.v[i];
		enum record_kind kind = g->sort == OFFHEAP_MALLOC    ? RECORD_MALLOC
					: g->sort == OFFHEAP_TOUCHED ? RECORD_RESIDENT
								     : RECORD_MMAP;
		double back = fmax(o->taken[kind] - o->grown[kind], 0);
		g->sure = g->bytes > 0 ? 1 - back / g->bytes : 0;
	}
}

void offheap_collect(const struct record *r, const char *module, const struct offheap_looks *looks, struct offheap *ret)
{
	*ret = (struct offheap){ .known = r != NULL };
	stacks_init(&ret->stacks);
	if (!r)
		return;
	ret->seconds = fmax((double)r->window_ns / 1e9, 0.001);
	ret->malloc_on = r->malloc_on_ratio;
	add_rows(r, module, ret);
	balance(r, looks, ret);
	for (size_t i = 0; i < ret->v.n; i++) { /* frames move while stacks are added */
		struct offheap_group *g = &ret->v.v[i];
		g->c = record_site(&ret->stacks, g->stack).inner;
		g->site = caller_of(&ret->stacks, g->stack, module);
		g->site = g->site ? g->site : g->c;
	}
	vec_sort(&ret->v, by_bytes);
}

void offheap_deinit(struct offheap *o)
{
	vec_deinit(&o->v);
	stacks_deinit(&o->stacks);
}

/* ---- evenly ---- */

static double share(const struct offheap_group *g, size_t from, size_t to)
{
	double sum = 0, all = 0;
	for (size_t i = 0; i < RECORD_PARTS; i++) {
		sum += i >= from && i < to ? g->parts[i] : 0;
		all += g->parts[i];
	}
	return all > 0 ? sum / all : 0;
}

static bool is_even(const struct offheap *o, const struct offheap_group *g, bool paused)
{
	/* Evenly, a half has a half. A leak that gathers pace stays above; what turns over keeps only its newest. */
	static const double HALF = 0.2, END = 0.06, AT_ONCE = 0.6;
	/* A place that takes something now and then leaves some eighths empty. */
	enum { EIGHTHS = 6, FEW = 16, EIGHTHS_OF_FEW = 3 };
	double window = o->seconds * 1e9;
	size_t filled = 0;
	double most = 0;
	for (size_t i = 0; i < RECORD_PARTS; i++) {
		filled += g->parts[i] > 0;
		most = fmax(most, share(g, i, i + 1));
	}
	if (!filled)
		return (double)g->first <= window / 4 && (double)g->last >= window * 3 / 4;
	size_t least = g->count < FEW || paused || g->sort == OFFHEAP_TOUCHED ? EIGHTHS_OF_FEW : EIGHTHS;
	return filled >= least && most <= AT_ONCE && share(g, 0, RECORD_PARTS / 2) >= HALF &&
	       share(g, RECORD_PARTS / 2, RECORD_PARTS) >= HALF && share(g, RECORD_PARTS - 2, RECORD_PARTS) >= END;
}

/*
 * Where blocks were not watched all the time a stretch of the window may have none though they came. Pages that the same
 * place touched first, or memory that it made the allocator ask for, are seen all the time.
 */
bool offheap_steady(const struct offheap *o, const struct offheap_group *g)
{
	static const double WATCHED = 0.9;
	bool paused = g->sort == OFFHEAP_MALLOC && o->malloc_on < WATCHED;
	bool even = is_even(o, g, paused);
	for (size_t i = 0; i < o->v.n && paused && !even; i++) {
		const struct offheap_group *h = &o->v.v[i];
		bool seen = h->sort == OFFHEAP_TOUCHED || h->sort == OFFHEAP_ALLOCATOR;
		even = seen && h->site && g->site && strcmp(h->site->function, g->site->function) == 0 &&
		       is_even(o, h, false);
	}
	return even;
}
