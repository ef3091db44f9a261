/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/probes - the allocators in the files of a process, as probes.
 */

#include "record/watch.h"

/*
 * Looks through the files that a process has code of and that were not looked through yet, and adds what is found to
 * the watch's probes; gives how many that were. Borrowed descriptors of the target name the files.
 */
size_t record_probes_add(struct record_watch *w, struct record_target *t);

/* What a hit costs the target besides the time in our program: nanoseconds, by where it is. */
double record_probes_spent(const struct record_watch *w, const struct ebpf_stats *s);
