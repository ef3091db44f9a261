/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sense/parts - what the files of this room share: the targets, the cgroups, and who belongs to whom. */

#include "base/hash.h"
#include "base/vec.h"
#include "proc/peek.h"
#include "sense/group.h"
#include "sense/kills.h"
#include "sense/names.h"
#include "sense/program.h"
#include "sense/sense.h"

enum {
	SENSE_FDS_OF_TARGET = 5,
	SENSE_FDS_OF_GROUP = 14, /* with its place among those of the pids controller */
	SENSE_FDS_SPARE = 256,	 /* for the rest of the daemon */
	SENSE_KEY = 40,
};

struct sense_target {
	enum sense_source source; /* first: what an event of epoll points to */
	size_t index;		  /* in sense->targets */
	struct watch_id id;
	char key[SENSE_KEY];
	struct proc_process process; /* its exe is closed */
	int pidfd, statm;
	struct sense_program *program; /* NULL unknown */
	struct proc_peek peek;
	bool has_peek;
	bool peek_refused; /* memory may not be read */
	uint64_t bias;
	struct gort_quick_state quick;
	int64_t go_after_ns;	   /* not to be tried before */
	struct sense_group *group; /* NULL: none to be seen */
	struct sense_tasks *tasks; /* ... */
	uint64_t cgroup_hash;	   /* of the text of its cgroup file */
	struct arena arena;	   /* of the strings, made anew when they change */
	struct arena lent_arena;   /* of those before, which somebody has */
	bool lent;		   /* somebody has those of `arena` */
	const char *exe, *cgroup_path, *unit, *container;
	int64_t first_wall_ns, seen_ns;
	int64_t exec_ns;    /* an exec was noticed, and is perhaps not over; 0: none */
	uint64_t rss, size; /* at the last look */
	bool check_exec, check_cgroup;
	bool ended, killed; /* its end came; it was told that it was killed for lack of memory */
	void *data;
};

/* A process that is not watched, or is. */
struct sense_seen {
	pid_t pid;
	uint32_t exe;	     /* lower half of its executable's inode; 0 unknown */
	uint64_t size;	     /* of its address space, pages; 0 unknown */
	uint32_t again;	     /* round in which it is looked at next */
	uint16_t step;	     /* rounds until then */
	uint8_t hangs;	     /* how often its executable could not be opened in time */
	bool watched, never; /* never: a kernel thread */
};

VEC_TYPE(sense_seen_vec, struct sense_seen);
VEC_TYPE(sense_target_vec, struct sense_target *);

struct sense {
	char *procfs, *mountinfo;
	const struct config *config;
	bool own_procfs; /* numbers in it are those of our pid namespace */
	int epoll, proc_dir, loadavg, meminfo, vmstat, kmsg;
	struct ebpf_victims *victims; /* NULL: not asked for, or refused */
	bool victims_tried;
	enum sense_source kmsg_source, victims_source;
	struct sense_groups groups;
	struct sense_programs programs;
	struct sense_target_vec targets;
	size_t descriptors;		    /* that targets and cgroups may have */
	struct sense_seen_vec seen, merged; /* by pid */
	uint32_t round, full_round;
	uint64_t last_pid, older_pid; /* of loadavg, this round and the one before */
	bool reconfigured;
	bool turned_away; /* the process looked at just now might be watched, if there was room, or descriptors */
	uint64_t denied, own_dev, own_inode;
	uint64_t available, total; /* bytes of the machine */
	int64_t available_ns;
	int64_t attach_window_ns, attach_spent_ns; /* time spent on attaching, in the second that began then */
	uint64_t machine_kills;			   /* oom_kill of vmstat */
	int64_t loose;				   /* kills that only vmstat tells of: of no cgroup that is watched */
	int64_t loose_ns;			   /* since when; 0: there are none */
	struct sense_kills kills;
	struct hash_map told; /* notes by hash */
	VEC(char *) notes;    /* that wait for a call */
	struct {
		int pid;
		int64_t time_ns;
	} killed[256]; /* told lately: a whole cgroup may be killed at once */
	unsigned nkilled;
};

/* ---- target.c ---- */

/*
 * Opens what is needed to follow it, and names it; it has no cgroup yet. NULL: gone meanwhile, or no descriptors; takes
 * process and one reference of program.
 */
struct sense_target *sense_target_new(struct sense *s, struct proc_process *process, struct sense_program *program);
void sense_target_free(struct sense *s, struct sense_target *t);
/* Its cgroup, again; true when it is another one than before. */
bool sense_target_place(struct sense *s, struct sense_target *t);
/* Another executable, and its exec is over? Then the identity is another one too. */
bool sense_target_exec(struct sense *s, struct sense_target *t);
/* Has its end begun, or come? Giving its memory back may take a while. */
bool sense_target_is_exiting(const struct sense_target *t);
/* Its name, again; true when it is another one than before. */
bool sense_target_renamed(struct sense_target *t);
void sense_target_facts(const struct sense_target *t, struct sense_facts *ret);

/* ---- sense.c ---- */

/* A file of a process that need not be a target, ended by a NUL; its length, 0: there is none. */
size_t sense_read_of(const struct sense *s, int pid, const char *name, char *buf, size_t size);
void sense_note(struct sense *s, const struct sense_calls *calls, const char *fmt, ...) ERR_PRINTF(3, 4);
/* Takes it out of the list and tells its end. */
void sense_target_end(struct sense *s, struct sense_target *t, const struct sense_calls *calls);

/* ---- oom.c ---- */

/* Before the end of `t` is told: was it killed for lack of memory? */
void sense_oom_of_target(struct sense *s, struct sense_target *t, const struct sense_calls *calls);
/* Kills that no target's end accounts for. */
void sense_oom_overdue(struct sense *s, const struct sense_calls *calls);
/* Which processes are in a cgroup that is short of memory. */
void sense_oom_list(struct sense *s, struct sense_group *g, int64_t now);
void sense_oom_open(struct sense *s, const struct sense_calls *calls);
void sense_oom_log(struct sense *s, const struct sense_calls *calls);
void sense_oom_victims(struct sense *s, const struct sense_calls *calls);
void sense_oom_close(struct sense *s);
