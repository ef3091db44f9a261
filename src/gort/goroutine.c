/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/goroutine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/num.h"

enum {
	GS_MAX = 64 << 20,
	THREADS_MAX = 1 << 20,
	BATCH = 4096,
	SCAN_BIT = 0x1000,
};

const char *const gort_g_status_names[GORT_G_STATUS_MAX_] = {
	[GORT_G_IDLE] = "idle",		  [GORT_G_RUNNABLE] = "runnable", [GORT_G_RUNNING] = "running",
	[GORT_G_SYSCALL] = "syscall",	  [GORT_G_WAITING] = "waiting",	  [GORT_G_COPYSTACK] = "copystack",
	[GORT_G_PREEMPTED] = "preempted", [GORT_G_LEAKED] = "leaked",
};

static bool dead(unsigned status)
{
	return status == GORT_G_DEAD || status == GORT_G_DEADEXTRA;
}

static uint64_t resting_sp(const struct gort_layout *l, const void *rec, size_t len)
{
	uint64_t in_syscall = gort_load(l, rec, len, GORT_g_syscallsp);
	uint64_t sp = in_syscall ? in_syscall : gort_load(l, rec, len, GORT_g_sched_sp);
	bool inside = sp >= gort_load(l, rec, len, GORT_g_stack_lo) && sp < gort_load(l, rec, len, GORT_g_stack_hi);
	return inside ? sp : 0;
}

bool gort_goroutine_load(const struct gort_layout *l, const void *rec, struct gort_goroutine *ret)
{
	size_t len = gort_sizeof(l, GORT_g_SIZEOF);
	uint64_t status = gort_load(l, rec, len, GORT_g_atomicstatus) & ~(uint64_t)SCAN_BIT;
	*ret = (struct gort_goroutine){
		.id = gort_load(l, rec, len, GORT_g_goid),
		.stack_lo = gort_load(l, rec, len, GORT_g_stack_lo),
		.stack_hi = gort_load(l, rec, len, GORT_g_stack_hi),
		.sp = resting_sp(l, rec, len),
		.gopc = gort_load(l, rec, len, GORT_g_gopc),
		.startpc = gort_load(l, rec, len, GORT_g_startpc),
		.status = (uint8_t)status,
	};
	if (status >= GORT_G_STATUS_MAX_ || (!gort_g_status_names[status] && !dead((unsigned)status)))
		return false;
	return dead((unsigned)status) || ret->stack_lo < ret->stack_hi || status == GORT_G_IDLE;
}

static void take_batch(const struct gort *g, const uint64_t *addrs, size_t n, void *recs, bool *ok,
		       struct gort_goroutines *gs)
{
	size_t size = gort_sizeof(g->layout, GORT_g_SIZEOF);
	memsrc_gather(g->src, addrs, n, size, recs, ok);
	for (size_t i = 0; i < n; i++) {
		struct gort_goroutine gr;
		if (!ok[i] || !gort_goroutine_load(g->layout, (char *)recs + i * size, &gr))
			gs->torn++;
		else if (dead(gr.status))
			gs->dead++;
		else
			*vec_push(&gs->v) = gr;
	}
}

struct err *gort_goroutines_list(const struct gort *g, uint64_t *list, uint64_t *n)
{
	uint64_t var = gort_var(g, GORT_VAR_ALLGS);
	*list = memsrc_ptr(g->src, var);
	*n = memsrc_ptr(g->src, var + 8);
	if (!var || !*list || *n > GS_MAX)
		return err_new(ERR_FORMAT, "the list of goroutines is damaged (%llu entries)", (unsigned long long)*n);
	return NULL;
}

struct err *gort_goroutines_read(const struct gort *g, struct gort_goroutines *ret)
{
	*ret = (struct gort_goroutines){ 0 };
	uint64_t list = 0, n = 0;
	TRY(gort_goroutines_list(g, &list, &n));
	AUTO_FREE uint64_t *addrs = xmalloc(BATCH * sizeof(*addrs));
	AUTO_FREE void *recs = xmalloc(BATCH * (size_t)gort_sizeof(g->layout, GORT_g_SIZEOF));
	AUTO_FREE bool *ok = xmalloc(BATCH * sizeof(*ok));
	for (uint64_t at = 0; at < n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (!memsrc_read(g->src, list + at * 8, addrs, some * 8)) {
			gort_goroutines_deinit(ret);
			return memsrc_fault(list + at * 8, some * 8, "the list of goroutines");
		}
		take_batch(g, addrs, some, recs, ok, ret);
	}
	return NULL;
}

void gort_goroutines_deinit(struct gort_goroutines *gs)
{
	vec_deinit(&gs->v);
	*gs = (struct gort_goroutines){ 0 };
}

/*
 * As runtime.isSystemGoroutine does: the runtime's own start functions, less those that run the user's code. The
 * finalizer and cleanup goroutines count as the user's only while they run a callback, which is not looked at.
 */
static bool system_function(const char *name)
{
	static const char *const user[] = { "runtime.main", "runtime.handleAsyncEvent", "runtime.corostart" };
	if (strncmp(name, "runtime.", 8) != 0)
		return false;
	for (size_t i = 0; i < sizeof(user) / sizeof(user[0]); i++) {
		if (strcmp(name, user[i]) == 0)
			return false;
	}
	return true;
}

bool gort_goroutine_system(const struct gort *g, uint64_t startpc)
{
	size_t f = 0;
	return g->pclntab && sym_pclntab_find(g->pclntab, startpc, &f) &&
	       system_function(sym_pclntab_name(g->pclntab, f));
}

void gort_goroutines_judge(const struct gort *g, struct gort_goroutines *gs)
{
	uint64_t pc = 0;
	bool system = false;
	gs->user = 0;
	memset(gs->by_status, 0, sizeof(gs->by_status));
	for (size_t i = 0; i < gs->v.n; i++) {
		struct gort_goroutine *gr = &gs->v.v[i];
		if (gr->startpc != pc) { /* neighbours are often of one kind */
			pc = gr->startpc;
			system = gort_goroutine_system(g, pc);
		}
		gr->system = system;
		if (system)
			continue;
		gs->user++;
		gs->by_status[gr->status]++;
	}
}

struct err *gort_threads_read(const struct gort *g, struct gort_thread_vec *ret)
{
	uint64_t m = memsrc_ptr(g->src, gort_var(g, GORT_VAR_ALLM));
	while (m) {
		if (ret->n == THREADS_MAX)
			return err_new(ERR_LIMIT, "the runtime's list of threads has no end within %d", THREADS_MAX);
		uint64_t g0 = gort_word(g, m, GORT_m_g0), gsignal = gort_word(g, m, GORT_m_gsignal);
		*vec_push(ret) = (struct gort_thread){
			.m = m,
			.procid = gort_word(g, m, GORT_m_procid),
			.g0_lo = g0 ? gort_word(g, g0, GORT_g_stack_lo) : 0,
			.g0_hi = g0 ? gort_word(g, g0, GORT_g_stack_hi) : 0,
			.gsignal_lo = gsignal ? gort_word(g, gsignal, GORT_g_stack_lo) : 0,
			.gsignal_hi = gsignal ? gort_word(g, gsignal, GORT_g_stack_hi) : 0,
		};
		m = gort_word(g, m, GORT_m_alllink);
	}
	return NULL;
}
