/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/cleanup.h"
#include "base/json.h"

static void commas_and_nesting(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct json j;
	json_init(&j, &out);
	json_object(&j, NULL);
	json_u64(&j, "big", UINT64_MAX);
	json_i64(&j, "small", INT64_MIN);
	json_array(&j, "list");
	json_object(&j, NULL);
	json_object_end(&j);
	json_array(&j, NULL);
	json_array_end(&j);
	json_bool(&j, NULL, true);
	json_null(&j, NULL);
	json_array_end(&j);
	json_str(&j, "none", NULL);
	json_object_end(&j);
	assert_string_equal(out.buf, "{\"big\":18446744073709551615,\"small\":-9223372036854775808,"
				     "\"list\":[{},[],true,null],\"none\":null}");
}

static void strings_are_escaped_and_repaired(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain", "\"plain\"" },
		{ "a\"b\\c\nd\te\x1b", "\"a\\\"b\\\\c\\nd\\u0009e\\u001b\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xf0\x9f\x90\xb9", "\"\xf0\x9f\x90\xb9\"" },
		{ "\xff", "\"\\ufffd\"" },
		{ "\xc3", "\"\\ufffd\"" },			 /* cut short */
		{ "\xc0\x80", "\"\\ufffd\\ufffd\"" },		 /* overlong */
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		struct json j;
		json_init(&j, &out);
		json_str(&j, NULL, rows[i].in);
		assert_string_equal(out.buf, rows[i].out);
	}
}

static void numbers_that_json_lacks_are_null(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct json j;
	json_init(&j, &out);
	json_array(&j, NULL);
	json_double(&j, NULL, NAN);
	json_double(&j, NULL, HUGE_VAL);
	json_double(&j, NULL, 0.1);
	json_double(&j, NULL, 1e300);
	json_array_end(&j);
	assert_string_equal(out.buf, "[null,null,0.1,1e+300]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_nesting),
		cmocka_unit_test(strings_are_escaped_and_repaired),
		cmocka_unit_test(numbers_that_json_lacks_are_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
