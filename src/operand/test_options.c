/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "operand/options.h"

struct values {
	bool json, help;
	const char *file;
	uint64_t top;
	int color;
	int64_t stop, last;
};

static const char *const when[] = { "auto", "always", "never", NULL };

static const struct option_row rows[] = {
	{ "json", 'j', OPTION_FLAG, offsetof(struct values, json), NULL, false, 0, NULL, "as JSON" },
	{ "output", 'o', OPTION_STR, offsetof(struct values, file), "FILE", false, 0, NULL, "where to" },
	{ "top", 0, OPTION_COUNT, offsetof(struct values, top), "N", false, 0, NULL, "how many" },
	{ "color", 0, OPTION_CHOICE, offsetof(struct values, color), "WHEN", true, 1, when, "colour" },
	{ "stop", 0, OPTION_MS, offsetof(struct values, stop), "MS", true, 20, NULL, "stop" },
	{ "for", 0, OPTION_DURATION, offsetof(struct values, last), "DURATION", false, 0, NULL, "how long" },
	{ "help", 'h', OPTION_FLAG, offsetof(struct values, help), NULL, false, 0, NULL,
	  "show this help, which is a sentence so long that it cannot stand on one line with its option" },
	{ 0 },
};

enum { ARGS = 8 };

/* What one command line gave, and the copies of its words that it borrows. */
struct parsed {
	struct values v;
	struct arg_vec rest;
	VEC(char *) words;
};

static struct err *parse(const char *const args[ARGS], struct parsed *p)
{
	*p = (struct parsed){ 0 };
	*vec_push(&p->words) = xstrdup("map");
	for (size_t i = 0; i < ARGS && args[i]; i++)
		*vec_push(&p->words) = xstrdup(args[i]);
	int argc = (int)p->words.n;
	*vec_push(&p->words) = NULL;
	return options_parse(rows, argc, p->words.v, &p->v, &p->rest);
}

static void drop(struct parsed *p)
{
	for (size_t i = 0; i < p->words.n; i++)
		free(p->words.v[i]);
	vec_deinit(&p->words);
	vec_deinit(&p->rest);
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[][ARGS] = {
		{ "--json", "-o", "f", "--top=3", "4711" },
		{ "4711", "--json", "-of", "--top", "3" },
		{ "-jof", "4711", "--top=3" },
		{ "--out=f", "--js", "4711", "--top", "3" },
		{ "--json", "--output=f", "--top=3", "--", "4711" },
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p;
		assert_null(parse(lines[i], &p));
		assert_true(p.v.json);
		assert_string_equal(p.v.file, "f");
		assert_int_equal(p.v.top, 3);
		assert_int_equal(p.rest.n, 1);
		assert_string_equal(p.rest.v[0], "4711");
		drop(&p);
	}
}

static void a_choice_and_a_time_may_go_without_value(void **state)
{
	struct parsed p;
	assert_null(parse((const char *const[ARGS]){ "--color", "--stop", "1" }, &p));
	assert_int_equal(p.v.color, 1);
	assert_int_equal(p.v.stop, 20000000);
	assert_int_equal(p.rest.n, 1);
	drop(&p);
	assert_null(parse((const char *const[ARGS]){ "--color=never", "--stop=7" }, &p));
	assert_int_equal(p.v.color, 2);
	assert_int_equal(p.v.stop, 7000000);
	drop(&p);
}

static void a_duration_has_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} table[] = {
		{ "30s", 30000000000 },
		{ "2m", 120000000000 },
		{ "500ms", 500000000 },
		{ "1h", 3600000000000 },
		{ "30", 0 },
		{ "s", 0 },
		{ "-3s", 0 },
		{ "1.5s", 0 },
		{ "1ms", 0 },
		{ "25h", 0 },
		{ "99999999999999999999s", 0 },
		{ "3sec", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct parsed p;
		struct err *err AUTO(err) = parse((const char *const[ARGS]){ "--for", table[i].text }, &p);
		assert_int_equal(err == NULL, table[i].ns > 0);
		if (!err)
			assert_int_equal(p.v.last, table[i].ns);
		drop(&p);
	}
}

static void what_follows_the_dashes_is_no_option(void **state)
{
	struct parsed p;
	assert_null(parse((const char *const[ARGS]){ "a", "--", "--json", "-4" }, &p));
	assert_false(p.v.json);
	assert_int_equal(p.rest.n, 3);
	assert_string_equal(p.rest.v[2], "-4");
	drop(&p);
}

static void help_wins_over_what_follows(void **state)
{
	struct parsed p;
	assert_null(parse((const char *const[ARGS]){ "1", "--help", "--nonsense" }, &p));
	assert_true(p.v.help);
	drop(&p);
}

