/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sampler.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/evidence.h"
#include "gort/goroutine.h"
#include "gort/stats.h"
#include "proc/cgroup.h"

enum {
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
	sites_init(&s->sites, NULL);
	TRY(target_open(procfs, pid, &s->t));
	TRY(target_attach(&s->t, NULL));
	s->sites.module = s->t.gort.module.main_path;
	return NULL;
}

void sampler_close(struct sampler *s)
{
	hash_map_deinit(&s->by_pc);
	sites_deinit(&s->sites);
	target_close(&s->t);
}

static bool readable(const struct sampler *s)
{
	return s->t.is_go && s->t.gort.layout;
}

/* ---- goroutines and timers ---- */

static uint32_t site_of_pc(struct sampler *s, uint64_t pc)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(&s->by_pc, pc, &fresh);
	if (fresh) {
		struct sym_frame f = { .function = "?", .file = "?" };
		if (pc && s->t.gort.pclntab)
			sym_pclntab_frames(s->t.gort.pclntab, pc - 1, &f, 1);
		*at = sites_of_go(&s->sites, &(struct frame){ .function = f.function, .file = f.file, .line = f.line });
	}
	return (uint32_t)*at;
}

/* The user's, as runtime.NumGoroutine counts them. */
static void look_at_goroutines(struct sampler *s, struct diagnosis_sample *ret)
{
	struct gort_goroutines gs;
	struct err *err AUTO(err) = gort_goroutines_read(&s->t.gort, &gs);
	if (err)
		return;
	gort_goroutines_judge(&s->t.gort, &gs);
	ret->goroutines = gs.user;
	ret->deepest_stack = 0;
	for (size_t i = 0; i < gs.v.n; i++) {
		const struct gort_goroutine *g = &gs.v.v[i];
		if (g->system)
			continue;
		sites_goroutine(&s->sites, site_of_pc(s, g->gopc), g->id, 1);
		if (g->stack_hi - g->stack_lo > ret->deepest_stack) {
			ret->deepest_stack = g->stack_hi - g->stack_lo;
			ret->deepest_used = g->sp ? g->stack_hi - g->sp : ACCOUNT_UNKNOWN;
			ret->deepest = g->id;
		}
	}
	gort_goroutines_deinit(&gs);
}

static void look_at_timers(struct sampler *s, struct diagnosis_sample *ret)
{
	struct snapshot snap AUTO(snapshot);
	snapshot_init(&snap);
	struct err *err AUTO(err) =
		evidence_timers(&s->t, &(struct evidence_options){ .parts = SNAPSHOT_TIMERS }, &snap);
	if (err)
		return;
	ret->timers = snap.timers.total;
	sites_timers(&s->sites, &snap.timers);
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
	struct err *err AUTO(err) = proc_cgroup_read(&s->t.live->process, "/proc/self/mountinfo", &arena, &cg);
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
	TRY(proc_status_read(&s->t.live->process, &st));
	ret->rss = st.vm_rss;
	ret->rss_anon = st.rss_anon;
	ret->virtual_size = st.vm_size;
	ret->threads = st.threads;
	ret->fds = count_fds(&s->t.live->process);
	if (s->t.arena.used < NAMES_MAX) /* the runtime changes mappings without changing the sum of their sizes */
		TRY(target_remap(&s->t));
	ret->vmas = s->t.maps.n;
	return proc_process_check(&s->t.live->process);
}

struct err *sampler_look(struct sampler *s, struct diagnosis_sample *ret)
{
	diagnosis_sample_init(ret);
	sites_begin(&s->sites);
	ret->time_ns = clock_ns(CLOCK_MONOTONIC);
	int64_t wall = clock_ns(CLOCK_REALTIME);
	TRY(look_at_process(s, ret));
	look_at_cgroup(s, ret);
	if (readable(s)) {
		look_at_runtime(s, wall, ret);
		look_at_goroutines(s, ret);
		look_at_timers(s, ret);
	}
	sites_end(&s->sites);
	return target_gone(&s->t) ? err_gone() : NULL;
}

bool sampler_reachable(struct sampler *s, uint64_t *ret)
{
	struct snapshot snap AUTO(snapshot);
	snapshot_init(&snap);
	if (!readable(s))
		return false;
	struct err *err AUTO(err) = evidence_owners(
		&s->t,
		&(struct evidence_options){ .account = { .procfs = s->t.live->procfs }, .owners = { .sums = true } },
		&snap);
	*ret = snap.owners.reachable;
	return !err && *ret;
}

uint64_t sampler_gc_count(const struct sampler *s)
{
	struct gort_stats st;
	return readable(s) && gort_stats_read(&s->t.gort, &st) ? st.num_gc : ACCOUNT_UNKNOWN;
}

uint64_t sampler_heap_live(const struct sampler *s)
{
	struct gort_stats st;
	return readable(s) && gort_stats_read(&s->t.gort, &st) ? st.heap_live : ACCOUNT_UNKNOWN;
}

double sampler_age(const struct sampler *s)
{
	long hz = sysconf(_SC_CLK_TCK);
	if (hz <= 0)
		return (double)NAN;
	return (double)clock_ns(CLOCK_BOOTTIME) / 1e9 - (double)s->t.live->process.start_ticks / (double)hz;
}
