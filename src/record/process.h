/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/process - one process of the window: opened, its Go runtime told to the probes, and closed.
 */

#include "record/watch.h"

/*
 * Opens a process and enters it into the watch; its events come from then on. NOT_FOUND, GONE, DENIED as target_open(). A
 * process that is watched already is left as it is.
 */
MUST_CHECK struct err *record_process_add(struct record_watch *w, int pid);
/* The window begins for it: what it has mapped until now is not of the window. */
void record_process_begin(struct record_target *t);
void record_process_free(struct record_target *t);

/* The target of a process that is watched and not over, or NULL. */
struct record_target *record_process_find(const struct record_watch *w, uint32_t pid);

/* Where the g pointer is, from the thread pointer, by the code of a Go program; false: the code is not as known. */
bool record_go_tls(struct memsrc *src, uint64_t code, int64_t *ret);
