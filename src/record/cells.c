/* SPDX-License-Identifier: Apache-2.0 */
#include "record/cells.h"

#include <math.h>

#include "base/num.h"

enum { EXACT_CLASSES = 64, CHUNK_MIN = 32, HEADER = 8 };

#define UNIT UINT64_C(16)

/* Quantiles of the normal distribution and of a Poisson count of 0 for RECORD_CONFIDENCE, both sides. */
#define Z 3.29
#define NONE_SEEN 7.0
#define NO_LIMIT 1e18

void record_cells_init(struct record_cells *c)
{
	*c = (struct record_cells){ 0 };
}

void record_cells_deinit(struct record_cells *c)
{
	vec_deinit(&c->v);
	hash_map_deinit(&c->index);
}

uint64_t record_chunk(uint64_t size)
{
	uint64_t chunk = (size + HEADER + UNIT - 1) & ~(UNIT - 1);
	return chunk < CHUNK_MIN ? CHUNK_MIN : chunk;
}

static unsigned class_of(uint64_t chunk)
{
	if (chunk < EXACT_CLASSES * UNIT)
		return (unsigned)(chunk / UNIT);
	if (chunk >= RECORD_LARGE)
		return RECORD_BINS - 1;
	unsigned octave = 63 - (unsigned)__builtin_clzll(chunk);
	return EXACT_CLASSES + 8 * (octave - 10) + (unsigned)((chunk >> (octave - 3)) & 7);
}

/* The largest chunk of a class. */
static uint64_t bin_end(unsigned bin)
{
	if (bin < EXACT_CLASSES)
		return bin * UNIT;
	unsigned octave = 10 + (bin - EXACT_CLASSES) / 8, part = (bin - EXACT_CLASSES) % 8;
	return ((UINT64_C(8) + part + 1) << (octave - 3)) - 1;
}

static struct record_cell *cell(struct record_cells *c, uint32_t path, uint64_t size)
{
	unsigned bin = class_of(record_chunk(size));
	bool fresh;
	uint64_t *at = hash_map_at(&c->index, (uint64_t)path << 16 | bin, &fresh);
	if (fresh) {
		*at = c->v.n;
		struct record_cell *new = vec_push(&c->v);
		new->path = path;
		new->bin = bin;
	}
	struct record_cell *found = &c->v.v[*at];
	found->max_size = num_max(found->max_size, size);
	return found;
}

static void end_phase(struct record_seen *s, double length)
{
	double n = (double)(s->n - s->at_phase);
	s->squares += n * n;
	s->tied += n * length;
	s->at_phase = s->n;
}

void record_cells_phase(struct record_cells *c, double length)
{
	for (size_t i = 0; i < c->v.n; i++)
		end_phase(&c->v.v[i].allocs, length);
	for (unsigned i = 0; i < RECORD_BINS; i++)
		end_phase(&c->frees[i], length);
	c->on += length;
	c->on_squares += length * length;
	c->phases++;
}

void record_cells_alloc(struct record_cells *c, uint32_t path, uint64_t size)
{
	cell(c, path, size)->allocs.n++;
}

void record_cells_free(struct record_cells *c, uint32_t path, uint64_t size)
{
	cell(c, path, size)->deaths++;
}

void record_cells_refused(struct record_cells *c, uint32_t path, uint64_t size)
{
	struct record_cell *at = cell(c, path, size);
	at->allocs.n++;
	at->refused++;
	at->refused_bytes += size;
}

void record_cells_unknown_free(struct record_cells *c, uint64_t chunk)
{
	c->frees[class_of(chunk)].n++;
}

void record_cells_clear(struct record_cells *c)
{
	for (size_t i = 0; i < c->v.n; i++) {
		struct record_cell *at = &c->v.v[i];
		at->n = at->bytes = at->sure = at->sure_bytes = 0;
		at->first = at->last = 0;
	}
}

void record_cells_outstanding(struct record_cells *c, uint32_t path, uint64_t size, int64_t time, bool sure)
{
	struct record_cell *at = cell(c, path, size);
	at->first = at->first && at->first < time ? at->first : time;
	at->last = at->last > time ? at->last : time;
	at->n++;
	at->bytes += size;
	at->sure += sure;
	at->sure_bytes += sure ? size : 0;
}

/* Student's quantile for RECORD_CONFIDENCE, by degrees of freedom. */
static double student(unsigned freedom)
{
	static const double t[] = { 1e9, 637, 31.6, 12.9, 8.61, 6.87, 5.96, 5.41, 5.04, 4.78, 4.59 };
	if (freedom < sizeof(t) / sizeof(*t))
		return t[freedom];
	return freedom < 20 ? 4.44 : freedom < 40 ? 3.85 : 3.55;
}

/* The most that a count may have been in the mean of all phases that might have been, by how much those that were differ. */
static double upper(const struct record_cells *c, const struct record_seen *s)
{
	double n = (double)s->n, poisson = n + Z * sqrt(n) + NONE_SEEN;
	if (!s->n || c->phases < 2 || c->on <= 0)
		return poisson;
	double rate = n / c->on, k = (double)c->phases;
	double spread = s->squares - 2 * rate * s->tied + rate * rate * c->on_squares;
	double differ = spread > 0 ? n + student(c->phases - 1) * sqrt(spread * k / (k - 1)) : n;
	return differ > poisson ? differ : poisson;
}

