/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/kills - in which cgroups the kernel killed, among all that there are.
 *
 * The counters of watched cgroups tell of their own kills. What dies before it was found, or where nothing is watched, is only
 * in the machine's sum (vmstat's oom_kill); when that is more than the watched ones account for, the whole hierarchy is walked
 * and each counter compared with what it was at the walk before. Cgroups are known by their inode, which the kernel does not
 * give out twice, so one that was made anew counts from zero.
 * Source: oom_kill of memory.oom_control (v1, 4.13 on) and of memory.events.local (v2, 5.2 on).
 * Ceilings: DIRS cgroups, DEPTH levels; a walk takes some 30 us a cgroup and comes at most so often that it is 5 % of one core.
 */

#include "base/hash.h"
#include "sense/group.h"

struct sense_kills {
	struct hash_map seen; /* by inode: the counter */
	char *root;	      /* where the hierarchy is; NULL: not to be seen */
	unsigned version;
	size_t kept;	  /* how many the last walk found */
	bool begun;	  /* walked once */
	bool part;	  /* what is to be seen is not all of the hierarchy */
	bool cut;	  /* there are more cgroups than were walked */
	int64_t after_ns; /* no walk before */
};

/* Kills in a cgroup that is not watched. */
struct sense_killed {
	const char *path;	/* below the root */
	uint64_t n;		/* how many since the last walk */
	bool whole;		/* at times all of it was killed at once, which counts one twice (sense/group.h) */
	uint64_t limit;		/* the nearest at or above it; WATCH_UNKNOWN none */
	const char *limit_path; /* whose that is */
};

typedef void (*sense_killed_fn)(void *arg, const struct sense_killed *k);

/* Finds the hierarchy and takes its counters as they are: what comes on top happened since. */
void sense_kills_begin(struct sense_kills *k, const struct sense_groups *gs, const char *mountinfo);
/* Walks; false when it is too early for that. Watched cgroups are passed over. */
bool sense_kills_walk(struct sense_kills *k, const struct sense_groups *gs, int64_t now_ns, sense_killed_fn fn,
		      void *arg);
/* What a cgroup that begins to be watched had at the last walk; WATCH_UNKNOWN when that is not known. */
uint64_t sense_kills_before(const struct sense_kills *k, uint64_t inode);
/* A cgroup's kills up to that many have been told. */
void sense_kills_told(struct sense_kills *k, uint64_t inode, uint64_t counter);
/* One more kill in the cgroup of that path was told by others. */
void sense_kills_told_in(struct sense_kills *k, const char *path);
/* Of cgroups that are gone, where there are many: each that was ever watched is in the table. */
void sense_kills_forget(struct sense_kills *k);
void sense_kills_deinit(struct sense_kills *k);
