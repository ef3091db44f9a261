/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/discreet - a snapshot without what may be private: a file of it goes to other machines and people.
 *
 * What a snapshot knows comes from the runtime's structures, the kernel and the binary. These come from elsewhere, and
 * are left out or told in other words:
 *   labels of goroutines and profiles    strings of the target's heap
 *   GODEBUG                              environment: kept are settings that Go knows, with values that it knows
 *   preloaded libraries                  environment: the mapped file is named instead
 */

#include "model/snapshot.h"

struct discreet {
	struct snapshot s; /* borrows all but the lists below */
	struct account_setting_vec godebug;
	struct str_vec preloaded, notes;
	struct u32_vec note_parts;
};

/* `s` must outlive it. */
void discreet_init(struct discreet *d, const struct snapshot *s);
void discreet_deinit(struct discreet *d);
