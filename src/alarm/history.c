/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/history.h"

#include "base/num.h"

static const double SECONDS = 1e9;
static const uint64_t MARKED_MIN = 4 << 20; /* below it the goal is Go's smallest, whatever was kept */
static const uint64_t GOAL_NONE = UINT64_C(1) << 62;

void history_init(struct history *h)
{
	*h = (struct history){ 0 };
	watch_process_sample_init(&h->p);
	watch_cgroup_sample_init(&h->g);
	h->gc_count = WATCH_UNKNOWN;
	struct counter *counters[] = { &h->high, &h->max, &h->oom, &h->oom_kill, &h->failcnt };
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		counters[i]->last = WATCH_UNKNOWN;
}

void history_reset(struct history *h)
{
	int64_t now_ns = h->now_ns;
	history_init(h);
	h->now_ns = now_ns;
}

void history_other_level(struct history *h)
{
	h->swap = (struct ring){ 0 };
	h->n_cache = h->high_cache = 0;
}

/* Figures of `from` that are known, over those of `to`. */
static void merge_process(struct watch_process_sample *to, const struct watch_process_sample *from)
{
	static const size_t counts[] = {
#define FIELD(name) offsetof(struct watch_process_sample, name)
		FIELD(rss),
		FIELD(shared),
		FIELD(virtual_size),
		FIELD(swap),
		FIELD(threads),
		FIELD(fds),
		FIELD(gc_count),
		FIELD(heap_alloc),
		FIELD(heap_objects),
		FIELD(heap_goal),
		FIELD(heap_marked),
		FIELD(goroutines),
		FIELD(gc_pause_total_ns),
		FIELD(gc_pause_last_ns),
		FIELD(memory_limit),
#undef FIELD
	};
	to->time_ns = from->time_ns;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t v = *(const uint64_t *)((const char *)from + counts[i]);
		if (v != WATCH_UNKNOWN)
			*(uint64_t *)((char *)to + counts[i]) = v;
	}
	if (!isnan(from->gc_cpu_fraction))
		to->gc_cpu_fraction = from->gc_cpu_fraction;
	if (from->gc_last_ns)
		to->gc_last_ns = from->gc_last_ns;
}

static void count(struct counter *c, uint64_t value, int64_t now_ns, double window_s)
{
	if (value == WATCH_UNKNOWN)
		return;
	if (c->last != WATCH_UNKNOWN && value > c->last) {
		bool again = c->rose_ns && (double)(now_ns - c->rose_ns) <= window_s * SECONDS;
		if (!again) {
			c->streak_ns = now_ns;
			c->streak = 0;
		}
		c->streak += value - c->last;
		c->rose_ns = now_ns;
	}
	c->last = value;
}

static void add_pauses(struct history *h, const struct watch_process_sample *p, uint64_t cycles, double threshold)
{
	if (p->gc_pause_total_ns == WATCH_UNKNOWN || h->p.gc_pause_total_ns == WATCH_UNKNOWN)
		return;
	double last = p->gc_pause_last_ns == WATCH_UNKNOWN ? 0 : (double)p->gc_pause_last_ns / SECONDS;
	double mean = (double)num_sub(p->gc_pause_total_ns, h->p.gc_pause_total_ns) / SECONDS / (double)cycles;
	uint64_t n = mean >= threshold ? num_min(cycles, PAUSES) : last >= threshold;
	for (uint64_t i = 0; i < n; i++) {
		h->pauses[h->next_pause].ended_ns = p->time_ns;
		h->pauses[h->next_pause].seconds = fmax(last, mean);
		h->next_pause = (h->next_pause + 1) % PAUSES;
		h->n_pauses += h->n_pauses < PAUSES;
	}
}

/* Since the last look `cycles` collections ended. */
static void add_cycles(struct history *h, const struct history_tuning *tuning, const struct watch_process_sample *p,
		       uint64_t cycles, double age_s)
{
	int64_t ended = p->gc_last_ns > h->gc_seen_ns && p->gc_last_ns <= p->time_ns ? p->gc_last_ns : p->time_ns;
	if (h->gc_seen_ns && ended > h->gc_seen_ns) {
		h->gc_intervals[h->next_interval] = (double)(ended - h->gc_seen_ns) / SECONDS / (double)cycles;
		h->next_interval = (h->next_interval + 1) % GC_CYCLES;
		h->n_intervals += h->n_intervals < GC_CYCLES;
	}
	h->gc_seen_ns = ended;
	add_pauses(h, p, cycles, tuning->pause_s);
	if (!isnan(p->gc_cpu_fraction) && age_s > 0) {
		double age = age_s - (double)(p->time_ns - ended) / SECONDS;
		ring_add(&h->gc_cpu, tuning->gc_cpu_s,
			 &(struct ring_point){ (double)ended / SECONDS, { p->gc_cpu_fraction * age, age } });
	}
}

