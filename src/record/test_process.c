/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <string.h>

#include "record/process.h"

/* Code at 0x1000, and a word of a table at 0x2000. */
struct image {
	struct memsrc src;
	unsigned char code[256];
	uint64_t word;
};

static bool read_image(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct image *m = (struct image *)src;
	if (addr == 0x1000 && len <= sizeof(m->code))
		memcpy(buf, m->code, len);
	else if (addr == 0x2000 && len == sizeof(m->word))
		memcpy(buf, &m->word, len);
	else
		return false;
	return true;
}

static const struct memsrc_ops ops = { .read = read_image };

static int64_t find(const unsigned char *code, size_t len)
{
	struct image m = { .src = { &ops }, .word = (uint64_t)-72 };
	int64_t offset = 1;
	memset(m.code, 0x90, sizeof(m.code));
	memcpy(m.code + 5, code, len);
	return record_go_tls(&m.src, 0x1000, &offset) ? offset : 1;
}

static void the_g_pointer_is_where_code_takes_it_from(void **state)
{
	(void)state;
	static const unsigned char fixed[] = { 0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff };
	static const unsigned char linked[] = { 0x64, 0x48, 0x8b, 0x0c, 0x25, 0x98, 0xff, 0xff, 0xff };
	static const unsigned char moved[] = { 0x48, 0xc7, 0xc1, 0xf0, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x01 };
	/* at 0x1005, 7 long: 0x100c + 0xff4 is 0x2000 */
	static const unsigned char library[] = { 0x48, 0x8b, 0x0d, 0xf4, 0x0f, 0x00, 0x00, 0x64, 0x48, 0x8b, 0x01 };
	assert_int_equal(find(fixed, sizeof(fixed)), -8);
	assert_int_equal(find(linked, sizeof(linked)), -104);
	assert_int_equal(find(moved, sizeof(moved)), -16);
	assert_int_equal(find(library, sizeof(library)), -72);
}

static void other_code_says_nothing(void **state)
{
	(void)state;
	static const unsigned char other[] = { 0x64, 0x48, 0x8b, 0x00 }, cut[] = { 0x64 };
	assert_int_equal(find(other, sizeof(other)), 1);
	assert_int_equal(find(cut, sizeof(cut)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_g_pointer_is_where_code_takes_it_from),
		cmocka_unit_test(other_code_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
