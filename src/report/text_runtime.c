/* SPDX-License-Identifier: Apache-2.0 */
#include "report/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const double NS = 1e9; /* nanoseconds in a second */

static void say_heap(struct say *s, const struct account *a)
{
	const struct account_runtime *r = &a->runtime;
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "%s allocated in %s objects", say_size(r->heap_alloc, x), say_num(r->heap_objects, y));
	say_and(&f, "%s in use by spans", say_size(r->heap_inuse, x));
	say_and(&f, "%s idle (%s returned to the kernel", say_size(r->heap_idle, x), say_size(r->heap_released, y));
	strbuf_printf(&f, ", %s could be)", say_size(a->returnable, x));
	say_fact(s, "heap", "%s", f.buf);
	strbuf_clear(&f);
	say_and(&f, "%s allocated in %s objects since the start", say_size(r->total_alloc, x), say_num(r->mallocs, y));
	say_and(&f, "%s freed", say_num(r->frees, x));
	say_fact(s, "in total", "%s", f.buf);
}

static void say_goroutines(struct say *s, const struct account *a)
{
	const struct account_runtime *r = &a->runtime;
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf by;
	strbuf_init(&by);
	for (size_t i = 0; i < ACCOUNT_G_STATUS; i++) {
		if (r->by_status[i].status && r->by_status[i].count)
			say_and(&by, "%s %s", say_num(r->by_status[i].count, x), r->by_status[i].status);
	}
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "%s", say_num(r->goroutines, x));
	if (by.len)
		strbuf_printf(&f, " (%s)", by.buf);
	say_and(&f, "stacks of %s", say_size(r->stack_inuse, x));
	say_and(&f, "%s threads", say_num(r->threads, x));
	say_fact(s, "goroutines", "%s", f.buf);
}

static void say_gc(struct say *s, const struct account *a)
{
	const struct account_gc *g = &a->gc;
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "%s cycles", say_num(g->count, x));
	if (g->forced && g->forced != ACCOUNT_UNKNOWN)
		strbuf_printf(&f, " (%s forced)", say_num(g->forced, x));
	if (g->last_unix_ns > a->time_unix_ns)
		say_and(&f, "the last just now");
	else if (g->last_unix_ns > 0)
		say_and(&f, "the last %s ago", say_duration(a->time_unix_ns - g->last_unix_ns, x));
	else
		say_and(&f, "none yet");
	if (isfinite(g->interval_seconds))
		say_and(&f, "one every %s", say_duration((int64_t)(g->interval_seconds * NS), x));
	if (g->phase && strcmp(g->phase, "off") != 0)
		say_and(&f, "now in %s", g->phase);
	say_and(&f, "goal %s, %s marked", say_size(g->heap_goal, x), say_size(g->heap_marked, y));
	if (isfinite(g->pause_p50_ms))
		say_and(&f, "pauses p50 %.2f ms p99 %.2f ms", g->pause_p50_ms, g->pause_p99_ms);
	if (isfinite(g->cpu_fraction))
		say_and(&f, "%.1f%% of CPU", 100 * g->cpu_fraction);
	say_fact(s, "GC", "%s", f.buf);
}

static void say_limits(struct say *s, const struct account *a)
{
	const struct account_runtime *r = &a->runtime;
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (r->gc_percent == INT64_MIN)
		say_and(&f, "GOGC unknown");
	else if (r->gc_percent < 0)
		say_and(&f, "GOGC off");
	else
		say_and(&f, "GOGC %lld", (long long)r->gc_percent);
	say_and(&f, "GOMEMLIMIT %s", r->memory_limit == ACCOUNT_UNKNOWN ? "none" : say_size(r->memory_limit, x));
	say_and(&f, "GOMAXPROCS %s", say_num(r->gomaxprocs, x));
	if (r->cpu_quota > 0)
		say_and(&f, "CPU quota %.2g", r->cpu_quota);
	for (size_t i = 0; i < a->go.experiments.n; i++)
		say_and(&f, "%s%s", i ? "" : "experiments ", a->go.experiments.v[i]);
	say_fact(s, "settings", "%s", f.buf);
}

void text_runtime(struct say *s, const struct account *a)
{
	if (!a->go.is_go || !a->go.layout_known)
		return;
	say_title(s, "Go runtime");
	say_heap(s, a);
	say_goroutines(s, a);
	say_gc(s, a);
	say_limits(s, a);
}

static void put_signed(struct table *t, int64_t bytes, bool first)
{
	table_cell(t, bytes < 0 ? "-" : first ? "" : "+");
	table_size(t, bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes);
}

static void put_balance(struct say *s, const struct account_cgroup *cg)
{
	static const struct table_column columns[] = {
		{ NULL, TABLE_LEFT, 0 },
		{ NULL, TABLE_RIGHT, 0 },
		{ NULL, TABLE_RIGHT, 0 },
		{ NULL, TABLE_LEFT, 0 },
	};
	struct table t;
	table_init(&t, columns, LEN(columns), s->style);
	t.indent = 2;
	int64_t sum = 0;
	for (size_t i = 0; i < cg->balance.n; i++) {
		const struct account_step *step = &cg->balance.v[i];
		if (!step->bytes && i)
			continue;
		sum += step->bytes;
		put_signed(&t, step->bytes, i == 0);
		table_size(&t, sum < 0 ? 0 : (uint64_t)sum);
		table_role(&t, STYLE_DIM);
		table_cell(&t, step->step);
	}
	if (cg->unexplained) {
		put_signed(&t, cg->unexplained, false);
		table_size(&t, cg->usage);
		table_cell(&t, "unexplained");
		table_role(&t, STYLE_WARN);
	}
	table_cell(&t, "=");
	table_cell(&t, "");
	table_size(&t, cg->usage);
	table_role(&t, STYLE_HEAD);
	table_cell(&t, "usage: what the cgroup is charged");
	table_role(&t, STYLE_HEAD);
	table_print(&t, s->out);
	table_deinit(&t);
}

