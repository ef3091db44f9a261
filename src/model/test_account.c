/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/account.h"

static void a_note_is_kept_once(void **state)
{
	struct account a;
	account_init(&a);
	account_note(&a, "%d pages are gone", 3);
	account_note(&a, "3 pages are gone");
	account_note(&a, "4 pages are gone");
	assert_int_equal(a.notes.n, 2);
	assert_string_equal(a.notes.v[1], "4 pages are gone");
	account_deinit(&a);
}

static void every_class_has_a_name_and_a_colour(void **state)
{
	for (int i = 0; i < CLASS_MAX_; i++) {
		assert_non_null(mem_classes[i].name);
		assert_true(strlen(mem_classes[i].about) > 3);
		assert_int_equal(strlen(mem_classes[i].color), 7);
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(mem_classes[i].name, mem_classes[k].name);
			assert_string_not_equal(mem_classes[i].color, mem_classes[k].color);
		}
	}
}

static void vma_find_looks_between(void **state)
{
	struct vma rows[] = { { .start = 10, .end = 20 }, { .start = 20, .end = 30 }, { .start = 40, .end = 50 } };
	struct vma_vec vmas = { .v = rows, .n = 3, .cap = 3 };
	assert_null(vma_find(&vmas, 9));
	assert_ptr_equal(vma_find(&vmas, 10), &rows[0]);
	assert_ptr_equal(vma_find(&vmas, 20), &rows[1]);
	assert_null(vma_find(&vmas, 30));
	assert_ptr_equal(vma_find(&vmas, 49), &rows[2]);
	assert_null(vma_find(&vmas, 50));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_kept_once),
		cmocka_unit_test(every_class_has_a_name_and_a_colour),
		cmocka_unit_test(vma_find_looks_between),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
