/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/power.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>

static const struct {
	enum power power;
	int capability;
} powers[] = {
	{ POWER_PTRACE, CAP_SYS_PTRACE }, { POWER_DAC_READ_SEARCH, CAP_DAC_READ_SEARCH },
	{ POWER_BPF, CAP_BPF },		  { POWER_BPF, CAP_PERFMON },
	{ POWER_SYSLOG, CAP_SYSLOG },
};
enum { POWERS = sizeof(powers) / sizeof(powers[0]) };

unsigned power_have(void)
{
	unsigned have = 0, lack = 0;
	capng_get_caps_process();
	for (size_t i = 0; i < POWERS; i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)powers[i].capability))
			have |= powers[i].power;
		else
			lack |= powers[i].power; /* one of two is not enough */
	}
	return have & ~lack;
}

struct err *power_keep(unsigned keep)
{
	capng_get_caps_process();
	bool had[POWERS];
	for (size_t i = 0; i < POWERS; i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, (unsigned)powers[i].capability);
	bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(may_bound ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	for (size_t i = 0; i < POWERS; i++) {
		if (had[i] && keep & powers[i].power)
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | (may_bound ? CAPNG_BOUNDING_SET : 0),
				     (unsigned)powers[i].capability);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_os(errno, "giving up new privileges");
	if (capng_apply(may_bound ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) != 0)
		return err_new(ERR_DENIED, "capabilities could not be given up");
	return NULL;
}