static void add_gc(struct history *h, const struct history_tuning *tuning, const struct watch_process_sample *p,
		   double age_s)
{
	if (p->gc_count == WATCH_UNKNOWN)
		return;
	if (h->gc_count == WATCH_UNKNOWN)
		h->gc_seen_ns = p->gc_last_ns && p->gc_last_ns <= p->time_ns ? p->gc_last_ns : 0;
	else if (p->gc_count > h->gc_count)
		add_cycles(h, tuning, p, p->gc_count - h->gc_count, age_s);
	h->gc_count = p->gc_count;
	if (p->heap_marked != WATCH_UNKNOWN && p->heap_goal < GOAL_NONE && p->heap_marked >= MARKED_MIN)
		h->gc_ratio = fmax(h->gc_ratio, (double)p->heap_goal / (double)p->heap_marked);
}

static void add_process(struct history *h, const struct history_tuning *tuning, const struct watch_process_sample *p,
			double age_s)
{
	double t = (double)p->time_ns / SECONDS;
	add_gc(h, tuning, p, age_s);
	merge_process(&h->p, p);
	h->p_ns = p->time_ns;
	const struct watch_process_sample *now = &h->p;
	if (p->heap_objects != WATCH_UNKNOWN && now->rss != WATCH_UNKNOWN && now->shared != WATCH_UNKNOWN) {
		uint64_t goal = now->heap_goal < GOAL_NONE ? now->heap_goal : 0;
		uint64_t heap = now->heap_alloc == WATCH_UNKNOWN ? goal : num_max(now->heap_alloc, goal);
		ring_add(&h->rss, tuning->rss_s,
			 &(struct ring_point){
				 t,
				 { (double)num_sub(now->rss, now->shared), (double)now->heap_objects, (double)heap } });
	}
	if (p->goroutines != WATCH_UNKNOWN)
		ring_add(&h->goroutines, tuning->goroutines_s, &(struct ring_point){ t, { (double)p->goroutines } });
	if (p->swap != WATCH_UNKNOWN && h->g.swap == WATCH_UNKNOWN)
		ring_add(&h->swap, tuning->swap_s, &(struct ring_point){ t, { (double)p->swap } });
}

/* A sample every twelfth of the window: how many of the last ones, in a row, were far above their median? */
static void add_cache(struct history *h, const struct history_tuning *tuning, const struct watch_cgroup_sample *g)
{
	double every = tuning->cache_s / CACHE_SAMPLES * SECONDS, sorted[CACHE_SAMPLES];
	if (g->file == WATCH_UNKNOWN || (h->cache_ns && (double)(g->time_ns - h->cache_ns) < .9 * every))
		return;
	if (h->cache_ns && (double)(g->time_ns - h->cache_ns) > 3 * every)
		h->n_cache = h->high_cache = 0;
	h->cache_ns = g->time_ns;
	if (h->n_cache == CACHE_SAMPLES)
		memmove(h->cache, h->cache + 1, (CACHE_SAMPLES - 1) * sizeof(h->cache[0]));
	else
		h->n_cache++;
	h->cache[h->n_cache - 1] = (double)g->file;
	memcpy(sorted, h->cache, sizeof(sorted));
	double median = num_median(sorted, h->n_cache);
	h->high_cache = (double)g->file > tuning->cache_times * median ? h->high_cache + 1 : 0;
}

static void add_cgroup(struct history *h, const struct history_tuning *tuning, const struct watch_cgroup_sample *g)
{
	const struct {
		struct counter *counter;
		uint64_t value;
	} counters[] = {
		{ &h->high, g->events_high },	      { &h->max, g->events_max },  { &h->oom, g->events_oom },
		{ &h->oom_kill, g->events_oom_kill }, { &h->failcnt, g->failcnt },
	};
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		count(counters[i].counter, counters[i].value, g->time_ns, tuning->event_s[i]);
	add_cache(h, tuning, g);
	if (g->swap != WATCH_UNKNOWN)
		ring_add(&h->swap, tuning->swap_s,
			 &(struct ring_point){ (double)g->time_ns / SECONDS, { (double)g->swap } });
	h->g = *g;
	h->g_ns = g->time_ns;
}

void history_add(struct history *h, const struct history_tuning *tuning, const struct watch_process_sample *p,
		 const struct watch_cgroup_sample *g, double age_s)
{
	if (g && g->time_ns > h->g_ns)
		add_cgroup(h, tuning, g);
	if (p && p->time_ns > h->p_ns)
		add_process(h, tuning, p, age_s);
	int64_t latest = h->p_ns > h->g_ns ? h->p_ns : h->g_ns;
	h->now_ns = latest > h->now_ns ? latest : h->now_ns;
}
