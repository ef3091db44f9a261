/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/quick.h"

#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "gort/stats.h"

enum {
	CONTROLLER_MAX = 1024,
	DELTAS_MAX = 8192,
	PART_MAX = 256, /* from one field that is wanted to the last */
	PROCS_MAX = 1024,
	DELTAS = 3, /* consistentHeapStats.stats[3] */
	GS_MAX = 64 << 20,
	RANGES = 10 + GORT_QUICK_PROCS,
};

static const uint64_t HEAP_MAX = UINT64_C(1) << 47;

/* A slice's header: pointer, length. */
struct slice {
	unsigned char bytes[16];
};

/* Fields of a structure that are copied together, and where to. */
struct part {
	const enum gort_field *fields;
	size_t n;
};

static const enum gort_field sched_fields[] = { GORT_schedt_ngsys, GORT_schedt_gFree_n, GORT_schedt_gFree_stack,
						GORT_schedt_gFree_noStack };
static const enum gort_field pause_fields[] = { GORT_mstats_pause_total_ns };
static const enum gort_field count_fields[] = { GORT_mstats_numgc, GORT_mstats_gc_cpu_fraction,
						GORT_mstats_last_gc_nanotime };

#define PART(fields)                                                                                                   \
	{                                                                                                              \
		fields, sizeof(fields) / sizeof((fields)[0])                                                           \
	}
enum { PART_SCHED, PART_PAUSES, PART_COUNTS, PARTS };
static const struct part parts[PARTS] = {
	[PART_SCHED] = PART(sched_fields),
	[PART_PAUSES] = PART(pause_fields),
	[PART_COUNTS] = PART(count_fields),
};

/* What is copied at once. */
struct copy {
	unsigned char controller[CONTROLLER_MAX], deltas[DELTAS_MAX], part[PARTS][PART_MAX];
	uint64_t pause; /* of the collection that was the last one at the last look */
	struct slice allgs, allp;
	uint64_t procs[PROCS_MAX];
	uint32_t free[PROCS_MAX];
};

/* From the first of the fields that this version has to the end of the last. */
static void span_of(const struct gort_layout *l, const struct part *p, size_t *start, size_t *len)
{
	size_t first = SIZE_MAX, end = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct gort_offset *o = &l->f[p->fields[i]];
		if (o->off < 0)
			continue;
		first = (size_t)o->off < first ? (size_t)o->off : first;
		end = (size_t)o->off + o->size > end ? (size_t)o->off + o->size : end;
	}
	*start = end ? first : 0;
	*len = end ? end - first : 0;
}

/* A field of a part that was copied; 0 of one that this version does not have. */
static uint64_t loaded(const struct gort_layout *l, const struct copy *c, unsigned part, enum gort_field f)
{
	size_t start = 0, len = 0;
	uint64_t value = 0;
	span_of(l, &parts[part], &start, &len);
	if (gort_has(l, f))
		memcpy(&value, c->part[part] + ((size_t)l->f[f].off - start), l->f[f].size <= 4 ? 4 : 8);
	return value;
}

static size_t deltas_size(const struct gort_layout *l)
{
	return DELTAS * (size_t)gort_sizeof(l, GORT_heapStatsDelta_SIZEOF);
}

static uint64_t pause_offset(const struct gort_layout *l, uint32_t gc_count)
{
	return (uint64_t)(uint32_t)l->f[GORT_mstats_pause_ns].off +
	       (gc_count + GORT_PAUSES - 1) % GORT_PAUSES * UINT64_C(8);
}

bool gort_quick_init(const struct gort *g, uint64_t bias, struct gort_quick *ret)
{
	static const struct {
		enum gort_global var;
		size_t offset;
	} vars[] = {
		{ GORT_VAR_GCCONTROLLER, offsetof(struct gort_quick, controller) },
		{ GORT_VAR_MEMSTATS, offsetof(struct gort_quick, memstats) },
		{ GORT_VAR_ALLGS, offsetof(struct gort_quick, allgs) },
		{ GORT_VAR_ALLP, offsetof(struct gort_quick, allp) },
		{ GORT_VAR_SCHED, offsetof(struct gort_quick, sched) },
	};
	*ret = (struct gort_quick){ .layout = g->layout };
	if (!g->layout || gort_sizeof(g->layout, GORT_gcController_SIZEOF) > CONTROLLER_MAX ||
	    deltas_size(g->layout) > DELTAS_MAX)
		return false;
	for (unsigned i = 0; i < PARTS; i++) {
		size_t start = 0, len = 0;
		span_of(g->layout, &parts[i], &start, &len);
		if (!len || len > PART_MAX)
			return false;
	}
	for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
		uint64_t addr = gort_var(g, vars[i].var);
		bool needed = vars[i].var == GORT_VAR_GCCONTROLLER || vars[i].var == GORT_VAR_MEMSTATS;
		if (!addr && needed)
			return false;
		addr = addr ? addr - bias : 0;
		memcpy((char *)ret + vars[i].offset, &addr, sizeof(addr));
	}
	return true;
}

