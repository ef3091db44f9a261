/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/priority - run ahead of others for the few milliseconds in which a moving target is copied.
 *
 * A reader that is descheduled half-way through sees a heap that has moved on, or keeps a stopped target waiting.
 * SCHED_FIFO at its lowest priority where that is allowed (CAP_SYS_NICE, and a cgroup that gives time to such threads), else
 * the most favourable niceness, else nothing. Of the calling thread. Never held across a wait for anything but the target.
 */

#include <sched.h>
#include <stdbool.h>

struct proc_priority {
	bool raised, niced;
	int policy, nice;
	struct sched_param param;
};

void proc_priority_raise(struct proc_priority *saved);
void proc_priority_restore(const struct proc_priority *saved);
