/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "format/outputs.h"

enum { TEXT, PICTURE };

static void render(const void *report, int which, struct strbuf *out)
{
	strbuf_puts(out, report);
	strbuf_puts(out, which == PICTURE ? " as a picture" : " as text");
}

static void the_report_gives_way_to_what_was_sent_to_standard_output(void **state)
{
	struct outputs o = { 0 };
	outputs_add(&o, PICTURE, "-");
	assert_null(outputs_open(&o, TEXT, NULL, false));
	assert_int_equal(o.n, 1);
	assert_int_equal(o.v[0].which, PICTURE);
	outputs_abandon(&o);
}

static void two_on_standard_output_are_refused(void **state)
{
	struct outputs o = { 0 };
	outputs_add(&o, PICTURE, "-");
	struct err *err = outputs_open(&o, TEXT, NULL, true);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_ARG);
	err_free(err);
	outputs_abandon(&o);
}

static void what_was_not_asked_for_is_not_written(void **state)
{
	struct outputs o = { 0 };
	outputs_add(&o, PICTURE, NULL);
	assert_null(outputs_open(&o, TEXT, NULL, false));
	assert_int_equal(o.n, 1);
	assert_int_equal(o.v[0].which, TEXT);
	outputs_abandon(&o);
}

static void assert_file(const char *path, const char *content)
{
	char buf[64] = "";
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	assert_string_equal(buf, content);
	assert_int_equal(unlink(path), 0);
}

static void each_appears_where_it_was_sent(void **state)
{
	char directory[] = "/tmp/outputs.XXXXXX";
	assert_non_null(mkdtemp(directory));
	AUTO_FREE char *text = xasprintf("%s/text", directory), *picture = xasprintf("%s/picture", directory);
	struct outputs o = { 0 };
	outputs_add(&o, PICTURE, picture);
	assert_null(outputs_open(&o, TEXT, text, false));
	assert_int_equal(access(text, F_OK), -1);
	assert_null(outputs_write(&o, render, "a heap"));
	outputs_abandon(&o);
	assert_file(text, "a heap as text");
	assert_file(picture, "a heap as a picture");
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_report_gives_way_to_what_was_sent_to_standard_output),
		cmocka_unit_test(two_on_standard_output_are_refused),
		cmocka_unit_test(what_was_not_asked_for_is_not_written),
		cmocka_unit_test(each_appears_where_it_was_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
