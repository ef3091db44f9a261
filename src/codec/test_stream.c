/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "codec/stream.h"

enum { BIG = 5 << 20 };
static unsigned char big[BIG], packed[BIG + 4096];

static void fill_big(void)
{
	for (size_t i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 7 ^ i >> 9);
}

static size_t gzip(const void *data, size_t len, unsigned char *to, size_t max)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (unsigned)len;
	z.next_out = to;
	z.avail_out = (unsigned)max;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = max - z.avail_out;
	deflateEnd(&z);
	return n;
}

static void expect_big(struct stream *s)
{
	unsigned char some[1000];
	assert_null(stream_read(s, some, sizeof(some)));
	assert_memory_equal(some, big, sizeof(some));
	assert_null(stream_skip(s, 3 << 20));
	const unsigned char *p = NULL;
	size_t have = 0;
	assert_null(stream_peek(s, STREAM_WINDOW, &p, &have));
	assert_int_equal(have, STREAM_WINDOW);
	assert_memory_equal(p, big + sizeof(some) + (3 << 20), have);
	AUTO_FREE unsigned char *rest = NULL;
	size_t len = 0;
	assert_null(stream_all(s, BIG, &rest, &len));
	assert_int_equal(len, BIG - sizeof(some) - (3 << 20));
	assert_memory_equal(rest, big + BIG - len, len);
	assert_int_equal(s->offset, BIG);
}

static void plain_and_packed_bytes_read_alike(void **state)
{
	fill_big();
	AUTO(stream) struct stream plain, gz, zs;
	assert_null(stream_open_memory(big, BIG, "plain", BIG, &plain));
	assert_int_equal(plain.pack, STREAM_PLAIN);
	expect_big(&plain);
	size_t n = gzip(big, BIG, packed, sizeof(packed));
	assert_null(stream_open_memory(packed, n, "gz", BIG, &gz));
	assert_int_equal(gz.pack, STREAM_GZIP);
	expect_big(&gz);
	n = ZSTD_compress(packed, sizeof(packed), big, BIG, 1);
	assert_null(stream_open_memory(packed, n, "zs", BIG, &zs));
	assert_int_equal(zs.pack, STREAM_ZSTD);
	expect_big(&zs);
}

static void a_file_reads_as_memory_does(void **state)
{
	fill_big();
	char path[] = "/tmp/ullage-stream-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	for (int i = 0; i < 2; i++) {
		size_t n = i ? gzip(big, BIG, packed, sizeof(packed)) : BIG;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, i ? packed : big, n, 0), n);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		AUTO(stream) struct stream s;
		assert_null(stream_open(fd, "file", BIG, &s));
		expect_big(&s);
	}
}

static void members_of_gzip_follow_each_other(void **state)
{
	size_t n = gzip("one ", 4, packed, sizeof(packed));
	n += gzip("two", 3, packed + n, sizeof(packed) - n);
	AUTO(stream) struct stream s;
	assert_null(stream_open_memory(packed, n, "two", 100, &s));
	AUTO_FREE unsigned char *all = NULL;
	size_t len = 0;
	assert_null(stream_all(&s, 100, &all, &len));
	assert_string_equal((char *)all, "one two");
}

static void what_is_cut_short_says_so(void **state)
{
	fill_big();
	unsigned char some[8];
	size_t n = gzip(big, 100000, packed, sizeof(packed));
	for (size_t cut = 3; cut < n; cut += n / 13) {
		AUTO(stream) struct stream s;
		AUTO(err) struct err *err = stream_open_memory(packed, cut, "cut.gz", BIG, &s);
		AUTO_FREE unsigned char *all = NULL;
		size_t len = 0;
		if (!err)
			err = stream_all(&s, BIG, &all, &len);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "cut.gz"));
	}
	AUTO(stream) struct stream s;
	assert_null(stream_open_memory("abc", 3, "short", BIG, &s));
	AUTO(err) struct err *err = stream_read(&s, some, 8);
	assert_int_equal(err_code(err), ERR_FORMAT);
	assert_string_equal(err_text(err), "short: the file ends 5 bytes too early at offset 3");
}

static void damaged_bytes_are_refused(void **state)
{
	fill_big();
	size_t n = gzip(big, 100000, packed, sizeof(packed));
	memset(packed + n / 2, 0xff, 64);
	AUTO(stream) struct stream s;
	assert_null(stream_open_memory(packed, n, "bad.gz", BIG, &s));
	AUTO(err) struct err *err = stream_skip(&s, 100000);
	assert_int_equal(err_code(err), ERR_FORMAT);
}

static void a_bomb_ends_at_the_ceiling(void **state)
{
	memset(big, 0, BIG);
	size_t n = gzip(big, BIG, packed, sizeof(packed));
	AUTO(stream) struct stream s;
	assert_null(stream_open_memory(packed, n, "bomb.gz", 1 << 20, &s));
	AUTO(err) struct err *err = stream_skip(&s, BIG);
	assert_int_equal(err_code(err), ERR_LIMIT);
	AUTO(stream) struct stream t;
	assert_null(stream_open_memory(packed, n, "bomb.gz", BIG, &t));
	AUTO_FREE unsigned char *all = NULL;
	size_t len = 0;
	AUTO(err) struct err *over = stream_all(&t, 1 << 20, &all, &len);
	assert_int_equal(err_code(over), ERR_LIMIT);
}

static void an_empty_file_is_empty(void **state)
{
	AUTO(stream) struct stream s;
	assert_null(stream_open_memory("", 0, "empty", 10, &s));
	const unsigned char *p = NULL;
	size_t have = 1;
	assert_null(stream_peek(&s, 1, &p, &have));
	assert_int_equal(have, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_and_packed_bytes_read_alike),
		cmocka_unit_test(a_file_reads_as_memory_does),
		cmocka_unit_test(members_of_gzip_follow_each_other),
		cmocka_unit_test(what_is_cut_short_says_so),
		cmocka_unit_test(damaged_bytes_are_refused),
		cmocka_unit_test(a_bomb_ends_at_the_ceiling),
		cmocka_unit_test(an_empty_file_is_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
