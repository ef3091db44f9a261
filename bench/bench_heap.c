/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_heap PID [ROUNDS] - the heap profile of a process read and put into words, its census, each from an attached target.
 * Prints the median of the CPU time of each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "engine/evidence.h"
#include "target/target.h"

enum { ROUNDS = 9, ROUNDS_MAX = 1000 };

static double cpu_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

typedef struct err *(*part_fn)(struct target *t, struct snapshot *s);

static bool measure(struct target *t, const char *what, part_fn part, size_t rounds)
{
	AUTO_FREE double *ms = xcalloc(rounds, sizeof(*ms));
	uint64_t buckets = 0, types = 0;
	for (size_t i = 0; i < rounds; i++) {
		struct snapshot s;
		snapshot_init(&s);
		double start = cpu_ms();
		struct err *err AUTO(err) = part(t, &s);
		ms[i] = cpu_ms() - start;
		buckets = s.heap.buckets;
		types = s.heap.types.n;
		snapshot_deinit(&s);
		if (err) {
			fprintf(stderr, "bench_heap: %s\n", err_text(err));
			return false;
		}
	}
	qsort(ms, rounds, sizeof(*ms), by_value);
	printf("%-8s cpu %8.2f ms (min %.2f, max %.2f)  %" PRIu64 " buckets, %" PRIu64 " types\n", what, ms[rounds / 2],
	       ms[0], ms[rounds - 1], buckets, types);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t pid = 0, rounds = ROUNDS;
	if (argc < 2 || !num_str(argv[1], &pid) ||
	    (argc > 2 && (!num_str(argv[2], &rounds) || !rounds || rounds > ROUNDS_MAX))) {
		fprintf(stderr, "usage: bench_heap PID [ROUNDS]\n");
		return 2;
	}
	struct target t;
	struct err *err AUTO(err) = target_open("/proc", (int)pid, &t);
	struct err *bad AUTO(err) = err ? NULL : target_attach(&t, NULL);
	if (err || bad || !t.is_go || !t.gort.layout) {
		fprintf(stderr, "bench_heap: %s\n", err || bad ? err_text(err ? err : bad) : "not a known Go process");
		return 1;
	}
	bool ok = measure(&t, "profile", evidence_heap, rounds) && measure(&t, "census", evidence_census, rounds);
	target_close(&t);
	return !ok;
}