/* Of one class, all paths together. Counts are of blocks; bytes are what programs can use of chunks. */
struct class
{
	double unknown, seen;	   /* frees of blocks whose allocation was not seen: the most, and as seen */
	double before, grown;	   /* chunks in use when the window began; more than that at its end */
	double replaced;	   /* of those before, freed in the window: others have come in their place */
	double grown_bytes, bytes; /* of `grown`; of all at the end */
	double most, most_bytes;   /* that can have come in the window and be there still */
	double net_bytes;
	double n, deaths, net; /* over paths: outstanding; seen freed; outstanding, less what was freed unseen */
};

static void add_sizes(const struct record_size_vec *sizes, double sign, struct class *classes)
{
	for (size_t i = 0; i < sizes->n; i++) {
		struct class *k = &classes[class_of(sizes->v[i].size)];
		double count = (double)sizes->v[i].count, bytes = count * (double)num_sub(sizes->v[i].size, HEADER);
		k->grown += sign * count;
		k->grown_bytes += sign * bytes;
		k->before += sign < 0 ? count : 0;
		k->most += sign > 0 ? count : 0;
		k->bytes += sign > 0 ? bytes : 0;
	}
}

static void add_large(const struct record_blocks_end *end, struct class *k)
{
	k->grown += (double)end->large_after - (double)end->large_before;
	k->grown_bytes += (double)end->large_bytes_after - (double)end->large_bytes_before;
	k->before += (double)end->large_before;
	k->most += (double)end->large_after;
	k->bytes += (double)end->large_bytes_after;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

static double not_negative(double v)
{
	return v > 0 ? v : 0;
}

static void fill_class(const struct record_blocks_end *end, unsigned bin, struct class *k)
{
	k->grown = not_negative(k->grown);
	k->grown_bytes = not_negative(k->grown_bytes);
	k->replaced = smaller(k->before, k->seen * end->scale);
	if (!end->before || !end->after) {
		k->most = k->most_bytes = NO_LIMIT;
		return;
	}
	double more = k->unknown * end->scale_high;
	k->most = smaller(k->most, k->grown + more);
	k->most_bytes =
		smaller(k->bytes, k->grown_bytes + more * (bin == RECORD_BINS - 1 ? NO_LIMIT : (double)bin_end(bin)));
}

/* Of what is outstanding of a cell, how many were freed unseen and are others' by now: a part of the unknown frees. */
static double unseen_deaths(const struct record_cell *at, const struct class *k)
{
	double part = k->deaths > 0 ? (double)at->deaths / k->deaths : (double)at->n / k->n;
	return smaller((double)at->n, k->seen * part);
}

static void fill_classes(const struct record_cells *c, const struct record_blocks_end *end, struct class *classes)
{
	if (end->before && end->after) {
		add_sizes(end->before, -1, classes);
		add_sizes(end->after, 1, classes);
		add_large(end, &classes[RECORD_BINS - 1]);
	}
	for (unsigned i = 0; i < RECORD_BINS; i++) { /* those of unknown size, class 0, may be of any */
		classes[i].unknown = upper(c, &c->frees[i]) + (c->frees[0].n ? upper(c, &c->frees[0]) : 0);
		classes[i].seen = (double)(c->frees[i].n + c->frees[0].n);
		fill_class(end, i, &classes[i]);
	}
	for (size_t i = 0; i < c->v.n; i++) {
		classes[c->v.v[i].bin].n += (double)c->v.v[i].n;
		classes[c->v.v[i].bin].deaths += (double)c->v.v[i].deaths;
	}
	for (size_t i = 0; i < c->v.n; i++)
		if (c->v.v[i].n) {
			struct class *k = &classes[c->v.v[i].bin];
			double net = (double)c->v.v[i].n - unseen_deaths(&c->v.v[i], k);
			k->net += net;
			k->net_bytes += net * (double)c->v.v[i].bytes / (double)c->v.v[i].n;
		}
}

/* How many are outstanding, most likely: a part of the class's growth, and of what has come in the place of older ones. */
static double likely(const struct record_cell *at, const struct class *k, const struct record_blocks_end *end)
{
	double net = at->n ? (double)at->n - unseen_deaths(at, k) : 0;
	if (!end->before || !end->after)
		return net * end->scale;
	double grown = k->net > 0 ? k->grown * net / k->net : 0;
	return grown + (k->deaths > 0 ? k->replaced * (double)at->deaths / k->deaths : 0);
}

/* Of one path, over its cells. */
struct sum {
	double sure, sure_bytes, hidden, hidden_bytes;
	double most, most_bytes, best, best_bytes;
	double once, largest;	/* cells seen once: as many more are not seen at all */
	bool seen[RECORD_BINS]; /* classes of sizes */
};

static void add_cell(const struct record_cells *c, const struct record_cell *at, const struct class *k,
		     const struct record_blocks_end *end, struct sum *s)
{
	double sure = (double)at->sure, hidden = smaller(k->unknown - NONE_SEEN, sure);
	s->sure += sure;
	s->sure_bytes += (double)at->sure_bytes;
	s->hidden += hidden;
	s->hidden_bytes += at->sure ? hidden * (double)at->sure_bytes / sure : 0;
	double most = upper(c, &at->allocs) * end->scale_high;
	s->most += smaller(most, k->most);
	s->most_bytes += smaller(most * (double)at->max_size, k->most_bytes);
	s->once += at->allocs.n == 1;
	s->seen[at->bin] = true;
	s->largest = (double)at->max_size > s->largest ? (double)at->max_size : s->largest;
	double best = likely(at, k, end), mean = at->n ? (double)at->bytes / (double)at->n : (double)at->max_size;
	s->best += best;
	/* Large ones differ too much for their number to say how many bytes they are. */
	if (at->bin == RECORD_BINS - 1 && end->before && end->after && k->net_bytes > 0)
		s->best_bytes += k->grown_bytes * ((double)at->n - unseen_deaths(at, k)) * mean / k->net_bytes;
	else
		s->best_bytes += best * mean;
}

static uint64_t whole(double v)
{
	return v <= 0 ? 0 : v >= 9e18 ? UINT64_MAX - 1 : (uint64_t)(v + 0.5);
}

static uint64_t between(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/*
 * What phases may have missed of a path altogether is of any size that the allocator has more of, the largest first: the
 * growth of classes that the path was not seen to take from, and what came in the place of older blocks where frees were seen.
 */
static void add_unseen(const struct class *classes, const struct record_blocks_end *end, struct sum *s)
{
	double n = (s->once + Z * sqrt(s->once) + NONE_SEEN) * end->scale_high;
	if (!end->before || !end->after) { /* nothing is known of sizes but the path's own */
		s->most += s->once > 0 ? n : 0;
		s->most_bytes += s->once > 0 ? n * s->largest : 0;
		return;
	}
	for (unsigned bin = RECORD_BINS; bin-- > 1 && n > 0;) {
		const struct class *k = &classes[bin];
		double most = k->seen > 0 ? k->most : k->grown,
		       most_bytes = k->seen > 0 ? k->most_bytes : k->grown_bytes;
		double take = smaller(n, most);
		if (s->seen[bin] || take <= 0)
			continue;
		s->most += take;
		s->most_bytes += bin == RECORD_BINS - 1 ? most_bytes : smaller(most_bytes, take * (double)bin_end(bin));
		n -= take;
	}
}

static void finish(const struct sum *s, struct record_bound *ret)
{
	double low = s->sure - s->hidden - NONE_SEEN;
	if (low > 0) {
		ret->low_count = (uint64_t)low;
		ret->low_bytes = (uint64_t)((s->sure_bytes - s->hidden_bytes) * low / (low + NONE_SEEN));
	}
	ret->high_count = num_max(whole(s->most), ret->low_count);
	ret->high_bytes = num_max(whole(s->most_bytes), ret->low_bytes);
	ret->count = between(whole(s->best), ret->low_count, ret->high_count);
	ret->bytes = between(whole(s->best_bytes), ret->low_bytes, ret->high_bytes);
}

static int by_path(const void *a, const void *b)
{
	const struct record_cell *x = a, *y = b;
	if (x->path != y->path)
		return x->path < y->path ? -1 : 1;
	return x->bin < y->bin ? -1 : x->bin > y->bin;
}

static void add_exact(const struct record_cell *at, struct record_bound *ret)
{
	ret->count += at->n;
	ret->bytes += at->bytes;
	ret->low_count = ret->count;
	ret->low_bytes = ret->bytes;
	ret->high_count += at->n + at->refused;
	ret->high_bytes += at->bytes + at->refused_bytes;
}

void record_cells_bounds(const struct record_cells *c, const struct record_blocks_end *end, bool paused,
			 struct record_bound_vec *ret)
{
	struct class *classes = xcalloc(RECORD_BINS, sizeof(*classes));
	fill_classes(c, end, classes);
	VEC(struct record_cell) sorted = { 0 };
	vec_reserve(&sorted, c->v.n + 1);
	for (size_t i = 0; i < c->v.n; i++)
		*vec_push(&sorted) = c->v.v[i];
	vec_sort(&sorted, by_path);
	for (size_t i = 0, next; i < sorted.n; i = next) {
		struct record_bound *bound = vec_push(ret);
		struct sum sum = { 0 };
		bound->path = sorted.v[i].path;
		for (next = i; next < sorted.n && sorted.v[next].path == bound->path; next++) {
			const struct record_cell *at = &sorted.v[next];
			if (at->first && (!bound->first || at->first < bound->first))
				bound->first = at->first;
			bound->last = at->last > bound->last ? at->last : bound->last;
			if (paused)
				add_cell(c, at, &classes[at->bin], end, &sum);
			else
				add_exact(at, bound);
		}
		if (!paused)
			continue;
		add_unseen(classes, end, &sum);
		finish(&sum, bound);
	}
	vec_deinit(&sorted);
	free(classes);
}
