/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/cgplace - which cgroup a process is in, and where its directory may be.
 *
 * Source: the text of /proc/PID/cgroup, lines "hierarchy:controllers:path", and of a mountinfo (proc(5)). Both are pure
 * text here, so this runs on test trees and fuzzers' inputs.
 * The path and the root of a cgroup mount are both told relative to the reader's cgroup namespace; "/../.." leads out of
 * it. A mount may show a part of the hierarchy only (containers): a path outside of that part has no directory here.
 */

#include <stdbool.h>

#include "base/arena.h"
#include "base/vec.h"

struct cgplace {
	unsigned version; /* 1, 2; 0: not in a cgroup of that controller */
	const char *path; /* as written */
};

/* A directory that should be the cgroup's: mount point and what to add to it ("" or "a/b"). */
struct cgplace_dir {
	const char *mount, *below;
	bool search; /* somewhere below the mount: our namespace's own name in it is not known */
};

VEC_TYPE(cgplace_dir_vec, struct cgplace_dir);

/*
 * The place of a v1 controller ("memory", "cpu"), or, when no v1 hierarchy has it, the v2 line's. Strings in `arena`.
 */
void proc_cgplace_find(const char *cgroup_text, const char *controller, struct arena *arena, struct cgplace *ret);

/* Appends what the mounts in `mountinfo` offer for a place, the ones that show most ancestors first. */
void proc_cgplace_dirs(const char *mountinfo, const struct cgplace *place, const char *controller, struct arena *arena,
		       struct cgplace_dir_vec *ret);
