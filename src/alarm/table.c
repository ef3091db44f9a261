/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "alarm/signals.h"

#define MIB (1024.0 * 1024)

/*
 * To add a signal: its name and unit in model/signal.h, a row here, its function, a test that fires it and one that must not, and
 * its line in docs/signals.md (a test compares them).
 */
static const struct alarm_row rows[SIGNALS] = {
	[SIGNAL_OOM_KILL] = {
		.name = "oom_kill",
		.source = "memory.events oom_kill, v1 memory.oom_control, kernel log or BPF",
		.window_s = 60,
		.threshold = 1,
		.state = WATCH_CRITICAL,
		.holds = signal_oom_kill,
		.why = "the kernel killed a process of this cgroup for lack of memory; one kill is an outage",
	},
	[SIGNAL_OOM_FORECAST] = {
		.name = "oom_forecast",
		.source = "three minutes of samples",
		.window_s = 180,
		.threshold = 600,
		.state = WATCH_WARNING,
		.quiet_s = 2,
		.holds = signal_oom_forecast,
		.why = "memory grows so that the limit is reached within the threshold; critical in the last minute, as a restart takes that long",
	},
	[SIGNAL_NEAR_LIMIT] = {
		.name = "near_limit",
		.source = "working set of the cgroup, its nearest limit; MemAvailable without one",
		.threshold = .85,
		.state = WATCH_WARNING,
		.quiet_s = 12,
		.holds = signal_near_limit,
		.why = "so much of the limit is in use, and nearly all of it cannot be taken back; critical where the breaker opens",
	},
	[SIGNAL_MEMORY_EVENTS_OOM] = {
		.name = "memory_events_oom",
		.source = "memory.events oom",
		.window_s = 60,
		.threshold = 1,
		.state = WATCH_CRITICAL,
		.holds = signal_memory_events_oom,
		.why = "an allocation found nothing to take back below the limit: the next step of the kernel is a kill",
	},
	[SIGNAL_MEMORY_EVENTS_MAX] = {
		.name = "memory_events_max",
		.source = "memory.events max",
		.window_s = 30,
		.threshold = 1,
		.state = WATCH_WARNING,
		.quiet_s = 5,
		.holds = signal_memory_events_max,
		.why = "usage hit memory.max while little of it could be taken back; page cache hits it as well, and that alone means nothing",
	},
	[SIGNAL_MEMORY_EVENTS_HIGH] = {
		.name = "memory_events_high",
		.source = "memory.events high",
		.window_s = 30,
		.threshold = 1,
		.state = WATCH_WARNING,
		.quiet_s = 5,
		.holds = signal_memory_events_high,
		.why = "usage passed memory.high while little of it could be taken back: the kernel slows every allocation down",
	},
	[SIGNAL_FAILCNT] = {
		.name = "failcnt",
		.source = "v1 memory.failcnt",
		.window_s = 30,
		.threshold = 1,
		.state = WATCH_WARNING,
		.quiet_s = 5,
		.holds = signal_failcnt,
		.why = "usage hit the limit of a v1 cgroup while little of it could be taken back",
	},
	[SIGNAL_USAGE_THRESHOLD] = {
		.name = "usage_threshold",
		.source = "v1 eventfd of memory.usage_in_bytes",
		.threshold = .85,
		.state = WATCH_WARNING,
		.quiet_s = 12,
		.holds = signal_usage_threshold,
		.why = "the kernel told between two looks that usage crossed a step of the sampling table, and so much is in use",
	},
	[SIGNAL_PSI] = {
		.name = "psi",
		.source = "memory.pressure avg10",
		.window_s = 10,
		.threshold = .20,
		.state = WATCH_WARNING,
		.sustain_s = 2,
		.quiet_s = 5,
		.holds = signal_psi,
		.why = "tasks waited for memory this share of the time; a fifth is felt by whoever waits for an answer",
	},
	[SIGNAL_SWAP_OUT] = {
		.name = "swap_out",
		.source = "memory.swap.current, v1 memory.stat swap, VmSwap",
		.window_s = 60,
		.threshold = 16 * MIB,
		.state = WATCH_WARNING,
		.quiet_s = 5,
		.holds = signal_swap_out,
		.why = "memory in use goes to swap, where the garbage collector will read it again; less than the threshold is idle pages",
	},
	[SIGNAL_GC_THRASH] = {
		.name = "gc_thrash",
		.source = "gc_cpu_fraction at ends of collections, GOMEMLIMIT, RSS",
		.window_s = 30,
		.threshold = .25,
		.state = WATCH_WARNING,
		.quiet_s = 5,
		.holds = signal_gc_thrash,
		.why = "near GOMEMLIMIT the collector takes this share of all processors; the runtime itself stops at a half",
	},
	[SIGNAL_GC_STALLED] = {
		.name = "gc_stalled",
		.source = "num_gc, end of the last collection, heap against what it kept",
		.window_s = 5,
		.threshold = 3,
		.state = WATCH_WARNING,
		.sustain_s = 1,
		.quiet_s = 2,
		.holds = signal_gc_stalled,
		.why = "no collection for so many of its median intervals, and the heap is a quarter above where one began before; less load alone does not raise it",
	},
	[SIGNAL_RSS_WITHOUT_OBJECTS] = {
		.name = "rss_without_objects",
		.source = "statm without file pages, heap objects, heap goal",
		.window_s = 60,
		.threshold = 3,
		.state = WATCH_WARNING,
		.sustain_s = 2,
		.quiet_s = 5,
		.holds = signal_rss_without_objects,
		.why = "private memory trebled (+200 %) while the objects of the heap grew by less than 10 %: C, mmap or stacks; `ullage record` names the caller",
	},
	[SIGNAL_GOROUTINES_DOUBLED] = {
		.name = "goroutines_doubled",
		.source = "number of goroutines, its own median",
		.window_s = 600,
		.threshold = 2,
		.state = WATCH_WARNING,
		.sustain_s = 30,
		.quiet_s = 10,
		.holds = signal_goroutines_doubled,
		.why = "twice the target's own median, and a hundred more, for half a minute: they pile up",
	},
	[SIGNAL_GC_PAUSE] = {
		.name = "gc_pause",
		.source = "pause_total, last pause",
		.window_s = 60,
		.threshold = .020,
		.state = WATCH_OK,
		.holds = signal_gc_pause,
		.why = "three pauses or more within the window over the threshold; latency, not memory, and a busy machine has them too",
	},
	[SIGNAL_PIDS_NEAR_MAX] = {
		.name = "pids_near_max",
		.source = "pids.current, pids.max",
		.threshold = .90,
		.state = WATCH_WARNING,
		.sustain_s = 5,
		.quiet_s = 10,
		.holds = signal_pids_near_max,
		.why = "Go ends a program that cannot start a thread",
	},
	[SIGNAL_GROWTH_UNUSUAL] = {
		.name = "growth_unusual",
		.source = "memory that cannot be taken back, z-score of its growth in 5 s",
		.window_s = 180,
		.threshold = 3.5,
		.state = WATCH_OK,
		.quiet_s = 10,
		.holds = signal_growth_unusual,
		.why = "it grew by so many standard deviations more than in the three minutes before; it makes a forecast surer, and alone is a burst",
	},
	[SIGNAL_CACHE_JITTER] = {
		.name = "cache_jitter",
		.source = "memory.stat file",
		.window_s = 60,
		.threshold = 2,
		.state = WATCH_OK,
		.quiet_s = 30,
		.holds = signal_cache_jitter,
		.why = "page cache, looked at every twelfth of the window, above so many times its median five times running: files are read; the kernel takes it back",
	},
	[SIGNAL_VIRTUAL_GAP] = {
		.name = "virtual_gap",
		.source = "statm",
		.threshold = 16 * 1024 * MIB,
		.state = WATCH_OK,
		.holds = signal_virtual_gap,
		.why = "address space reserved beyond what is resident, ten times as much: no memory, but it alarms who reads VSZ",
	},
};

const struct alarm_row *alarm_table(size_t *n)
{
	*n = SIGNALS;
	return rows;
}

const struct alarm_row *alarm_row(const char *name)
{
	for (size_t i = 0; i < SIGNALS; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}
