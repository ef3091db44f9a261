/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"

#include <errno.h>
#include <sys/epoll.h>

#include <bpf/bpf.h>

#include "base/num.h"
#include "ebpf/session.h"
#include <probes.skel.h>

enum {
	SLACK_NS = 50000000, /* between the time in an event and its arrival, beyond what a call takes */
};

static int got(void *ctx, void *data, size_t size)
{
	struct ebpf *e = ctx;
	const struct ebpf_event *ev = data;
	size_t whole = sizeof(*ev);
	if (size >= whole)
		whole += 8 * ((size_t)ev->n_user + ev->n_go) + ev->n_bytes;
	if (size >= whole && e->fn)
		e->fn(e->arg, ev);
	e->left -= num_min(e->left, size);
	return e->left ? 0 : -ECANCELED;
}

struct err *ebpf_rings_open(struct ebpf *e)
{
	e->rings = ring_buffer__new(bpf_map__fd(e->skel->maps.ring), got, e, NULL);
	if (!e->rings)
		return err_os(errno, "mapping the ring of the probes");
	int failed = ring_buffer__add(e->rings, bpf_map__fd(e->skel->maps.bulk), got, e);
	return failed ? err_os(-failed, "mapping the ring of the probes") : NULL;
}

struct err *ebpf_poll(struct ebpf *e, int timeout_ms, ebpf_event_fn fn, void *arg)
{
	struct epoll_event ready[2];
	e->fn = fn;
	e->arg = arg;
	e->left = e->ring_bytes;
	int n = epoll_wait(ring_buffer__epoll_fd(e->rings), ready, 2, timeout_ms);
	if (n < 0 && errno != EINTR)
		return err_os(errno, "waiting for the probes");
	n = ring_buffer__consume(e->rings);
	if (n < 0 && n != -ECANCELED)
		return err_os(-n, "reading the ring of the probes");
	return NULL;
}

uint64_t ebpf_settled(struct ebpf *e)
{
	/* Tables are only read where they have something: while this process reads one, the kernel leaves programs of others
	 * on the same processor out. */
	uint64_t now = ebpf_now() - SLACK_NS, key, next;
	const struct ebpf_session *s = &e->skel->bss->session;
	const int maps[] = { bpf_map__fd(e->skel->maps.calls), bpf_map__fd(e->skel->maps.allocs) };
	for (size_t i = e->is_on || s->calls_begun != s->calls_ended ? 0 : 2; i < 2; i++) {
		int more = bpf_map_get_next_key(maps[i], NULL, &next);
		for (unsigned left = EBPF_CALLS_MAX; !more && left; left--) {
			struct ebpf_call call;
			key = next;
			if (!bpf_map_lookup_elem(maps[i], &key, &call))
				now = num_min(now, call.began - 1);
			more = bpf_map_get_next_key(maps[i], &key, &next);
		}
	}
	return now;
}
