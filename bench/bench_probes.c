/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench_probes - what probes cost who is probed: CPU time of an operation, with and without, the best of some rounds.
 * Prints a table: operation, nanoseconds without probes, and what each kind of probe adds.
 */

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "ebpf/ebpf.h"

enum { ROUNDS = 7, PAGE = 4096 };

static void call(int n)
{
	for (int i = 0; i < n; i++)
		getppid();
}

static void map(int n)
{
	for (int i = 0; i < n; i++)
		munmap(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
}

static void touch(int n)
{
	char *a = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(a, (size_t)n * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < n; i++)
		a[(size_t)i * PAGE] = 1;
	munmap(a, (size_t)n * PAGE);
}

static void *volatile block;

static void allocate(int n)
{
	for (int i = 0; i < n; i++) {
		block = malloc(100);
		free(block);
	}
}

static const struct operation {
	const char *name;
	void (*run)(int n);
	int n;
} operations[] = {
	{ "getppid()", call, 300000 },
	{ "mmap() + munmap()", map, 10000 },
	{ "page fault", touch, 10000 },
	{ "malloc() + free()", allocate, 20000 },
};

enum { N_OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Offset in its file of a function of libc, and that file. */
static uint64_t place_of(const char *name, char path[256])
{
	uint64_t at = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, name), found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	while (maps && fgets(line, sizeof(line), maps)) {
		uint64_t start, end, offset;
		char file[256] = "";
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %255s", &start, &end, &offset,
			   file) >= 3 &&
		    at >= start && at < end) {
			found = at - start + offset;
			memcpy(path, file, sizeof(file));
		}
	}
	if (maps)
		fclose(maps);
	return found;
}

static struct err *place(struct ebpf *e, int pid, unsigned to_push)
{
	char path[256] = "";
	struct ebpf_probe probes[] = {
		{ .pid = pid,
		  .path = path,
		  .kind = EBPF_ALLOC,
		  .function = 1,
		  .arg_size = EBPF_REG_DI,
		  .offset = place_of("malloc", path) },
		{ .pid = pid,
		  .path = path,
		  .kind = EBPF_FREE,
		  .function = 2,
		  .arg_addr = EBPF_REG_DI,
		  .offset = place_of("free", path) + to_push },
	};
	TRY(ebpf_probes_set(e, probes, 2));
	return ebpf_probes_on(e);
}

static void ignore(void *arg, const struct ebpf_event *ev)
{
	(void)arg;
	(void)ev;
}

static const struct set {
	const char *name;
	unsigned wanted, period, alloc, push;
	bool other; /* another process is watched, this one is only on the same machine */
} sets[] = {
	{ "none", 0, 0, 0, 0, false },
	{ "calls one by one, others", EBPF_WANT_MAP, 0, 0, 0, true },
	{ "every call, others", EBPF_WANT_MAP | EBPF_WANT_OLD, 0, 0, 0, true },
	{ "calls one by one", EBPF_WANT_MAP, 0, 0, 0, false },
	{ "every call", EBPF_WANT_MAP | EBPF_WANT_OLD, 0, 0, 0, false },
	{ "faults, others", EBPF_WANT_FAULT, 1, 0, 0, true },
	{ "faults, each", EBPF_WANT_FAULT, 1, 0, 0, false },
	{ "faults, 1 of 1000", EBPF_WANT_FAULT, 1000, 0, 0, false },
	{ "malloc, free at its entry", EBPF_WANT_ALLOC, 0, 1, 0, false },
	{ "malloc, free at its push", EBPF_WANT_ALLOC, 0, 1, 9, false },
};

enum { N_SETS = sizeof(sets) / sizeof(sets[0]) };

static struct err *under(const struct set *s, int pid, struct ebpf **ret)
{
	TRY(ebpf_open(&(struct ebpf_options){ s->wanted, 32 << 20 }, ret));
	TRY(ebpf_process_add(*ret, s->other ? 1 : pid,
			     &(struct ebpf_process){ .fault_period = s->period, .copy_stack = 2048 }));
	TRY(ebpf_attach(*ret));
	return s->alloc ? place(*ret, pid, s->push) : NULL;
}

int main(void)
{
	int64_t *best = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("%-28s", "CPU ns an operation");
	for (size_t o = 0; o < N_OPERATIONS; o++)
		printf("%20s", operations[o].name);
	printf("\n");
	for (size_t i = 0; i < N_SETS; i++) {
		int go[2], done[2];
		if (pipe(go) || pipe(done))
			return 1;
		pid_t pid = fork();
		if (pid == 0) {
			char c;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (size_t o = 0; read(go[0], &c, 1) == 1; o = (o + 1) % N_OPERATIONS) {
				int64_t start = cpu_ns();
				operations[o].run(operations[o].n);
				int64_t took = (cpu_ns() - start) * 10 / operations[o].n;
				if (!best[o] || took < best[o])
					best[o] = took;
				if (write(done[1], &c, 1) != 1)
					break;
			}
			_exit(0);
		}
		memset(best, 0, PAGE);
		struct ebpf *e = NULL;
		struct err *err = sets[i].wanted ? under(&sets[i], pid, &e) : NULL;
		char c = 0;
		for (size_t k = 0; !err && k < ROUNDS * N_OPERATIONS; k++) {
			if (write(go[1], &c, 1) != 1 || read(done[0], &c, 1) != 1)
				break;
			err = e ? ebpf_poll(e, 0, ignore, NULL) : NULL;
		}
		printf("%-28s", sets[i].name);
		for (size_t o = 0; o < N_OPERATIONS; o++)
			printf("%20.1f", (double)best[o] / 10);
		printf("%s%s\n", err ? "  " : "", err ? err_text(err) : "");
		fflush(stdout);
		err_free(err);
		ebpf_close(e);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
