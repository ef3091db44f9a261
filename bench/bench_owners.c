/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_owners PID [ROUNDS] - what it costs to copy and walk the heap of a process, against its physical limit and beside
 * the runtime's own figures: process_vm_readv(2) of the same spans in one thread, and the collector's heapMarked.
 * Prints medians; objects a second and CPU time an object are to be held against the target's gctrace.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/parallel.h"
#include "goheap/pointers.h"
#include "goheap/root.h"
#include "goheap/sweep.h"
#include "graph/reach.h"
#include "target/target.h"

enum { ROUNDS = 3, ROUNDS_MAX = 100, BUF = 1 << 20 };

struct cost {
	double wall, cpu;
};

static double seconds(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct cost start(void)
{
	return (struct cost){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static struct cost since(struct cost c)
{
	return (struct cost){ seconds(CLOCK_MONOTONIC) - c.wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - c.cpu };
}

static uint64_t resident_max(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)r.ru_maxrss << 10;
}

static void see_nothing(void *ctx, const struct goheap_sweep_part *part)
{
}

static uint64_t read_range(int pid, char *buf, uint64_t start, uint64_t end)
{
	uint64_t bytes = 0;
	for (; start < end; start += BUF) {
		struct iovec local = { buf, num_min(BUF, end - start) };
		struct iovec remote = { (void *)(uintptr_t)start, local.iov_len };
		ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
		bytes += n > 0 ? (uint64_t)n : 0;
	}
	return bytes;
}

/* The same spans without asking what is there: the neighbours among them together, in this thread. */
static uint64_t read_raw(const struct goheap_objects *o, int pid)
{
	uint64_t bytes = 0, start = 0, end = 0;
	AUTO_FREE char *buf = xmalloc(BUF);
	for (size_t k = 0; k < o->spans.n; k++) {
		const struct gort_span *s = &o->heap->spans.v[o->spans.v[k].span];
		if (s->spanclass & 1)
			continue;
		if (s->start != end) {
			bytes += read_range(pid, buf, start, end);
			start = s->start;
		}
		end = s->start + gort_span_bytes(s);
	}
	return bytes + read_range(pid, buf, start, end);
}

static struct err *make_roots(const struct goheap_roots *roots, struct graph *g)
{
	uint32_t *first = xcalloc(2, sizeof(*first));
	graph_edge *edges = xmalloc((roots->v.n + 1) * sizeof(*edges));
	for (size_t i = 0; i < roots->v.n; i++) {
		if (roots->v.v[i].object != GOHEAP_ROOT_OUTSIDE && roots->v.v[i].kind != GOHEAP_ROOT_WEAK)
			edges[first[1]++] = graph_edge_make(roots->v.v[i].object, 0, false);
	}
	return graph_roots_take(g, 1, first, edges);
}

/* Everything but the root 0 that an object with a finalizer reaches is reached without it. */
static void reach_finalizers(const struct goheap_objects *o, const struct goheap_roots *roots,
			     struct graph_reach *reach)
{
	struct goheap_object_at at;
	for (size_t i = 0; i < roots->v.n; i++) {
		const struct goheap_root *r = &roots->v.v[i];
		uint32_t n = 0;
		if (r->kind != GOHEAP_ROOT_FINALIZER || !goheap_object_find(o, r->owner, &at))
			continue;
		const graph_edge *e = graph_out(reach->g, at.number, &n);
		for (uint32_t k = 0; k < n; k++)
			graph_reach_from(reach, graph_target(e[k]));
	}
}

static uint64_t reached_bytes(const struct goheap_objects *o, const struct graph_reach *reach, uint64_t *objects)
{
	uint64_t bytes = 0;
	for (size_t k = 0; k < o->spans.n; k++) {
		for (uint32_t i = 0; i < goheap_objects_slots(o, k); i++) {
			if (!graph_reached(reach, o->spans.v[k].first + i))
				continue;
			bytes += gort_span_elemsize(&o->heap->spans.v[o->spans.v[k].span]);
			++*objects;
		}
	}
	return bytes;
}

static void show(const char *what, struct cost c, uint64_t bytes, uint64_t objects)
{
	printf("%-10s wall %8.4f s  cpu %8.4f s  %8.1f MB/s  %7.1f ns an object\n", what, c.wall, c.cpu,
	       (double)bytes / 1e6 / c.wall, c.cpu * 1e9 / (double)(objects ? objects : 1));
}

static struct err *one(struct target *t)
{
	struct gort_heap heap = { 0 };
	struct goheap_objects o = { 0 };
	struct goheap_roots roots = { 0 };
	struct goheap_pointers p = { 0 };
	struct graph graph = { 0 };
	struct graph_reach reach;
	struct cost all = start(), c = all;
	TRY(gort_heap_read(&t->gort, 2, &heap));
	show("spans", since(c), 0, heap.objects);
	c = start();
	TRY(goheap_objects_init(&t->gort, &heap, &o));
	show("objects", since(c), 0, o.allocated_objects);
	c = start();
	TRY(goheap_roots_read(&o, &roots));
	show("roots", since(c), 0, o.allocated_objects);
	c = start();
	uint64_t raw = read_raw(&o, t->pid);
	struct cost raw_cost = since(c);
	show("readv", raw_cost, raw, o.allocated_objects);
	struct goheap_sweep sweep = { .objects = &o, .fn = see_nothing };
	c = start();
	TRY(goheap_sweep_run(&sweep));
	struct cost sweep_cost = since(c);
	show("sweep", sweep_cost, sweep.copied, o.allocated_objects);
	c = start();
	TRY(graph_init(&graph, o.n, o.n_inner));
	TRY(goheap_pointers_read(&o, &graph, &p));
	show("pointers", since(c), p.copied, o.allocated_objects);
	c = start();
	TRY(make_roots(&roots, &graph));
	graph_reach_init(&reach, &graph);
	graph_reach_all_roots(&reach);
	reach_finalizers(&o, &roots, &reach);
	uint64_t objects = 0, bytes = reached_bytes(&o, &reach, &objects);
	show("reach", since(c), 0, o.allocated_objects);
	uint64_t marked = gort_word(&t->gort, gort_var(&t->gort, GORT_VAR_GCCONTROLLER), GORT_gcController_heapMarked);
	printf("copy speed of process_vm_readv: %.2f by CPU time, %.2f by the clock\n",
	       raw_cost.cpu / (double)raw * (double)sweep.copied / sweep_cost.cpu,
	       raw_cost.wall / (double)raw * (double)sweep.copied / sweep_cost.wall);
	printf("slots %u inner %u allocated %" PRIu64 " bytes %" PRIu64 " edges %" PRIu64 " seen %zu\n", o.n, o.n_inner,
	       o.allocated_objects, o.allocated_bytes, p.edges, p.seen.n);
	printf("inconsistent %" PRIu64 " conservative %" PRIu64 " unreadable %" PRIu64 " guessed %" PRIu64
	       " refused %" PRIu64 " dangling %" PRIu64 "\n",
	       p.inconsistencies, p.conservative, p.unreadable, o.guessed_spans, o.refused_spans, roots.dangling);
	printf("walk %.1f ns an object: all of it but readv and sweep\n",
	       (since(all).cpu - raw_cost.cpu - sweep_cost.cpu) * 1e9 / (double)o.allocated_objects);
	printf("reachable %" PRIu64 " marked %" PRIu64 " difference %+" PRId64 " ratio %.6f objects %" PRIu64
	       " rss %" PRIu64 " for 12 an object and copied %" PRIu64 "\n",
	       bytes, marked, (int64_t)(bytes - marked), (double)bytes / (double)marked, objects, resident_max(),
	       p.copied + 12 * o.allocated_objects);
	graph_reach_deinit(&reach);
	graph_deinit(&graph);
	goheap_pointers_deinit(&p);
	goheap_roots_deinit(&roots);
	goheap_objects_deinit(&o);
	gort_heap_deinit(&heap);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t pid = 0, rounds = ROUNDS;
	struct target AUTO(target) t = { 0 };
	if (argc < 2 || !num_str(argv[1], &pid) || (argc > 2 && (!num_str(argv[2], &rounds) || rounds > ROUNDS_MAX))) {
		fprintf(stderr, "usage: bench_owners PID [ROUNDS]\n");
		return 2;
	}
	struct err *err AUTO(err) = target_open("/proc", (int)pid, &t);
	if (!err)
		err = target_attach(&t, NULL);
	printf("%u workers\n", parallel_workers());
	for (uint64_t i = 0; !err && i < rounds; i++)
		err = one(&t);
	if (err)
		fprintf(stderr, "bench_owners: %s\n", err_text(err));
	return err != NULL;
}
