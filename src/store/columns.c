/* SPDX-License-Identifier: Apache-2.0 */
#include "store/columns.h"

#include <string.h>

#define COLUMN(member, kind, quiet, name)                                                                              \
	{                                                                                                              \
		(name), offsetof(struct store_point, member), STORE_COLUMN_##kind, (quiet)                             \
	}

/*
 * The place in this list is the number in the file: new ones go to the end, none is ever taken away. What changes most
 * stands first, because the mask of what changed is a varint.
 */
/* clang-format off */
const struct store_column store_columns[STORE_COLUMNS] = {
	COLUMN(process.rss,                BYTES,   false, "rss_bytes"),
	COLUMN(cgroup.usage,               BYTES,   false, "usage_bytes"),
	COLUMN(cgroup.working_set,         BYTES,   false, "working_set_bytes"),
	COLUMN(cgroup.anon,                BYTES,   false, "anon_bytes"),
	COLUMN(process.heap_alloc,         BYTES,   false, "heap_alloc_bytes"),
	COLUMN(process.heap_objects,       COUNT,   false, "heap_objects"),
	COLUMN(process.goroutines,         COUNT,   false, "goroutines"),
	COLUMN(cgroup.available,           BYTES,   true,  "available_bytes"),
	COLUMN(forecast.rate,              RATE,    true,  "rate_bytes_per_second"),
	COLUMN(forecast.eta,               SECONDS, true,  "eta_seconds"),
	COLUMN(forecast.z,                 RATIO,   true,  "z"),
	COLUMN(process.shared,             BYTES,   false, "shared_bytes"),
	COLUMN(cgroup.kernel,              BYTES,   true,  "kernel_bytes"),
	COLUMN(process.gc_count,           COUNT,   false, "gc_count"),
	COLUMN(process.heap_goal,          BYTES,   false, "heap_goal_bytes"),
	COLUMN(process.heap_marked,        BYTES,   false, "heap_marked_bytes"),
	COLUMN(process.gc_pause_total_ns,  NS,      false, "gc_pause_total_seconds"),
	COLUMN(process.gc_pause_last_ns,   NS,      false, "gc_pause_last_seconds"),
	COLUMN(process.gc_cpu_fraction,    RATIO,   true,  "gc_cpu_fraction"),
	COLUMN(process.gc_last_ns,         TIME,    true,  "gc_last_boot_seconds"),
	COLUMN(cgroup.file,                BYTES,   false, "file_bytes"),
	COLUMN(cgroup.inactive_file,       BYTES,   false, "inactive_file_bytes"),
	COLUMN(cgroup.shmem,               BYTES,   false, "shmem_bytes"),
	COLUMN(cgroup.psi_some,            RATIO,   true,  "psi_some"),
	COLUMN(cgroup.psi_full,            RATIO,   true,  "psi_full"),
	COLUMN(cgroup.psi_some_total_us,   US,      true,  "psi_some_total_seconds"),
	COLUMN(forecast.confidence,        RATIO,   true,  "confidence"),
	COLUMN(process.virtual_size,       BYTES,   false, "virtual_bytes"),
	COLUMN(process.threads,            COUNT,   false, "threads"),
	COLUMN(process.fds,                COUNT,   false, "fds"),
	COLUMN(cgroup.pids,                COUNT,   false, "pids"),
	COLUMN(state,                      STATE,   false, "state"),
	COLUMN(forecast.warning,           BOOL,    false, "warning"),
	COLUMN(process.swap,               BYTES,   false, "swap_bytes"),
	COLUMN(cgroup.swap,                BYTES,   false, "cgroup_swap_bytes"),
	COLUMN(process.memory_limit,       BYTES,   false, "go_memory_limit_bytes"),
	COLUMN(cgroup.limit,               BYTES,   false, "limit_bytes"),
	COLUMN(cgroup.high,                BYTES,   false, "high_bytes"),
	COLUMN(cgroup.events_high,         COUNT,   false, "events_high"),
	COLUMN(cgroup.events_max,          COUNT,   false, "events_max"),
	COLUMN(cgroup.events_oom,          COUNT,   false, "events_oom"),
	COLUMN(cgroup.events_oom_kill,     COUNT,   false, "events_oom_kill"),
	COLUMN(cgroup.failcnt,             COUNT,   false, "failcnt"),
	COLUMN(cgroup.pids_max,            COUNT,   false, "pids_max"),
	COLUMN(cgroup.psi_triggered,       BOOL,    false, "psi_triggered"),
	COLUMN(cgroup.usage_triggered,     BOOL,    false, "usage_triggered"),
};
/* clang-format on */

static uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* How many stored steps one of its unit has, for those that are doubles; 0 for integers. */
static double scale_of(enum store_column_kind kind)
{
	switch (kind) {
	case STORE_COLUMN_RATIO:
		return 1e6;
	case STORE_COLUMN_SECONDS:
		return 1e3;
	case STORE_COLUMN_RATE:
		return 1;
	case STORE_COLUMN_COUNT:
	case STORE_COLUMN_BYTES:
	case STORE_COLUMN_NS:
	case STORE_COLUMN_US:
	case STORE_COLUMN_TIME:
	case STORE_COLUMN_BOOL:
	case STORE_COLUMN_STATE:
		break;
	}
	return 0;
}

static uint64_t of_double(double v, double scale)
{
	double steps = v * scale;
	if (!isfinite(v) || fabs(steps) > 9e17)
		return 0;
	return zigzag(llround(steps)) + 1;
}

void store_columns_get(const struct store_point *p, uint64_t ret[STORE_COLUMNS])
{
	for (size_t i = 0; i < STORE_COLUMNS; i++) {
		const struct store_column *c = &store_columns[i];
		const char *at = (const char *)p + c->offset;
		double scale = scale_of(c->kind);
		double d;
		uint64_t v = 0;
		if (scale > 0) {
			memcpy(&d, at, sizeof(d));
			ret[i] = of_double(d, scale);
		} else if (c->kind == STORE_COLUMN_BOOL) {
			ret[i] = *(const bool *)at ? 2 : 0;
		} else if (c->kind == STORE_COLUMN_STATE) {
			ret[i] = (uint64_t)p->state + 1;
		} else {
			memcpy(&v, at, sizeof(v));
			ret[i] = c->kind == STORE_COLUMN_TIME && !v ? 0 : v + 1;
		}
	}
}

void store_columns_set(const uint64_t values[STORE_COLUMNS], struct store_point *p)
{
	for (size_t i = 0; i < STORE_COLUMNS; i++) {
		const struct store_column *c = &store_columns[i];
		char *at = (char *)p + c->offset;
		double scale = scale_of(c->kind);
		uint64_t v = values[i] - 1; /* unknown: WATCH_UNKNOWN */
		if (scale > 0) {
			double d = values[i] ? (double)unzigzag(v) / scale : (double)NAN;
			memcpy(at, &d, sizeof(d));
		} else if (c->kind == STORE_COLUMN_BOOL) {
			*(bool *)at = values[i] > 1;
		} else if (c->kind == STORE_COLUMN_STATE) {
			p->state = v < WATCH_STATES ? (enum watch_state)v : WATCH_OK;
		} else {
			if (c->kind == STORE_COLUMN_TIME && !values[i])
				v = 0;
			memcpy(at, &v, sizeof(v));
		}
	}
	p->process.time_ns = p->cgroup.time_ns = p->boot_ns;
}

static void column_json(struct json *j, const struct store_column *c, const struct store_point *p, uint64_t value)
{
	const char *at = (const char *)p + c->offset;
	double d = NAN;
	uint64_t v = value - 1;
	if (scale_of(c->kind) > 0)
		memcpy(&d, at, sizeof(d));
	else if (c->kind == STORE_COLUMN_NS || c->kind == STORE_COLUMN_TIME)
		d = (double)v / 1e9;
	else if (c->kind == STORE_COLUMN_US)
		d = (double)v / 1e6;
	if (c->kind == STORE_COLUMN_BOOL)
		json_bool(j, c->name, value > 1);
	else if (c->kind == STORE_COLUMN_STATE)
		json_str(j, c->name, watch_states[p->state]);
	else if (!value)
		json_null(j, c->name);
	else if (isnan(d))
		json_u64(j, c->name, v);
	else
		json_double(j, c->name, d);
}

void store_point_json(struct json *j, const struct store_point *p, bool all)
{
	uint64_t values[STORE_COLUMNS];
	store_columns_get(p, values);
	for (size_t i = 0; i < STORE_COLUMNS; i++)
		if (all || values[i])
			column_json(j, &store_columns[i], p, values[i]);
}
