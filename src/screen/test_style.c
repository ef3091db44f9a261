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

#include "screen/style.h"

static void colour_is_for_terminals_unless_asked_for(void **state)
{
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_false(style_of(-1, STYLE_AUTO).color);
	assert_true(style_of(-1, STYLE_ALWAYS).color);
	assert_false(style_of(-1, STYLE_NEVER).color);
	assert_int_equal(style_of(-1, STYLE_AUTO).width, STYLE_WIDTH_MAX);
	setenv("NO_COLOR", "1", 1);
	assert_true(style_of(-1, STYLE_ALWAYS).color);
}

static void a_terminal_has_colour_unless_told_otherwise(void **state)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || !isatty(fd)) {
		skip(); /* no pseudo terminals here */
	}
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "", 1);
	assert_true(style_of(fd, STYLE_AUTO).color);
	setenv("NO_COLOR", "1", 1);
	assert_false(style_of(fd, STYLE_AUTO).color);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_false(style_of(fd, STYLE_AUTO).color);
	close(fd);
}

static void colours_have_neighbours_among_256(void **state)
{
	const struct style on = { .color = true }, off = { 0 };
	char buf[STYLE_SEQ_LEN];
	assert_string_equal(style_rgb(&on, "#000000", buf), "\x1b[38;5;16m");
	assert_string_equal(style_rgb(&on, "#ffffff", buf), "\x1b[38;5;231m");
	assert_string_equal(style_rgb(&on, "#2f6fb7", buf), "\x1b[38;5;25m");
	assert_string_equal(style_rgb(&off, "#2f6fb7", buf), "");
	assert_string_equal(style_rgb(&on, "#nonsen", buf), "");
	assert_string_equal(style_on(&off, STYLE_BAD), "");
	assert_string_equal(style_off(&on, STYLE_PLAIN), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(colour_is_for_terminals_unless_asked_for),
		cmocka_unit_test(a_terminal_has_colour_unless_told_otherwise),
		cmocka_unit_test(colours_have_neighbours_among_256),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
