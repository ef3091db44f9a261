/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_store [TARGETS] [SECONDS] - the black box at one look a second at each target: CPU time and bytes a look, for targets
 * of which a share is busy (all figures move), the rest idle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "store/store.h"

static double cpu_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t noise(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* A server under load: a heap that saws, pages that come and go. */
static void move(struct watch_target *t, uint64_t *seed)
{
	t->process.heap_alloc += noise(seed) % 3000000;
	if (t->process.heap_alloc > 80000000) {
		t->process.heap_alloc = 40000000 + noise(seed) % 1000000;
		t->process.gc_count++;
		t->process.gc_pause_last_ns = 100000 + noise(seed) % 400000;
		t->process.gc_pause_total_ns += t->process.gc_pause_last_ns;
	}
	t->process.heap_objects = t->process.heap_alloc / 100 + noise(seed) % 1000;
	t->process.rss = 100000000 / 4096 * 4096 + noise(seed) % 500 * 4096;
	t->process.goroutines = 100 + noise(seed) % 20;
	t->cgroup.usage = t->process.rss + 40960;
	t->cgroup.anon = t->process.rss - 8192000;
	t->cgroup.file = 8192000 + noise(seed) % 10 * 4096;
	t->cgroup.working_set = t->cgroup.usage - 4096000;
	t->cgroup.available = 4000000000 / 4096 * 4096 + noise(seed) % 10000 * 4096;
	t->forecast.rate = (double)(noise(seed) % 100000);
}

static void run(const char *directory, unsigned targets, unsigned seconds, unsigned busy_percent)
{
	struct store *s;
	struct store_stats stats;
	struct err *err = store_open(&(struct store_options){ .directory = directory }, &s);
	if (err) {
		fprintf(stderr, "%s\n", err_text(err));
		exit(1);
	}
	uint64_t seed = 1;
	struct watch_target *t = xcalloc(targets, sizeof(*t));
	for (unsigned i = 0; i < targets; i++) {
		t[i] = (struct watch_target){ .id = { .pid = (int)i + 1, .start_ticks = 1000 },
					      .comm = "server",
					      .exe = "/srv/server",
					      .go_version = "go1.24.4",
					      .is_go = true,
					      .cgroup_path = "/system.slice/server.service" };
		t[i].forecast = (struct watch_forecast){ .rate = NAN, .eta = NAN, .confidence = NAN, .z = NAN };
		watch_process_sample_init(&t[i].process);
		watch_cgroup_sample_init(&t[i].cgroup);
		t[i].process.heap_alloc = 50000000;
		t[i].process.gc_count = 1;
		t[i].process.gc_pause_total_ns = 1;
		t[i].cgroup.limit = 512 << 20;
	}
	struct timespec boot;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	int64_t t0 = boot.tv_sec * 1000000000LL;
	double cpu = 0, in_commit = 0;
	for (unsigned second = 0; second < seconds; second++) {
		for (unsigned i = 0; i < targets; i++) {
			if (i % 100 < busy_percent)
				move(&t[i], &seed);
			t[i].process.time_ns = t[i].cgroup.time_ns = t0 + second * 1000000000LL;
		}
		double begin = cpu_s();
		for (unsigned i = 0; i < targets; i++)
			store_sample(s, 1764126720000000000 + second * 1000000000LL, &t[i]);
		double middle = cpu_s();
		if (store_commit(s))
			exit(1);
		if (second % 10 == 9 && store_trim(s, 1764126720000000000))
			exit(1);
		double end = cpu_s();
		cpu += end - begin;
		in_commit += end - middle;
	}
	store_stats(s, &stats);
	double begin = cpu_s();
	store_close(s);
	cpu += cpu_s() - begin;
	char path[256], size[NUM_SIZE_LEN];
	snprintf(path, sizeof(path), "stat -c %%s %s/ullage.db", directory);
	FILE *p = popen(path, "r");
	double bytes = 0;
	if (!p || fscanf(p, "%lf", &bytes) != 1)
		exit(1);
	pclose(p);
	double looks = (double)targets * seconds;
	printf("%u targets, %3u %% busy, %u s: %.2f us of CPU a look (%.2f of it commits), %.4f %% of a core; %s, %.1f "
	       "bytes a "
	       "look that was written, %.1f a look\n",
	       targets, busy_percent, seconds, cpu / looks * 1e6, in_commit / looks * 1e6, cpu / seconds * 100,
	       num_size((uint64_t)bytes, size), bytes / (double)stats.written, bytes / looks);
	free(t);
}

int main(int argc, char **argv)
{
	unsigned targets = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200;
	unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1200;
	static const unsigned busy[] = { 100, 20, 0 };
	for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
		char directory[] = "/tmp/ullage-bench-XXXXXX", command[64];
		if (!mkdtemp(directory))
			return 1;
		run(directory, targets, seconds, busy[i]);
		snprintf(command, sizeof(command), "rm -r %s", directory);
		if (system(command) != 0)
			return 1;
	}
	return 0;
}
