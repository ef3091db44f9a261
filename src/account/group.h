/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/group - the cgroup of the target, its limits, its other processes, and the balance.
 */

#include "target/target.h"

void group_fill(struct target *t, struct account *a);
