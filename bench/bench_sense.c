/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench_sense SECONDS WHAT - looks at all processes that a rule of names (argv[3], default: every Go process) wants, once a
 * second, and prints the CPU time of it: WHAT is a sum of enum sense_look. For bench/run, which sets a peer beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sense/sense.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void say(void *arg, const char *text)
{
	printf("note: %s\n", text);
}

static void killed(void *arg, struct sense_target *t, int pid, const char *comm, const char *cgroup, const char *text)
{
	printf("oom: %s pid %d (%s) in %s: %s\n", t ? "target" : "other", pid, comm ? comm : "?", cgroup, text);
}

/* Resident now, KiB. */
static long resident(void)
{
	long pages = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f || fscanf(f, "%*d %ld %ld", &pages, &shared) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 4;
}

static void print_target(struct sense *s, size_t i)
{
	struct watch_target t = { 0 };
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	sense_describe(sense_at(s, i), &t);
	(void)sense_look(s, sense_at(s, i), SENSE_FAST | SENSE_GO | SENSE_SLOW, clock_ns(CLOCK_BOOTTIME), &t.process,
			 &t.cgroup);
	printf("%s %s %s rss %llu heap %llu objects %llu goroutines %lld gc %lld threads %lld fds %lld usage %llu "
	       "limit %lld %s\n",
	       t.key, t.comm, t.go_version ? t.go_version : "-", (unsigned long long)t.process.rss,
	       (unsigned long long)t.process.heap_alloc, (unsigned long long)t.process.heap_objects,
	       (long long)t.process.goroutines, (long long)t.process.gc_count, (long long)t.process.threads,
	       (long long)t.process.fds, (unsigned long long)t.cgroup.usage, (long long)t.cgroup.limit, t.limit_source);
}

static void round_of_looks(struct sense *s, const struct sense_calls *calls, unsigned what, int64_t *parts)
{
	int64_t a = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	sense_dispatch(s, calls);
	sense_discover(s, calls);
	int64_t b = clock_ns(CLOCK_PROCESS_CPUTIME_ID), now = clock_ns(CLOCK_BOOTTIME);
	for (size_t i = 0; i < sense_count(s); i++) {
		struct watch_process_sample p;
		struct watch_cgroup_sample g;
		watch_process_sample_init(&p);
		watch_cgroup_sample_init(&g);
		(void)sense_look(s, sense_at(s, i), what, now, &p, &g);
	}
	parts[0] += b - a;
	parts[1] += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - b;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 5;
	unsigned what = argc > 2 ? (unsigned)atoi(argv[2]) : SENSE_FAST;
	struct config config;
	config_defaults(&config);
	if (argc > 3)
		*vec_push(&config.targets) = (struct config_match){ .name = argv[3] };
	struct sense *s = NULL;
	struct sense_calls calls = { .note = say, .oom_kill = killed };
	struct err *err = sense_new(
		&(struct sense_options){ .procfs = "/proc", .mountinfo = "/proc/self/mountinfo", .config = &config },
		&s);
	if (err) {
		fprintf(stderr, "%s\n", err_text(err));
		return 1;
	}
	int64_t parts[2] = { 0 };
	for (int i = 0; i < 12; i++) { /* what is done once, and more often while a process has only just begun */
		round_of_looks(s, &calls, what, parts);
		struct timespec pause = { 0, 500 * 1000 * 1000 };
		nanosleep(&pause, NULL);
	}
	if (getenv("SENSE_LIST"))
		for (size_t i = 0; i < sense_count(s); i++)
			print_target(s, i);
	parts[0] = parts[1] = 0;
	for (int i = 0; i < seconds; i++) {
		struct timespec pause = { 1, 0 };
		nanosleep(&pause, NULL);
		round_of_looks(s, &calls, what, parts);
	}
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("%zu targets, discovery %.1f us a round, looks %.1f us a round; %ld KiB resident, at most %ld\n",
	       sense_count(s), (double)parts[0] / 1e3 / seconds, (double)parts[1] / 1e3 / seconds, resident(),
	       usage.ru_maxrss);
	sense_free(s);
	config_deinit(&config);
	return 0;
}
