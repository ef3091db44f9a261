/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void health_says_what_fails(void **state)
{
	struct surface_check checks[] = { { "loop", true, NULL }, { "data", true, NULL } };
	struct strbuf out AUTO(strbuf);
	strbuf_init(&out);
	assert_int_equal(surface_health(checks, 2, false, &out), 200);
	assert_string_equal(out.buf, "ok\n");
	strbuf_clear(&out);
	assert_int_equal(surface_health(checks, 2, true, &out), 200);
	assert_string_equal(out.buf, "[+]loop ok\n[+]data ok\nok\n");
	checks[1] = (struct surface_check){ "data", false, "the disk is full" };
	strbuf_clear(&out);
	assert_int_equal(surface_health(checks, 2, false, &out), 503);
	assert_string_equal(out.buf, "[+]loop ok\n[-]data failed: the disk is full\n");
}

static void the_page_names_what_there_is_and_escapes_names(void **state)
{
	struct watch_target t = {
		.key = "7-1", .comm = "<script>&'\"", .reason = "a<b \xff\xc3\xa9", .state = WATCH_CRITICAL
	};
	const struct watch_target *list[] = { &t };
	struct surface_self self = { .version = "1.2.3" };
	struct surface_view v = { .self = &self, .targets = list, .n = 1 };
	struct strbuf out AUTO(strbuf);
	strbuf_init(&out);
	surface_index(&v, &out);
	assert_non_null(strstr(out.buf, "<a href=\"/metrics\">/metrics</a>"));
	assert_non_null(strstr(out.buf, "<td>/health/{id}<td>"));
	assert_non_null(strstr(out.buf, "&lt;script&gt;&amp;&#39;&quot;"));
	assert_null(strstr(out.buf, "<script"));
	assert_null(strstr(out.buf, "a<b"));
	assert_non_null(strstr(out.buf, "a&lt;b \xef\xbf\xbd\xc3\xa9\n")); /* what is no UTF-8 is shown as such */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(health_says_what_fails),
		cmocka_unit_test(the_page_names_what_there_is_and_escapes_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
