/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/quick.h"

#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "gort/stats.h"

enum {
	CONTROLLER_MAX = 1024,
	MSTATS_MAX = 16 * 1024,
	SCHED_MAX = 128, /* from one field that is wanted to the last */
	PROCS_MAX = 1024,
	DELTAS = 3, /* consistentHeapStats.stats[3] */
	GS_MAX = 64 << 20,
};

static const uint64_t HEAP_MAX = UINT64_C(1) << 47;

/* A slice's header: pointer, length. */
struct slice {
	unsigned char bytes[16];
};

/* What is copied at once. */
struct copy {
	unsigned char controller[CONTROLLER_MAX], mstats[MSTATS_MAX], sched[SCHED_MAX];
	struct slice allgs, allp;
	uint64_t procs[PROCS_MAX];
};

static const enum gort_field sched_fields[] = { GORT_schedt_ngsys, GORT_schedt_gFree_n, GORT_schedt_gFree_stack,
						GORT_schedt_gFree_noStack };

enum { SCHED_FIELDS = sizeof(sched_fields) / sizeof(sched_fields[0]) };

/* From the first of the fields of sched that this version has to the end of the last. */
static void sched_span(const struct gort_layout *l, size_t *start, size_t *len)
{
	size_t first = SIZE_MAX, end = 0;
	for (size_t i = 0; i < SCHED_FIELDS; i++) {
		const struct gort_offset *o = &l->f[sched_fields[i]];
		if (o->off < 0)
			continue;
		first = (size_t)o->off < first ? (size_t)o->off : first;
		end = (size_t)o->off + o->size > end ? (size_t)o->off + o->size : end;
	}
	*start = end ? first : 0;
	*len = end ? end - first : 0;
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
	    gort_sizeof(g->layout, GORT_mstats_SIZEOF) > MSTATS_MAX)
		return false;
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

static bool take_copy(const struct gort_quick *q, uint64_t bias, struct memsrc *src,
		      const struct gort_quick_state *state, struct copy *c)
{
	const struct gort_layout *l = q->layout;
	struct memsrc_range ranges[8];
	size_t n = 0, start = 0, len = 0;
	bool goroutines = q->allgs && q->allp && q->sched;
	add_range(ranges, &n, q->controller + bias, gort_sizeof(l, GORT_gcController_SIZEOF), c->controller);
	add_range(ranges, &n, q->memstats + bias, gort_sizeof(l, GORT_mstats_SIZEOF), c->mstats);
	sched_span(l, &start, &len);
	if (goroutines && len && len <= SCHED_MAX) {
		add_range(ranges, &n, q->sched + bias + start, len, c->sched);
		add_range(ranges, &n, q->allgs + bias, sizeof(c->allgs), &c->allgs);
		add_range(ranges, &n, q->allp + bias, sizeof(c->allp), &c->allp);
		if (state->allp && state->nallp && state->nallp <= PROCS_MAX)
			add_range(ranges, &n, state->allp, state->nallp * 8, c->procs);
	}
	memsrc_read_ranges(src, ranges, n);
	bool ok = true;
	for (size_t i = 0; i < n; i++) /* the list of Ps may have moved meanwhile: then it is read next time */
		ok = ok && (ranges[i].ok || ranges[i].buf == c->procs);
	return ok;
}

/* ---- goroutines ---- */

/* Free Gs that the Ps keep. False when that cannot be told. */
static bool free_of_procs(const struct gort_layout *l, struct memsrc *src, const uint64_t *procs, size_t n,
			  uint64_t *ret)
{
	struct memsrc_range ranges[PROCS_MAX];
	uint32_t counts[PROCS_MAX] = { 0 };
	if (!gort_has(l, GORT_p_gFree_n) || !n)
		return false;
	for (size_t i = 0, k = 0; i < n; i++) {
		if (!procs[i])
			return false;
		add_range(ranges, &k, gort_at(l, procs[i], GORT_p_gFree_n), sizeof(counts[i]), &counts[i]);
	}
	memsrc_read_ranges(src, ranges, n);
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		if (!ranges[i].ok)
			return false;
		*ret += counts[i];
	}
	return true;
}

