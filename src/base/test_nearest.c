/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"

static void the_nearest_word_is_suggested(void **state)
{
	static const char *const known[] = { "ps", "map", "doctor", "help", NULL };
	static const struct {
		const char *word, *nearest;
	} table[] = {
		{ "mpa", "map" },	{ "mapp", "map" },  { "doc", "doctor" },
		{ "docter", "doctor" }, { "hlep", "help" }, { "p", "ps" },
		{ "xyzzy", NULL },	{ "", NULL },	    { "a word that is far too long to be meant", NULL },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *got = nearest_word(table[i].word, known);
		if (!table[i].nearest)
			assert_null(got);
		else
			assert_string_equal(got, table[i].nearest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_word_is_suggested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
