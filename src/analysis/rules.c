/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const double NS = 1e9; /* nanoseconds in a second */

/* ---- series ---- */

void rule_series(const struct rule_context *c, size_t offset, struct series *ret)
{
	const struct diagnosis_input *in = c->in;
	ret->n = 0;
	for (size_t i = 0; i < in->n; i++) {
		uint64_t v = *(const uint64_t *)(const void *)((const char *)&in->samples[i] + offset);
		if (KNOWN(v))
			series_add(ret, (double)(in->samples[i].time_ns - in->samples[0].time_ns) / NS, (double)v);
	}
}

struct trend rule_trend(const struct rule_context *c, size_t offset)
{
	struct series s;
	rule_series(c, offset, &s);
	return trend_of(&s);
}

void rule_outside_series(const struct rule_context *c, struct series *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		double go = KNOWN(s->go_anon) ? (double)s->go_anon : 0;
		if (KNOWN(s->rss_anon))
			series_add(ret, (double)(s->time_ns - c->in->samples[0].time_ns) / NS,
				   (double)s->rss_anon - go);
	}
}

/* ---- findings ---- */

struct finding *rule_report(struct rule_context *c, const struct rule *r)
{
	struct finding *f = vec_push(&c->d->findings);
	*f = (struct finding){
		.kind = r->kind,
		.leak = r->leak,
		.level = r->level,
		.confidence = 1,
		.bytes = ACCOUNT_UNKNOWN,
		.rate = (double)NAN,
		.count = ACCOUNT_UNKNOWN,
		.count_rate = (double)NAN,
		.site = { .function = "", .file = "" },
	};
	return f;
}

/* The text in the diagnosis's arena. */
ERR_PRINTF(2, 0)
static const char *keep(struct rule_context *c, const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		return "";
	const char *kept = arena_strdup(&c->d->arena, text);
	free(text);
	return kept;
}

void rule_evidence(struct rule_context *c, struct finding *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	*vec_push(&f->evidence) = keep(c, fmt, ap);
	va_end(ap);
}

const char *rule_text(struct rule_context *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *text = keep(c, fmt, ap);
	va_end(ap);
	return text;
}

static struct frame kept_frame(struct rule_context *c, const struct frame *from)
{
	struct frame f = *from;
	f.function = arena_strdup(&c->d->arena, from->function ? from->function : "");
	f.file = arena_strdup(&c->d->arena, from->file ? from->file : "");
	return f;
}

void rule_site(struct rule_context *c, struct finding *f, const struct frame *site)
{
	f->site = kept_frame(c, site);
}

void rule_stack(struct rule_context *c, struct finding *f, const struct stacks *from, uint32_t stack)
{
	uint32_t n = stacks_depth(from, stack);
	f->stack.v = arena_alloc(&c->d->arena, (n ? n : 1) * sizeof(*f->stack.v));
	f->stack.n = n;
	for (uint32_t i = 0; i < n; i++)
		f->stack.v[i] = kept_frame(c, stacks_at(from, stack, i));
}

struct finding *rule_found(const struct rule_context *c, const char *kind)
{
	for (size_t i = 0; i < c->d->findings.n; i++) {
		if (strcmp(c->d->findings.v[i].kind, kind) == 0)
			return &c->d->findings.v[i];
	}
	return NULL;
}

void rule_open(struct rule_context *c, const struct diagnosis_open *open)
{
	*vec_push(&c->d->open) = *open;
}

/* ---- words ---- */

const char *rule_size(struct rule_context *c, double bytes)
{
	char buf[NUM_SIZE_LEN];
	return rule_text(c, "%s", num_size(bytes > 0 ? (uint64_t)bytes : 0, buf));
}

const char *rule_time(struct rule_context *c, double seconds)
{
	static const struct {
		double from, unit;
		const char *name;
	} units[] = {
		{ 172800, 86400, "days" }, { 7200, 3600, "h" }, { 120, 60, "min" }, { 1, 1, "s" }, { 0, 0.001, "ms" },
	};
	for (size_t i = 0; i < LEN(units); i++) {
		if (seconds < units[i].from)
			continue;
		double v = seconds / units[i].unit;
		return rule_text(c, "%.*f %s", v < 10 ? 1 : 0, v, units[i].name);
	}
	return "0 s";
}

/* ---- limits ---- */

bool rule_own_cgroup(const struct rule_context *c)
{
	return c->after && c->after->cgroup.version && c->after->cgroup.path && c->after->cgroup.path[0] == '/' &&
	       c->after->cgroup.path[1];
}

uint64_t rule_limit(const struct rule_context *c)
{
	return c->after && c->after->cgroup.version ? c->after->cgroup.limit : ACCOUNT_UNKNOWN;
}

static uint64_t go_resident(const struct account *a)
{
	uint64_t sum = 0;
	for (enum mem_class k = CLASS_GO_HEAP_LIVE; k <= CLASS_GO_META_OTHER; k++)
		sum += a->classes[k].resident;
	return sum;
}

uint64_t rule_outside(const struct rule_context *c)
{
	const struct account *a = c->after;
	if (!a || !a->go.layout_known || !a->cgroup.version || !KNOWN(a->cgroup.working_set))
		return ACCOUNT_UNKNOWN;
	return num_sub(a->cgroup.working_set, go_resident(a));
}

const char *rule_gomemlimit(struct rule_context *c)
{
	/* What the kernel charges lags and jumps (page cache that is being written, new threads): leave a twentieth. */
	static const double MARGIN = 0.05;
	/* With less above the live heap the collector would run all the time. */
	static const double ROOM = 1.1;
	uint64_t limit = rule_limit(c), outside = rule_outside(c);
	if (!KNOWN(limit) || !KNOWN(outside))
		return NULL;
	double margin = (double)limit * MARGIN, value = (double)limit - (double)outside - margin;
	double live = KNOWN(c->last->heap_marked) ? (double)c->last->heap_marked : 0;
	if (value < live * ROOM || value < 1 << 20)
		return NULL;
	return rule_text(
		c, "GOMEMLIMIT=%.0fMiB (limit %s, less %s measured outside of the Go runtime, less a margin of %s)",
		floor(value / (1 << 20)), rule_size(c, (double)limit), rule_size(c, (double)outside),
		rule_size(c, margin));
}
