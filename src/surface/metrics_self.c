/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/metrics.h"

#include <stddef.h>

#include "base/cleanup.h"

enum kind { COUNT, BYTES, SECONDS, NS, FLAG };

#define ROW(type, name, unit, help, kind, member)                                                                      \
	{                                                                                                              \
		{ "ullage_" name, unit, TEXT_##type, help }, kind, offsetof(struct surface_self, member)               \
	}

/* clang-format off */
static const struct {
	struct text_family family;
	enum kind kind;
	size_t offset;
} rows[] = {
	ROW(GAUGE,   "process_start_time_seconds", "seconds", "When the daemon began, since 1970.", NS, start_wall_ns),
	ROW(COUNTER, "process_cpu_seconds", "seconds", "CPU time of the daemon and of its readers of snapshots that have ended.", SECONDS, cpu_seconds),
	ROW(GAUGE,   "process_resident_memory_bytes", "bytes", "Resident memory of the daemon.", BYTES, rss),
	ROW(COUNTER, "rounds", NULL, "Rounds of looks at targets.", COUNT, rounds),
	ROW(COUNTER, "looks_late", NULL, "Looks at a target that came later than they should have.", COUNT, late),
	ROW(GAUGE,   "round_duration_seconds", "seconds", "How long the last round of looks took.", SECONDS, round_seconds),
	ROW(COUNTER, "store_samples", NULL, "Samples written to the black box.", COUNT, samples),
	ROW(COUNTER, "store_lost", NULL, "Samples and events that could not be written.", COUNT, lost),
	ROW(GAUGE,   "store_size_bytes", "bytes", "Size of the data directory.", BYTES, data_bytes),
	ROW(COUNTER, "config_reloads", NULL, "Configurations that came into force after the first.", COUNT, config_reloads),
	ROW(COUNTER, "config_failures", NULL, "Configurations that were refused; the old one stays in force.", COUNT, config_failures),
	ROW(GAUGE,   "config_last_reload_successful", NULL, "1 when the newest configuration is in force.", FLAG, config_ok),
	ROW(GAUGE,   "actions_waiting", NULL, "Actions that wait to be done.", COUNT, actions_waiting),
	ROW(COUNTER, "actions_dropped", NULL, "Actions for which the queue had no room.", COUNT, actions_dropped),
	ROW(COUNTER, "actor_restarts", NULL, "How often the process that acts had ended and was begun again.", COUNT, actor_restarts),
	ROW(COUNTER, "opener_restarts", NULL, "How often the process that opens files had ended and was begun again.", COUNT, opener_restarts),
	ROW(COUNTER, "http_requests", NULL, "Requests that were answered.", COUNT, http_requests),
	ROW(COUNTER, "http_refused", NULL, "Requests that were malformed, or for what there is not.", COUNT, http_refused),
	ROW(COUNTER, "http_dropped", NULL, "Connections that were ended to keep a bound.", COUNT, http_dropped),
	ROW(GAUGE,   "http_connections", NULL, "Connections that are open.", COUNT, http_connections),
};
/* clang-format on */

static void put_rows(struct text *t, const struct surface_self *self)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const void *p = (const char *)self + rows[i].offset;
		text_family(t, &rows[i].family);
		switch (rows[i].kind) {
		case COUNT:
		case BYTES:
			text_u64(t, "", *(const uint64_t *)p);
			break;
		case SECONDS:
			text_double(t, "", *(const double *)p);
			break;
		case NS:
			text_double(t, "", (double)*(const int64_t *)p / 1e9);
			break;
		case FLAG:
			text_u64(t, "", *(const bool *)p);
			break;
		}
	}
}

static void put_build(struct text *t, const struct surface_self *self)
{
	static const struct text_family build = { "ullage_build", NULL, TEXT_INFO, "Which daemon this is." };
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	text_label(&labels, "version", self->version);
	text_label(&labels, "revision", self->revision);
	text_family(t, &build);
	text_u64(t, labels.buf, 1);
}

static void put_events(struct text *t, const struct surface_self *self)
{
	static const struct text_family events = { "ullage_events", NULL, TEXT_COUNTER, "What happened, by kind." };
	static const struct {
		struct text_family family;
		enum watch_event_kind kind;
	} kinds[] = {
		{ { "ullage_snapshots", NULL, TEXT_COUNTER, "Snapshots that were put on disk." },
		  WATCH_EVENT_SNAPSHOT },
		{ { "ullage_profiles", NULL, TEXT_COUNTER, "Periodic profiles that were put on disk." },
		  WATCH_EVENT_PROFILE },
		{ { "ullage_oom_kills", NULL, TEXT_COUNTER, "Kills for want of memory that were noticed." },
		  WATCH_EVENT_OOM_KILL },
	};
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	text_family(t, &events);
	for (unsigned i = 0; i < WATCH_EVENTS; i++) {
		strbuf_clear(&labels);
		text_label(&labels, "kind", watch_event_kinds[i]);
		text_u64(t, labels.buf, self->events_by_kind[i]);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		text_family(t, &kinds[i].family);
		text_u64(t, "", self->events_by_kind[kinds[i].kind]);
	}
}

static void put_actions(struct text *t, const struct surface_self *self)
{
	static const struct text_family actions = { "ullage_actions", NULL, TEXT_COUNTER,
						    "Actions by outcome; dry: what would have been done." };
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	text_family(t, &actions);
	for (size_t i = 0; i < self->n_actions; i++) {
		const struct {
			const char *outcome;
			uint64_t n;
		} outcomes[] = { { "done", self->actions[i].done },
				 { "failed", self->actions[i].failed },
				 { "dry", self->actions[i].dry } };
		for (size_t k = 0; k < sizeof(outcomes) / sizeof(outcomes[0]); k++) {
			strbuf_clear(&labels);
			text_label(&labels, "action", self->actions[i].name);
			text_label(&labels, "kind", self->actions[i].kind);
			text_label(&labels, "outcome", outcomes[k].outcome);
			text_u64(t, labels.buf, outcomes[k].n);
		}
	}
}

static void put_counts(struct text *t, const struct surface_view *v, size_t shown)
{
	static const struct text_family up = { "ullage_up", NULL, TEXT_GAUGE, "1 while the daemon answers." };
	static const struct text_family targets = { "ullage_targets", NULL, TEXT_GAUGE,
						    "Processes that are watched, by state." };
	static const struct text_family omitted = { "ullage_targets_omitted", NULL, TEXT_GAUGE,
						    "Of these, without series of their own: there would be too many." };
	struct strbuf labels AUTO(strbuf);
	strbuf_init(&labels);
	text_family(t, &up);
	text_u64(t, "", 1);
	text_family(t, &targets);
	for (unsigned s = 0; s < WATCH_STATES; s++) {
		uint64_t n = 0;
		for (size_t i = 0; i < v->n; i++)
			n += v->targets[i]->state == s;
		strbuf_clear(&labels);
		text_label(&labels, "state", watch_states[s]);
		text_u64(t, labels.buf, n);
	}
	text_family(t, &omitted);
	text_u64(t, "", v->n - shown);
}

void metrics_self(struct text *t, const struct surface_view *v, size_t shown)
{
	t->created_ns = v->self->start_wall_ns;
	put_build(t, v->self);
	put_counts(t, v, shown);
	put_events(t, v->self);
	put_actions(t, v->self);
	put_rows(t, v->self);
	t->created_ns = 0; /* since when those of a target count, nobody says: an exec begins anew */
}
