/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sense/text.h"

static void numbers_are_whole_or_unknown(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{ "123\n", 123 },
		{ "0", 0 },
		{ "max\n", SENSE_UNKNOWN },
		{ "", SENSE_UNKNOWN },
		{ "-1\n", SENSE_UNKNOWN },
		{ "12 3\n", SENSE_UNKNOWN },
		{ "99999999999999999999", SENSE_UNKNOWN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(sense_text_number(cases[i].text, strlen(cases[i].text)) == cases[i].value);
}

static void keys_are_whole_words(void **state)
{
	static const char text[] = "low 1\nhigh 2\noom 3\noom_kill 4\nbroken\noom_group_kill x\n";
	assert_int_equal(sense_text_key(text, sizeof(text) - 1, "oom"), 3);
	assert_int_equal(sense_text_key(text, sizeof(text) - 1, "oom_kill"), 4);
	assert_true(sense_text_key(text, sizeof(text) - 1, "oom_group_kill") == SENSE_UNKNOWN);
	assert_true(sense_text_key(text, sizeof(text) - 1, "max") == SENSE_UNKNOWN);
	assert_true(sense_text_key(text, sizeof(text) - 1, "broken") == SENSE_UNKNOWN);
}

static void statm_has_three_numbers(void **state)
{
	struct sense_statm m;
	static const char text[] = "1000 200 30 4 0 500 0\n";
	assert_true(sense_text_statm(text, sizeof(text) - 1, &m));
	assert_true(m.size == 1000 && m.resident == 200 && m.shared == 30);
	assert_false(sense_text_statm("1000 200", 8, &m));
	assert_false(sense_text_statm("", 0, &m));
}

static void pressure_is_a_share(void **state)
{
	struct sense_pressure p;
	static const char text[] = "some avg10=12.50 avg60=0.00 avg300=0.00 total=987\n"
				   "full avg10=0.07 avg60=0.00 avg300=0.00 total=1\n";
	sense_text_pressure(text, sizeof(text) - 1, &p);
	assert_true(p.some > 0.1249 && p.some < 0.1251 && p.full > 0.00069 && p.full < 0.00071);
	assert_int_equal(p.some_total_us, 987);
	sense_text_pressure("some avg10=x", 12, &p);
	assert_true(p.some != p.some && p.full != p.full && p.some_total_us == SENSE_UNKNOWN);
}

static void the_last_pid_is_the_fifth_field(void **state)
{
	uint64_t pid = 0;
	assert_true(sense_text_last_pid("0.10 0.20 0.30 1/200 4711\n", 26, &pid));
	assert_int_equal(pid, 4711);
	assert_false(sense_text_last_pid("0.10 0.20 0.30 1/200", 20, &pid));
}

static bool oom(const char *text, struct sense_oom_line *ret)
{
	return sense_text_oom(text, strlen(text), ret);
}

static void a_kill_in_the_log_has_victim_and_limit(void **state)
{
	struct sense_oom_line l;
	assert_true(oom("6,1234,567890,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
			"oom_memcg=/web,task_memcg=/web/inner,task=server,pid=4711,uid=1000\n SUBSYSTEM=x\n",
			&l));
	assert_int_equal(l.pid, 4711);
	assert_string_equal(l.comm, "server");
	assert_string_equal(l.limit_path, "/web");
	assert_string_equal(l.task_path, "/web/inner");
	assert_true(
		oom("4,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
		    "task_memcg=/a,task=x,pid=1,uid=0",
		    &l));
	assert_string_equal(l.limit_path, "");
	assert_string_equal(l.task_path, "/a");
}

static void names_in_the_log_cannot_lie_about_the_pid(void **state)
{
	struct sense_oom_line l;
	assert_true(
		oom("6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task_memcg=/a,task=,pid=1,uid=0,pid=77,"
		    "uid=5",
		    &l));
	assert_int_equal(l.pid, 77);
	assert_string_equal(l.comm, ",pid=1,uid=0");
	assert_false(oom("6,1,2,-;Memory cgroup out of memory: Killed process 12 (x)", &l));
	assert_false(oom("6,1,2,-;oom-kill:constraint=X,task=a,pid=,uid=0", &l));
	assert_false(oom("6,1,2,-;oom-kill:constraint=X,task=a,pid=99999999999,uid=0", &l));
	assert_false(oom("6,1,2,-;oom-kill:constraint=X,pid=5,uid=0", &l));
	assert_false(oom("", &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_or_unknown),
		cmocka_unit_test(keys_are_whole_words),
		cmocka_unit_test(statm_has_three_numbers),
		cmocka_unit_test(pressure_is_a_share),
		cmocka_unit_test(the_last_pid_is_the_fifth_field),
		cmocka_unit_test(a_kill_in_the_log_has_victim_and_limit),
		cmocka_unit_test(names_in_the_log_cannot_lie_about_the_pid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
