/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "alarm/signals.h"

#define MIB (1024.0 * 1024)

/*
 * To add a signal: its name in model/signal.h, a row here, its function, a test that fires it and one that must not, and
 * its line in docs/signals.md (a test compares them).
 */
/* clang-format off: what it is and whence, how it is judged, and why */
static const struct alarm_row rows[SIGNALS] = {
	[SIGNAL_OOM_KILL] = { "oom_kill", "memory.events oom_kill, v1 memory.oom_control, kernel log or BPF", "count",
			      60, 1, WATCH_CRITICAL, 0, 0, signal_oom_kill,
			      "the kernel killed a process of this cgroup for lack of memory; one kill is an outage" },
	[SIGNAL_OOM_FORECAST] = { "oom_forecast", "three minutes of samples", "seconds", 180, 600, WATCH_WARNING, 0, 2,
				  signal_oom_forecast,
				  "memory grows so that the limit is reached within the threshold; critical in the "
				  "last minute, as a "
				  "restart takes that long" },
	[SIGNAL_NEAR_LIMIT] = { "near_limit", "working set of the cgroup, its nearest limit; MemAvailable without one",
				"share", 0, .85, WATCH_WARNING, 0, 12, signal_near_limit,
				"so much of the limit is in use, and nearly all of it cannot be taken back; critical "
				"where the "
				"breaker opens" },
	[SIGNAL_MEMORY_EVENTS_OOM] = { "memory_events_oom", "memory.events oom", "count", 60, 1, WATCH_CRITICAL, 0, 0,
				       signal_memory_events_oom,
				       "an allocation found nothing to take back below the limit: the next step of the "
				       "kernel is a kill" },
	[SIGNAL_MEMORY_EVENTS_MAX] = { "memory_events_max", "memory.events max", "count", 30, 1, WATCH_WARNING, 0, 5,
				       signal_memory_events_max,
				       "usage hit memory.max while little of it could be taken back; page cache hits "
				       "it as well, and that "
				       "alone means nothing" },
	[SIGNAL_MEMORY_EVENTS_HIGH] = { "memory_events_high", "memory.events high", "count", 30, 1, WATCH_WARNING, 0, 5,
					signal_memory_events_high,
					"usage passed memory.high while little of it could be taken back: the kernel "
					"slows every allocation "
					"down" },
	[SIGNAL_FAILCNT] = { "failcnt", "v1 memory.failcnt", "count", 30, 1, WATCH_WARNING, 0, 5, signal_failcnt,
			     "usage hit the limit of a v1 cgroup while little of it could be taken back" },
	[SIGNAL_USAGE_THRESHOLD] = { "usage_threshold", "v1 eventfd of memory.usage_in_bytes", "share", 0, .85,
				     WATCH_WARNING, 0, 12, signal_usage_threshold,
				     "the kernel told between two looks that usage crossed a step of the sampling "
				     "table, and so much is in "
				     "use" },
	[SIGNAL_PSI] = { "psi", "memory.pressure avg10", "share", 10, .20, WATCH_WARNING, 2, 5, signal_psi,
			 "tasks waited for memory this share of the time; a fifth is felt by whoever waits for an "
			 "answer" },
	[SIGNAL_SWAP_OUT] = { "swap_out", "memory.swap.current, v1 memory.stat swap, VmSwap", "bytes", 60, 16 * MIB,
			      WATCH_WARNING, 0, 5, signal_swap_out,
			      "memory in use goes to swap, where the garbage collector will read it again; less than "
			      "the threshold "
			      "is idle pages" },
	[SIGNAL_GC_THRASH] = { "gc_thrash", "gc_cpu_fraction at ends of collections, GOMEMLIMIT, RSS", "share", 30, .25,
			       WATCH_WARNING, 0, 5, signal_gc_thrash,
			       "near GOMEMLIMIT the collector takes this share of all processors; the runtime itself "
			       "stops at a half" },
	[SIGNAL_GC_STALLED] = { "gc_stalled", "num_gc, end of the last collection, heap against what it kept", "times",
				5, 3, WATCH_WARNING, 1, 2, signal_gc_stalled,
				"no collection for so many of its median intervals, and the heap is a quarter above "
				"where one began "
				"before; less load alone does not raise it" },
	[SIGNAL_RSS_WITHOUT_OBJECTS] = { "rss_without_objects", "statm without file pages, heap objects, heap goal",
					 "times", 60, 3, WATCH_WARNING, 2, 5, signal_rss_without_objects,
					 "private memory trebled (+200 %) while the objects of the heap grew by less "
					 "than 10 %: C, mmap or "
					 "stacks; `ullage record` names the caller" },
	[SIGNAL_GOROUTINES_DOUBLED] = { "goroutines_doubled", "number of goroutines, its own median", "times", 600, 2,
					WATCH_WARNING, 30, 10, signal_goroutines_doubled,
					"twice the target's own median, and a hundred more, for half a minute: they "
					"pile up" },
	[SIGNAL_GC_PAUSE] = { "gc_pause", "pause_total, last pause", "seconds", 60, .020, WATCH_OK, 0, 0,
			      signal_gc_pause,
			      "three pauses or more within the window over the threshold; latency, not memory, and a "
			      "busy machine "
			      "has them too" },
	[SIGNAL_PIDS_NEAR_MAX] = { "pids_near_max", "pids.current, pids.max", "share", 0, .90, WATCH_WARNING, 5, 10,
				   signal_pids_near_max, "Go ends a program that cannot start a thread" },
	[SIGNAL_CACHE_JITTER] = { "cache_jitter", "memory.stat file", "times", 60, 2, WATCH_OK, 0, 30,
				  signal_cache_jitter,
				  "page cache, looked at every twelfth of the window, above so many times its median "
				  "five times "
				  "running: files are read; the kernel takes it back" },
	[SIGNAL_VIRTUAL_GAP] = { "virtual_gap", "statm", "bytes", 0, 16 * 1024 * MIB, WATCH_OK, 0, 0,
				 signal_virtual_gap,
				 "address space reserved beyond what is resident, ten times as much: no memory, but it "
				 "alarms who "
				 "reads VSZ" },
};
/* clang-format on */

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
