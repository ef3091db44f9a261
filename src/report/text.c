/* SPDX-License-Identifier: Apache-2.0 */
#include "report/text.h"

#include "base/num.h"
#include "format/parts.h"

static const double MS = 1e6; /* nanoseconds */

void text_time(struct strbuf *f, int64_t unix_ns)
{
	char time[PARTS_TIME_LEN];
	parts_time(unix_ns, time);
	strbuf_printf(f, "%.10s %.8s UTC", time, time + 11);
}

static void say_headline(struct say *s, const struct account *a)
{
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	strbuf_printf(&f, "%s (pid %d)", a->comm ? a->comm : "?", a->pid);
	if (a->go.is_go)
		say_and(&f, "%s", a->go.version ? a->go.version : "Go, version unknown");
	if (a->go.module)
		say_and(&f, "%s", a->go.module);
	say_line(s, STYLE_HEAD, 0, "%s", f.buf);
}

static void say_image(struct say *s, const struct account *a)
{
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (!a->exe)
		return;
	say_and(&f, "%s", a->exe);
	if (a->go.stripped)
		say_and(&f, "stripped");
	if (a->go.pie)
		say_and(&f, "PIE");
	if (a->go.cgo)
		say_and(&f, "cgo");
	if (a->go.layout)
		say_and(&f, "layout %s", a->go.layout);
	say_fact(s, "image", "%s", f.buf);
}

static void say_resident(struct say *s, const struct account *a)
{
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "%s resident", say_size(a->rss, x));
	if (a->pss != ACCOUNT_UNKNOWN)
		say_and(&f, "%s proportional", say_size(a->pss, x));
	if (a->swap && a->swap != ACCOUNT_UNKNOWN)
		say_and(&f, "%s in swap", say_size(a->swap, x));
	if (a->unexplained < 0)
		say_and(&f, "the classes %s over that", say_size(0 - (uint64_t)a->unexplained, x));
	else
		say_and(&f, "%s unexplained", say_size((uint64_t)a->unexplained, x));
	if (a->error_bound && a->error_bound != ACCOUNT_UNKNOWN)
		say_and(&f, "exact to %s as the process ran on", say_size(a->error_bound, x));
	say_fact(s, "memory", "%s", f.buf);
}

static void say_moment(struct say *s, const struct account *a)
{
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	text_time(&f, a->time_unix_ns);
	say_and(&f, "read in %.0f ms", (double)a->elapsed_ns / MS);
	if (a->stopped_ns)
		say_and(&f, "stopped for %.2f ms", (double)a->stopped_ns / MS);
	else
		say_and(&f, "never stopped");
	say_fact(s, "taken", "%s", f.buf);
}

static void say_cgroup_limit(struct say *s, const struct account_cgroup *cg)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (!cg->version)
		return;
	say_and(&f, "working set %s", say_size(cg->working_set, x));
	if (cg->limit == ACCOUNT_UNKNOWN) {
		strbuf_puts(&f, ", no limit");
	} else if (cg->working_set != ACCOUNT_UNKNOWN) {
		strbuf_printf(&f, " of %s (%.1f%%)", say_size(cg->limit, x),
			      cg->limit ? 100.0 * (double)cg->working_set / (double)cg->limit : 0);
		say_and(&f, "headroom %s", say_size(num_sub(cg->limit, cg->working_set), y));
	}
	say_fact(s, "cgroup", "%s", f.buf);
}

static void say_space(struct say *s, const struct account_space *sp)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "%s mappings over %s", say_num(sp->regions, x), say_size(sp->span, y));
	say_and(&f, "%s gaps of %s on average", say_num(sp->gaps, x), say_size(sp->mean_gap, y));
	if (sp->page_table != ACCOUNT_UNKNOWN)
		say_and(&f, "page tables of %s", say_size(sp->page_table, x));
	if (sp->vma_limit_ratio > 0)
		say_and(&f, "%.1f%% of vm.max_map_count", 100 * sp->vma_limit_ratio);
	say_title(s, "Address space");
	say_fact(s, "mappings", "%s", f.buf);
}

void report_text(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	struct say s = { out, &opt->style };
	say_headline(&s, a);
	say_image(&s, a);
	say_resident(&s, a);
	say_cgroup_limit(&s, &a->cgroup);
	say_moment(&s, a);
	text_integrity(&s, a);
	text_classes(&s, a);
	text_owners(&s, a, opt->top);
	text_runtime(&s, a);
	text_c_heap(&s, a);
	text_cgroup(&s, a);
	say_space(&s, &a->space);
	if (opt->vmas)
		text_vmas(&s, a);
	if (a->notes.n)
		say_title(&s, "Notes");
	for (size_t i = 0; i < a->notes.n; i++) {
		strbuf_puts(out, "  - ");
		say_hang(&s, 4, "%s", a->notes.v[i]);
	}
}
