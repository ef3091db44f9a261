/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ebpf/session - what the files of this room share: one session. */

#include "ebpf/ebpf.h"
#include "ebpf/shared.h"

#include <bpf/libbpf.h>

#include "base/vec.h"

struct probes; /* the generated skeletons */
struct victims;
struct ring_buffer;

VEC_TYPE(ebpf_links, struct bpf_link *);

struct ebpf_target {
	struct ebpf_probe probe; /* its path is the one below */
	char *path;
	uint64_t cookie;
};

VEC_TYPE(ebpf_targets, struct ebpf_target);

struct ebpf {
	unsigned wanted;
	bool multi; /* many uprobes a link */
	bool is_on;
	bool single; /* system calls are hooked one by one */
	struct probes *skel;
	struct ring_buffer *rings;
	struct ebpf_links links;     /* of tracepoints, as long as the session */
	struct ebpf_links uprobes;   /* of allocators, while they are on */
	struct ebpf_targets targets; /* sorted by process and path */
	uint64_t unfinished, refused;
	uint64_t left; /* bytes that this poll may still hand over */
	size_t ring_bytes;
	ebpf_event_fn fn;
	void *arg;
};

/* An error of libbpf (negative errno) as a sentence; a refusal says what may be missing. */
MUST_CHECK NEVER_NULL struct err *ebpf_refused(int os, const char *what);
void ebpf_targets_drop(struct ebpf *e); /* probes of allocators: off, and forgotten */
void ebpf_links_destroy(struct ebpf_links *links);
struct probes *ebpf_skeleton_open(void); /* NULL: see errno */
struct victims *ebpf_victims_skeleton_open(void);
uint64_t ebpf_now(void);
MUST_CHECK struct err *ebpf_rings_open(struct ebpf *e);
