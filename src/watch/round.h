/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch/round - the looks that are due. */

#include "watch/daemon.h"

/* Looks at all that are due. */
void watch_round(struct daemon *d);
/* Looks at one now. False: it has ended. */
bool watch_look(struct daemon *d, struct watched *w, int64_t now_ns);
/* The shortest interval of all targets becomes the loop's. */
void watch_set_tick(struct daemon *d);
