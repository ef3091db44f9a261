/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sym/demangle.h"

static void names_are_those_of_the_source(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "malloc", "malloc" },
		{ "_Znwm", "operator new" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back" },
		{ "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt" },
		{ "_RNvCs1234_7mycrate3foo", "mycrate::foo" },
		{ "_cgo_0123_Cfunc_work", "_cgo_0123_Cfunc_work" },
		{ "_Zap", "_Zap" },
		{ "_R", "_R" },
		{ "", "" },
	};
	char buf[SYM_DEMANGLED_MAX];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(sym_demangle(cases[i].name, buf), cases[i].want);
}

/* p<int, int>, then p of two of those, and so on: 2^32 words. */
static void a_name_without_end_is_cut(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[1024] = "_Z1fI1pIiiE", buf[SYM_DEMANGLED_MAX];
	for (int i = 1; i < 33; i++)
		snprintf(name + strlen(name), 32, "S0_IS%c_S%c_E", digits[i], digits[i]);
	strcat(name, "Evv");
	const char *out = sym_demangle(name, buf);
	assert_ptr_equal(out, buf);
	assert_int_equal(strlen(out), SYM_DEMANGLED_MAX - 1);
	assert_memory_equal(out, "f<p<int, int>, p<p<int, int>", 28);
}

static void a_name_that_is_too_long_stays(void **state)
{
	char name[SYM_MANGLED_MAX + 8], buf[SYM_DEMANGLED_MAX];
	memset(name, 'a', sizeof(name) - 1);
	memcpy(name, "_Z", 2);
	name[sizeof(name) - 1] = 0;
	assert_ptr_equal(sym_demangle(name, buf), name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_source),
		cmocka_unit_test(a_name_without_end_is_cut),
		cmocka_unit_test(a_name_that_is_too_long_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
