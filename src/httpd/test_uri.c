/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void path_and_parameters_are_decoded(void **state)
{
	char target[] = "/health/a%2Fb%c3%a9+?since=1h%2B&verbose&&x=a+b=c&";
	struct uri uri;
	assert_true(uri_parse(target, &uri));
	assert_string_equal(uri.path, "/health/a/b\xc3\xa9+");
	assert_int_equal(uri.n, 3);
	assert_string_equal(uri.parameters[0].key, "since");
	assert_string_equal(uri.parameters[0].value, "1h+");
	assert_string_equal(uri.parameters[1].key, "verbose");
	assert_string_equal(uri.parameters[1].value, "");
	assert_string_equal(uri.parameters[2].value, "a b=c");
}

static void what_is_encoded_wrongly_is_refused(void **state)
{
	static const char *const wrong[] = {
		"/%",	   "/%4",   "/%zz",
		"/%00",	   "/%0a",  "/%7f",
		"/?a=%g0", "/?%=a", "/?1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3"
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char target[128] = { 0 };
		memcpy(target, wrong[i], strlen(wrong[i]));
		struct uri uri;
		assert_false(uri_parse(target, &uri));
	}
}

static void only_this_machine_is_this_machine(void **state)
{
	static const char *const own[] = { "localhost",	  "LOCALHOST:9723", "127.0.0.1", "127.0.0.1:80",
					   "127.9.9.9:1", "[::1]",	    "[::1]:9723" };
	static const char *const foreign[] = { "",
					       "example.org",
					       "localhost.example.org",
					       "127.0.0.1.example.org",
					       "128.0.0.1",
					       "0.0.0.0",
					       "127.1",
					       "2130706433",
					       "[::1",
					       "[::]",
					       "[::1]x",
					       "localhost:x",
					       "a@localhost",
					       "localhost:123456",
					       "localhost:1a",
					       "127.0.0.1 " };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(uri_is_loopback(own[i]) && uri_is_authority(own[i]));
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		assert_false(uri_is_loopback(foreign[i]));
	assert_true(uri_is_authority("example.org:80") && uri_is_authority("[fe80::1%25a]"));
	assert_false(uri_is_authority("a b") || uri_is_authority("a/b") || uri_is_authority("u@h") ||
		     uri_is_authority(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_and_parameters_are_decoded),
		cmocka_unit_test(what_is_encoded_wrongly_is_refused),
		cmocka_unit_test(only_this_machine_is_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