static uint64_t sched_sum(const struct gort_layout *l, const struct copy *c)
{
	size_t start = 0, len = 0;
	uint64_t sum = 0;
	sched_span(l, &start, &len);
	for (size_t i = 0; i < SCHED_FIELDS; i++) {
		if (gort_has(l, sched_fields[i]))
			sum += load_u32(c->sched + (size_t)l->f[sched_fields[i]].off - start);
	}
	return sum;
}

/* As gcount() adds up. The parts are of different moments, so it may be off by what happened between them. */
static uint64_t count_goroutines(const struct gort_quick *q, struct memsrc *src, struct gort_quick_state *state,
				 const struct copy *c)
{
	const struct gort_layout *l = q->layout;
	uint64_t all = load_u64(c->allgs.bytes + 8), procs = load_u64(c->allp.bytes), n = load_u64(c->allp.bytes + 8);
	bool known = procs && procs == state->allp && n == state->nallp && n && n <= PROCS_MAX;
	*state = (struct gort_quick_state){ procs, n };
	uint64_t kept = 0;
	bool has_sched = gort_has(l, GORT_schedt_ngsys) &&
			 (gort_has(l, GORT_schedt_gFree_n) || gort_has(l, GORT_schedt_gFree_stack));
	if (!known || !has_sched || all > GS_MAX || !free_of_procs(l, src, c->procs, (size_t)n, &kept))
		return UINT64_MAX;
	uint64_t idle = sched_sum(l, c) + kept;
	return idle < all ? all - idle : 1;
}

/* ---- values ---- */

static uint64_t heap_objects(const struct gort_layout *l, const unsigned char *mstats)
{
	size_t size = gort_sizeof(l, GORT_heapStatsDelta_SIZEOF);
	uint64_t sum = 0;
	if (!gort_has(l, GORT_heapStatsDelta_smallAllocCount))
		return UINT64_MAX;
	for (size_t i = 0; i < DELTAS; i++) {
		const unsigned char *d = mstats + i * size;
		sum += gort_load(l, d, size, GORT_heapStatsDelta_largeAllocCount) -
		       gort_load(l, d, size, GORT_heapStatsDelta_largeFreeCount);
		const unsigned char *alloc = d + l->f[GORT_heapStatsDelta_smallAllocCount].off;
		const unsigned char *freed = d + l->f[GORT_heapStatsDelta_smallFreeCount].off;
		for (size_t k = 0; k < l->f[GORT_heapStatsDelta_smallAllocCount].size / 8; k++)
			sum += load_u64(alloc + 8 * k) - load_u64(freed + 8 * k);
	}
	return sum < HEAP_MAX ? sum : UINT64_MAX;
}

static void read_collector(const struct gort_layout *l, const unsigned char *m, struct gort_quick_values *v)
{
	size_t len = gort_sizeof(l, GORT_mstats_SIZEOF);
	v->gc_count = (uint32_t)gort_load(l, m, len, GORT_mstats_numgc);
	v->gc_pause_total_ns = gort_load(l, m, len, GORT_mstats_pause_total_ns);
	size_t last = (size_t)l->f[GORT_mstats_pause_ns].off + (v->gc_count + GORT_PAUSES - 1) % GORT_PAUSES * 8;
	v->gc_pause_last_ns = v->gc_count && last + 8 <= len ? load_u64(m + last) : UINT64_MAX;
	if (gort_has(l, GORT_mstats_last_gc_nanotime))
		v->gc_last_monotonic_ns = gort_load(l, m, len, GORT_mstats_last_gc_nanotime);
	uint64_t bits = gort_load(l, m, len, GORT_mstats_gc_cpu_fraction);
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
	v->heap_objects = heap_objects(l, c->mstats);
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
	read_collector(q->layout, c.mstats, ret);
	if (q->allgs && q->allp && q->sched)
		ret->goroutines = count_goroutines(q, src, state, &c);
	return true;
}