static void wrong_words_are_explained(void **state)
{
	static const struct {
		const char *args[ARGS];
		const char *text;
	} table[] = {
		{ { "--jsno" }, "unknown option '--jsno'; did you mean --json?" },
		{ { "--colour=always" }, "unknown option '--colour=always'; did you mean --color?" },
		{ { "--zzzzzz" }, "unknown option '--zzzzzz'" },
		{ { "-x" }, "unknown option '-x'" },
		{ { "-jx" }, "unknown option '-x'" },
		{ { "-5" }, "'-5' is not a process id" },
		{ { "--json=1" }, "--json takes no value" },
		{ { "-o" }, "--output needs FILE" },
		{ { "1", "--top" }, "--top needs N" },
		{ { "--top=x" }, "--top takes a whole number from 0 to 1000000, not 'x'" },
		{ { "--top=-1" }, "--top takes a whole number from 0 to 1000000, not '-1'" },
		{ { "--top=99999999999999999999" },
		  "--top takes a whole number from 0 to 1000000, not '99999999999999999999'" },
		{ { "--stop=0" }, "--stop takes a whole number from 1 to 60000, not '0'" },
		{ { "--stop=" }, "--stop takes a whole number from 1 to 60000, not ''" },
		{ { "--color=blue" }, "--color is one of auto, always, never, not 'blue'" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct parsed p;
		AUTO(err) struct err *err = parse(table[i].args, &p);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_ARG);
		assert_string_equal(err_text(err), table[i].text);
		drop(&p);
	}
}

static void help_has_two_columns(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	options_help(rows, &out);
	assert_string_equal(
		out.buf, "  -j, --json              as JSON\n"
			 "  -o, --output FILE       where to\n"
			 "      --top N             how many\n"
			 "      --color[=WHEN]      colour\n"
			 "      --stop[=MS]         stop\n"
			 "      --for DURATION      how long\n"
			 "  -h, --help              show this help, which is a sentence so long that it cannot stand\n"
			 "                          on one line with its option\n");
}

struct more_values {
	uint64_t size;
	struct arg_vec list;
};

static const struct option_row more_rows[] = {
	{ "size", 0, OPTION_SIZE, offsetof(struct more_values, size), "BYTES", false, 0, NULL, "how large" },
	{ "each", 0, OPTION_LIST, offsetof(struct more_values, list), "FILE", false, 0, NULL, "one of several" },
	{ 0 },
};

static struct err *parse_more(char *const words[ARGS], struct more_values *v, struct arg_vec *rest)
{
	char *argv[ARGS + 1] = { 0 };
	int argc = 0;
	while (words[argc]) {
		argv[argc] = words[argc];
		argc++;
	}
	*v = (struct more_values){ 0 };
	return options_parse(more_rows, argc, argv, v, rest);
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *arg;
		uint64_t want; /* UINT64_MAX: refused */
	} cases[] = {
		{ "--size=4096", 4096 },
		{ "--size=10K", 10240 },
		{ "--size=10KiB", 10240 },
		{ "--size=1MiB", 1 << 20 },
		{ "--size=2G", 2ull << 30 },
		{ "--size=12B", 12 },
		{ "--size=0", 0 },
		{ "--size=", UINT64_MAX },
		{ "--size=K", UINT64_MAX },
		{ "--size=1X", UINT64_MAX },
		{ "--size=1KB", UINT64_MAX },
		{ "--size=-1", UINT64_MAX },
		{ "--size=1iB", UINT64_MAX },
		{ "--size=1KiBs", UINT64_MAX },
		{ "--size=9000000000G", UINT64_MAX },
		{ "--size=1.5M", UINT64_MAX },
	};
	static char words[][8] = { "diff" };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct more_values v;
		struct arg_vec rest = { 0 };
		AUTO_FREE char *arg = xstrdup(cases[i].arg);
		AUTO(err) struct err *err = parse_more((char *const[ARGS]){ words[0], arg }, &v, &rest);
		assert_int_equal(err != NULL, cases[i].want == UINT64_MAX);
		if (!err)
			assert_int_equal(v.size, cases[i].want);
		vec_deinit(&rest);
	}
}

static void a_list_keeps_all_its_words_in_order(void **state)
{
	struct more_values v;
	struct arg_vec rest = { 0 };
	static char words[][10] = { "diff", "--each", "a", "x", "--each=b" };
	assert_null(parse_more((char *const[ARGS]){ words[0], words[1], words[2], words[3], words[4] }, &v, &rest));
	assert_int_equal(v.list.n, 2);
	assert_string_equal(v.list.v[0], "a");
	assert_string_equal(v.list.v[1], "b");
	assert_int_equal(rest.n, 1);
	vec_deinit(&v.list);
	vec_deinit(&rest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(a_list_keeps_all_its_words_in_order),
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(a_choice_and_a_time_may_go_without_value),
		cmocka_unit_test(a_duration_has_a_unit),
		cmocka_unit_test(what_follows_the_dashes_is_no_option),
		cmocka_unit_test(help_wins_over_what_follows),
		cmocka_unit_test(wrong_words_are_explained),
		cmocka_unit_test(help_has_two_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
