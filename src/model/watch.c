/* SPDX-License-Identifier: Apache-2.0 */
#include "model/watch.h"

const char *const watch_states[] = { "ok", "warning", "critical", "open" };

const char *const watch_event_kinds[] = { "start", "exec",     "exit",	  "alarm",    "clear",	"state",  "open",
					  "close", "snapshot", "profile", "oom_kill", "action", "config", "note" };

_Static_assert(sizeof(watch_states) / sizeof(watch_states[0]) == WATCH_STATES, "each state has a name");
_Static_assert(sizeof(watch_event_kinds) / sizeof(watch_event_kinds[0]) == WATCH_EVENTS, "each kind has a name");

void watch_process_sample_init(struct watch_process_sample *s)
{
	memset(s, 0xff, sizeof(*s));
	s->time_ns = s->gc_last_ns = 0;
	s->gc_cpu_fraction = NAN;
}

void watch_cgroup_sample_init(struct watch_cgroup_sample *s)
{
	memset(s, 0xff, sizeof(*s));
	s->time_ns = 0;
	s->psi_some = s->psi_full = NAN;
	s->psi_triggered = s->usage_triggered = false;
}

void watch_target_keep(struct watch_target *t, struct arena *arena)
{
	const char **strings[] = { &t->key,	  &t->comm, &t->exe,	     &t->go_version,   &t->build_id, &t->module,
				   &t->container, &t->unit, &t->cgroup_path, &t->limit_source, &t->group };
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		*strings[i] = *strings[i] ? arena_strdup(arena, *strings[i]) : NULL;
}
