/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/session.h"

#include <probes.skel.h>
#include <victims.skel.h>

/* Apart from the rest, because tools/lint takes what bpftool wrote for a leak. */
struct probes *ebpf_skeleton_open(void)
{
	return probes__open();
}

struct victims *ebpf_victims_skeleton_open(void)
{
	return victims__open();
}
