/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/snapshot.h"

static void a_note_is_kept_once_and_about_all_that_said_it(void **state)
{
	AUTO(snapshot) struct snapshot s;
	snapshot_init(&s);
	s.noting = SNAPSHOT_HEAP;
	snapshot_note(&s, "page %d is missing", 7);
	s.noting = SNAPSHOT_TIMERS;
	snapshot_note(&s, "page %d is missing", 7);
	assert_int_equal(s.notes.n, 1);
	assert_string_equal(s.notes.v[0], "page 7 is missing");
	assert_int_equal(s.note_parts.v[0], SNAPSHOT_HEAP | SNAPSHOT_TIMERS);
	s.noting = 0;
	snapshot_note(&s, "page %d is missing", 7);
	assert_int_equal(s.note_parts.v[0], 0);
}

static void notes_about_other_parts_can_be_left(void **state)
{
	AUTO(snapshot) struct snapshot s;
	snapshot_init(&s);
	snapshot_note(&s, "of the whole");
	s.noting = SNAPSHOT_HEAP;
	snapshot_note(&s, "of the heap");
	s.noting = SNAPSHOT_FDS;
	snapshot_note(&s, "of descriptors");
	snapshot_notes_keep(&s, SNAPSHOT_FDS | SNAPSHOT_TIMERS);
	assert_int_equal(s.notes.n, 2);
	assert_int_equal(s.note_parts.n, 2);
	assert_string_equal(s.notes.v[0], "of the whole");
	assert_string_equal(s.notes.v[1], "of descriptors");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_kept_once_and_about_all_that_said_it),
		cmocka_unit_test(notes_about_other_parts_can_be_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
