/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/profile.h"
#include "model/snapshot.h"

static void samples_have_a_value_of_every_type(void **state)
{
	AUTO(profile) struct profile p;
	profile_init(&p);
	profile_type_add(&p, "objects", "count");
	profile_type_add(&p, "space", "bytes");
	for (int i = 0; i < 100; i++) {
		int64_t *v = profile_sample_add(&p, 0);
		v[0] = i;
		v[1] = i * 10;
	}
	assert_int_equal(profile_values(&p, 42)[0], 42);
	assert_int_equal(profile_values(&p, 99)[1], 990);
	assert_int_equal(profile_type_find(&p, "space"), 1);
	assert_int_equal(profile_type_find(&p, "no"), -1);
	assert_int_equal(profile_type_find(&p, NULL), 1);
	p.default_type = "objects";
	assert_int_equal(profile_type_find(&p, NULL), 0);
}

static void labels_belong_to_the_sample_before_them(void **state)
{
	AUTO(profile) struct profile p;
	profile_init(&p);
	profile_type_add(&p, "objects", "count");
	profile_sample_add(&p, 0);
	profile_label_number(&p, "bytes", 64, "bytes");
	profile_sample_add(&p, 0);
	profile_label_text(&p, "tenant", "t42");
	profile_label_text(&p, "job", "j7");
	assert_int_equal(p.samples.v[0].label_n, 1);
	assert_int_equal(p.samples.v[1].label_at, 1);
	assert_int_equal(p.samples.v[1].label_n, 2);
	assert_string_equal(p.labels.v[2].text, "j7");
	assert_null(p.labels.v[0].text);
}

static void a_snapshot_keeps_a_note_once(void **state)
{
	AUTO(snapshot) struct snapshot s;
	snapshot_init(&s);
	snapshot_note(&s, "no %s", "profile");
	snapshot_note(&s, "no profile");
	assert_int_equal(s.notes.n, 1);
	assert_int_equal(s.heap.profile.n_types, HEAP_VALUES);
	assert_int_equal(profile_type_find(&s.heap.profile, "inuse_space"), HEAP_INUSE_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_have_a_value_of_every_type),
		cmocka_unit_test(labels_belong_to_the_sample_before_them),
		cmocka_unit_test(a_snapshot_keeps_a_note_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
