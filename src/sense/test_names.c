/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sense/names.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void units_and_containers_are_told_by_their_cgroup(void **state)
{
	static const struct {
		const char *path, *unit, *container;
	} cases[] = {
		{ "/system.slice/web.service", "web.service", NULL },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.scope", "editor.scope", NULL },
		{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID },
		{ "/docker/" ID, NULL, ID },
		{ "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", "cri-containerd-" ID ".scope",
		  ID },
		{ "/kubepods/burstable/pod1/" ID "/inner", NULL, ID },
		{ "/kubelet.slice/pod.slice:cri-containerd:" ID, NULL, ID },
		{ "/lxc/box/init.scope", "init.scope", "box" },
		{ "/lxc.payload.box/system.slice/a.service", "a.service", "box" },
		{ "/short/0123456789abcdef", NULL, NULL },
		{ "/x" ID, NULL, NULL },
		{ "/", NULL, NULL },
		{ "", NULL, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena;
		arena_init(&arena);
		const char *unit = sense_unit_of(cases[i].path, &arena),
			   *id = sense_container_of(cases[i].path, &arena);
		if (cases[i].unit)
			assert_string_equal(unit, cases[i].unit);
		else
			assert_null(unit);
		if (cases[i].container)
			assert_string_equal(id, cases[i].container);
		else
			assert_null(id);
		arena_deinit(&arena);
	}
}

static const struct sense_facts web = {
	.comm = "web",
	.exe = "/srv/bin/web-server",
	.cgroup = "/system.slice/web.service",
	.unit = "web.service",
	.container = ID,
	.is_go = true,
};

static void a_rule_matches_when_all_that_it_names_does(void **state)
{
	static const struct {
		struct config_match rule;
		bool match;
	} cases[] = {
		{ { 0 }, true },
		{ { .name = "web" }, true },
		{ { .name = "w*", .unit = "web" }, true },
		{ { .unit = "web.service" }, true },
		{ { .unit = "web.socket" }, false },
		{ { .exe = "web-*" }, true },
		{ { .exe = "/srv/*/web-server" }, true },
		{ { .exe = "srv" }, false },
		{ { .cgroup = "/system.slice/*" }, true },
		{ { .cgroup = "system.slice/web.service" }, true },
		{ { .cgroup = "/user.slice/*" }, false },
		{ { .container = "0123456789ab" }, true },
		{ { .container = "0123" }, false },
		{ { .container = "0123*" }, true },
		{ { .name = "web", .go_only = true }, true },
		{ { .name = "web", .container = "other" }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sense_match(&cases[i].rule, &web), cases[i].match);
	const struct sense_facts bare = { .comm = "web" };
	assert_false(sense_match(&(struct config_match){ .unit = "web" }, &bare));
	assert_false(sense_match(&(struct config_match){ .container = "*" }, &bare));
	assert_false(sense_match(&(struct config_match){ .go_only = true }, &bare));
}

static void the_first_rule_that_matches_decides(void **state)
{
	struct config c;
	config_defaults(&c);
	struct sense_facts other = { .comm = "other", .is_go = true }, shell = { .comm = "sh" };
	assert_true(sense_wanted(&c, &web));
	assert_false(sense_wanted(&c, &shell));
	*vec_push(&c.targets) = (struct config_match){ .name = "other", .exclude = true };
	assert_true(sense_wanted(&c, &web)); /* all but what is excluded */
	assert_false(sense_wanted(&c, &other));
	assert_int_equal(sense_rules_need(&c), SENSE_NEED_NAME);
	*vec_push(&c.targets) = (struct config_match){ .name = "sh" };
	assert_false(sense_wanted(&c, &web));
	assert_true(sense_wanted(&c, &shell));
	*vec_push(&c.targets) = (struct config_match){ .unit = "web" };
	assert_true(sense_wanted(&c, &web));
	assert_int_equal(sense_rules_need(&c), SENSE_NEED_NAME | SENSE_NEED_CGROUP);
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_and_containers_are_told_by_their_cgroup),
		cmocka_unit_test(a_rule_matches_when_all_that_it_names_does),
		cmocka_unit_test(the_first_rule_that_matches_decides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
