/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cpu.h"

#include <time.h>

bool proc_cpu_ns(int pid, uint64_t *ret)
{
	clockid_t clock;
	struct timespec ts;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return false;
	*ret = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	return true;
}
