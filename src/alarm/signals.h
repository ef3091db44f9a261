/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm/signals - the functions of the table's rows: does the condition hold, and what is the evidence?
 */

#include "alarm/look.h"

/* clang-format off: a line each */
bool signal_oom_kill(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_oom_forecast(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_near_limit(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_memory_events_oom(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_memory_events_max(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_memory_events_high(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_failcnt(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_usage_threshold(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_psi(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_swap_out(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_gc_thrash(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_gc_stalled(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_rss_without_objects(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_goroutines_doubled(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_gc_pause(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_pids_near_max(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_growth_unusual(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_cache_jitter(const struct alarm_look *l, struct alarm_verdict *v);
bool signal_virtual_gap(const struct alarm_look *l, struct alarm_verdict *v);
/* clang-format on */
