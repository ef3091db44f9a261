/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ebpf/test_watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

/* ---- an allocator to probe: this program's own ---- */

#define FUNCTION static __attribute__((noinline, used))

enum { INNER = 1, OUTER, TAIL, LEAVES, REALLOC, FREE, ALIGNED, COUNTED, SLOW };

static char store[1 << 16];
static jmp_buf way_out;
static volatile int used;

FUNCTION void *inner(size_t size)
{
	used++;
	return store + size;
}

FUNCTION void *outer(size_t size)
{
	char *p = inner(size + 1);
	used++;
	return p - 1;
}

FUNCTION void *tail(size_t size)
{
	used++;
	return inner(size);
}

FUNCTION void *leaves(size_t size)
{
	used++;
	if (size)
		longjmp(way_out, 1);
	return NULL;
}

FUNCTION void release(void *p)
{
	used += p ? 1 : 2;
}

FUNCTION void *again(void *old, size_t size)
{
	void *p = size ? inner(size) : NULL;
	release(old);
	used++;
	return p;
}

FUNCTION int aligned(void **out, size_t align, size_t size)
{
	*out = inner(size + align);
	used++;
	return size > 1000 ? 12 : 0;
}

FUNCTION void *counted(size_t n, size_t size)
{
	used++;
	return inner(n * size);
}

FUNCTION void *slow(size_t size)
{
	used++;
	usleep(400000);
	return store + size;
}

/* Where that is in the file of this program. */
static uint64_t offset_of(const void *function)
{
	uint64_t at = (uint64_t)(uintptr_t)function, found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	while (fgets(line, sizeof(line), maps)) {
		uint64_t start, end, offset;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) == 3 && at >= start &&
		    at < end)
			found = at - start + offset;
	}
	fclose(maps);
	assert_true(found != 0);
	return found;
}

static struct ebpf_probe probes[] = {
	{ .kind = EBPF_ALLOC, .function = INNER, .arg_size = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = OUTER, .arg_size = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = TAIL, .arg_size = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = LEAVES, .arg_size = EBPF_REG_DI },
	{ .kind = EBPF_REALLOC, .function = REALLOC, .arg_size = EBPF_REG_SI, .arg_addr = EBPF_REG_DI },
	{ .kind = EBPF_FREE, .function = FREE, .arg_addr = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = ALIGNED, .arg_size = EBPF_REG_DX, .arg_out = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = COUNTED, .arg_size = EBPF_REG_SI, .arg_count = EBPF_REG_DI },
	{ .kind = EBPF_ALLOC, .function = SLOW, .arg_size = EBPF_REG_DI },
};

enum { N_PROBES = sizeof(probes) / sizeof(probes[0]) };

static const void *const functions[N_PROBES] = { inner, outer, tail, leaves, again, release, aligned, counted, slow };

static void place(struct watch *w)
{
	static char path[64]; /* as long as what points to it */
	snprintf(path, sizeof(path), "/proc/%d/exe", w->pid);
	for (size_t i = 0; i < N_PROBES; i++) {
		probes[i].pid = w->pid;
		probes[i].path = path;
		probes[i].offset = offset_of(functions[i]);
	}
	ok(ebpf_probes_set(w->e, probes, N_PROBES));
}

static struct watch watch_allocator(void **state, void (*body)(void *arg))
{
	struct watch w = watch_start(state, EBPF_WANT_ALLOC, 0, body);
	place(&w);
	return w;
}

/* ---- what is told ---- */

FUNCTION void each_once(void *arg)
{
	void *block;
	inner(100);
	outer(200);
	tail(300);
	again(store + 7, 400);
	again(store + 8, 0);
	release(store + 9);
	release(NULL);
	aligned(&block, 16, 500);
	aligned(&block, 16, 5000); /* fails */
	counted(6, 10);
	used++; /* that was no jump */
}

static void check_told(const struct seen *s, enum ebpf_kind kind, uint32_t function, const void *block, uint64_t len)
{
	assert_int_equal(s->ev.kind, kind);
	assert_int_equal(s->ev.arg, function);
	assert_int_equal(s->ev.addr, (uint64_t)(uintptr_t)block);
	assert_int_equal(s->ev.len, len);
	assert_true(s->ev.began <= s->ev.time);
}

