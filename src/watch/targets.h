/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch/targets - targets as they come, change and go, and what the configuration says of each. */

#include "watch/daemon.h"

void watch_sense_calls(struct daemon *d, struct sense_calls *ret);
struct watched *watch_find(const struct daemon *d, const char *key);
/* The same by key, pid, or name where only one has it. */
struct watched *watch_find_named(const struct daemon *d, const char *name);
/* Who it is, and whose limit binds it now. */
void watch_describe(struct watched *w);
/* Before a reload: incidents of targets that will have another policy, or another mode, end for those who were told. */
void watch_policies_leave(struct daemon *d, const struct config *next);
/* Everything that follows from the configuration, for all targets: after a reload. */
void watch_policies(struct daemon *d);
void watch_drop_all(struct daemon *d);
