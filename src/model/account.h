/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/account - the account of one process at one moment: what `ullage map` shows, in every format.
 *
 * Plain data, made by engine/account, read by ui. Everything hangs on `arena` and dies with account_deinit().
 * Units: bytes, nanoseconds, ratios 0..1. ACCOUNT_UNKNOWN in a u64 is "unknown" (null in JSON). Strings may be NULL
 * (unknown). Lists are sorted by size, largest first, unless said otherwise.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/class.h"
#include "model/vma.h"

#define ACCOUNT_UNKNOWN UINT64_MAX

VEC_TYPE(str_vec, const char *);

struct account_class {
	uint64_t resident, virtual_size, swap, huge, lazyfree, pss; /* pss only when asked for */
	uint64_t anon; /* of resident: private pages, which are charged to the process's own cgroup */
};

struct account_owner {
	enum mem_class class;
	const char *owner; /* "main.(*Store).Login", "libc.so.6", "(not sampled)" */
	uint64_t resident;
};

/* Resident bytes of one mapping by class: row i belongs to account.vmas.v[i]. In address order. */
struct account_vma {
	uint64_t rss, swap;
	uint64_t classes[CLASS_MAX_]; /* resident */
	const char *label;	      /* what it is, for people: "Go arena", "thread 812 stack", "libc.so.6" */
};

/* A stretch of address space for the heat map: at most ACCOUNT_CELLS of them for each mapping, in address order. */
enum { ACCOUNT_CELLS = 64 };
struct account_cell {
	uint64_t start, end;
	uint64_t classes[CLASS_MAX_];
};

struct account_setting {
	const char *name, *value;
};

VEC_TYPE(account_setting_vec, struct account_setting);
VEC_TYPE(account_owner_vec, struct account_owner);
VEC_TYPE(account_vma_vec, struct account_vma);
VEC_TYPE(account_cell_vec, struct account_cell);

struct account_go {
	bool is_go;
	bool layout_known;   /* runtime structures were read and passed the self-checks */
	const char *version; /* "go1.22.12" */
	const char *layout;  /* table in use: "go1.22", with " (unproven)" where it is */
	const char *module;  /* main module path */
	const char *vcs_revision;
	const char *build_id; /* Go build id */
	const char *gnu_build_id;
	bool stripped, pie, cgo;
	struct str_vec experiments;
	struct account_setting_vec
		godebug; /* DefaultGODEBUG of the build, then GODEBUG of the environment, later wins */
};

struct account_integrity {
	int exe_matches_disk;	     /* 1 yes, 0 replaced or deleted, -1 unknown */
	uint64_t text_modified;	     /* bytes of pages of executable file mappings that are private copies */
	uint64_t probes;	     /* pages a debugger or uprobe changed: breakpoints found */
	struct str_vec foreign_exec; /* executable mappings that belong to no loaded file */
	struct str_vec preloaded;
};

enum { ACCOUNT_G_STATUS = 16 };

struct account_runtime {
	uint64_t heap_alloc, heap_inuse, heap_idle, heap_released, heap_objects, stack_inuse, total_alloc, mallocs,
		frees;
	int64_t gc_percent;    /* -1 = off; INT64_MIN = unknown */
	uint64_t memory_limit; /* ACCOUNT_UNKNOWN = none or unknown */
	uint64_t gomaxprocs;
	double cpu_quota;    /* CPUs of the cgroup; 0 = none */
	uint64_t goroutines; /* as runtime.NumGoroutine counts, with system goroutines left out as it does */
	struct {
		const char *status;
		uint64_t count;
	} by_status[ACCOUNT_G_STATUS]; /* unused rows have status NULL */
	uint64_t threads;	       /* of the process, by the kernel */
	uint64_t spans;
	uint64_t heap_inuse_counter; /* gcController.heapInUse at the same moment */
	uint64_t stack_inuse_counter;
};

struct account_gc {
	uint64_t count, forced;
	int64_t last_unix_ns;						 /* 0 = never */
	const char *phase;						 /* "off", "mark", "mark termination" */
	double interval_seconds;					 /* mean of the recent ones; NAN = unknown */
	double pause_p50_ms, pause_p99_ms, pause_total_ms, cpu_fraction; /* NAN = unknown */
	uint64_t heap_goal, heap_marked;
};