static void each_call_is_one_event_whatever_it_calls(void **state)
{
	struct watch w = watch_allocator(state, each_once);
	ok(ebpf_probes_on(w.e));
	watch_run(&w);
	struct seen *s = w.seen.v;
	assert_int_equal(w.seen.n, 10);
	check_told(&s[0], EBPF_ALLOC, INNER, store + 100, 100);
	check_told(&s[1], EBPF_ALLOC, OUTER, store + 200, 200);
	check_told(&s[2], EBPF_ALLOC, TAIL, store + 300, 300);
	check_told(&s[3], EBPF_REALLOC, REALLOC, store + 400, 400);
	assert_int_equal(s[3].ev.old_addr, (uint64_t)(uintptr_t)(store + 7));
	check_told(&s[4], EBPF_REALLOC, REALLOC, NULL, 0);
	check_told(&s[5], EBPF_FREE, FREE, store + 9, 0);
	check_told(&s[6], EBPF_ALLOC, ALIGNED, store + 516, 500);
	check_told(&s[7], EBPF_ALLOC, ALIGNED, NULL, 5000);
	check_told(&s[8], EBPF_ALLOC, COUNTED, store + 60, 60);
	assert_int_equal(s[9].ev.kind, EBPF_EXIT);
	assert_int_equal(w.stats.lost + w.stats.missed + w.stats.unfinished + w.stats.refused, 0);
	watch_end(&w);
}

/* The stack is that of the function's entry: its first instruction, and who called it. */
static void the_caller_is_known_without_frame_pointers(void **state)
{
	struct watch w = watch_allocator(state, each_once);
	ok(ebpf_probes_on(w.e));
	watch_run(&w);
	for (size_t i = 0; i < 9; i++) {
		const struct seen *s = &w.seen.v[i];
		if (s->ev.kind == EBPF_FREE)
			continue;
		assert_true(s->ev.flags & EBPF_CALLER_READ);
		assert_int_equal(s->user[0], s->ev.ip);
		assert_int_equal(s->ev.ip, (uint64_t)(uintptr_t)functions[s->ev.arg - 1]);
		uint64_t into = s->user[1] - (uint64_t)(uintptr_t)each_once;
		assert_true(into > 0 && into < 512);
		assert_int_equal(s->ev.sp % 16, 8);
	}
	watch_end(&w);
}

static void leaves_and_calls_again(void *arg)
{
	for (volatile int i = 0; i < 3; i++)
		if (!setjmp(way_out))
			leaves(5);
	inner(10);
	outer(20);
	used++;
}

static void a_call_that_is_left_by_longjmp_hides_nothing(void **state)
{
	struct watch w = watch_allocator(state, leaves_and_calls_again);
	ok(ebpf_probes_on(w.e));
	watch_run(&w);
	assert_int_equal(w.seen.n, 3);
	check_told(&w.seen.v[0], EBPF_ALLOC, INNER, store + 10, 10);
	check_told(&w.seen.v[1], EBPF_ALLOC, OUTER, store + 20, 20);
	watch_end(&w);
}

/* ---- on and off ---- */

static void *one_slow(void *arg)
{
	slow(64);
	return NULL;
}

static void three_slow(void *arg)
{
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, one_slow, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 10; i++)
		inner(1);
}

static void calls_under_way_when_probes_go_off_are_counted(void **state)
{
	struct watch w = watch_allocator(state, three_slow);
	ok(ebpf_probes_on(w.e));
	close(w.go);
	struct ebpf_stats stats = { 0 };
	usleep(200000); /* they are in it now, for as long again */
	ebpf_probes_off(w.e);
	ebpf_stats(w.e, &stats);
	waitpid(w.pid, NULL, 0);
	ok(ebpf_poll(w.e, 0, keep, &w));
	uint64_t told = 0;
	for (size_t i = 0; i < w.seen.n; i++)
		told += w.seen.v[i].ev.kind == EBPF_ALLOC && w.seen.v[i].ev.arg == SLOW;
	assert_int_equal(told + stats.unfinished, 3);
	watch_end(&w);
}

