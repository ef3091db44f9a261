/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_map PID [ROUNDS] - the account of a process against what it costs to read its /proc/PID/smaps, in one process, warm,
 * one after the other. Prints the median of each, wall and CPU, and the ratio of the CPU times (the wall clock of a
 * busy machine says more about the machine).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "account/account.h"
#include "base/alloc.h"
#include "base/num.h"

enum { ROUNDS = 11, ROUNDS_MAX = 1000, BUF = 1 << 20 };

struct cost {
	double wall_ms, cpu_ms;
};

static double ms(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static bool read_smaps(int pid, char *buf)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	do
		n = fd < 0 ? -1 : read(fd, buf, BUF);
	while (n > 0);
	return n == 0;
}

static bool take_account(int pid, uint64_t *spans, uint64_t *goroutines)
{
	struct account_options opt = { .owners = true, .cgroup = true, .procfs = "/proc" };
	struct account a;
	struct err *err AUTO(err) = engine_account(pid, &opt, &a);
	*spans = a.runtime.spans;
	*goroutines = a.runtime.goroutines;
	account_deinit(&a);
	if (err)
		fprintf(stderr, "bench_map: %s\n", err_text(err));
	return !err;
}

static int by_cpu(const void *a, const void *b)
{
	const struct cost *x = a, *y = b;
	return x->cpu_ms < y->cpu_ms ? -1 : x->cpu_ms > y->cpu_ms;
}

static void print(const char *what, struct cost *c, size_t n)
{
	qsort(c, n, sizeof(*c), by_cpu);
	printf("%-8s cpu %8.2f ms (min %.2f, max %.2f)  wall %8.2f ms\n", what, c[n / 2].cpu_ms, c[0].cpu_ms,
	       c[n - 1].cpu_ms, c[n / 2].wall_ms);
}

int main(int argc, char **argv)
{
	uint64_t pid = 0, rounds = ROUNDS, spans = 0, goroutines = 0;
	if (argc < 2 || !num_str(argv[1], &pid) || (argc > 2 && (!num_str(argv[2], &rounds) || rounds > ROUNDS_MAX))) {
		fprintf(stderr, "usage: bench_map PID [ROUNDS]\n");
		return 2;
	}
	AUTO_FREE char *buf = xmalloc(BUF);
	AUTO_FREE struct cost *map = xcalloc(rounds, sizeof(*map)), *smaps = xcalloc(rounds, sizeof(*smaps));
	take_account((int)pid, &spans, &goroutines); /* warm up */
	for (size_t i = 0; i < rounds; i++) {
		double wall = ms(CLOCK_MONOTONIC), cpu = ms(CLOCK_PROCESS_CPUTIME_ID);
		if (!take_account((int)pid, &spans, &goroutines))
			return 1;
		map[i] = (struct cost){ ms(CLOCK_MONOTONIC) - wall, ms(CLOCK_PROCESS_CPUTIME_ID) - cpu };
		wall = ms(CLOCK_MONOTONIC), cpu = ms(CLOCK_PROCESS_CPUTIME_ID);
		if (!read_smaps((int)pid, buf))
			return 1;
		smaps[i] = (struct cost){ ms(CLOCK_MONOTONIC) - wall, ms(CLOCK_PROCESS_CPUTIME_ID) - cpu };
	}
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	printf("%" PRIu64 " spans, %" PRIu64 " goroutines\n", spans, goroutines);
	print("map", map, rounds);
	print("smaps", smaps, rounds);
	printf("ratio    cpu %8.2f                            wall %8.2f\n",
	       map[rounds / 2].cpu_ms / smaps[rounds / 2].cpu_ms, map[rounds / 2].wall_ms / smaps[rounds / 2].wall_ms);
	printf("peak     %ld KiB\n", ru.ru_maxrss);
	return 0;
}
