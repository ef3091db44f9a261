/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <math.h>

#include "model/record.h"

static void every_kind_and_event_has_a_name(void **state)
{
	for (unsigned i = 0; i < RECORD_KIND_MAX_; i++)
		assert_non_null(record_kinds[i]);
	for (unsigned i = 0; i < RECORD_EVENT_MAX_; i++)
		assert_non_null(record_events[i]);
	for (unsigned i = 0; i < RECORD_WHAT_MAX_; i++)
		assert_non_null(record_whats[i]);
}

static void a_repeated_note_is_kept_once(void **state)
{
	struct record r;
	record_init(&r);
	assert_true(isnan(r.cpu_ratio));
	record_note(&r, "%d events were lost", 3);
	record_note(&r, "%d events were lost", 3);
	record_note(&r, "%d events were lost", 4);
	assert_int_equal(r.notes.n, 2);
	assert_string_equal(r.notes.v[1], "4 events were lost");
	record_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_event_has_a_name),
		cmocka_unit_test(a_repeated_note_is_kept_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
