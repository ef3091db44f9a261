/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "record/place.h"

enum { AX = 1u << 0, SI = 1u << 6, DI = 1u << 7 };

static void the_first_push_is_probed_while_arguments_are_whole(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		unsigned char code[16];
		uint32_t args;
		bool null;
		size_t at;
		bool cheap;
	} rows[] = {
		{ "push %r12", { 0x41, 0x54, 0x55 }, DI, false, 0, true },
		{ "endbr64; push %rbp", { 0xf3, 0x0f, 0x1e, 0xfa, 0x55 }, DI, false, 4, true },
		{ "mov %rdi,%rax; push %rbx", { 0x48, 0x89, 0xf8, 0x53 }, DI, false, 3, true },
		{ "mov %rsi,%rdi; push %rbx", { 0x48, 0x89, 0xf7, 0x53 }, DI, false, 0, false },
		{ "sub $8,%rsp; push %rbx", { 0x48, 0x83, 0xec, 0x08, 0x53 }, DI, false, 0, false },
		{ "test %rdi,%rdi; je; push %rbp", { 0x48, 0x85, 0xff, 0x74, 0x10, 0x55 }, DI, true, 5, true },
		{ "the same where 0 counts", { 0x48, 0x85, 0xff, 0x74, 0x10, 0x55 }, DI, false, 0, false },
		{ "cmp %rsi,%rdi; ja; push %rbp", { 0x48, 0x39, 0xf7, 0x77, 0x10, 0x55 }, DI | SI, true, 0, false },
		{ "ret", { 0xc3, 0x55 }, DI, true, 0, false },
		{ "Go: cmp 16(%r14),%rsp; jbe; push %rbp",
		  { 0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55 },
		  AX,
		  false,
		  6,
		  true },
		{ "Go: the same, jbe far; sub $8,%rsp",
		  { 0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x00, 0x01, 0x00, 0x00, 0x48, 0x83, 0xec, 0x08 },
		  AX,
		  false,
		  10,
		  false },
		{ "Go: lea -0x80(%rsp),%r12; cmp 16(%r14),%r12; jbe; push %rbp",
		  { 0x4c, 0x8d, 0x64, 0x24, 0x80, 0x4d, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55 },
		  AX,
		  false,
		  11,
		  true },
		{ "Go: no jump behind it", { 0x49, 0x3b, 0x66, 0x10, 0x55 }, AX, false, 4, true },
		{ "jmp", { 0xe9, 0x00, 0x01, 0x00, 0x00 }, DI, true, 0, true },
		{ "no instruction", { 0x06, 0x06 }, DI, true, 0, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool cheap;
		size_t at = record_place_pick(rows[i].code, sizeof(rows[i].code), rows[i].args, rows[i].null, &cheap);
		if (at != rows[i].at || cheap != rows[i].cheap)
			fail_msg("%s: %zu, %d", rows[i].what, at, cheap);
	}
}

static void the_c_library_has_an_allocator(void **state)
{
	(void)state;
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip();
	struct record_places p = { 0 };
	assert_null(record_places_find(fd, "libc.so.6", false, &p));
	assert_int_equal(p.family, RECORD_FAMILY_GLIBC);
	assert_true(p.replaces);
	unsigned seen = 0;
	for (size_t i = 0; i < p.v.n; i++) {
		const char *name = record_functions[p.v.v[i].function].name;
		seen |= strcmp(name, "malloc") == 0 ? 1u : strcmp(name, "free") == 0 ? 2u : 0u;
		seen |= strcmp(name, "realloc") == 0 ? 4u : strcmp(name, "calloc") == 0 ? 8u : 0u;
		assert_true(strncmp(name, "_Z", 2) != 0);
	}
	assert_int_equal(seen, 15);
	record_places_deinit(&p);
	close(fd);
}

static void a_file_without_one_has_no_places(void **state)
{
	(void)state;
	int fd = open("/lib/x86_64-linux-gnu/libm.so.6", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip();
	struct record_places p = { 0 };
	assert_null(record_places_find(fd, "libm.so.6", true, &p));
	assert_int_equal(p.v.n, 0);
	assert_int_equal(p.family, RECORD_FAMILY_NONE);
	record_places_deinit(&p);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_push_is_probed_while_arguments_are_whole),
		cmocka_unit_test(the_c_library_has_an_allocator),
		cmocka_unit_test(a_file_without_one_has_no_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
