/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "report/goroutines.h"

static void add(struct goroutines *gs, uint64_t id, const char *reason, const char *function, uint32_t input)
{
	struct goroutine *g = vec_push(&gs->v);
	*g = (struct goroutine){
		.id = id,
		.state = "waiting",
		.wait_reason = reason,
		.wait_ns = 240000000000,
		.stack_bytes = ACCOUNT_UNKNOWN,
		.stack = stacks_place(&gs->stacks, function, "/src/a.go", 7),
		.created_by = stacks_place(&gs->stacks, "example.com/x/pkg.start", "/src/b.go", 9),
		.count = 1,
		.fd = 5,
		.peer = "tcp 10.0.0.1:5432",
		.input = input,
		.flags = GOROUTINE_LOCKED,
	};
	gs->total++;
}

/* The report of two inputs, as text or JSON. */
static void render(enum goroutine_group_by by, bool json, struct strbuf *out)
{
	struct goroutines gs;
	struct goroutine_groups sites, groups;
	struct suspicions suspicions;
	goroutines_init(&gs);
	add(&gs, 1, "chan receive (nil chan)", "main.f", 0);
	add(&gs, 2, "IO wait", "main.\x1b[31mg\xff", 0);
	add(&gs, 3, "IO wait", "main.\x1b[31mg\xff", 1);
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &sites);
	goroutine_groups_make(&gs, by, false, &groups);
	suspicions_find(&gs, &sites, &suspicions);
	struct goroutines_report r = {
		.goroutines = &gs,
		.groups = &groups,
		.by = by,
		.sites = &sites,
		.suspicions = &suspicions,
		.stacks = true,
		.style = { .width = 100 },
	};
	*vec_push(&r.inputs) = "a.txt";
	*vec_push(&r.inputs) = "b.txt";
	*vec_push(&r.notes) = "something is missing";
	if (json)
		goroutines_json(&r, out);
	else
		goroutines_text(&r, out);
	vec_deinit(&r.inputs);
	vec_deinit(&r.notes);
	suspicions_deinit(&suspicions);
	goroutine_groups_deinit(&groups);
	goroutine_groups_deinit(&sites);
	goroutines_deinit(&gs);
}

static void assert_holds(const char *text, const char *const *parts)
{
	for (; *parts; parts++) {
		if (!strstr(text, *parts))
			fail_msg("no '%s' in:\n%s", *parts, text);
	}
}

static void the_text_has_groups_hints_stacks_and_notes(void **state)
{
	static const char *const parts[] = {
		"3 goroutines",
		"2 IO wait, 1 chan receive (nil chan)",
		"COUNT  A  B  STATE",
		"    2  1  1  IO wait",
		"main.f:7",
		"pkg.start:9",
		"4.0 min",
		"Hints",
		"nil-channel: 1 goroutine",
		"created by example.com/x/pkg.start",
		"/src/a.go:7",
		"locked to its thread",
		"something is missing.",
		NULL,
	};
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	render(GOROUTINE_BY_SITE, false, &out);
	assert_holds(out.buf, parts);
}

static void nothing_of_a_name_reaches_the_terminal_as_it_is(void **state)
{
	for (int by = GOROUTINE_BY_SITE; by <= GOROUTINE_BY_NONE; by++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		render((enum goroutine_group_by)by, false, &out);
		for (size_t i = 0; i < out.len; i++)
			assert_true(out.buf[i] == '\n' || (out.buf[i] >= ' ' && out.buf[i] <= '~'));
	}
}

static void the_json_has_what_the_contract_names(void **state)
{
	static const char *const parts[] = {
		"\"schema\":\"ullage.goroutines/1\"",
		"\"goroutines_total\":3",
		"\"count\":1",
		"\"id\":2",
		"\"fd\":5",
		"\"peer\":\"tcp 10.0.0.1:5432\"",
		"\"wait_reason\":\"IO wait\"",
		"\"median\":240",
		"\"stack_bytes\":null",
		"\"flags\":[\"locked_to_thread\"]",
		"\"rule\":\"nil-channel\"",
		"\\u001b[31m",
		"\"notes\":[\"something is missing\"]",
		NULL,
	};
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	render(GOROUTINE_BY_NONE, true, &out);
	assert_holds(out.buf, parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_has_groups_hints_stacks_and_notes),
		cmocka_unit_test(nothing_of_a_name_reaches_the_terminal_as_it_is),
		cmocka_unit_test(the_json_has_what_the_contract_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
