/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/group - memory cgroups: their figures on descriptors that stay open, their limits, and what the kernel tells of them.
 *
 * A group is one cgroup. Its ancestors are groups too, for their limits bind, and each is there once however many are below.
 * Which limit binds: that of the level which is nearest to it, by working set. Where memory.high is below memory.max, that is
 * what the level may use. A limit beyond the machine's memory is none.
 * Source: v1 memory.{stat,usage_in_bytes,limit_in_bytes,failcnt,oom_control}, v2 memory.{stat,current,max,high,
 * events,events.local,pressure,swap.current}, pids.{current,max}.
 * A cgroup that was removed answers ENODEV on every descriptor: `dead`.
 */

#include "base/vec.h"
#include "config/config.h"
#include "model/watch.h"
#include "proc/process.h"
#include "sense/tasks.h"

/* What an event of epoll is of: the first member of what its data points to. */
enum sense_source {
	SENSE_SOURCE_TARGET,
	SENSE_SOURCE_GROUP,
	SENSE_SOURCE_INOTIFY,
	SENSE_SOURCE_LOG,
	SENSE_SOURCE_VICTIMS
};

enum sense_file {
	SENSE_STAT,
	SENSE_USAGE,
	SENSE_LIMIT,
	SENSE_HIGH,
	SENSE_SWAP,
	SENSE_EVENTS, /* memory.events; v1 memory.oom_control */
	SENSE_LOCAL,  /* memory.events.local */
	SENSE_FAILCNT,
	SENSE_PRESSURE,
	SENSE_KERNEL, /* v1 */
	SENSE_PROCS,  /* cgroup.procs */
	SENSE_FILES
};

/* A process of a cgroup that is short of memory: what is known of it if it should be the one that is killed. */
struct sense_other {
	int pid;
	char comm[16];
	uint64_t rss;	 /* bytes, when it was last seen */
	int64_t gone_ns; /* since when it is in the cgroup no more; 0: it is */
};

struct sense_group {
	enum sense_source source; /* first */
	struct sense_group *parent;
	unsigned refs;	  /* targets in it, groups below it */
	unsigned members; /* targets in it */
	unsigned version;
	char *path, *dir;
	int fd[SENSE_FILES];
	int trigger;   /* PSI, or v1's eventfd; -1 */
	int wd;	       /* inotify's, -1 */
	bool beyond;   /* it is the highest that is visible from here, and not the root */
	bool open_all; /* the files of figures too, not only of limits */
	bool lacking;  /* there was no descriptor for some of them */
	bool dead;
	bool news, wake;      /* the kernel told something: since the last slow look; that is not passed on yet */
	bool urgent;	      /* it is being passed on */
	int64_t triggered_ns; /* when it last told of pressure or usage */
	uint64_t limit, high, armed;	/* `armed`: the limit that v1's thresholds were made for */
	uint64_t hierarchical_limit;	/* v1: the lowest from here upwards, also where that is not visible */
	struct watch_cgroup_sample own; /* figures of this level; limits are not filled */
	int64_t slow_ns, urgent_ns;
	int64_t full_ns;	   /* when next to nothing of what it may use was left, last */
	struct sense_group *binds; /* the level chosen last, or NULL */
	char limit_source[256];
	bool list; /* memory is short: its processes are to be listed */
	VEC(struct sense_other) others;
	/* kills for lack of memory */
	uint64_t inode; /* of its directory: no other one has it, ever */
	uint64_t kills; /* the counter, as last seen */
	unsigned risen; /* seen by looks, and not taken yet: it may be removed before its process has ended */
	unsigned early; /* kills before it was watched that nobody told of */
	unsigned open_kills, credit; /* not told yet; told before the counter rose */
	/*
	 * v2: of a cgroup that dies as a whole (memory.oom.group) the first victim is counted twice, as a rule: it is killed, and
	 * killed again among all of them. How often that was here, and in a level above, where it may have been in another cgroup;
	 * and of those since the kills rose.
	 */
	uint64_t group_kills, above_kills;
	unsigned twice, perhaps_twice;
	int64_t kill_ns; /* when it rose last */
	uint64_t ooms;	 /* v2 `oom` of .local, v1 failcnt: this level's limit was hit */
	int64_t oom_ns;	 /* when that rose last */
};

struct sense_kills;

struct sense_groups {
	VEC(struct sense_group *) v, unused; /* unused: freed at the next sweep, for strings that were lent */
	struct sense_tasks_vec tasks;
	enum sense_source source; /* of inotify */
	int epoll, inotify;
	const struct config *config;
	struct sense_kills *kills; /* of all cgroups that there are */
	uint64_t machine;	   /* bytes of memory */
	bool unwatched;		   /* there was no watch of inotify for some */
	bool invisible;		   /* there are processes whose cgroup is not visible from here */
};

void sense_groups_init(struct sense_groups *gs, int epoll);
void sense_groups_deinit(struct sense_groups *gs);

/*
 * The group of that process, by /proc/PID/cgroup, with one more member; NULL when none is visible. A level that is known
 * is not opened again. `tasks`: its place in the hierarchy of the pids controller, with one more reference; NULL none.
 */
struct sense_group *sense_group_of(struct sense_groups *gs, const struct proc_process *p, const char *mountinfo,
				   struct sense_tasks **tasks);
/* One more member of a group that is known. */
struct sense_group *sense_group_join(struct sense_group *g);
void sense_group_leave(struct sense_groups *gs, struct sense_group *g);
/* Frees what nobody needs any more. */
void sense_groups_sweep(struct sense_groups *gs);

/* The figures as of now (those of less than 10 ms ago are taken again), with the limit that binds and its level's usage. */
void sense_group_look(struct sense_groups *gs, struct sense_group *leaf, int64_t now_ns,
		      struct watch_cgroup_sample *ret);

/* Takes what inotify has: `news` and `wake` of groups. */
void sense_groups_inotify(struct sense_groups *gs);
/* Its trigger fired. */
void sense_group_triggered(struct sense_group *g, int64_t now_ns);

/* Reads the counter of kills, of a level that has members. */
void sense_group_see_kills(struct sense_group *g, int64_t now_ns);
/* ... and how many there are since this was asked last. */
unsigned sense_group_take_kills(struct sense_group *g, int64_t now_ns);
/* The level, from `g` upwards, whose limit was hit in the last seconds, or NULL: the machine's memory. */
const struct sense_group *sense_group_culprit(struct sense_group *g, int64_t now_ns);
