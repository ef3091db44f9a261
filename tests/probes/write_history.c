/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write_history DIR [stay] - a black box as a daemon would have left it: "leaky" (10-100) grew for five minutes, was warned of
 * and killed by the kernel; "leaky" (11-200) of another build came after it; a process with a hostile name ended by itself.
 * With `stay` it goes on looking at 11 every 20 ms, and says so on standard output, until it is killed.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

static const int64_t second_ns = 1000000000;

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return t.tv_sec * second_ns + t.tv_nsec;
}

static struct watch_target target(int pid, const char *key, const char *comm, const char *build)
{
	struct watch_target t = {
		.id = { .pid = pid, .start_ticks = 100 },
		.key = key,
		.comm = comm,
		.go_version = "go1.24.4",
		.build_id = build,
		.cgroup_path = "/system.slice/leaky.service",
		.unit = "leaky.service",
		.limit_source = "cgroup /system.slice/leaky.service memory.max",
		.is_go = true,
		.forecast = { .rate = NAN, .eta = NAN, .confidence = NAN, .z = NAN },
	};
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	t.cgroup.limit = 512 << 20;
	if (build)
		t.exe = "/srv/leaky";
	return t;
}

static void look(struct store *s, struct watch_target *t, int64_t boot_ns, int64_t offset_ns, uint64_t bytes)
{
	t->process.time_ns = t->cgroup.time_ns = boot_ns;
	t->process.rss = bytes / 4096 * 4096;
	t->process.heap_alloc = bytes / 2;
	t->process.goroutines = 40;
	t->process.gc_count = (uint64_t)(boot_ns / second_ns) / 5;
	t->process.gc_pause_total_ns = t->process.gc_count * 200000;
	t->process.gc_pause_last_ns = 200000;
	t->cgroup.usage = t->process.rss + 4096000;
	t->cgroup.working_set = t->process.rss + 1024000;
	store_sample(s, boot_ns + offset_ns, t);
}

static void tell(struct store *s, enum watch_event_kind kind, const char *key, int64_t wall_ns, const char *name,
		 const char *text)
{
	store_event(s, &(struct watch_event){ .wall_ns = wall_ns,
					      .kind = kind,
					      .target = key,
					      .name = name,
					      .text = text,
					      .detail = "{\"usage_bytes\": 536870912}",
					      .value = 0.91,
					      .threshold = 0.9 });
}

static struct err *snapshot(struct store *s, const char *key, int64_t wall_ns)
{
	struct store_blob b;
	TRY(store_file_begin(s, STORE_SNAPSHOT, key, ".ullage", wall_ns, &b));
	if (write(b.fd, "snapshot\n", 9) != 9)
		return err_new(ERR_WRITE, "a snapshot");
	return store_file_done(s, &b);
}

static const unsigned life_s = 300;

static struct err *write_all(struct store *s)
{
	int64_t end = clock_ns(CLOCK_BOOTTIME), offset = clock_ns(CLOCK_REALTIME) - end, t0 = end - life_s * second_ns;
	struct watch_target leaky = target(10, "10-100", "leaky", "old"), after = target(11, "11-200", "leaky", "new");
	struct watch_target odd = target(12, "12-300", "\x1b[2J<b>&\"'\n\xff", NULL);
	for (unsigned i = 0; i < life_s; i++) {
		leaky.state = i < 240 ? WATCH_OK : WATCH_WARNING;
		leaky.forecast.rate = i < 60 ? (double)NAN : 1.3e6;
		leaky.forecast.eta = i < 200 ? (double)NAN : life_s - i;
		leaky.forecast.warning = i >= 240;
		look(s, &leaky, t0 + i * second_ns, offset, (100UL << 20) + (uint64_t)i * (410UL << 20) / life_s);
		if (i % 10 == 0)
			look(s, &odd, t0 + i * second_ns, offset, 30 << 20);
		if (i % 30 == 29)
			TRY(store_commit(s));
		if (i == 240)
			tell(s, WATCH_EVENT_ALARM, "10-100", t0 + i * second_ns + offset, "near_limit",
			     "91.0 % of 512 MiB in use");
	}
	TRY(snapshot(s, "10-100", t0 + 250 * second_ns + offset));
	tell(s, WATCH_EVENT_OOM_KILL, "10-100", end + offset - second_ns / 2, NULL,
	     "killed for the limit of 512 MiB of cgroup /system.slice/leaky.service");
	tell(s, WATCH_EVENT_EXIT, "10-100", end + offset - second_ns / 2, NULL, "ended");
	tell(s, WATCH_EVENT_EXIT, "12-300", end + offset - second_ns / 2, NULL, "ended with status 0");
	look(s, &after, end, offset, 100 << 20);
	return store_commit(s);
}

static struct err *stay(struct store *s)
{
	struct watch_target after = target(11, "11-200", "leaky", "new");
	for (uint64_t i = 0;; i++) {
		int64_t now = clock_ns(CLOCK_BOOTTIME);
		look(s, &after, now, clock_ns(CLOCK_REALTIME) - now, (100ULL << 20) + i % 100 * 4096);
		TRY(store_commit(s));
		if (i == 3 && (puts("ready") < 0 || fflush(stdout) != 0))
			return err_new(ERR_WRITE, "standard output");
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
}

int main(int argc, char **argv)
{
	struct store *s = NULL;
	struct err *err = store_open(&(struct store_options){ .directory = argc > 1 ? argv[1] : "" }, &s);
	if (!err)
		err = write_all(s);
	if (!err && argc > 2 && strcmp(argv[2], "stay") == 0)
		err = stay(s);
	store_close(s);
	if (err)
		fprintf(stderr, "write_history: %s\n", err_text(err));
	return err ? 1 : 0;
}
