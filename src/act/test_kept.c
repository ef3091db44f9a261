/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "act/kept.h"

static unsigned links = 2;

static unsigned length(void *arg, const char *policy)
{
	return links;
}

static void add(struct kept_orders *k, uint32_t number, char *incident, bool resolved)
{
	static char policy[] = "p";
	struct kept o = { .number = number, .n = 2, .resolved = resolved, .policy = policy, .incident = incident };
	strbuf_init(&o.frame);
	o.state = resolved ? WATCH_OK : WATCH_WARNING;
	kept_add(k, &o);
}

static char one[] = "one", two[] = "two";

static void what_is_done_is_kept_only_while_its_incident_lasts(void **state)
{
	struct kept_orders k = { 0 };
	links = 2;
	add(&k, 1, one, false);
	assert_int_equal(k.waiting, 2);
	kept_done(&k, 1, 0);
	kept_done(&k, 1, 0); /* again: it counts once */
	kept_done(&k, 7, 1); /* unknown */
	kept_done(&k, 1, 31);
	assert_int_equal(k.waiting, 1);
	kept_done(&k, 1, 1);
	assert_int_equal(k.waiting, 0);
	assert_int_equal(k.v.n, 1);
	assert_int_equal(kept_find(&k, "p", "one")->number, 1);
	assert_null(kept_find(&k, "q", "one"));
	add(&k, 2, one, false); /* the first is of interest no more */
	kept_done(&k, 2, 0);
	kept_done(&k, 2, 1);
	assert_int_equal(k.v.n, 1);
	add(&k, 3, one, true);
	assert_null(kept_find(&k, "p", "one"));
	kept_done(&k, 3, 1);
	assert_int_equal(k.v.n, 2); /* the alert that is to end must be known until it has */
	kept_done(&k, 3, 0);
	assert_int_equal(k.v.n, 0);
	kept_deinit(&k);
}

static void another_actor_is_told_what_is_open_and_what_lasts(void **state)
{
	struct kept_orders k = { 0 };
	links = 2;
	add(&k, 1, one, false);
	kept_done(&k, 1, 0);
	kept_done(&k, 1, 1);
	add(&k, 2, two, false);
	kept_done(&k, 2, 1);
	assert_int_equal(kept_again(&k, length, NULL), 0);
	assert_int_equal(k.v.n, 2);
	assert_int_equal(k.v.v[0].done & 3, 3);
	assert_int_equal(k.v.v[1].done & 3, 2);
	assert_int_equal(k.waiting, 1);
	kept_deinit(&k);
}

static void after_a_reload_no_link_is_taken_for_another(void **state)
{
	struct kept_orders k = { 0 };
	links = 2;
	add(&k, 1, one, false);
	kept_done(&k, 1, 0);
	links = 3;
	kept_reload(&k, length, NULL);
	assert_int_equal(k.waiting, 1); /* the old chain goes on in the actor */
	assert_int_equal(kept_again(&k, length, NULL), 0);
	assert_int_equal(k.v.v[0].done, 0);
	assert_int_equal(k.waiting, 3);
	links = 0;
	kept_reload(&k, length, NULL);
	assert_null(kept_find(&k, "p", "one"));
	assert_int_equal(kept_again(&k, length, NULL), 3);
	assert_int_equal(k.v.n, 0);
	kept_deinit(&k);
}

static void an_order_that_actors_end_with_is_given_up(void **state)
{
	struct kept_orders k = { 0 };
	links = 2;
	add(&k, 1, one, true);
	kept_done(&k, 1, 0);
	for (int i = 1; i < KEPT_DEATHS; i++)
		assert_int_equal(kept_again(&k, length, NULL), 0);
	assert_int_equal(kept_again(&k, length, NULL), 1);
	assert_int_equal(k.v.n, 0);
	assert_int_equal(k.waiting, 0);
	kept_deinit(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_done_is_kept_only_while_its_incident_lasts),
		cmocka_unit_test(another_actor_is_told_what_is_open_and_what_lasts),
		cmocka_unit_test(after_a_reload_no_link_is_taken_for_another),
		cmocka_unit_test(an_order_that_actors_end_with_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
