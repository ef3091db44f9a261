/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch/work - captures, one after the other. */

#include "watch/daemon.h"

void watch_want(struct watched *w, enum capture_kind kind);
/* Begins the most urgent capture that waits, when none is under way; ends one that takes too long. */
void watch_work(struct daemon *d);
void watch_work_stop(struct daemon *d);
