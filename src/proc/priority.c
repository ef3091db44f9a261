/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/priority.h"

#include <errno.h>
#include <sys/resource.h>

enum { MOST_FAVOURABLE = -20 };

/* Where the cgroup has no time for SCHED_FIFO: 80 times the share of an ordinary thread. */
static void raise_nice(struct proc_priority *saved)
{
	errno = 0;
	saved->nice = getpriority(PRIO_PROCESS, 0);
	saved->niced = !errno && setpriority(PRIO_PROCESS, 0, MOST_FAVOURABLE) == 0;
}

void proc_priority_raise(struct proc_priority *saved)
{
	*saved = (struct proc_priority){ .policy = sched_getscheduler(0) };
	struct sched_param fifo = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };
	if (saved->policy < 0 || sched_getparam(0, &saved->param) < 0)
		return;
	saved->raised = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo) == 0;
	if (!saved->raised)
		raise_nice(saved);
}

void proc_priority_restore(const struct proc_priority *saved)
{
	if (saved->raised)
		sched_setscheduler(0, saved->policy, &saved->param);
	if (saved->niced)
		setpriority(PRIO_PROCESS, 0, saved->nice);
}
