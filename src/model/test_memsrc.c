/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "model/memcache.h"
#include "model/memsrc.h"

enum { BASE = 0x10000, SIZE = 64 * 1024 };

/* Bytes that name their own address, with a hole in the middle. */
struct fixture {
	struct memsrc src;
	uint64_t hole_start, hole_end;
	unsigned reads;
};

static bool fixture_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct fixture *f = (struct fixture *)src;
	f->reads++;
	if (addr < BASE || len > SIZE || addr - BASE > SIZE - len)
		return false;
	if (addr < f->hole_end && addr + len > f->hole_start)
		return false;
	for (size_t i = 0; i < len; i++)
		((unsigned char *)buf)[i] = (unsigned char)((addr + i) * 31 >> 3);
	return true;
}

static const struct memsrc_ops fixture_ops = { .read = fixture_read };

static struct fixture fixture(void)
{
	return (struct fixture){ .src = { &fixture_ops }, .hole_start = BASE + 30000, .hole_end = BASE + 34096 };
}

static void unreadable_words(void **state)
{
	struct fixture f = fixture();
	uint64_t v = 7;
	assert_false(memsrc_u64(&f.src, BASE - 4, &v));
	assert_true(v == 7);
	assert_true(memsrc_ptr(&f.src, 1) == 0);
	AUTO(err) struct err *err = memsrc_fault(0x1234, 8, "mheap_");
	assert_int_equal(err_code(err), ERR_FAULT);
	assert_string_equal(err_text(err), "cannot read 8 bytes of mheap_ at 0x1234");
}

static void gather_equals_single_reads(void **state)
{
	enum { N = 500, RECORD = 40 };
	struct fixture f = fixture();
	uint64_t addrs[N];
	for (size_t i = 0; i < N; i++) /* unsorted, some in the hole, some past the end */
		addrs[i] = BASE + i * 7919 % (SIZE + 2000);
	unsigned char got[N * RECORD], want[RECORD];
	bool ok[N];
	size_t n = memsrc_gather(&f.src, addrs, N, RECORD, got, ok), count = 0;
	for (size_t i = 0; i < N; i++) {
		bool readable = memsrc_read(&f.src, addrs[i], want, RECORD);
		assert_int_equal(ok[i], readable);
		if (!readable)
			memset(want, 0, RECORD);
		assert_memory_equal(got + i * RECORD, want, RECORD);
		count += readable;
	}
	assert_int_equal(n, count);
}

static void gather_reads_neighbours_in_one_go(void **state)
{
	struct fixture f = fixture();
	uint64_t addrs[100], got[100];
	for (size_t i = 0; i < 100; i++)
		addrs[i] = BASE + (99 - i) * 160;
	assert_int_equal(memsrc_gather(&f.src, addrs, 100, sizeof(got[0]), got, NULL), 100);
	assert_int_equal(f.reads, 1);
}

static void cache_shows_the_same_and_reads_less(void **state)
{
	struct fixture f = fixture(), plain = fixture();
	AUTO(memcache) struct memcache cache;
	memcache_init(&cache, &f.src);
	unsigned char got[6000], want[6000];
	for (size_t i = 0; i < 2000; i++) {
		uint64_t addr = BASE - 100 + i * 4801 % (SIZE + 200);
		size_t len = 1 + i * 13 % (i % 50 ? 64 : 6000);
		bool readable = memsrc_read(&plain.src, addr, want, len);
		assert_int_equal(memsrc_read(&cache.src, addr, got, len), readable);
		if (readable)
			assert_memory_equal(got, want, len);
	}
	assert_true(f.reads < plain.reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreadable_words),
		cmocka_unit_test(gather_equals_single_reads),
		cmocka_unit_test(gather_reads_neighbours_in_one_go),
		cmocka_unit_test(cache_shows_the_same_and_reads_less),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
