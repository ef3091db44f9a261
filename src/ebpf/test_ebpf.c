/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ebpf/test_watch.h"

#include <pthread.h>
#include <sched.h>
#include <sys/shm.h>
#include <sys/syscall.h>

/* ---- address space ---- */

static void maps_and_unmaps(void *arg)
{
	char *a = mmap(NULL, 5 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *b = mremap(a, 5 << 20, 9 << 20, MREMAP_MAYMOVE);
	madvise(b, 1 << 20, MADV_DONTNEED);
	munmap(b + (4 << 20), 1 << 20);
	munmap((void *)1, 1); /* fails */
	char *before = sbrk(0);
	if (brk(before + (1 << 20)) || brk(before))
		return;
	int id = shmget(IPC_PRIVATE, 1 << 16, IPC_CREAT | 0600);
	char *shared = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	shmdt(shared);
	uint64_t *out = arg;
	out[0] = (uint64_t)a;
	out[1] = (uint64_t)b;
	out[2] = (uint64_t)before;
	out[3] = (uint64_t)shared;
}

static void check_event(const struct seen *s, enum ebpf_kind kind, uint64_t addr, uint64_t len)
{
	assert_int_equal(s->ev.kind, kind);
	assert_int_equal(s->ev.addr, addr);
	assert_int_equal(s->ev.len, len);
	assert_true(s->ev.began <= s->ev.time);
}

static void every_call_that_changes_address_space_is_told(void **state)
{
	struct watch w = watch_start(state, EBPF_WANT_MAP, 0, maps_and_unmaps);
	const uint64_t *out = w.shared;
	watch_run(&w);
	const enum ebpf_kind kinds[] = { EBPF_MMAP, EBPF_MREMAP, EBPF_MADVISE, EBPF_MUNMAP, EBPF_BRK,
					 EBPF_BRK,  EBPF_SHMAT,	 EBPF_SHMDT,   EBPF_EXIT };
	struct seen *s = w.seen.v;
	assert_int_equal(w.seen.n, sizeof(kinds) / sizeof(kinds[0]));
	for (size_t i = 0; i < w.seen.n; i++) {
		assert_int_equal(s[i].ev.kind, kinds[i]);
		assert_int_equal(s[i].ev.pid, w.pid);
		assert_int_equal(s[i].ev.tid, w.pid);
		assert_true(i == 0 || s[i].ev.time >= s[i - 1].ev.time);
	}
	check_event(&s[0], EBPF_MMAP, out[0], 5 << 20);
	assert_int_equal(s[0].ev.arg >> 32, PROT_READ | PROT_WRITE);
	assert_int_equal((uint32_t)s[0].ev.arg, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_true(s[0].n_user >= 1 && s[0].ev.n_bytes > 0);
	check_event(&s[1], EBPF_MREMAP, out[1], 9 << 20);
	assert_int_equal(s[1].ev.old_addr, out[0]);
	assert_int_equal(s[1].ev.old_len, 5 << 20);
	check_event(&s[2], EBPF_MADVISE, out[1], 1 << 20);
	assert_int_equal(s[2].ev.arg, MADV_DONTNEED);
	check_event(&s[3], EBPF_MUNMAP, out[1] + (4 << 20), 1 << 20);
	check_event(&s[4], EBPF_BRK, out[2] + (1 << 20), 0);
	assert_int_equal(s[4].ev.old_addr, out[2]);
	check_event(&s[5], EBPF_BRK, out[2], 0);
	assert_int_equal(s[5].ev.old_addr, out[2] + (1 << 20));
	check_event(&s[6], EBPF_SHMAT, out[3], 0);
	check_event(&s[7], EBPF_SHMDT, out[3], 0);
	assert_int_equal(w.stats.lost, 0);
	watch_end(&w);
}

/* ---- order ---- */

enum { THREADS = 6, ROUNDS = 4000, PAGES = 48, PAGE = 4096 };

static pthread_barrier_t begun;
static char *field; /* where all threads map and unmap */

static void *take_and_give(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	pthread_barrier_wait(&begun);
	for (int i = 0; i < ROUNDS; i++) {
		size_t pages = 1 + (unsigned)rand_r(&seed) % 6, at = (unsigned)rand_r(&seed) % (PAGES - 16);
		char *where = field + at * PAGE;
		char *got =
			mmap(where, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (got == MAP_FAILED)
			continue;
		if (i % 4 == 0) { /* where it comes to lie is up to the kernel: often, where another has just left */
			char *moved = mremap(got, pages * PAGE, (pages + 4) * PAGE, MREMAP_MAYMOVE);
			munmap(moved, (pages + 4) * PAGE);
		} else if (i % 4 == 1) {
			mremap(got, pages * PAGE, PAGE, 0);
			munmap(got, PAGE);
		} else {
			munmap(got, pages * PAGE);
		}
	}
	return NULL;
}

static void many_threads(void *arg)
{
	pthread_t t[THREADS];
	pthread_barrier_init(&begun, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, take_and_give, (void *)(i + 1));
	/* where nobody else is given memory, not a sanitizer either: what threads map there would replace it */
	void *far = (void *)(UINT64_C(3) << 44);
	field = mmap(far, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	munmap(field, PAGES * PAGE);
	pthread_barrier_wait(&begun);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* What an event does to a range, at its time. */
struct step {
	uint64_t time, start, end;
	bool takes;
};

VEC_TYPE(steps, struct step);

static void add_step(struct steps *to, uint64_t time, uint64_t start, uint64_t len, bool takes)
{
	*vec_push(to) = (struct step){ time, start, start + len, takes };
}

static void steps_of(const struct seen *s, struct steps *to)
{
	const struct ebpf_event *ev = &s->ev;
	bool moved = ev->addr != ev->old_addr;
	if (ev->kind == EBPF_MMAP) {
		add_step(to, ev->time, ev->addr, ev->len, true);
	} else if (ev->kind == EBPF_MUNMAP) {
		add_step(to, ev->time, ev->addr, ev->len, false);
	} else if (ev->kind == EBPF_MREMAP && moved) {
		add_step(to, ev->began, ev->old_addr, ev->old_len, false);
		add_step(to, ev->time, ev->addr, ev->len, true);
	} else if (ev->kind == EBPF_MREMAP && ev->len < ev->old_len) {
		add_step(to, ev->began, ev->addr + ev->len, ev->old_len - ev->len, false);
	} else if (ev->kind == EBPF_MREMAP) {
		add_step(to, ev->time, ev->addr + ev->old_len, ev->len - ev->old_len, true);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;
	return (x->time > y->time) - (x->time < y->time);
}

/* Everything that is taken was free, and everything given back was taken, page by page, in the order of times. */
static unsigned contradictions(const struct steps *steps)
{
	enum { MAX = 1 << 16 };
	uint64_t *pages = xcalloc(MAX, sizeof(*pages));
	unsigned wrong = 0;
	size_t n = 0;
	for (size_t i = 0; i < steps->n; i++) {
		for (uint64_t p = steps->v[i].start; p < steps->v[i].end; p += PAGE) {
			size_t k = 0;
			while (k < n && pages[k] != p)
				k++;
			if (steps->v[i].takes == (k < n))
				wrong++;
			else if (k < n)
				pages[k] = pages[--n];
			else
				pages[n++] = p;
			assert_true(n < MAX);
		}
	}
	free(pages);
	return wrong;
}

static void times_order_what_threads_do_to_the_same_addresses(void **state)
{
	struct watch w = watch_start(state, EBPF_WANT_MAP, 32 << 20, many_threads);
	struct steps steps = { 0 };
	ok(ebpf_process_add(w.e, w.pid, &(struct ebpf_process){ 0 })); /* small events: all of them are needed */
	watch_run(&w);
	assert_int_equal(w.stats.lost, 0);
	assert_int_equal(w.stats.missed, 0);
	for (size_t i = 0; i < w.seen.n; i++) {
		const struct ebpf_event *ev = &w.seen.v[i].ev;
		if (ev->len <= 16 * PAGE && ev->old_len <= 16 * PAGE) /* not the stacks of the threads */
			steps_of(&w.seen.v[i], &steps);
	}
	vec_sort(&steps, by_time);
	assert_true(steps.n > THREADS * ROUNDS / 4);
	assert_int_equal(contradictions(&steps), 0);
	vec_deinit(&steps);
	watch_end(&w);
}

static void keep_later(void *arg, const struct ebpf_event *ev)
{
	uint64_t *settled = arg;
	if (ev->kind <= EBPF_SHMDT)
		assert_true(ev->time > *settled);
}

static void nothing_comes_that_is_older_than_what_is_settled(void **state)
{
	struct watch w = watch_start(state, EBPF_WANT_MAP, 32 << 20, many_threads);
	uint64_t settled = 0, before = 0;
	close(w.go);
	while (waitpid(w.pid, NULL, WNOHANG) != w.pid) {
		uint64_t next = ebpf_settled(w.e);
		ok(ebpf_poll(w.e, 1, keep_later, &settled));
		settled = next;
		assert_true(before <= settled + 1000000000);
		before = settled;
	}
	assert_true(settled > 0);
	watch_end(&w);
}

/* ---- processes ---- */

static void forks_and_becomes_another(void *arg)
{
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	*(pid_t *)arg = child;
	waitpid(child, NULL, 0);
	execl("/bin/true", "true", NULL);
}

static void fork_exec_and_exit_are_told(void **state)
{
	struct watch w = watch_start(state, 0, 0, forks_and_becomes_another);
	watch_run(&w);
	assert_int_equal(w.seen.n, 3);
	check_event(&w.seen.v[0], EBPF_FORK, (uint64_t) * (pid_t *)w.shared, 0);
	assert_int_equal(w.seen.v[0].ev.arg, 0);
	check_event(&w.seen.v[1], EBPF_EXEC, 0, 0);
	check_event(&w.seen.v[2], EBPF_EXIT, 0, 0);
	watch_end(&w);
}

/* The last thread to end is another one than the first. */
static void *ends_late(void *arg)
{
	usleep(20000);
	_exit(0);
}

static void first_thread_ends_first(void *arg)
{
	pthread_t t;
	pthread_create(&t, NULL, ends_late, NULL);
	syscall(SYS_exit, 0);
}

static void a_process_ends_once_with_its_last_thread(void **state)
{
	struct watch w = watch_start(state, 0, 0, first_thread_ends_first);
	watch_run(&w);
	assert_int_equal(w.seen.n, 1);
	check_event(&w.seen.v[0], EBPF_EXIT, 0, 0);
	assert_int_equal(w.seen.v[0].ev.pid, w.pid);
	watch_end(&w);
}

static void in_a_namespace(void)
{
	struct watch w = watch_start(NULL, EBPF_WANT_MAP, 0, maps_and_unmaps);
	watch_run(&w);
	bool right = w.pid < 10 && w.seen.n == 9;
	for (size_t i = 0; right && i < w.seen.n; i++)
		right = w.seen.v[i].ev.pid == (uint32_t)w.pid && w.seen.v[i].ev.tid == (uint32_t)w.pid;
	watch_end(&w);
	_exit(right ? 0 : 1);
}

static void pids_are_those_of_our_own_namespace(void **state)
{
	int status = 0;
	ebpf_close(session_open(EBPF_WANT_MAP, 0)); /* skips where there are no probes */
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWPID))
			_exit(77);
		pid_t first = fork();
		if (first == 0)
			in_a_namespace();
		waitpid(first, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- page faults ---- */

enum { TOUCHED = 20000 };

static void touches(void *arg)
{
	char *a = mmap(NULL, (size_t)TOUCHED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(a, (size_t)TOUCHED * PAGE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < TOUCHED - 1; i++)
		a[i * PAGE] = 1;
	int zeros = open("/dev/zero", O_RDONLY); /* the last one is touched by the kernel */
	if (read(zeros, a + (size_t)(TOUCHED - 1) * PAGE, 1) == 1)
		*(uint64_t *)arg = (uint64_t)a;
}

static uint64_t faults_within(const struct watch *w)
{
	uint64_t start = *(uint64_t *)w->shared, sum = 0;
	for (size_t i = 0; i < w->seen.n; i++) {
		const struct ebpf_event *ev = &w->seen.v[i].ev;
		if (ev->kind == EBPF_FAULT && ev->addr >= start && ev->addr < start + (uint64_t)TOUCHED * PAGE)
			sum += ev->weight;
	}
	return sum;
}

static void page_faults_are_told_each_or_one_of_many(void **state)
{
	for (unsigned period = 1; period <= 20; period += 19) {
		struct watch w = watch_start(state, EBPF_WANT_FAULT, 64 << 20, touches);
		ok(ebpf_process_add(w.e, w.pid, &(struct ebpf_process){ .fault_period = period }));
		watch_run(&w);
		uint64_t sum = faults_within(&w);
		assert_int_equal(w.stats.lost, 0);
		assert_true(w.stats.hits[EBPF_FAULT] >= TOUCHED);
		print_message("one of %u: %lu of %d faults\n", period, (unsigned long)sum, TOUCHED);
		if (period == 1)
			assert_int_equal(sum, TOUCHED);
		else /* six standard deviations of 20000 draws, each one of 20, times 20 */
			assert_true(sum > TOUCHED - 3700 && sum < TOUCHED + 3700);
		watch_end(&w);
	}
}

/* ---- what does not fit ---- */

static void floods(void *arg)
{
	for (int i = 0; i < 5000; i++)
		munmap(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
}

static void what_does_not_fit_is_counted_exactly(void **state)
{
	struct watch w = watch_start(state, EBPF_WANT_MAP, 1, floods);
	close(w.go);
	waitpid(w.pid, NULL, 0); /* without reading */
	uint64_t lost_there = ebpf_process_lost(w.e, w.pid);
	ok(ebpf_poll(w.e, 0, keep, &w));
	ebpf_stats(w.e, &w.stats);
	print_message("%zu came, %lu lost\n", w.seen.n, (unsigned long)w.stats.lost);
	assert_true(w.stats.lost > 9000);
	assert_int_equal(w.stats.hits[EBPF_MMAP], 5000);
	assert_int_equal(w.stats.hits[EBPF_MUNMAP], 5000);
	assert_int_equal(w.seen.n + w.stats.lost, 10001); /* with the end of the process */
	assert_int_equal(w.stats.lost_of[EBPF_MMAP] + w.stats.lost_of[EBPF_MUNMAP] + w.stats.lost_of[EBPF_EXIT],
			 w.stats.lost);
	assert_int_equal(lost_there, w.stats.lost);
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_that_changes_address_space_is_told),
		cmocka_unit_test(times_order_what_threads_do_to_the_same_addresses),
		cmocka_unit_test(nothing_comes_that_is_older_than_what_is_settled),
		cmocka_unit_test(fork_exec_and_exit_are_told),
		cmocka_unit_test(a_process_ends_once_with_its_last_thread),
		cmocka_unit_test(pids_are_those_of_our_own_namespace),
		cmocka_unit_test(page_faults_are_told_each_or_one_of_many),
		cmocka_unit_test(what_does_not_fit_is_counted_exactly),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	old_ways = EBPF_WANT_OLD; /* and once more */
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
