/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

static const uint64_t keys[] = { 7, 1, 7, 300, 0 };

static bool is_key(const void *ctx, uint32_t id)
{
	return keys[id] == *(const uint64_t *)ctx;
}

static void an_index_finds_what_was_entered_under_the_hash(void **state)
{
	struct hash_index ix = { 0 };
	uint64_t seven = 7, nine = 9;
	assert_int_equal(hash_index_find(&ix, 5, is_key, &seven), HASH_NONE);
	for (uint32_t i = 0; i < 5; i++)
		hash_index_add(&ix, 5, i); /* all collide */
	assert_int_equal(hash_index_find(&ix, 5, is_key, &seven), 0);
	assert_int_equal(hash_index_find(&ix, 5, is_key, &nine), HASH_NONE);
	assert_int_equal(hash_index_find(&ix, 6, is_key, &seven), HASH_NONE);
	hash_index_reserve(&ix, 1); /* there is room for that already */
	hash_index_reserve(&ix, 1000);
	assert_true(ix.cap >= 2000);
	assert_int_equal(hash_index_find(&ix, 5, is_key, &seven), 0);
	hash_index_deinit(&ix);
}

static void a_map_keeps_many_keys_while_it_grows(void **state)
{
	struct hash_map m = { 0 };
	assert_null(hash_map_get(&m, 0));
	for (uint64_t i = 0; i < 10000; i++) {
		bool fresh = false;
		*hash_map_at(&m, i << 20, &fresh) = i;
		assert_true(fresh);
	}
	for (uint64_t i = 0; i < 10000; i++)
		assert_true(*hash_map_get(&m, i << 20) == i);
	assert_null(hash_map_get(&m, 1));
	bool fresh = true;
	assert_true(*hash_map_at(&m, 5 << 20, &fresh) == 5);
	assert_false(fresh);
	assert_int_equal(m.n, 10000);
	hash_map_deinit(&m);
}

static void equal_bytes_have_equal_hashes(void **state)
{
	char a[] = "main.main", b[] = "main.main";
	assert_true(hash_bytes(a, 9) == hash_bytes(b, 9));
	assert_true(hash_bytes(a, 8) != hash_bytes(a, 9));
	assert_true(hash_u64(1) != hash_u64(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_finds_what_was_entered_under_the_hash),
		cmocka_unit_test(a_map_keeps_many_keys_while_it_grows),
		cmocka_unit_test(equal_bytes_have_equal_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
