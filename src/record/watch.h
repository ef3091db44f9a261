/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/watch - what the parts of this room have in common while a window runs: the session and its processes.
 */

#include "callpath/callpath.h"
#include "ebpf/ebpf.h"
#include "record/blocks.h"
#include "record/faults.h"
#include "record/order.h"
#include "record/place.h"
#include "record/ranges.h"
#include "record/record.h"
#include "record/sums.h"
#include "target/target.h"

/* Counts of what an allocator has, by one walk. */
struct record_heap {
	bool known;
	struct record_size_vec sizes; /* chunks in use */
	uint64_t inuse, free;	      /* bytes, large blocks too */
	uint64_t large, large_bytes;  /* blocks with a mapping of their own, not in `sizes` */
	const char *name;	      /* of the allocator: "glibc 2.36"; in the arena of the process; NULL unknown */
};

/* One process. Its books end with it, or when it becomes another program. */
struct record_target {
	int pid;
	struct target t;
	struct callpath *paths;
	size_t process; /* its row in record.processes */
	bool attached;	/* its Go runtime is known, or it has none */
	bool over;	/* exited, or exec'ed */
	bool remap;	/* a file was mapped whose code may be on call paths */
	struct record_ranges ranges;
	struct record_ranges late; /* what changed after the window, while its end was read */
	struct record_blocks blocks;
	struct record_faults faults;
	struct record_sums go;
	int64_t go_first, go_last;
	struct arena arena;
	struct vma_vec before; /* mappings when the window began */
	struct record_heap heap_before, heap_after;
	enum record_family family;
	bool foreign;	    /* an allocator besides glibc's is in use: what glibc has says nothing */
	bool confirmed;	    /* the allocator was asked of every block */
	bool heap_is_large; /* too large to be walked */
	struct ebpf_process probe;
	uint64_t vm_size; /* when the window began */
	uint64_t cpu_began, cpu_last;
	uint64_t lost;	     /* events */
	VEC(uint64_t) files; /* inodes that were looked through for allocators */
};

/* Kinds of struct record_op besides those of ebpf/event: all allocators' probes went on, or off. */
enum { RECORD_OP_ON = EBPF_KIND_MAX_, RECORD_OP_OFF };

VEC_TYPE(record_target_vec, struct record_target *);
VEC_TYPE(record_probe_vec, struct ebpf_probe);

struct record_watch {
	const struct record_options *opt;
	struct record *r;
	struct ebpf *e;
	struct record_target_vec targets;
	struct record_order order;
	struct record_probe_vec probes;
	int64_t began, end; /* `end`: INT64_MAX while the window runs */
	unsigned dear;	    /* probes that are not on a cheap instruction */
	uint64_t lost;
};
