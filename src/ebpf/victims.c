/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/victims.h"

#include <errno.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "ebpf/session.h"
#include <victims.skel.h>

struct ebpf_victims {
	struct victims *skel;
	struct ring_buffer *ring;
	ebpf_victim_fn fn;
	void *arg;
};

static int no_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static int got(void *ctx, void *data, size_t size)
{
	struct ebpf_victims *v = ctx;
	uint32_t pid = 0;
	if (size >= sizeof(pid) && v->fn) {
		memcpy(&pid, data, sizeof(pid));
		v->fn(v->arg, (int)pid);
	}
	return 0;
}

static struct err *start(struct ebpf_victims *v)
{
	v->skel = ebpf_victims_skeleton_open();
	if (!v->skel)
		return err_os(errno, "opening the probe of kills");
	int failed = victims__load(v->skel);
	if (failed)
		return ebpf_refused(-failed, "loading the probe of kills");
	failed = victims__attach(v->skel);
	if (failed)
		return ebpf_refused(-failed, "hooking oom:mark_victim");
	v->ring = ring_buffer__new(bpf_map__fd(v->skel->maps.victims), got, v, NULL);
	return v->ring ? NULL : err_os(errno, "mapping the ring of the probe of kills");
}

struct err *ebpf_victims_open(struct ebpf_victims **ret)
{
	libbpf_set_print(no_print);
	struct ebpf_victims *v = xcalloc(1, sizeof(*v));
	struct err *err = start(v);
	if (err)
		ebpf_victims_close(v);
	*ret = err ? NULL : v;
	return err;
}

void ebpf_victims_close(struct ebpf_victims *v)
{
	if (!v)
		return;
	ring_buffer__free(v->ring);
	victims__destroy(v->skel);
	free(v);
}

int ebpf_victims_fd(const struct ebpf_victims *v)
{
	return ring_buffer__epoll_fd(v->ring);
}

void ebpf_victims_take(struct ebpf_victims *v, ebpf_victim_fn fn, void *arg)
{
	v->fn = fn;
	v->arg = arg;
	(void)ring_buffer__consume(v->ring);
	v->fn = NULL;
}
