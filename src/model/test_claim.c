/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/claim.h"

static void neighbours_join(void **state)
{
	struct claim_vec claims = { 0 };
	claim_add(&claims, 0x1000, 0x2000, CLASS_GO_META_GC, 0);
	claim_add(&claims, 0x2000, 0x3000, CLASS_GO_META_GC, 0);
	claim_add(&claims, 0x3000, 0x4000, CLASS_GO_META_GC, 1);
	claim_add(&claims, 0x5000, 0x5000, CLASS_GO_META_GC, 1);
	assert_int_equal(claims.n, 2);
	assert_int_equal(claims.v[0].end, 0x3000);
	vec_deinit(&claims);
}

static void first_claim_keeps_the_bytes(void **state)
{
	struct claim_vec claims = { 0 };
	claim_add(&claims, 20, 30, CLASS_GO_META_GC, 1);
	claim_add(&claims, 0, 100, CLASS_GO_META_OTHER, 2);
	assert_int_equal(claim_settle(&claims), 10);
	assert_int_equal(claims.n, 3);
	assert_int_equal(claims.v[1].owner, 1);
	assert_int_equal(claims.v[2].start, 30);
	assert_int_equal(claims.v[2].end, 100);
	assert_int_equal(claim_after(&claims, 19), 0);
	assert_int_equal(claim_after(&claims, 20), 1);
	assert_int_equal(claim_after(&claims, 100), 3);
	vec_deinit(&claims);
}

/* Settling equals painting a small address space byte by byte, for many overlapping claims. */
static void settling_equals_painting(void **state)
{
	enum { SPACE = 64, ROUNDS = 20000 };
	uint32_t seed = 1;
	for (int round = 0; round < ROUNDS; round++) {
		struct claim_vec claims = { 0 };
		uint32_t owner[SPACE] = { 0 };
		uint64_t twice = 0;
		for (uint32_t i = 1; i <= 1 + (uint32_t)round % 6; i++) {
			seed = seed * 1664525 + 1013904223;
			uint64_t start = (seed >> 8) % SPACE, len = 1 + (seed >> 16) % 24;
			uint64_t end = start + len < SPACE ? start + len : SPACE;
			claim_add(&claims, start, end, CLASS_GO_META_GC, i);
			for (uint64_t a = start; a < end; a++) {
				twice += owner[a] != 0;
				owner[a] = owner[a] ? owner[a] : i;
			}
		}
		assert_int_equal(claim_settle(&claims), twice);
		uint32_t painted[SPACE] = { 0 };
		for (size_t i = 0; i < claims.n; i++) {
			assert_true(i == 0 || claims.v[i - 1].end <= claims.v[i].start);
			for (uint64_t a = claims.v[i].start; a < claims.v[i].end; a++)
				painted[a] = claims.v[i].owner;
		}
		assert_memory_equal(painted, owner, sizeof(owner));
		vec_deinit(&claims);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_join),
		cmocka_unit_test(first_claim_keeps_the_bytes),
		cmocka_unit_test(settling_equals_painting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
