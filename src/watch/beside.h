/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/beside - of whom the growth below a limit is, where it is not of the process that is looked at: the limit of an ancestor
 * or of a shared cgroup concerns all below it, and whoever is told of it wants to know whom to look at.
 *
 * Compared is resident memory with what the level that binds has, over the last half minute or so. Tmpfs that nobody has mapped
 * and memory of the kernel are of no process.
 */

#include "watch/daemon.h"

/* After each look: keeps what is compared with later ones. */
void beside_keep(struct watched *w, int64_t now);
/*
 * "it was NAME (pid N), ..." or that it is of nobody who is watched; NULL where it grew itself, where several did, or where nothing
 * grew. Valid until the next call. All targets are asked, so the answer stays the same for the longer the more they are: 10 ms each.
 */
const char *beside_say(const struct daemon *d, struct watched *w, int64_t now);
