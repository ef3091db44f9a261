/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_graph [OBJECTS] [SHAPE] - marking, dominators and retained sizes on graphs of known shapes, against a limit: one
 * pass over all pointers in the order of their sources that adds 1 to a word of each target. CPU time an object; and memory
 * at the peak of dominators and retained sizes, without the graph itself, in bytes an object.
 *
 *	list	each element points to the next, in the order of numbers; spread: in no order
 *	ring	container/list: next, prev, the list, and a value
 *	tree	binary, the leaves without pointers, as a program that builds it depth first would place them
 *	hub	an array that points to all
 *	heap	a map of sessions and a list of them: five objects each, one shared by some
 *	random	two pointers each to anywhere
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/num.h"
#include "fixture/graphs.h"
#include "graph/reach.h"
#include "graph/retain.h"

struct shape {
	const char *name;
	uint32_t n, inner; /* objects; the root is number n */
	unsigned kinds;
	size_t edges;
	struct graph_arrow_vec arrows;
};

static uint64_t random_state = 7;

static uint32_t below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 32) * n >> 32);
}

static void point(struct shape *s, uint32_t from, uint32_t to, uint32_t word)
{
	*vec_push(&s->arrows) = (struct graph_arrow){ .from = from, .to = to, .word = word };
}

static void list(struct shape *s, uint32_t n)
{
	s->n = s->inner = n;
	point(s, n, 0, 0);
	for (uint32_t v = 1; v < n; v++)
		point(s, v - 1, v, 0);
}

static void spread(struct shape *s, uint32_t n)
{
	s->n = s->inner = n;
	uint32_t *at = xcalloc(n, sizeof(*at));
	for (uint32_t v = 0; v < n; v++) {
		uint32_t w = below(v + 1);
		at[v] = at[w];
		at[w] = v;
	}
	point(s, n, at[0], 0);
	for (uint32_t v = 1; v < n; v++)
		point(s, at[v - 1], at[v], 0);
	free(at);
}

static void ring(struct shape *s, uint32_t n)
{
	s->n = n;
	s->inner = n / 2;
	point(s, n, 0, 0);
	for (uint32_t v = 0; v < s->inner; v++) {
		point(s, v, (v + 1) % s->inner, 0);
		point(s, v, (v + s->inner - 1) % s->inner, 1);
		point(s, v, 0, 2);
		point(s, v, s->inner + v, 3);
	}
}

static void tree(struct shape *s, uint32_t n)
{
	s->n = n;
	s->inner = n / 2;
	point(s, n, 0, 0);
	/* Depth first: a node's left child comes after it, its right one after all that is left. */
	struct {
		uint32_t at, size;
	} stack[64] = { { 0, s->inner } };
	uint32_t leaf = s->inner;
	for (unsigned depth = 1; depth;) {
		uint32_t at = stack[--depth].at, rest = stack[depth].size - 1, left = rest / 2, right = rest - left;
		for (uint32_t c = 0; c < 2; c++) {
			uint32_t size = c ? right : left, child = c ? at + 1 + left : at + 1;
			if (!size) {
				point(s, at, leaf < n ? leaf : n - 1, c);
				leaf++;
				continue;
			}
			point(s, at, child, c);
			stack[depth].at = child;
			stack[depth++].size = size;
		}
	}
}

static void hub(struct shape *s, uint32_t n)
{
	s->n = n;
	s->inner = 1;
	point(s, n, 0, 0);
	for (uint32_t v = 1; v < n; v++)
		point(s, 0, v, v);
}

/* Sessions: an element of a list, a struct, its array; and two leaves; some share a user. Maps hold them by groups of 8. */
static void heap(struct shape *s, uint32_t n)
{
	uint32_t count = n / 6, groups = (count + 7) / 8, users = count / 4 + 1;
	uint32_t group = 1, node = group + groups, array = node + count, user = array + count;
	uint32_t key = user + users, data = key + count;
	s->inner = key;
	s->n = data + count;
	point(s, s->n, 0, 0);
	point(s, s->n, node, 1);
	for (uint32_t g = 0; g < groups; g++)
		point(s, 0, group + g, g);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t in = below(groups);
		point(s, group + in, node + i, 2 + i % 8);
		point(s, group + in, key + i, 1 + i % 8);
		point(s, node + i, key + i, 0);
		point(s, node + i, array + i, 2);
		point(s, node + i, data + i, 5);
		point(s, node + i, user + below(users), 7);
		if (i + 1 < count && i % 2)
			point(s, node + i, node + i + 1, 8);
	}
}

