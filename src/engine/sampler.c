/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sampler.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analysis/rules.h"
#include "engine/evidence.h"
#include "gort/goroutine.h"
#include "gort/stats.h"
#include "proc/cgroup.h"

enum {
	SITES_MAX = 4096,     /* go statements and callbacks followed; further ones are left out */
	NAMES_MAX = 64 << 20, /* bytes of names of mappings, of all looks; after them the table stays as it is */
	FDS_MAX = 4 << 20,    /* fs.nr_open has no larger value in practice */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct err *sampler_open(const char *procfs, int pid, struct sampler *s)
{
	*s = (struct sampler){ 0 };
	intern_init(&s->strings);
	TRY(target_open(procfs, pid, &s->t));
	return target_attach(&s->t, NULL);
}

void sampler_close(struct sampler *s)
{
	for (size_t i = 0; i < s->sites.n; i++)
		vec_deinit(&s->sites.v[i].counts);
	vec_deinit(&s->sites);
	vec_deinit(&s->alive);
	vec_deinit(&s->before);
	vec_deinit(&s->view);
	hash_map_deinit(&s->by_pc);
	hash_map_deinit(&s->by_timer);
	intern_deinit(&s->strings);
	target_close(&s->t);
}

static bool readable(const struct sampler *s)
{
	return s->t.is_go && s->t.gort.layout;
}

/* ---- sites ---- */

static struct sampler_site *add_site(struct sampler *s, enum diagnosis_site_kind kind, const struct frame *at)
{
	struct sampler_site *site = vec_push(&s->sites);
	site->kind = kind;
	site->function = intern_str(&s->strings, at->function);
	site->file = intern_str(&s->strings, at->file);
	site->line = at->line;
	site->library = rule_of_library(site->function, s->t.gort.module.main_path);
	for (size_t i = 0; i <= s->looks; i++)
		*vec_push(&site->counts) = 0;
	return site;
}

/* The site of a go statement, entered when it is new; SITES_MAX when there is no room. */
static uint32_t site_of_pc(struct sampler *s, uint64_t pc)
{
	uint64_t *at = hash_map_get(&s->by_pc, pc);
	if (at)
		return (uint32_t)*at;
	if (s->sites.n == SITES_MAX)
		return SITES_MAX;
	struct sym_frame f = { .function = "?", .file = "?" };
	if (pc && s->t.gort.pclntab)
		sym_pclntab_frames(s->t.gort.pclntab, pc - 1, &f, 1);
	*hash_map_at(&s->by_pc, pc, NULL) = s->sites.n;
	add_site(s, DIAGNOSIS_GOROUTINE, &(struct frame){ .function = f.function, .file = f.file, .line = f.line });
	return (uint32_t)(s->sites.n - 1);
}

static uint32_t site_of_timer(struct sampler *s, const struct frame *at, enum timer_kind kind)
{
	/* Interned strings are the same when their addresses are. */
	const char *function = intern_str(&s->strings, at->function);
	uint64_t key = hash_u64((uint64_t)(uintptr_t)function) ^ hash_u64(at->line * (uint64_t)TIMER_KIND_MAX_ + kind);
	uint64_t *found = hash_map_get(&s->by_timer, key);
	if (found)
		return (uint32_t)*found;
	if (s->sites.n == SITES_MAX)
		return SITES_MAX;
	*hash_map_at(&s->by_timer, key, NULL) = s->sites.n;
	add_site(s, DIAGNOSIS_TIMER, at);
	return (uint32_t)(s->sites.n - 1);
}

static void count(struct sampler *s, uint32_t site, uint64_t n)
{
	if (site < s->sites.n)
		s->sites.v[site].counts.v[s->looks] += n;
}

const struct diagnosis_site *sampler_sites(struct sampler *s, size_t *n)
{
	s->view.n = 0;
	for (size_t i = 0; i < s->sites.n; i++) {
		const struct sampler_site *from = &s->sites.v[i];
		*vec_push(&s->view) = (struct diagnosis_site){
			.kind = from->kind,
			.function = from->function,
			.file = from->file,
			.line = from->line,
			.library = from->library,
			.counts = from->counts.v,
			.gone = from->gone,
			.gone_known = from->kind == DIAGNOSIS_GOROUTINE,
		};
	}
	*n = s->view.n;
	return s->view.v;
}

/* ---- goroutines ---- */

static int by_id(const void *a, const void *b)
{
	const struct sampler_alive *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Those of the last look that are not there any more. */
static void count_gone(struct sampler *s)
{
	for (size_t i = 0, k = 0; i < s->before.n; i++) {
		while (k < s->alive.n && s->alive.v[k].id < s->before.v[i].id)
			k++;
		bool there = k < s->alive.n && s->alive.v[k].id == s->before.v[i].id;
		if (!there && s->before.v[i].site < s->sites.n)
			s->sites.v[s->before.v[i].site].gone++;
	}
}

static void look_at_goroutines(struct sampler *s, struct diagnosis_sample *ret)
{
	struct gort_goroutines gs;
	struct err *err AUTO(err) = gort_goroutines_read(&s->t.gort, &gs);
	if (err)
		return;
	ret->goroutines = gs.v.n;
	ret->deepest_stack = 0;
	for (size_t i = 0; i < gs.v.n; i++) {
		const struct gort_goroutine *g = &gs.v.v[i];
		uint32_t site = site_of_pc(s, g->gopc);
		count(s, site, 1);
		*vec_push(&s->alive) = (struct sampler_alive){ g->id, site };
		if (g->stack_hi - g->stack_lo > ret->deepest_stack) {
			ret->deepest_stack = g->stack_hi - g->stack_lo;
			ret->deepest = g->id;
		}
	}
	vec_sort(&s->alive, by_id);
	if (s->looks)
		count_gone(s);
	gort_goroutines_deinit(&gs);
}

static void look_at_timers(struct sampler *s, struct diagnosis_sample *ret)
{
	struct snapshot snap AUTO(snapshot);
	snapshot_init(&snap);
	struct err *err AUTO(err) = evidence_timers(&s->t, &snap);
	if (err)
		return;
	ret->timers = snap.timers.total;
	for (size_t i = 0; i < snap.timers.groups.n; i++) {
		const struct timer_group *g = &snap.timers.groups.v[i];
		/* a deadline belongs to its connection, which is a descriptor */
		if (g->kind != TIMER_DEADLINE && stacks_depth(&snap.timers.stacks, g->callback))
			count(s, site_of_timer(s, stacks_at(&snap.timers.stacks, g->callback, 0), g->kind), g->count);
	}
}

/* ---- the rest ---- */

static void look_at_runtime(const struct sampler *s, int64_t wall, struct diagnosis_sample *ret)
{
	struct gort_stats st;
	if (!gort_stats_read(&s->t.gort, &st))
		return;
	ret->gc_count = st.num_gc;
	ret->last_gc_ns = st.last_gc_unix_ns ? ret->time_ns - (wall - (int64_t)st.last_gc_unix_ns) : 0;
	ret->gc_cpu = st.gc_cpu_fraction;
	ret->heap_live = st.heap_live;
	ret->heap_marked = st.heap_marked;
	ret->heap_goal = st.heap_goal;
	ret->heap_inuse = st.heap_in_use;
	ret->heap_idle = st.heap_free;
	ret->stack_inuse = st.in_stacks;
	ret->go_anon = st.heap_in_use + st.heap_free + st.in_stacks + st.in_work_bufs + st.stacks_sys + st.mspan_sys +
		       st.mcache_sys + st.buckhash_sys + st.gc_misc_sys + st.other_sys;
}

static void look_at_cgroup(const struct sampler *s, struct diagnosis_sample *ret)
{
	struct arena arena;
	struct cgroup cg = { 0 };
	arena_init(&arena);
	struct err *err AUTO(err) = proc_cgroup_read(&s->t.process, "/proc/self/mountinfo", &arena, &cg);
	if (!err && cg.version) {
		ret->cgroup_usage = cg.usage;
		ret->working_set = proc_cgroup_working_set(&cg);
		ret->anon = cg.stat.anon;
		ret->file = cg.stat.file;
		ret->inactive_file = cg.stat.inactive_file;
		ret->shmem = cg.stat.shmem;
		ret->kernel = cg.stat.kernel;
		ret->sock = cg.stat.sock;
	}
	if (!err)
		proc_cgroup_deinit(&cg);
	arena_deinit(&arena);
}

static uint64_t count_fds(const struct proc_process *p)
{
	int fd = -1;
	struct err *err AUTO(err) = proc_process_file(p, "fd", O_RDONLY | O_DIRECTORY, &fd);
	DIR *d = err ? NULL : fdopendir(fd);
	if (!d)
		return ACCOUNT_UNKNOWN;
	uint64_t n = 0;
	for (struct dirent *e = readdir(d); e && n < FDS_MAX; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct err *look_at_process(struct sampler *s, struct diagnosis_sample *ret)
{
	struct proc_status st;
	TRY(proc_status_read(&s->t.process, &st));
	ret->rss = st.vm_rss;
	ret->rss_anon = st.rss_anon;
	ret->virtual_size = st.vm_size;
	ret->threads = st.threads;
	ret->fds = count_fds(&s->t.process);
	if (s->t.arena.used < NAMES_MAX) /* the runtime changes mappings without changing the sum of their sizes */
		TRY(target_remap(&s->t));
	ret->vmas = s->t.maps.n;
	return proc_process_check(&s->t.process);
}

static void unknown(struct diagnosis_sample *ret)
{
	_Static_assert(ACCOUNT_UNKNOWN == UINT64_MAX, "all its bits are set");
	memset(ret, 0xff, sizeof(*ret));
	ret->last_gc_ns = 0;
	ret->gc_cpu = (double)NAN;
}

struct err *sampler_look(struct sampler *s, struct diagnosis_sample *ret)
{
	unknown(ret);
	for (size_t i = 0; i < s->sites.n; i++)
		*vec_push(&s->sites.v[i].counts) = 0;
	s->before.n = 0;
	for (size_t i = 0; i < s->alive.n; i++)
		*vec_push(&s->before) = s->alive.v[i];
	s->alive.n = 0;
	ret->time_ns = clock_ns(CLOCK_MONOTONIC);
	int64_t wall = clock_ns(CLOCK_REALTIME);
	TRY(look_at_process(s, ret));
	look_at_cgroup(s, ret);
	if (readable(s)) {
		look_at_runtime(s, wall, ret);
		look_at_goroutines(s, ret);
		look_at_timers(s, ret);
	}
	s->looks++;
	return s->t.mem.gone ? err_gone() : NULL;
}

uint64_t sampler_gc_count(const struct sampler *s)
{
	struct gort_stats st;
	return readable(s) && gort_stats_read(&s->t.gort, &st) ? st.num_gc : ACCOUNT_UNKNOWN;
}

double sampler_age(const struct sampler *s)
{
	long hz = sysconf(_SC_CLK_TCK);
	if (hz <= 0)
		return (double)NAN;
	return (double)clock_ns(CLOCK_BOOTTIME) / 1e9 - (double)s->t.process.start_ticks / (double)hz;
}
