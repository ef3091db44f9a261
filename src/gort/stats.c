/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/stats.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"

enum {
	DELTAS = 3,		/* consistentHeapStats.stats[3] */
	MSTATS_MAX = 64 * 1024, /* the struct is 8 to 14 kB */
};

/* Sum over the delta records of the word at `f`, plus `extra` bytes into it. */
static uint64_t delta_sum(const struct gort *g, const void *mstats, size_t len, enum gort_field f, size_t extra)
{
	const struct gort_layout *l = g->layout;
	uint64_t sum = 0;
	for (size_t i = 0; i < DELTAS; i++) {
		size_t at = i * gort_sizeof(l, GORT_heapStatsDelta_SIZEOF) + (size_t)l->f[f].off + extra;
		if (l->f[f].off >= 0 && at + 8 <= len)
			sum += load_u64((const char *)mstats + at);
	}
	return sum;
}

static void read_frees(const struct gort *g, const void *mstats, size_t len, struct gort_stats *s)
{
	s->freed_bytes = delta_sum(g, mstats, len, GORT_heapStatsDelta_largeFree, 0);
	s->freed_objects = delta_sum(g, mstats, len, GORT_heapStatsDelta_largeFreeCount, 0);
	for (size_t c = 0; c < GORT_SIZE_CLASSES; c++) {
		uint64_t n = delta_sum(g, mstats, len, GORT_heapStatsDelta_smallFreeCount, c * 8);
		s->freed_objects += n;
		s->freed_bytes += n * gort_class_sizes[c];
	}
}

static void read_mstats(const struct gort *g, const void *buf, size_t len, struct gort_stats *s)
{
	const struct gort_layout *l = g->layout;
	s->committed = delta_sum(g, buf, len, GORT_heapStatsDelta_committed, 0);
	s->in_heap = delta_sum(g, buf, len, GORT_heapStatsDelta_inHeap, 0);
	s->in_stacks = delta_sum(g, buf, len, GORT_heapStatsDelta_inStacks, 0);
	s->in_work_bufs = delta_sum(g, buf, len, GORT_heapStatsDelta_inWorkBufs, 0);
	s->tiny_allocs = delta_sum(g, buf, len, GORT_heapStatsDelta_tinyAllocCount, 0);
	read_frees(g, buf, len, s);
	s->stacks_sys = gort_load(l, buf, len, GORT_mstats_stacks_sys);
	s->mspan_sys = gort_load(l, buf, len, GORT_mstats_mspan_sys);
	s->mcache_sys = gort_load(l, buf, len, GORT_mstats_mcache_sys);
	s->buckhash_sys = gort_load(l, buf, len, GORT_mstats_buckhash_sys);
	s->gc_misc_sys = gort_load(l, buf, len, GORT_mstats_gcMiscSys);
	s->other_sys = gort_load(l, buf, len, GORT_mstats_other_sys);
	s->last_gc_unix_ns = gort_load(l, buf, len, GORT_mstats_last_gc_unix);
	s->pause_total_ns = gort_load(l, buf, len, GORT_mstats_pause_total_ns);
	s->num_gc = (uint32_t)gort_load(l, buf, len, GORT_mstats_numgc);
	s->num_forced_gc = (uint32_t)gort_load(l, buf, len, GORT_mstats_numforcedgc);
	uint64_t bits = gort_load(l, buf, len, GORT_mstats_gc_cpu_fraction);
	memcpy(&s->gc_cpu_fraction, &bits, sizeof(bits));
	for (size_t i = 0; i < GORT_PAUSES; i++) {
		size_t ns = (size_t)l->f[GORT_mstats_pause_ns].off + i * 8;
		size_t end = (size_t)l->f[GORT_mstats_pause_end].off + i * 8;
		if (ns + 8 > len || end + 8 > len)
			break;
		s->pause_ns[i] = load_u64((const char *)buf + ns);
		s->pause_end[i] = load_u64((const char *)buf + end);
	}
}

static bool read_controller(const struct gort *g, struct gort_stats *s)
{
	const struct gort_layout *l = g->layout;
	unsigned char buf[4096];
	size_t len = gort_sizeof(l, GORT_gcController_SIZEOF);
	if (len > sizeof(buf) || !memsrc_read(g->src, gort_var(g, GORT_VAR_GCCONTROLLER), buf, len))
		return false;
	s->gc_percent = (int32_t)(uint32_t)gort_load(l, buf, len, GORT_gcController_gcPercent);
	s->memory_limit = gort_load(l, buf, len, GORT_gcController_memoryLimit);
	s->heap_goal = gort_load(l, buf, len, GORT_gcController_gcPercentHeapGoal);
	s->heap_live = gort_load(l, buf, len, GORT_gcController_heapLive);
	s->heap_marked = gort_load(l, buf, len, GORT_gcController_heapMarked);
	s->heap_in_use = gort_load(l, buf, len, GORT_gcController_heapInUse);
	s->heap_released = gort_load(l, buf, len, GORT_gcController_heapReleased);
	s->heap_free = gort_load(l, buf, len, GORT_gcController_heapFree);
	return true;
}

bool gort_stats_read(const struct gort *g, struct gort_stats *ret)
{
	*ret = (struct gort_stats){ .gc_phase = UINT32_MAX };
	size_t len = gort_sizeof(g->layout, GORT_mstats_SIZEOF);
	if (!len || len > MSTATS_MAX)
		return false;
	AUTO_FREE void *buf = xmalloc(len);
	if (!memsrc_read(g->src, gort_var(g, GORT_VAR_MEMSTATS), buf, len) || !read_controller(g, ret))
		return false;
	read_mstats(g, buf, len, ret);
	uint64_t phase = gort_var(g, GORT_VAR_GCPHASE);
	if (phase && !memsrc_u32(g->src, phase, &ret->gc_phase))
		ret->gc_phase = UINT32_MAX;
	return true;
}

uint64_t gort_stats_heap_in_use(const struct gort *g)
{
	return memsrc_ptr(g->src, gort_at(g->layout, gort_var(g, GORT_VAR_GCCONTROLLER), GORT_gcController_heapInUse));
}
