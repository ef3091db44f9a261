/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/priority.h"

void proc_priority_raise(struct proc_priority *saved)
{
	*saved = (struct proc_priority){ .policy = sched_getscheduler(0) };
	struct sched_param fifo = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };
	if (saved->policy < 0 || sched_getparam(0, &saved->param) < 0)
		return;
	saved->raised = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo) == 0;
}

void proc_priority_restore(const struct proc_priority *saved)
{
	if (saved->raised)
		sched_setscheduler(0, saved->policy, &saved->param);
}
