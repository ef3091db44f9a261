/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ebpf/test_watch.h"

#include <sys/shm.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_that_changes_address_space_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
