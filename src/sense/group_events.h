/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sense/group_events - what the kernel tells of a cgroup by itself, and its counters of kills: the parts of sense/group. */

#include "sense/group.h"

/* A watch on its directory: limits that change, memory.events, processes that come. */
void sense_group_watch(struct sense_groups *gs, struct sense_group *g);
/* PSI triggers, or v1's events at shares of the limit as it is now. */
void sense_group_arm(struct sense_groups *gs, struct sense_group *g);
void sense_group_unwatch(struct sense_groups *gs, struct sense_group *g);

/* WATCH_UNKNOWN where there is none. */
uint64_t sense_group_kill_counter(struct sense_group *g);
uint64_t sense_group_oom_counter(struct sense_group *g);
/* Times that all of it was killed at once; and all of a level above it. */
uint64_t sense_group_group_kills(struct sense_group *g);
uint64_t sense_group_above_kills(const struct sense_group *g);
uint64_t sense_group_key(struct sense_group *g, enum sense_file f, const char *key);