static void calls_for_ever(void *arg)
{
	volatile uint64_t *calls = arg;
	for (;;) {
		inner(++*calls);
		usleep(100);
	}
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void going_on_and_off_is_quick_and_whole(void **state)
{
	enum { TIMES = 5 };
	struct watch w = watch_allocator(state, calls_for_ever);
	int64_t on = 0, off = 0;
	close(w.go);
	for (int i = 0; i < TIMES; i++) {
		size_t before = w.seen.n;
		int64_t start = now_us();
		ok(ebpf_probes_on(w.e));
		int64_t middle = now_us();
		on += middle - start;
		usleep(100000);
		start = now_us();
		ebpf_probes_off(w.e);
		off += now_us() - start;
		ok(ebpf_poll(w.e, 0, keep, &w));
		assert_true(w.seen.n > before + 10);
		before = w.seen.n;
		usleep(20000);
		ok(ebpf_poll(w.e, 0, keep, &w));
		assert_int_equal(w.seen.n, before);
	}
	for (size_t i = 1; i < w.seen.n; i++) /* within a phase none is missing */
		assert_true(w.seen.v[i].ev.len == w.seen.v[i - 1].ev.len + 1 ||
			    w.seen.v[i].ev.time > w.seen.v[i - 1].ev.time + 20000000);
	print_message("on in %ld us, off in %ld us\n", (long)(on / TIMES), (long)(off / TIMES));
	kill(w.pid, SIGKILL);
	waitpid(w.pid, NULL, 0);
	watch_end(&w);
}

/* ---- what stays behind ---- */

static void read_code(pid_t pid, unsigned char code[N_PROBES])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int fd = open(path, O_RDONLY);
	for (size_t i = 0; i < N_PROBES; i++)
		assert_int_equal(pread(fd, &code[i], 1, (off_t)(uintptr_t)functions[i]), 1);
	close(fd);
}

static void an_end_by_force_leaves_no_changed_instruction(void **state)
{
	unsigned char before[N_PROBES], between[N_PROBES], after[N_PROBES];
	int ends[2];
	char c;
	ebpf_close(session_open(EBPF_WANT_ALLOC, 0)); /* skips where there are no probes */
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		uint64_t calls = 0;
		calls_for_ever(&calls);
	}
	read_code(pid, before);
	assert_int_equal(pipe(ends), 0);
	pid_t watcher = fork();
	if (watcher == 0) {
		struct watch w = { .e = session_open(EBPF_WANT_ALLOC, 0), .pid = pid };
		ok(ebpf_process_add(w.e, pid, &(struct ebpf_process){ 0 }));
		place(&w);
		ok(ebpf_probes_on(w.e));
		if (write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &c, 1), 1);
	read_code(pid, between);
	assert_int_equal(between[0], 0xcc);
	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	for (int i = 0; i < 100; i++) { /* the kernel tidies up behind us */
		read_code(pid, after);
		if (memcmp(before, after, N_PROBES) == 0)
			break;
		usleep(10000);
	}
	assert_memory_equal(before, after, N_PROBES);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* and it lives */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	close(ends[1]);
}

static void what_cannot_be_placed_is_left_out_and_counted(void **state)
{
	struct watch w = watch_allocator(state, each_once);
	struct ebpf_probe some[2] = { probes[0], probes[1] };
	some[1].path = "/nonexistent/libc.so.6";
	ok(ebpf_probes_set(w.e, some, 2));
	ok(ebpf_probes_on(w.e));
	watch_run(&w);
	assert_int_equal(w.stats.refused, 1);
	assert_true(w.seen.n > 3);
	ok(ebpf_probes_set(w.e, some + 1, 1));
	struct err *err = ebpf_probes_on(w.e);
	assert_non_null(err);
	print_message("%s\n", err_text(err));
	err_free(err);
	some[0].kind = EBPF_MMAP;
	err = ebpf_probes_set(w.e, some, 1);
	assert_int_equal(err_code(err), ERR_ARG);
	err_free(err);
	watch_end(&w);
}

static void becomes_another(void *arg)
{
	inner(1);
	execl("/bin/true", "true", NULL);
}

static void a_process_that_becomes_another_takes_its_probes_along(void **state)
{
	struct watch w = watch_allocator(state, becomes_another);
	ok(ebpf_probes_on(w.e));
	watch_run(&w);
	assert_int_equal(w.seen.n, 3);
	check_told(&w.seen.v[0], EBPF_ALLOC, INNER, store + 1, 1);
	assert_int_equal(w.seen.v[1].ev.kind, EBPF_EXEC);
	assert_int_equal(w.seen.v[2].ev.kind, EBPF_EXIT);
	ebpf_probes_off(w.e);
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_is_one_event_whatever_it_calls),
		cmocka_unit_test(the_caller_is_known_without_frame_pointers),
		cmocka_unit_test(a_call_that_is_left_by_longjmp_hides_nothing),
		cmocka_unit_test(calls_under_way_when_probes_go_off_are_counted),
		cmocka_unit_test(going_on_and_off_is_quick_and_whole),
		cmocka_unit_test(an_end_by_force_leaves_no_changed_instruction),
		cmocka_unit_test(what_cannot_be_placed_is_left_out_and_counted),
		cmocka_unit_test(a_process_that_becomes_another_takes_its_probes_along),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	old_ways = EBPF_WANT_OLD; /* and once more */
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
