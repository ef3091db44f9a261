/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "model/signal.h"

enum kind { COUNT, NS, US, REAL, FLAG };

#define ROW(type, name, unit, help, kind, member)                                                                      \
	{                                                                                                              \
		{ "ullage_target_" name, unit, TEXT_##type, help }, kind, offsetof(struct watch_target, member)        \
	}

/* clang-format off */
static const struct {
	struct text_family family;
	enum kind kind;
	size_t offset;
} rows[] = {
	ROW(GAUGE,   "rss_bytes", "bytes", "Resident memory of the process.", COUNT, process.rss),
	ROW(GAUGE,   "shared_bytes", "bytes", "Of this, pages of files and shared memory.", COUNT, process.shared),
	ROW(GAUGE,   "virtual_bytes", "bytes", "Address space of the process.", COUNT, process.virtual_size),
	ROW(GAUGE,   "swap_bytes", "bytes", "Swapped memory of the process.", COUNT, process.swap),
	ROW(GAUGE,   "threads", NULL, "Threads of the process.", COUNT, process.threads),
	ROW(GAUGE,   "open_fds", NULL, "Open descriptors of the process.", COUNT, process.fds),
	ROW(GAUGE,   "heap_alloc_bytes", "bytes", "Go objects, and those not swept yet.", COUNT, process.heap_alloc),
	ROW(GAUGE,   "heap_objects", NULL, "Number of Go objects.", COUNT, process.heap_objects),
	ROW(GAUGE,   "heap_goal_bytes", "bytes", "Heap at which the next collection ends.", COUNT, process.heap_goal),
	ROW(GAUGE,   "heap_marked_bytes", "bytes", "Go objects that the last collection kept.", COUNT, process.heap_marked),
	ROW(GAUGE,   "goroutines", NULL, "Number of goroutines.", COUNT, process.goroutines),
	ROW(GAUGE,   "go_memory_limit_bytes", "bytes", "Go's own limit, GOMEMLIMIT.", COUNT, process.memory_limit),
	ROW(COUNTER, "gc", NULL, "Collections of Go's garbage collector.", COUNT, process.gc_count),
	ROW(COUNTER, "gc_pause_seconds", "seconds", "Time in which it stopped the program.", NS, process.gc_pause_total_ns),
	ROW(GAUGE,   "gc_pause_last_seconds", "seconds", "The last such time.", NS, process.gc_pause_last_ns),
	ROW(GAUGE,   "gc_cpu_ratio", "ratio", "Share of CPU time that collections took since the start.", REAL, process.gc_cpu_fraction),
	ROW(GAUGE,   "usage_bytes", "bytes", "Memory that the target's cgroup is charged, page cache included.", COUNT, cgroup.usage),
	ROW(GAUGE,   "working_set_bytes", "bytes", "Usage of the cgroup without inactive file cache: what counts as pressure.", COUNT, cgroup.working_set),
	ROW(GAUGE,   "limit_bytes", "bytes", "The nearest limit that binds the cgroup.", COUNT, cgroup.limit),
	ROW(GAUGE,   "breaker_threshold_ratio", "ratio", "The share of the limit at which the breaker opens.", REAL, open_at),
	ROW(GAUGE,   "high_bytes", "bytes", "Where the kernel begins to slow the cgroup down.", COUNT, cgroup.high),
	ROW(GAUGE,   "anon_bytes", "bytes", "Anonymous memory of the cgroup.", COUNT, cgroup.anon),
	ROW(GAUGE,   "file_bytes", "bytes", "Page cache of the cgroup.", COUNT, cgroup.file),
	ROW(GAUGE,   "kernel_bytes", "bytes", "Kernel memory of the cgroup.", COUNT, cgroup.kernel),
	ROW(GAUGE,   "cgroup_swap_bytes", "bytes", "Swapped memory of the cgroup.", COUNT, cgroup.swap),
	ROW(GAUGE,   "pids", NULL, "Processes and threads of the cgroup.", COUNT, cgroup.pids),
	ROW(GAUGE,   "pids_max", NULL, "How many there may be.", COUNT, cgroup.pids_max),
	ROW(COUNTER, "memory_high_events", NULL, "How often the cgroup went over its high mark.", COUNT, cgroup.events_high),
	ROW(COUNTER, "memory_max_events", NULL, "How often the cgroup ran into its limit (v2).", COUNT, cgroup.events_max),
	ROW(COUNTER, "memory_failures", NULL, "How often the cgroup ran into its limit (v1).", COUNT, cgroup.failcnt),
	ROW(COUNTER, "memory_oom_events", NULL, "How often nothing could be reclaimed.", COUNT, cgroup.events_oom),
	ROW(COUNTER, "oom_kills", NULL, "Processes of the cgroup that were killed for want of memory.", COUNT, cgroup.events_oom_kill),
	ROW(COUNTER, "memory_pressure_seconds", "seconds", "Time in which some task of the cgroup waited for memory.", US, cgroup.psi_some_total_us),
	ROW(GAUGE,   "memory_pressure_some_ratio", "ratio", "Share of the last 10 s in which some task waited for memory.", REAL, cgroup.psi_some),
	ROW(GAUGE,   "memory_pressure_full_ratio", "ratio", "Share of the last 10 s in which all tasks waited for memory.", REAL, cgroup.psi_full),
	ROW(GAUGE,   "growth_bytes_per_second", "bytes_per_second", "Growth toward the limit.", REAL, forecast.rate),
	ROW(GAUGE,   "limit_eta_seconds", "seconds", "When the limit is reached if nothing changes; no sample: not in sight.", REAL, forecast.eta),
	ROW(GAUGE,   "forecast_confidence_ratio", "ratio", "How sure that is, 0 to 1.", REAL, forecast.confidence),
	ROW(GAUGE,   "forecast_warning", NULL, "1 while a warning of the limit is in force.", FLAG, forecast.warning),
};
/* clang-format on */

static const struct text_family info = { "ullage_target", NULL, TEXT_INFO,
					 "Who the target is; mode canary: only told what would be done." };
static const struct text_family states = { "ullage_target_state", NULL, TEXT_GAUGE,
					   "1 for the state that the target is in, 0 for the others." };
static const struct text_family breaker = { "ullage_target_breaker_open", NULL, TEXT_GAUGE,
					    "1 while the breaker is open (in mode canary: would be)." };
static const struct text_family signals = { "ullage_target_signal", NULL, TEXT_GAUGE, "1 while the signal is on." };
static const struct text_family values = { "ullage_target_signal_value", NULL, TEXT_GAUGE,
					   "What the signal that is on is judged by, in its own unit." };
static const struct text_family thresholds = { "ullage_target_signal_threshold", NULL, TEXT_GAUGE,
					       "Where the signal that is on came on, in its own unit." };
static const struct text_family classes = { "ullage_target_class_bytes", "bytes", TEXT_GAUGE,
					    "Resident memory by class, of the newest map of the target." };

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Targets on the page, with their labels. */
struct shown {
	const struct watch_target *t;
	char *labels;
};

VEC_TYPE(shown_vec, struct shown);

/* How many series a target has at most. */
static size_t series_of(const struct watch_target *t)
{
	return ROWS + 2 + WATCH_STATES + SIGNALS + 2 * t->n_signals + t->n_classes;
}

/* Those in the gravest state first where not all have room; what is on the page stays in the order of keys. */
static void choose(const struct surface_view *v, struct shown_vec *ret)
{
	AUTO_FREE bool *chosen = xcalloc(v->n + 1, sizeof(*chosen));
	size_t room = v->metrics_max;
	for (unsigned s = WATCH_STATES; s-- > 0;) {
		for (size_t i = 0; i < v->n; i++) {
			size_t want = series_of(v->targets[i]);
			if (v->targets[i]->state != s || want > room)
				continue;
			chosen[i] = true;
			room -= want;
		}
	}
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	for (size_t i = 0; i < v->n; i++) {
		if (!chosen[i])
			continue;
		strbuf_clear(&labels);
		text_label(&labels, "target", v->targets[i]->key);
		text_label(&labels, "comm", v->targets[i]->comm);
		*vec_push(ret) = (struct shown){ v->targets[i], xstrdup(labels.buf) };
	}
}

static void put_row(struct text *text, size_t row, const struct shown *s)
{
	const void *p = (const char *)s->t + rows[row].offset;
	switch (rows[row].kind) {
	case COUNT:
		if (*(const uint64_t *)p != WATCH_UNKNOWN)
			text_u64(text, s->labels, *(const uint64_t *)p);
		break;
	case NS:
		if (*(const uint64_t *)p != WATCH_UNKNOWN)
			text_double(text, s->labels, (double)*(const uint64_t *)p / 1e9);
		break;
	case US:
		if (*(const uint64_t *)p != WATCH_UNKNOWN)
			text_double(text, s->labels, (double)*(const uint64_t *)p / 1e6);
		break;
	case REAL:
		if (isfinite(*(const double *)p))
			text_double(text, s->labels, *(const double *)p);
		break;
	case FLAG:
		text_u64(text, s->labels, *(const bool *)p);
		break;
	}
}

/* Appends to `out` the labels of a target and one more, in place of what was there. */
static const char *with(struct strbuf *out, const struct shown *s, const char *name, const char *value)
{
	strbuf_clear(out);
	strbuf_puts(out, s->labels);
	text_label(out, name, value);
	return out->buf;
}

static void put_info(struct text *text, const struct shown_vec *shown, struct strbuf *labels)
{
	text_family(text, &info);
	for (size_t i = 0; i < shown->n; i++) {
		const struct watch_target *t = shown->v[i].t;
		char pid[16];
		snprintf(pid, sizeof(pid), "%d", t->id.pid);
		with(labels, &shown->v[i], "pid", pid);
		text_label(labels, "cgroup", t->cgroup_path ? t->cgroup_path : "");
		text_label(labels, "exe", t->exe);
		text_label(labels, "go_version", t->go_version);
		text_label(labels, "module", t->module);
		text_label(labels, "build_id", t->build_id);
		text_label(labels, "container", t->container);
		text_label(labels, "unit", t->unit);
		text_label(labels, "group", t->group);
		text_label(labels, "mode", t->canary ? "canary" : "act");
		text_label(labels, "limit_source", t->limit_source);
		text_u64(text, labels->buf, 1);
	}
}

static void put_states(struct text *text, const struct shown_vec *shown, struct strbuf *labels)
{
	text_family(text, &states);
	for (size_t i = 0; i < shown->n; i++)
		for (unsigned s = 0; s < WATCH_STATES; s++)
			text_u64(text, with(labels, &shown->v[i], "state", watch_states[s]), shown->v[i].t->state == s);
	text_family(text, &breaker);
	for (size_t i = 0; i < shown->n; i++)
		text_u64(text, shown->v[i].labels, shown->v[i].t->state == WATCH_OPEN);
}

static bool is_on(const struct watch_target *t, const char *name)
{
	for (unsigned i = 0; i < t->n_signals; i++)
		if (strcmp(t->signals[i].name, name) == 0)
			return true;
	return false;
}

static void put_signals(struct text *text, const struct shown_vec *shown, struct strbuf *labels)
{
	text_family(text, &signals);
	for (size_t i = 0; i < shown->n; i++)
		for (unsigned s = 0; s < SIGNALS; s++)
			text_u64(text, with(labels, &shown->v[i], "signal", signal_names[s]),
				 is_on(shown->v[i].t, signal_names[s]));
	for (unsigned pass = 0; pass < 2; pass++) {
		text_family(text, pass ? &thresholds : &values);
		for (size_t i = 0; i < shown->n; i++) {
			for (unsigned s = 0; s < shown->v[i].t->n_signals; s++) {
				const struct watch_signal *on = &shown->v[i].t->signals[s];
				double value = pass ? on->threshold : on->value;
				if (isfinite(value))
					text_double(text, with(labels, &shown->v[i], "signal", on->name), value);
			}
		}
	}
}

static void put_classes(struct text *text, const struct shown_vec *shown, struct strbuf *labels)
{
	text_family(text, &classes);
	for (size_t i = 0; i < shown->n; i++)
		for (unsigned c = 0; c < shown->v[i].t->n_classes; c++)
			text_u64(text, with(labels, &shown->v[i], "class", shown->v[i].t->classes[c].name),
				 shown->v[i].t->classes[c].bytes);
}

void surface_metrics(const struct surface_view *v, bool openmetrics, struct strbuf *out)
{
	struct text text = { .out = out, .openmetrics = openmetrics };
	struct shown_vec shown = { 0 };
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	choose(v, &shown);
	metrics_self(&text, v, shown.n);
	put_info(&text, &shown, &labels);
	put_states(&text, &shown, &labels);
	put_signals(&text, &shown, &labels);
	for (size_t row = 0; row < ROWS; row++) {
		text_family(&text, &rows[row].family);
		for (size_t i = 0; i < shown.n; i++)
			put_row(&text, row, &shown.v[i]);
	}
	put_classes(&text, &shown, &labels);
	if (openmetrics)
		strbuf_puts(out, "# EOF\n");
	for (size_t i = 0; i < shown.n; i++)
		free(shown.v[i].labels);
	vec_deinit(&shown);
}
