/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/columns - what of a look is kept, as one table: a number for ever, a name, where it is, how it becomes an integer.
 *
 * A stored value is a u64: 0 is unknown, else one more than the value. Ratios are kept to a millionth, durations to a
 * millisecond, rates to a byte per second. `quiet` columns move all the time and do not make a look worth writing; they are
 * written together with one that is.
 */

#include <stddef.h>

#include "base/json.h"
#include "model/watch.h"

/* One look, as it was stored. Both samples have time_ns = boot_ns. */
struct store_point {
	int64_t boot_ns, wall_ns;
	struct watch_process_sample process;
	struct watch_cgroup_sample cgroup;
	struct watch_forecast forecast; /* rate, eta, confidence, z, warning; no sentence */
	enum watch_state state;
};

enum store_column_kind {
	STORE_COLUMN_COUNT,
	STORE_COLUMN_BYTES,
	STORE_COLUMN_NS,
	STORE_COLUMN_US,
	STORE_COLUMN_RATIO,   /* double */
	STORE_COLUMN_SECONDS, /* double */
	STORE_COLUMN_RATE,    /* double, bytes per second */
	STORE_COLUMN_TIME,    /* int64_t, CLOCK_BOOTTIME; 0 is unknown */
	STORE_COLUMN_BOOL,
	STORE_COLUMN_STATE,
};

struct store_column {
	const char *name; /* in JSON */
	size_t offset;	  /* in struct store_point */
	enum store_column_kind kind;
	bool quiet;
};

enum { STORE_COLUMNS = 46 };
extern const struct store_column store_columns[STORE_COLUMNS];

void store_columns_get(const struct store_point *p, uint64_t ret[STORE_COLUMNS]);
/* Any numbers are fine: what is out of range becomes unknown. */
void store_columns_set(const uint64_t values[STORE_COLUMNS], struct store_point *p);

/* Members of the open object: "time" is the caller's; every column that is known in `p`, or all of them with null. */
void store_point_json(struct json *j, const struct store_point *p, bool all);
