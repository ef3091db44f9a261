/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/watch - what `ullage watch` knows of a process and its cgroup from moment to moment, and what it says of them.
 *
 * Plain data between those who look (sense), those who judge (forecast, alarm), those who keep (store) and those who
 * show (surface). Times: `time_ns` is CLOCK_BOOTTIME, which no clock jump moves; `wall_ns` CLOCK_REALTIME.
 * Unknown: WATCH_UNKNOWN of a count, NAN of a double, NULL of a string.
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"

#define WATCH_UNKNOWN UINT64_MAX

/* Which process: a pid with the moment it began never names two; an exec makes a new generation of the same one. */
struct watch_id {
	int pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat */
	uint32_t generation;  /* execs seen */
};

/* One look at a process. The fast path fills what statm says; Go's figures come from a few hundred bytes of memory. */
struct watch_process_sample {
	int64_t time_ns;
	uint64_t rss, shared, virtual_size; /* bytes, /proc/PID/statm */
	uint64_t swap;			    /* bytes, at slow intervals */
	uint64_t threads, fds;		    /* at slow intervals */
	uint64_t gc_count, heap_alloc, heap_objects, heap_goal, heap_marked, goroutines;
	uint64_t gc_pause_total_ns, gc_pause_last_ns, memory_limit; /* GOMEMLIMIT in bytes */
	double gc_cpu_fraction;					    /* since the start */
	int64_t gc_last_ns;					    /* when the last collection ended, CLOCK_BOOTTIME */
};

/* One look at a memory cgroup. */
struct watch_cgroup_sample {
	int64_t time_ns;
	uint64_t usage, working_set, anon, file, inactive_file, shmem, kernel, swap; /* bytes */
	uint64_t slab_reclaimable; /* bytes of `kernel` that it takes back like page cache: inodes, names; v2 only */
	uint64_t limit, high;	   /* bytes: the nearest that binds (of an ancestor too), WATCH_UNKNOWN none */
	uint64_t available;	   /* bytes, MemAvailable of the machine */
	/* counters that only rise: of memory.events(.local) on v2; failcnt and oom_kill on v1 */
	uint64_t events_high, events_max, events_oom, events_oom_kill, failcnt;
	uint64_t pids, pids_max;
	double psi_some, psi_full;	     /* avg10 of memory.pressure, 0..1 */
	uint64_t psi_some_total_us;	     /* microseconds */
	bool psi_triggered, usage_triggered; /* the kernel said so since the last look */
};

void watch_process_sample_init(struct watch_process_sample *s); /* all unknown */
void watch_cgroup_sample_init(struct watch_cgroup_sample *s);

enum watch_state { WATCH_OK, WATCH_WARNING, WATCH_CRITICAL, WATCH_OPEN, WATCH_STATES };
extern const char *const watch_states[]; /* "ok", "warning", "critical", "open" */

/* A signal that is on, as the table in alarm/ names it. */
struct watch_signal {
	const char *name; /* of the table: static */
	double value, threshold;
	int64_t since_wall_ns;
	char evidence[200]; /* one sentence with the figures */
};

/* When the limit is reached, if nothing changes. */
struct watch_forecast {
	double rate;	   /* bytes per second toward the limit; NAN unknown yet */
	double eta;	   /* seconds; NAN not in sight */
	double confidence; /* 0..1 */
	double z;	   /* of the latest growth against what is usual; NAN */
	bool warning;
	char why[200]; /* one sentence: what grows, how that was told; "" nothing to say */
};

enum { WATCH_SIGNALS = 24, WATCH_CLASSES = 24 };

/* A process that is watched, as surfaces show it. Strings are borrowed from whoever keeps the target. */
struct watch_target {
	struct watch_id id;
	const char *key;  /* "PID-START", stable for metrics and addresses */
	const char *comm; /* hostile */
	const char *exe, *go_version, *build_id, *module, *container, *unit; /* NULL unknown */
	const char *cgroup_path;					     /* NULL none */
	const char *limit_source; /* "cgroup /path memory.max", "MemAvailable", "policy", NULL none */
	const char *group;	  /* the policy that holds, of the configuration */
	bool is_go, go_known;	  /* !go_known: its executable may not be looked at */
	bool canary;
	double open_at;	       /* the share of the limit at which its breaker opens; 0 unknown */
	int64_t first_wall_ns; /* when it was first seen */
	struct watch_process_sample process;
	struct watch_cgroup_sample cgroup;
	struct watch_forecast forecast; /* the nearer of the process's and its cgroup's */
	enum watch_state state;
	char reason[240];
	struct watch_signal signals[WATCH_SIGNALS];
	unsigned n_signals;
	/* of the newest `map`, if there is one */
	struct {
		const char *name; /* static */
		uint64_t bytes;
	} classes[WATCH_CLASSES];
	unsigned n_classes;
	int64_t classes_wall_ns;
	unsigned interval_ms; /* between two looks now */
};

/* Its strings become copies in `arena`, so that it outlives whoever kept them. */
void watch_target_keep(struct watch_target *t, struct arena *arena);

/* Something that happened. */
enum watch_event_kind {
	WATCH_EVENT_START,    /* a target appeared */
	WATCH_EVENT_EXEC,     /* ... became another program: a new baseline */
	WATCH_EVENT_EXIT,     /* ... ended */
	WATCH_EVENT_ALARM,    /* a signal or forecast came on */
	WATCH_EVENT_CLEAR,    /* ... went off, or a warning was withdrawn */
	WATCH_EVENT_STATE,    /* ok, warning, critical, open: from one to another */
	WATCH_EVENT_OPEN,     /* a breaker opened (canary: would have) */
	WATCH_EVENT_CLOSE,    /* ... closed */
	WATCH_EVENT_SNAPSHOT, /* one is on disk: path in `detail` */
	WATCH_EVENT_PROFILE,  /* the same of a periodic profile */
	WATCH_EVENT_OOM_KILL, /* who, whose limit, what the last samples said */
	WATCH_EVENT_ACTION,   /* an action was taken, or would have been */
	WATCH_EVENT_CONFIG,   /* a configuration came into force, or was refused */
	WATCH_EVENT_NOTE,     /* of the daemon itself: a full disk, a source that is missing */
	WATCH_EVENTS
};

extern const char *const watch_event_kinds[]; /* "start", "exec", ... "note" */

struct watch_event {
	int64_t wall_ns;
	enum watch_event_kind kind;
	const char *target; /* key, or NULL */
	const char *comm, *cgroup_path, *build_id;
	const char *name;	 /* signal, action, policy; NULL */
	const char *text;	 /* one sentence: the reason with its figures */
	const char *detail;	 /* JSON object with what else there is, or NULL */
	double value, threshold; /* NAN none */
	bool dry;		 /* canary or rehearsal: only what would have been done */
};

/* A file that was kept: a snapshot, or a periodic profile. */
struct watch_file {
	int64_t wall_ns;
	const char *target; /* key */
	const char *comm;   /* NULL unknown */
	const char *kind;   /* "snapshot", "heap", "goroutines" */
	const char *path;
	uint64_t bytes;
};
