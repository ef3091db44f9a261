/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/signal - the names of the signals that a watch may raise.
 *
 * Names and units only: what each means, its window and threshold are rows of the table in alarm/. They stand here because
 * the configuration names signals too, and must not know how they are told.
 */

enum signal_name {
	SIGNAL_OOM_KILL,
	SIGNAL_OOM_FORECAST,
	SIGNAL_NEAR_LIMIT,
	SIGNAL_MEMORY_EVENTS_OOM,
	SIGNAL_MEMORY_EVENTS_MAX,
	SIGNAL_MEMORY_EVENTS_HIGH,
	SIGNAL_FAILCNT,
	SIGNAL_USAGE_THRESHOLD,
	SIGNAL_PSI,
	SIGNAL_SWAP_OUT,
	SIGNAL_GC_THRASH,
	SIGNAL_GC_STALLED,
	SIGNAL_RSS_WITHOUT_OBJECTS,
	SIGNAL_GOROUTINES_DOUBLED,
	SIGNAL_GC_PAUSE,
	SIGNAL_PIDS_NEAR_MAX,
	SIGNAL_GROWTH_UNUSUAL,
	SIGNAL_CACHE_JITTER,
	SIGNAL_VIRTUAL_GAP,
	SIGNALS
};

/* What a signal is judged by, and so what its threshold is given in. */
enum signal_unit {
	SIGNAL_SHARE,	/* 0..1 */
	SIGNAL_TIMES,	/* of what is usual */
	SIGNAL_BYTES,	/* ... */
	SIGNAL_SECONDS, /* ... */
	SIGNAL_COUNT,	/* how often */
	SIGNAL_UNITS
};

extern const enum signal_unit signal_units[SIGNALS];
extern const char *const signal_names[]; /* "oom_kill", "oom_forecast", ...; ends with NULL */