/* ---- the copy ---- */

static void add_range(struct memsrc_range *ranges, size_t *n, uint64_t addr, size_t len, void *buf)
{
	size_t at = (*n)++;
	for (; at > 0 && ranges[at - 1].addr > addr; at--)
		ranges[at] = ranges[at - 1];
	ranges[at] = (struct memsrc_range){ .addr = addr, .len = len, .buf = buf };
}

static void add_part(const struct gort_layout *l, struct memsrc_range *ranges, size_t *n, uint64_t base, unsigned part,
		     struct copy *c)
{
	size_t start = 0, len = 0;
	span_of(l, &parts[part], &start, &len);
	add_range(ranges, n, base + start, len, c->part[part]);
}

static bool has_goroutines(const struct gort_quick *q)
{
	return q->allgs && q->allp && q->sched && gort_has(q->layout, GORT_p_gFree_n);
}

/* The words of which the place was known before. False unless all of them were read. */
static bool take_copy(const struct gort_quick *q, uint64_t bias, struct memsrc *src,
		      const struct gort_quick_state *state, struct copy *c)
{
	const struct gort_layout *l = q->layout;
	struct memsrc_range ranges[RANGES];
	const uint64_t mstats = q->memstats + bias;
	size_t n = 0;
	add_range(ranges, &n, q->controller + bias, gort_sizeof(l, GORT_gcController_SIZEOF), c->controller);
	if (state->looks % GORT_QUICK_OBJECTS == 0)
		add_range(ranges, &n, mstats, deltas_size(l), c->deltas);
	add_part(l, ranges, &n, mstats, PART_PAUSES, c);
	add_part(l, ranges, &n, mstats, PART_COUNTS, c);
	add_range(ranges, &n, mstats + pause_offset(l, state->gc_count), sizeof(c->pause), &c->pause);
	if (has_goroutines(q)) {
		add_part(l, ranges, &n, q->sched + bias, PART_SCHED, c);
		add_range(ranges, &n, q->allgs + bias, sizeof(c->allgs), &c->allgs);
		add_range(ranges, &n, q->allp + bias, sizeof(c->allp), &c->allp);
	}
	const size_t needed = n;
	bool optional[RANGES] = { false };
	uint64_t procs = state->allp && state->nallp <= GORT_QUICK_PROCS ? state->nallp : 0;
	if (procs)
		add_range(ranges, &n, state->allp, procs * 8, c->procs);
	for (uint64_t i = 0; i < procs; i++)
		add_range(ranges, &n, gort_at(l, state->procs[i], GORT_p_gFree_n), 4, &c->free[i]);
	memsrc_read_ranges(src, ranges, n);
	/* The Ps may have moved meanwhile: their list says so, and they are read again. */
	size_t good = 0;
	for (size_t i = 0; i < n; i++) {
		const char *to = ranges[i].buf;
		optional[i] = to >= (const char *)c->procs && to < (const char *)(c + 1);
		good += ranges[i].ok && !optional[i];
		if (optional[i] && !ranges[i].ok)
			c->procs[0] = 0;
	}
	return good == needed;
}

/* ---- goroutines ---- */

/* The list of Ps and what each keeps, by two copies more. */
static bool read_procs(const struct gort_layout *l, struct memsrc *src, uint64_t allp, size_t n, struct copy *c)
{
	struct memsrc_range ranges[PROCS_MAX];
	size_t k = 0;
	if (!memsrc_read(src, allp, c->procs, n * 8))
		return false;
	for (size_t i = 0; i < n; i++)
		add_range(ranges, &k, gort_at(l, c->procs[i], GORT_p_gFree_n), 4, &c->free[i]);
	memsrc_read_ranges(src, ranges, n);
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		ok = ok && ranges[i].ok && c->procs[i];
	return ok;
}

/* As gcount() adds up. The parts are of different moments, so it may be off by what happened between them. */
static uint64_t count_goroutines(const struct gort_quick *q, struct memsrc *src, struct gort_quick_state *state,
				 struct copy *c)
{
	const struct gort_layout *l = q->layout;
	uint64_t all = load_u64(c->allgs.bytes + 8), procs = load_u64(c->allp.bytes), n = load_u64(c->allp.bytes + 8);
	if (!procs || !n || n > PROCS_MAX || all > GS_MAX)
		return UINT64_MAX;
	bool same = procs == state->allp && n == state->nallp && n <= GORT_QUICK_PROCS &&
		    !memcmp(c->procs, state->procs, n * sizeof(c->procs[0]));
	bool known = same || read_procs(l, src, procs, (size_t)n, c);
	state->allp = procs;
	state->nallp = n;
	if (!known) {
		state->allp = 0;
		return UINT64_MAX;
	}
	memcpy(state->procs, c->procs, num_min(n, GORT_QUICK_PROCS) * sizeof(c->procs[0]));
	uint64_t idle = 0;
	for (size_t i = 0; i < sizeof(sched_fields) / sizeof(sched_fields[0]); i++)
		idle += loaded(l, c, PART_SCHED, sched_fields[i]);
	for (size_t i = 0; i < n; i++)
		idle += c->free[i];
	return idle < all ? all - idle : 1;
}

