/* SPDX-License-Identifier: Apache-2.0 */
#include "model/signal.h"

#include <stddef.h>

const char *const signal_names[] = {
	[SIGNAL_OOM_KILL] = "oom_kill",
	[SIGNAL_OOM_FORECAST] = "oom_forecast",
	[SIGNAL_NEAR_LIMIT] = "near_limit",
	[SIGNAL_MEMORY_EVENTS_OOM] = "memory_events_oom",
	[SIGNAL_MEMORY_EVENTS_MAX] = "memory_events_max",
	[SIGNAL_MEMORY_EVENTS_HIGH] = "memory_events_high",
	[SIGNAL_FAILCNT] = "failcnt",
	[SIGNAL_USAGE_THRESHOLD] = "usage_threshold",
	[SIGNAL_PSI] = "psi",
	[SIGNAL_SWAP_OUT] = "swap_out",
	[SIGNAL_GC_THRASH] = "gc_thrash",
	[SIGNAL_GC_STALLED] = "gc_stalled",
	[SIGNAL_RSS_WITHOUT_OBJECTS] = "rss_without_objects",
	[SIGNAL_GOROUTINES_DOUBLED] = "goroutines_doubled",
	[SIGNAL_GC_PAUSE] = "gc_pause",
	[SIGNAL_PIDS_NEAR_MAX] = "pids_near_max",
	[SIGNAL_CACHE_JITTER] = "cache_jitter",
	[SIGNAL_VIRTUAL_GAP] = "virtual_gap",
	[SIGNALS] = NULL,
};
