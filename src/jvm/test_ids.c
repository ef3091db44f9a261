/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jvm/ids.h"

/* Every third refers to others. */
static void check_numbers(const uint64_t *ids, size_t n)
{
	struct jvm_ids t;
	jvm_ids_init(&t);
	for (size_t i = 0; i < n; i++)
		assert_true(jvm_ids_add(&t, ids[i], i % 3 == 0));
	for (size_t i = 0; i < n; i++)
		assert_false(jvm_ids_add(&t, ids[i], i % 3 != 0));
	AUTO(err) struct err *err = jvm_ids_number(&t);
	assert_null(err);
	assert_int_equal(t.n, n);
	assert_int_equal(t.n_inner, (n + 2) / 3);
	AUTO_FREE unsigned char *seen = xcalloc(n, 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t number = jvm_ids_find(&t, ids[i]);
		assert_true(number < n);
		assert_int_equal(number < t.n_inner, i % 3 == 0);
		assert_false(seen[number]++);
	}
	assert_int_equal(jvm_ids_find(&t, ids[0] + 1), GRAPH_NONE);
	assert_int_equal(jvm_ids_find(&t, 7), GRAPH_NONE);
	assert_int_equal(jvm_ids_find(&t, UINT64_MAX), GRAPH_NONE);
	assert_true(jvm_ids_bytes(&t) > 0);
	jvm_ids_deinit(&t);
}

enum { MANY = 20000 };

static void neighbours_are_numbered_by_address(void **state)
{
	static uint64_t ids[MANY];
	for (size_t i = 0; i < MANY; i++)
		ids[i] = 0x80000000 + 16 * ((i * 7919) % MANY);
	check_numbers(ids, MANY);
}

static void addresses_far_from_each_other_are_found_too(void **state)
{
	static uint64_t ids[MANY];
	for (size_t i = 0; i < MANY; i++)
		ids[i] = (i + 1) * UINT64_C(0x123456789a8);
	check_numbers(ids, MANY);
}

static void identifiers_need_not_be_aligned(void **state)
{
	static uint64_t ids[MANY];
	for (size_t i = 0; i < MANY; i++)
		ids[i] = i < MANY / 2 ? 0x1000 + 8 * i : 0x1000000 + 3 * i;
	check_numbers(ids, MANY);
}

static void nothing_is_a_set_too(void **state)
{
	struct jvm_ids t;
	jvm_ids_init(&t);
	AUTO(err) struct err *err = jvm_ids_number(&t);
	assert_null(err);
	assert_int_equal(t.n, 0);
	assert_int_equal(jvm_ids_find(&t, 0), GRAPH_NONE);
	jvm_ids_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_numbered_by_address),
		cmocka_unit_test(addresses_far_from_each_other_are_found_too),
		cmocka_unit_test(identifiers_need_not_be_aligned),
		cmocka_unit_test(nothing_is_a_set_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