/* ---- values ---- */

static uint64_t heap_objects(const struct gort_layout *l, const unsigned char *deltas)
{
	size_t size = gort_sizeof(l, GORT_heapStatsDelta_SIZEOF);
	uint64_t sum = 0;
	if (!gort_has(l, GORT_heapStatsDelta_smallAllocCount))
		return UINT64_MAX;
	for (size_t i = 0; i < DELTAS; i++) {
		const unsigned char *d = deltas + i * size;
		sum += gort_load(l, d, size, GORT_heapStatsDelta_largeAllocCount) -
		       gort_load(l, d, size, GORT_heapStatsDelta_largeFreeCount);
		const unsigned char *alloc = d + l->f[GORT_heapStatsDelta_smallAllocCount].off;
		const unsigned char *freed = d + l->f[GORT_heapStatsDelta_smallFreeCount].off;
		for (size_t k = 0; k < l->f[GORT_heapStatsDelta_smallAllocCount].size / 8; k++)
			sum += load_u64(alloc + 8 * k) - load_u64(freed + 8 * k);
	}
	return sum < HEAP_MAX ? sum : UINT64_MAX;
}

static void read_collector(const struct gort_quick *q, uint64_t bias, struct memsrc *src, const struct copy *c,
			   struct gort_quick_state *state, struct gort_quick_values *v)
{
	const struct gort_layout *l = q->layout;
	v->gc_count = loaded(l, c, PART_COUNTS, GORT_mstats_numgc);
	v->gc_pause_total_ns = loaded(l, c, PART_PAUSES, GORT_mstats_pause_total_ns);
	v->gc_last_monotonic_ns = loaded(l, c, PART_COUNTS, GORT_mstats_last_gc_nanotime);
	v->gc_pause_last_ns = v->gc_count ? c->pause : UINT64_MAX;
	if (v->gc_count && v->gc_count != state->gc_count &&
	    !memsrc_u64(src, q->memstats + bias + pause_offset(l, (uint32_t)v->gc_count), &v->gc_pause_last_ns))
		v->gc_pause_last_ns = UINT64_MAX;
	state->gc_count = (uint32_t)v->gc_count;
	uint64_t bits = loaded(l, c, PART_COUNTS, GORT_mstats_gc_cpu_fraction);
	memcpy(&v->gc_cpu_fraction, &bits, sizeof(bits));
	if (!(v->gc_cpu_fraction >= 0 && v->gc_cpu_fraction <= 1))
		v->gc_cpu_fraction = (double)NAN;
}

static bool read_heap(const struct gort_layout *l, const struct copy *c, struct gort_quick_values *v)
{
	size_t len = gort_sizeof(l, GORT_gcController_SIZEOF);
	v->heap_alloc = gort_load(l, c->controller, len, GORT_gcController_totalAlloc) -
			gort_load(l, c->controller, len, GORT_gcController_totalFree);
	v->heap_marked = gort_load(l, c->controller, len, GORT_gcController_heapMarked);
	v->heap_goal = gort_load(l, c->controller, len, GORT_gcController_gcPercentHeapGoal);
	v->memory_limit = gort_load(l, c->controller, len, GORT_gcController_memoryLimit);
	uint64_t in_use = gort_load(l, c->controller, len, GORT_gcController_heapInUse);
	if (v->heap_alloc >= HEAP_MAX) /* a free is counted before the allocation that it follows, for a moment */
		v->heap_alloc = UINT64_MAX;
	if (v->heap_goal >= HEAP_MAX) /* GOGC=off */
		v->heap_goal = UINT64_MAX;
	return in_use && in_use < HEAP_MAX && v->heap_marked < HEAP_MAX && v->memory_limit <= INT64_MAX;
}

bool gort_quick_read(const struct gort_quick *q, uint64_t bias, struct memsrc *src, struct gort_quick_state *state,
		     struct gort_quick_values *ret)
{
	struct copy c;
	*ret = (struct gort_quick_values){ .goroutines = UINT64_MAX, .gc_pause_last_ns = UINT64_MAX };
	if (!take_copy(q, bias, src, state, &c) || !read_heap(q->layout, &c, ret))
		return false;
	bool thorough = state->looks++ % GORT_QUICK_OBJECTS == 0;
	if (thorough)
		state->heap_objects = heap_objects(q->layout, c.deltas);
	ret->heap_objects = state->heap_objects;
	read_collector(q, bias, src, &c, state, ret);
	if (!has_goroutines(q))
		return true;
	if (thorough || load_u64(c.allp.bytes + 8) <= GORT_QUICK_PROCS) /* many Ps are as many places to read */
		state->goroutines = count_goroutines(q, src, state, &c);
	ret->goroutines = state->goroutines;
	return true;
}
