/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "sym/lines.h"

static void *volatile here;
static volatile int here_line;

static inline __attribute__((always_inline)) void inlined_into_the_next(void)
{
	here_line = __LINE__ + 1;
	__asm__ volatile("lea 0(%%rip), %0" : "=r"(here));
}

static __attribute__((noinline)) int take(void)
{
	inlined_into_the_next();
	return __LINE__;
}

static int first_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uint64_t *)arg = info->dlpi_addr;
	return 1;
}

static void our_own_code_is_told_with_what_was_inlined(void **state)
{
	struct sym_lines *l = NULL;
	static struct sym_line lines[4];
	uint64_t bias = 0;
	AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct err *err AUTO(err) = sym_lines_open(fd, "this program", &l);
	if (err && err_code(err) == ERR_NOT_FOUND)
		skip(); /* built without */
	ok(err);
	dl_iterate_phdr(first_module, &bias);
	int line = take();
	/* `here` is behind the instruction */
	size_t n = sym_lines_at(l, (uint64_t)(uintptr_t)here - bias - 1, lines, 4);
	assert_int_equal(n, 2);
	assert_string_equal(lines[0].function, "inlined_into_the_next");
	assert_string_equal(lines[1].function, "take");
	assert_int_equal(lines[1].line, line - 1);
	assert_int_equal(lines[0].line, here_line);
	assert_non_null(strstr(lines[0].file, "sym/test_lines.c"));
	assert_string_equal(lines[0].file, lines[1].file);
	assert_int_equal(sym_lines_at(l, 1, lines, 4), 0);
	sym_lines_free(l);
}

static void what_is_no_file_with_such_has_none(void **state)
{
	struct sym_lines *l = NULL;
	AUTO_CLOSE int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	struct err *err AUTO(err) = sym_lines_open(fd, "a name", &l);
	assert_int_equal(err_code(err), ERR_FORMAT);
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_code_is_told_with_what_was_inlined),
		cmocka_unit_test(what_is_no_file_with_such_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