static void say_events(struct say *s, const struct account_cgroup *cg)
{
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	for (size_t i = 0; i < cg->events.n; i++) {
		if (cg->events.v[i].value && cg->events.v[i].value != ACCOUNT_UNKNOWN)
			say_and(&f, "%s %s", cg->events.v[i].name, say_num(cg->events.v[i].value, x));
	}
	if (f.len)
		say_fact(s, "events", "%s", f.buf);
}

static void say_processes(struct say *s, const struct account_cgroup *cg)
{
	enum { SHOWN = 5 };
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (cg->processes.n < 2)
		return;
	for (size_t i = 0; i < cg->processes.n && i < SHOWN; i++) {
		const struct account_process *p = &cg->processes.v[i];
		say_and(&f, "%s (%d) %s", p->comm ? p->comm : "?", p->pid, say_size(p->rss, x));
	}
	if (cg->processes.n > SHOWN)
		say_and(&f, "%zu more", cg->processes.n - SHOWN);
	say_fact(s, "processes", "%s", f.buf);
}

void text_cgroup(struct say *s, const struct account *a)
{
	const struct account_cgroup *cg = &a->cgroup;
	if (!cg->version)
		return;
	say_title(s, "Cgroup v%u %s", cg->version, cg->path ? cg->path : "?");
	if (cg->balance.n)
		put_balance(s, cg);
	say_events(s, cg);
	say_processes(s, cg);
}

/* ---- the C heap ---- */

static void say_arenas(struct say *s, const struct account_c_heap *h)
{
	enum { SHOWN = 3 };
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	for (size_t i = 0; h->arenas.n > 1 && i < h->arenas.n && i < SHOWN; i++) {
		const struct account_c_arena *a = &h->arenas.v[i];
		AUTO(strbuf) struct strbuf f;
		strbuf_init(&f);
		say_and(&f, "%s in use of %s", say_size(a->inuse, x), say_size(a->system, y));
		say_and(&f, "%s kept", say_size(a->free, x));
		say_and(&f, "%s thread%s", say_num(a->threads, y), a->threads == 1 ? "" : "s");
		say_fact(s, a->main ? "main arena" : "arena", "%s", f.buf);
	}
	if (h->arenas.n > SHOWN)
		say_fact(s, "", "and %s more", say_num(h->arenas.n - SHOWN, x));
}

/* Of a C heap that is worth a word: a hundredth of RSS, or one that could not be read. */
void text_c_heap(struct say *s, const struct account *a)
{
	enum { SHARE = 100 };
	const struct account_c_heap *h = &a->c_heap;
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (!h->allocator || (h->system != ACCOUNT_UNKNOWN && h->system < a->rss / SHARE))
		return;
	say_title(s, "C heap");
	if (h->system == ACCOUNT_UNKNOWN) {
		say_fact(s, "allocator", "%s, which is not read", h->allocator);
		return;
	}
	say_fact(s, "allocator", "%s", h->allocator);
	say_and(&f, "%s of %s that it has", say_size(h->inuse, x), say_size(h->system, y));
	if (h->mmapped && h->mmapped != ACCOUNT_UNKNOWN)
		say_and(&f, "%s of it in %s large blocks", say_size(h->mmapped, x), say_num(h->mmapped_blocks, y));
	say_fact(s, "in use", "%s", f.buf);
	strbuf_clear(&f);
	say_and(&f, "%s for reuse", say_size(h->free, x));
	say_and(&f, "%s of it in caches of threads", say_size(h->thread_cache, x));
	say_and(&f, "%s at the ends of arenas", say_size(h->top, x));
	say_fact(s, "kept", "%s", f.buf);
	say_arenas(s, h);
}

ERR_PRINTF(3, 4)
static void say_alarm(struct say *s, enum style_role role, const char *fmt, ...)
{
	enum { TEXT_COLUMN = 13 };
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	strbuf_printf(s->out, "  %sintegrity%s  ", style_on(s->style, role), style_off(s->style, role));
	say_hang(s, TEXT_COLUMN, "%s", text ? text : "");
}

void text_integrity(struct say *s, const struct account *a)
{
	const struct account_integrity *in = &a->integrity;
	char x[SAY_NUM_LEN];
	if (in->exe_matches_disk == 0)
		say_alarm(s, STYLE_WARN, "the executable on disk is not the one that runs: replaced or deleted");
	if (in->text_modified && in->text_modified != ACCOUNT_UNKNOWN)
		say_alarm(s, STYLE_WARN, "%s of code differ from the file, %s breakpoints in it",
			  say_size(in->text_modified, x), in->probes ? "with" : "without");
	else if (in->probes)
		say_alarm(s, STYLE_WARN, "%s breakpoint%s or uprobes in code; each such page is a private copy",
			  say_num(in->probes, x), in->probes == 1 ? "" : "s");
	for (size_t i = 0; i < in->foreign_exec.n; i++)
		say_alarm(s, STYLE_BAD, "executable memory that belongs to no loaded file: %s", in->foreign_exec.v[i]);
	for (size_t i = 0; i < in->preloaded.n; i++)
		say_alarm(s, STYLE_WARN, "preloaded library: %s", in->preloaded.v[i]);
}
