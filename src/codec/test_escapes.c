/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "codec/escapes.h"

static const char printed[] = "# example.com/shop/cart\n"
			      "./cart.go:31:6: can inline (*Cart).Add\n"
			      "./cart.go:12:2: moved to heap: total\n"
			      "store/page.go:30:14: make([]byte, n) escapes to heap:\n"
			      "store/page.go:30:14:   flow: {heap} = &{storage for make([]byte, n)}:\n"
			      "store/page.go:30:14: make([]byte, n) escapes to heap\r\n"
			      "../shared/page.go:30:9: &Page{...} escapes to heap\n"
			      "cart.go:x:2: moved to heap: y\n"
			      "cart.go:12: moved to heap: z\n"
			      "./cart.go:12:2: moved to heap: total\n"
			      "./cart.go:12:9: ... argument escapes to heap";

static struct err *read_text(const char *text, struct escapes *ret)
{
	AUTO(stream) struct stream s;
	struct err *err = stream_open_memory(text, strlen(text), "m.txt", 1 << 20, &s);
	if (err) {
		*ret = (struct escapes){ 0 };
		return err;
	}
	return escapes_read(&s, ret);
}

static void lines_that_say_so_are_kept(void **state)
{
	(void)state;
	AUTO(escapes) struct escapes e;
	assert_null(read_text(printed, &e));
	assert_int_equal(e.v.n, 4);
	size_t at = 0;
	const struct escape *x = escapes_next(&e, "/src/shop/cart.go", 12, &at);
	assert_non_null(x);
	assert_string_equal(x->text, "moved to heap: total");
	assert_int_equal(x->column, 2);
	x = escapes_next(&e, "/src/shop/cart.go", 12, &at);
	assert_non_null(x);
	assert_string_equal(x->text, "... argument escapes to heap");
	assert_null(escapes_next(&e, "/src/shop/cart.go", 12, &at));
}

/* The shorter path must be the end of the longer one, whole names only. */
static void a_file_is_known_by_the_end_of_its_path(void **state)
{
	(void)state;
	static const struct {
		const char *file, *text;
	} cases[] = {
		{ "example.com/shop/store/page.go", "make([]byte, n) escapes to heap" },
		{ "/src/shared/page.go", "&Page{...} escapes to heap" },
		{ "/src/backstore/page.go", NULL },
		{ "/src/other/page.go", NULL },
		{ "store/page.go", "make([]byte, n) escapes to heap" },
		{ "", NULL },
	};
	AUTO(escapes) struct escapes e;
	assert_null(read_text(printed, &e));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t at = 0;
		const struct escape *x = escapes_next(&e, cases[i].file, 30, &at);
		if (!cases[i].text) {
			assert_null(x);
			continue;
		}
		assert_non_null(x);
		assert_string_equal(x->text, cases[i].text);
	}
}

static void other_files_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "ok\n", "main.go:1:1: can inline main\n", "moved to heap: x\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		AUTO(escapes) struct escapes e;
		struct err *err AUTO(err) = read_text(texts[i], &e);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "m.txt"));
	}
}

static void long_lines_are_stepped_over(void **state)
{
	(void)state;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < 60000; i++)
		strbuf_putc(&text, 'x');
	strbuf_puts(&text, "\na.go:7:1: moved to heap: v\n");
	AUTO(escapes) struct escapes e;
	assert_null(read_text(text.buf, &e));
	assert_int_equal(e.v.n, 1);
	size_t at = 0;
	assert_non_null(escapes_next(&e, "a.go", 7, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_say_so_are_kept),
		cmocka_unit_test(a_file_is_known_by_the_end_of_its_path),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(long_lines_are_stepped_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
