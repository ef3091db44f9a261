/* SPDX-License-Identifier: Apache-2.0 */

/*
 * watch_probes PID MILLISECONDS [RING_BYTES [FAULT_PERIOD [PROBE...]]] - what the probes of ebpf/ebpf.h tell of a process, a line
 * of JSON an event, then one of counters. For tests and for whoever changes the probes.
 *
 * PROBE is KIND:FUNCTION:PATH:OFFSET:SIZE:COUNT:ADDR:OUT, all but PATH in numbers (enum ebpf_kind, enum ebpf_register);
 * probes are on from the start, and off before the last poll. It says "ready" on its error output once all is attached,
 * and ends early when its input does.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/vec.h"
#include "ebpf/ebpf.h"
#include "target/target.h"

static void addresses(const char *name, const uint64_t *v, size_t n)
{
	printf(",\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? "," : "", v[i]);
	printf("]");
}

static void print(void *arg, const struct ebpf_event *ev)
{
	(void)arg;
	printf("{\"kind\":%u,\"time\":%" PRIu64 ",\"began\":%" PRIu64
	       ",\"pid\":%u,\"tid\":%u,\"flags\":%u,\"addr\":%" PRIu64 ",\"len\":%" PRIu64 ",\"old_addr\":%" PRIu64
	       ",\"old_len\":%" PRIu64 ",\"arg\":%" PRIu64 ",\"goid\":%" PRIu64 ",\"sp\":%" PRIu64
	       ",\"weight\":%u,\"bytes\":%u",
	       ev->kind, ev->time, ev->began, ev->pid, ev->tid, ev->flags, ev->addr, ev->len, ev->old_addr, ev->old_len,
	       ev->arg, ev->goid, ev->sp, ev->weight, ev->n_bytes);
	addresses("user", ebpf_event_user(ev), ev->n_user);
	addresses("go", ebpf_event_go(ev), ev->n_go);
	printf("}\n");
}

/* Where Go keeps g, from the thread pointer: right for programs that have no other thread-local variable of their own. */
enum { TLS_G = -8 };

static struct ebpf_process describe(int pid)
{
	struct ebpf_process p = { .copy_stack = EBPF_STACK_BYTES_MAX };
	struct target t;
	struct err *err = target_open("/proc", pid, &t);
	if (!err)
		err = target_attach(&t, NULL);
	const struct gort_layout *l = !err && t.is_go ? t.gort.layout : NULL;
	if (l) {
		p.is_go = 1;
		p.tls_g = TLS_G;
		p.g_m = (uint32_t)l->f[GORT_g_m].off;
		p.g_stack_lo = (uint32_t)l->f[GORT_g_stack_lo].off;
		p.g_stack_hi = (uint32_t)l->f[GORT_g_stack_hi].off;
		p.g_sched_pc = (uint32_t)l->f[GORT_g_sched_pc].off;
		p.g_sched_sp = (uint32_t)l->f[GORT_g_sched_sp].off;
		p.g_sched_bp = (uint32_t)l->f[GORT_g_sched_bp].off;
		p.g_goid = (uint32_t)l->f[GORT_g_goid].off;
		p.m_g0 = (uint32_t)l->f[GORT_m_g0].off;
		p.m_curg = (uint32_t)l->f[GORT_m_curg].off;
		p.m_gsignal = (uint32_t)l->f[GORT_m_gsignal].off;
	}
	if (err)
		err_free(err);
	else
		target_close(&t);
	return p;
}

static struct ebpf_probe parse(char *spec, int pid)
{
	char *part[8] = { 0 };
	for (int i = 0; i < 8 && spec; i++)
		part[i] = strsep(&spec, ":");
	uint64_t n[8] = { 0 };
	for (int i = 0; i < 8; i++)
		if (part[i] && i != 2)
			num_str(part[i], &n[i]);
	return (struct ebpf_probe){ .pid = pid,
				    .kind = (enum ebpf_kind)n[0],
				    .function = (uint32_t)n[1],
				    .path = part[2],
				    .offset = n[3],
				    .arg_size = (enum ebpf_register)n[4],
				    .arg_count = (enum ebpf_register)n[5],
				    .arg_addr = (enum ebpf_register)n[6],
				    .arg_out = (enum ebpf_register)n[7] };
}

static bool input_ended(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char c;
	return poll(&in, 1, 0) > 0 && read(0, &c, 1) <= 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct err *watch(struct ebpf *e, int pid, int64_t ms, uint64_t period)
{
	struct ebpf_process p = describe(pid);
	p.fault_period = (uint32_t)period;
	TRY(ebpf_process_add(e, pid, &p));
	TRY(ebpf_attach(e));
	int64_t start = now_ms();
	TRY(ebpf_probes_on(e));
	fprintf(stderr, "ready, probes on in %d ms\n", (int)(now_ms() - start));
	for (int64_t end = now_ms() + ms; now_ms() < end && !input_ended();)
		TRY(ebpf_poll(e, 20, print, NULL));
	start = now_ms();
	ebpf_probes_off(e);
	fprintf(stderr, "off in %d ms\n", (int)(now_ms() - start));
	uint64_t settled = ebpf_settled(e);
	TRY(ebpf_poll(e, 0, print, NULL));
	struct ebpf_stats s;
	ebpf_stats(e, &s);
	printf("{\"settled\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"lost_here\":%" PRIu64 ",\"missed\":%" PRIu64
	       ",\"unfinished\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"program_ns\":%" PRIu64,
	       settled, s.lost, ebpf_process_lost(e, pid), s.missed, s.unfinished, s.refused, s.program_ns);
	addresses("hits", s.hits, EBPF_KIND_MAX_);
	addresses("lost_of", s.lost_of, EBPF_KIND_MAX_);
	printf("}\n");
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t n[5] = { 0 };
	for (int i = 1; i < argc && i < 5; i++)
		num_str(argv[i], &n[i]);
	unsigned wanted = EBPF_WANT_MAP | (n[4] ? EBPF_WANT_FAULT : 0) | (argc > 5 ? EBPF_WANT_ALLOC : 0);
	struct ebpf *e = NULL;
	struct err *err = ebpf_open(&(struct ebpf_options){ wanted, n[3] }, &e);
	VEC(struct ebpf_probe) probes = { 0 };
	for (int i = 5; i < argc; i++)
		*vec_push(&probes) = parse(argv[i], (int)n[1]);
	if (!err)
		err = ebpf_probes_set(e, probes.v, probes.n);
	vec_deinit(&probes);
	if (!err)
		err = watch(e, (int)n[1], (int64_t)n[2], n[4]);
	ebpf_close(e);
	if (!err)
		return 0;
	fprintf(stderr, "%s\n", err_text(err));
	int status = err_code(err) == ERR_UNSUPPORTED ? 77 : 1;
	err_free(err);
	return status;
}
