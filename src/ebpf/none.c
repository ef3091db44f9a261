/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"
#include "ebpf/victims.h"

/* What stands in place of the room where it could not be built. */

static struct err *missing(void)
{
	return err_new(ERR_UNSUPPORTED,
		       "this ullage was built without probes in the kernel: libbpf 1.3 or newer, clang and "
		       "bpftool were missing (`tools/setup build` brings them); all but `record` works");
}

struct err *ebpf_open(const struct ebpf_options *opt, struct ebpf **ret)
{
	*ret = NULL;
	return missing();
}

void ebpf_close(struct ebpf *e)
{
}

struct err *ebpf_attach(struct ebpf *e)
{
	return missing();
}

struct err *ebpf_process_add(struct ebpf *e, int pid, const struct ebpf_process *p)
{
	return missing();
}

void ebpf_process_remove(struct ebpf *e, int pid)
{
}

uint64_t ebpf_process_lost(struct ebpf *e, int pid)
{
	return 0;
}

struct err *ebpf_probes_set(struct ebpf *e, const struct ebpf_probe *probes, size_t n)
{
	return missing();
}

struct err *ebpf_probes_on(struct ebpf *e)
{
	return missing();
}

void ebpf_probes_off(struct ebpf *e)
{
}

struct err *ebpf_poll(struct ebpf *e, int timeout_ms, ebpf_event_fn fn, void *arg)
{
	return missing();
}

uint64_t ebpf_settled(struct ebpf *e)
{
	return 0;
}

void ebpf_doctor(struct ebpf_rows *ret)
{
	*ret = (struct ebpf_rows){ .v = { { "bpf programs", false, "this ullage was built without them",
					    "tools/setup build, then build again; all but record works without" } },
				   .n = 1 };
}

void ebpf_stats(struct ebpf *e, struct ebpf_stats *ret)
{
	*ret = (struct ebpf_stats){ 0 };
}

struct err *ebpf_victims_open(struct ebpf_victims **ret)
{
	*ret = NULL;
	return missing();
}

void ebpf_victims_close(struct ebpf_victims *v)
{
}

int ebpf_victims_fd(const struct ebpf_victims *v)
{
	return -1;
}

void ebpf_victims_take(struct ebpf_victims *v, ebpf_victim_fn fn, void *arg)
{
}