struct account_process {
	int pid;
	const char *comm;
	int go; /* 1 yes, 0 no, -1 unknown */
	uint64_t rss;
};

struct account_step {
	const char *step;
	int64_t bytes;
};

struct account_count {
	const char *name;
	uint64_t value;
};

VEC_TYPE(account_process_vec, struct account_process);
VEC_TYPE(account_step_vec, struct account_step);
VEC_TYPE(account_count_vec, struct account_count);

struct account_cgroup {
	unsigned version; /* 0: none visible */
	const char *path, *limit_path;
	uint64_t limit, high, usage, working_set, swap;
	struct account_count_vec events; /* in the kernel's order */
	uint64_t anon, file, inactive_file, shmem, kernel, slab, sock, pagetables, percpu;
	struct account_process_vec processes;
	struct account_step_vec balance; /* in order: from heap_alloc step by step to usage */
	int64_t unexplained;
};

/*
 * An arena of the C allocator. Bytes of chunks with their headers: inuse + free + unknown == system.
 */
struct account_c_arena {
	uint64_t addr;	       /* of its record in the target */
	bool main;	       /* the one that grows by brk */
	uint64_t threads;      /* attached to it */
	uint64_t system;       /* taken from the kernel and not given back */
	uint64_t inuse;	       /* the program's blocks, and the allocator's own records */
	uint64_t free;	       /* given back by the program and kept: retained */
	uint64_t thread_cache; /* of free: in the caches of threads */
	uint64_t top;	       /* of free: at the end, what trimming gives back first */
	uint64_t unknown;      /* could not be told, ... */
};

VEC_TYPE(account_c_arena_vec, struct account_c_arena);

/*
 * The C allocator, read from outside: inuse + free + unknown == system. Resident or not: what of it is resident is in
 * the classes c.heap.inuse and c.heap.free. All figures are ACCOUNT_UNKNOWN where the allocator could not be read.
 */
struct account_c_heap {
	const char *allocator;		   /* "glibc 2.36", "jemalloc (libjemalloc.so.2)"; NULL: none found */
	uint64_t system;		   /* of all arenas, and large blocks with a mapping of their own */
	uint64_t inuse, free, unknown;	   /* as in an arena; large blocks are in use */
	uint64_t thread_cache, top;	   /* of free */
	uint64_t mmapped, mmapped_blocks;  /* large blocks, by the allocator's own count */
	struct account_c_arena_vec arenas; /* largest first */
};

struct account_space {
	uint64_t span; /* lowest to highest mapped user address */
	uint64_t regions, gaps, mean_gap, page_table;
	double vma_limit_ratio; /* mappings / vm.max_map_count; NAN unknown */
};

struct account {
	struct arena arena;
	int pid;
	const char *comm, *exe;
	int64_t time_unix_ns, elapsed_ns, stopped_ns;
	uint64_t error_bound;	 /* how far two looks at the moving target disagreed */
	uint64_t rss, swap, pss; /* pss ACCOUNT_UNKNOWN unless asked for */
	int64_t unexplained;
	uint64_t returnable; /* what the runtime could give back: idle spans still resident */
	struct account_go go;
	struct account_integrity integrity;
	struct account_class classes[CLASS_MAX_];
	struct account_runtime runtime; /* meaningful when go.layout_known */
	struct account_gc gc;
	struct account_cgroup cgroup;
	struct account_space space;
	struct account_c_heap c_heap;
	struct account_owner_vec owners; /* by class in table order, then by size; remainder row last in its class */
	struct vma_vec maps;		 /* address order */
	struct account_vma_vec vmas;	 /* row by row with maps */
	struct account_cell_vec cells;	 /* filled when asked for */
	struct str_vec notes;		 /* sentences */
};

void account_init(struct account *a);
void account_deinit(struct account *a);
void account_note(struct account *a, const char *fmt, ...) ERR_PRINTF(2, 3); /* a repeated note is kept once */