static void anywhere(struct shape *s, uint32_t n)
{
	s->n = s->inner = n;
	point(s, n, 0, 0);
	for (uint32_t v = 0; v < n; v++)
		for (uint32_t e = 0; e < 2; e++)
			point(s, v, below(n), e);
}

static double cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* A line of /proc/self/status in bytes. */
static double status_of(const char *name)
{
	char line[256];
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoull(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return (double)kib * 1024;
}

static void reset_peak(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "we");
	if (!f)
		return;
	fputs("5", f);
	fclose(f);
}

static double touch(const struct graph *g)
{
	uint32_t *count = xcalloc(graph_vertices(g), sizeof(*count));
	memset(count, 1, graph_vertices(g) * sizeof(*count));
	double start = cpu_ns();
	for (uint32_t v = 0; v < graph_vertices(g); v++) {
		if (v == g->n_inner)
			v = g->n;
		uint32_t n = 0;
		const graph_edge *out = graph_out(g, v, &n);
		for (uint32_t e = 0; e < n; e++)
			count[graph_target(out[e])]++;
	}
	double took = cpu_ns() - start;
	free(count);
	return took;
}

static double reach(const struct graph *g)
{
	struct graph_reach r;
	double start = cpu_ns();
	graph_reach_init(&r, g);
	graph_reach_all_roots(&r);
	double took = cpu_ns() - start;
	graph_reach_deinit(&r);
	return took;
}

static uint64_t bytes_of(void *ctx, uint32_t object)
{
	return 16 + (object & 63);
}

static struct retain_step step_of(void *ctx, uint32_t holder, uint32_t kind, uint32_t word)
{
	return (struct retain_step){ .field = word & 7 };
}

static void measure(const struct shape *s, const struct graph *g)
{
	/* Kinds as types are: objects of one size class stand together. */
	uint32_t *kinds = xcalloc(s->n, sizeof(*kinds));
	for (uint32_t v = 0; v < s->n; v++)
		kinds[v] = 1 + (uint32_t)((uint64_t)v * s->kinds / s->n);
	double objects = s->n, limit = touch(g) / objects, mark = reach(g) / objects;
	reset_peak();
	double before = status_of("VmRSS:"), start = cpu_ns();
	struct dominators d;
	struct retain r;
	err_free(dominators_find(g, &d));
	double dominating = (cpu_ns() - start) / objects, peak_d = (status_of("VmHWM:") - before) / objects;
	reset_peak();
	struct retain_input in = {
		.graph = g, .dominators = &d, .bytes = bytes_of, .kinds = kinds, .step = step_of, .n_kinds = 256
	};
	start = cpu_ns();
	err_free(retain_find(&in, &r));
	double retaining = (cpu_ns() - start) / objects, peak_r = (status_of("VmHWM:") - before) / objects;
	printf("%-8s %6.2f %5.0f%% %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %8zu\n", s->name, (double)s->edges / objects,
	       100 * (double)d.core / objects, limit, mark, dominating, retaining, peak_d, peak_r, r.paths.n);
	retain_deinit(&r);
	dominators_deinit(&d);
	free(kinds);
}

static const struct {
	const char *name;
	void (*make)(struct shape *s, uint32_t n);
	unsigned kinds;
} shapes[] = {
	{ "list", list, 1 }, { "spread", spread, 1 }, { "ring", ring, 2 },	  { "tree", tree, 2 },
	{ "hub", hub, 2 },   { "heap", heap, 7 },     { "random", anywhere, 12 },
};

static void run(size_t i, uint32_t n)
{
	struct shape s = { .name = shapes[i].name, .kinds = shapes[i].kinds };
	shapes[i].make(&s, n);
	struct graph g;
	fixture_graph(&g, s.n, s.inner, 1, &s.arrows);
	s.edges = s.arrows.n;
	vec_deinit(&s.arrows);
	measure(&s, &g);
	graph_deinit(&g);
}

int main(int argc, char **argv)
{
	uint64_t n = 8000000;
	if (argc > 1 && (!num_str(argv[1], &n) || n < 100 || n > 200000000)) {
		fprintf(stderr, "usage: bench_graph [OBJECTS] [SHAPE]\n");
		return 2;
	}
	printf("%llu objects; ns of CPU and bytes an object\n", (unsigned long long)n);
	printf("shape     edges   core     limit      mark dominators   retain  peak dom  peak ret    paths\n");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (argc > 2 && strcmp(argv[2], shapes[i].name) != 0)
			continue;
		fflush(stdout);
		pid_t child = fork(); /* each with memory of its own */
		if (child == 0) {
			run(i, (uint32_t)n);
			fflush(stdout);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
	return 0;
}
