/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "format/page.h"

static void data_cannot_leave_its_element(void **state)
{
	static const struct page page = { "<", ">" };
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{}", "<{}>" },
		{ "[\"</script><!--\"]", "<[\"\\u003c/script\\u003e\\u003c!--\"]>" },
		{ "\"a&b\"", "<\"a\\u0026b\">" },
		{ "\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\"", "<\"\\u2028\\u2029\xe2\x80\xaa\xe2\x80\">" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(strbuf) struct strbuf json, out;
		strbuf_init(&json);
		strbuf_init(&out);
		strbuf_puts(&json, rows[i].in);
		page_put(&page, &json, &out);
		assert_string_equal(out.buf, rows[i].out);
	}
}

static void a_page_names_no_other_place(const struct page *page)
{
	static const char *const never[] = {
		"http:", "https:", "src=", "href=", "@import", "url(", "innerHTML", "eval("
	};
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_null(strstr(page->head, never[i]));
		assert_null(strstr(page->tail, never[i]));
	}
	assert_non_null(strstr(page->head, "default-src 'none'"));
	assert_non_null(strstr(page->head, "script-src 'sha256-"));
	assert_null(strstr(page->head, "unsafe"));
}

static void pages_stand_alone(void **state)
{
	a_page_names_no_other_place(&page_map);
	a_page_names_no_other_place(&page_flame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_cannot_leave_its_element),
		cmocka_unit_test(pages_stand_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
