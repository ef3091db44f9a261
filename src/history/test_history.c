/* SPDX-License-Identifier: Apache-2.0 */
#include "history/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/blackbox.h"
#include "history/report.h"

static const int64_t s_ns = 1000000000;

static int set_up(void **state)
{
	*state = box_directory();
	return 0;
}

static int tear_down(void **state)
{
	box_remove(*state);
	return 0;
}

static int64_t wall_of(int64_t boot_ns)
{
	return boot_ns + box_clocks();
}

static void event(struct store *s, enum watch_event_kind kind, const char *target, int64_t boot_ns, const char *name,
		  const char *text)
{
	store_event(s, &(struct watch_event){ .wall_ns = wall_of(boot_ns),
					      .kind = kind,
					      .target = target,
					      .name = name,
					      .text = text,
					      .value = NAN,
					      .threshold = NAN });
}

static void read_it(const char *directory, const char *any, int64_t at_ns, int64_t now_boot, struct history *h)
{
	struct err *err = history_read(
		&(struct history_options){
			.directory = directory, .any = any, .now_ns = wall_of(now_boot), .at_ns = at_ns },
		h);
	if (err)
		fail_msg("%s", err_text(err));
}

/* Pid 10 leaks and is killed; 11 follows and lives. */
static int64_t killed_and_started_again(const char *directory)
{
	struct store *s = box_open(directory);
	int64_t end = box_now(), t0 = end - 100 * s_ns;
	for (unsigned i = 0; i < 100; i++) {
		box_look(s, 10, t0, i);
		if (i % 20 == 0)
			box_commit(s);
		if (i == 30)
			event(s, WATCH_EVENT_ALARM, "10-1000", t0 + i * s_ns, "goroutines_doubled", "passing");
		if (i == 35)
			event(s, WATCH_EVENT_CLEAR, "10-1000", t0 + i * s_ns, "goroutines_doubled", "over");
		if (i == 40)
			event(s, WATCH_EVENT_ALARM, "10-1000", t0 + i * s_ns, "near_limit", "91 % of 512 MiB");
	}
	box_commit(s);
	event(s, WATCH_EVENT_OOM_KILL, "10-1000", t0 + 99 * s_ns + s_ns / 2, NULL,
	      "limit of /system.slice/api.service");
	event(s, WATCH_EVENT_EXIT, "10-1000", t0 + 99 * s_ns + s_ns / 2, NULL, "ended");
	for (unsigned i = 0; i < 3; i++)
		box_look(s, 11, end, i);
	box_commit(s);
	store_close(s);
	return t0;
}

static void a_name_means_the_one_that_died(void **state)
{
	struct history h;
	int64_t t0 = killed_and_started_again(*state);
	read_it(*state, "api", 0, t0 + 110 * s_ns, &h);
	assert_int_equal(h.lives.n, 2);
	assert_int_equal(h.lives.v[h.chosen].id.pid, 10);
	assert_int_equal(h.ends[h.chosen], HISTORY_OOM);
	assert_int_equal(h.end->kind, WATCH_EVENT_OOM_KILL);
	assert_int_equal(h.on.n, 1); /* what went off again is not told */
	assert_string_equal(h.on.v[0].event->name, "near_limit");
	assert_int_equal(h.points.n, 100);
	assert_int_equal(h.last.v[h.last.n - 1].process.rss, box_rss(99));
	history_deinit(&h);
	read_it(*state, "11", 0, t0 + 110 * s_ns, &h);
	assert_int_equal(h.lives.v[h.chosen].id.pid, 11);
	assert_int_equal(h.ends[h.chosen], HISTORY_UNSEEN); /* no daemon runs */
	assert_int_equal(h.notes.n, 1);
	history_deinit(&h);
}

static void a_moment_means_the_one_that_lived_then(void **state)
{
	struct history h;
	int64_t t0 = killed_and_started_again(*state);
	read_it(*state, "/system.slice/api.service/", wall_of(t0 + 50 * s_ns), t0 + 110 * s_ns, &h);
	assert_int_equal(h.lives.v[h.chosen].id.pid, 10);
	history_deinit(&h);
	read_it(*state, "api", wall_of(t0 + 102 * s_ns), t0 + 110 * s_ns, &h);
	assert_int_equal(h.lives.v[h.chosen].id.pid, 11);
	history_deinit(&h);
}

static void a_kill_that_it_outlived_was_not_its_own(void **state)
{
	struct history h;
	struct store *s = box_open(*state);
	int64_t t0 = box_now() - 60 * s_ns;
	for (unsigned i = 0; i < 50; i++) {
		box_look(s, 10, t0, i);
		if (i == 20)
			event(s, WATCH_EVENT_OOM_KILL, "10-1000", t0 + i * s_ns, NULL, "another process of its cgroup");
	}
	box_commit(s);
	store_close(s);
	read_it(*state, "api", 0, t0 + 60 * s_ns, &h);
	assert_int_equal(h.ends[h.chosen], HISTORY_UNSEEN);
	history_deinit(&h);
}

static void the_answer_stands_in_the_first_line(void **state)
{
	struct history h;
	const struct style style = { .utf8 = true, .width = 100 };
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	int64_t t0 = killed_and_started_again(*state);
	read_it(*state, "api", 0, t0 + 110 * s_ns, &h);
	history_text(&h, &style, &out);
	const char *line = strchr(out.buf, '\n');
	assert_int_equal(strncmp(out.buf, "api (10-1000) was killed by the kernel for memory at ", 53), 0);
	assert_int_equal(strncmp(line, "\n  limit of /system.slice/api.service\n", 38), 0);
	assert_non_null(strstr(out.buf, "before, at "));
	assert_null(strstr(out.buf, "passing"));
	size_t lines = 0;
	for (const char *p = out.buf; (p = strchr(p, '\n')); p++)
		lines++;
	assert_in_range(lines, 20, 36);
	strbuf_clear(&out);
	history_json(&h, &out);
	assert_non_null(strstr(out.buf, "\"end\":\"oom-killed\""));
	assert_non_null(strstr(out.buf, "\"warned_seconds\":59.5"));
	history_deinit(&h);
}

static void what_is_unknown_is_not_found(void **state)
{
	struct history h;
	struct err *err = history_read(&(struct history_options){ .directory = *state, .any = "api", .now_ns = 1 }, &h);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_free(err);
	history_deinit(&h);
	killed_and_started_again(*state);
	err = history_read(&(struct history_options){ .directory = *state, .any = "apix", .now_ns = 1 }, &h);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_free(err);
	history_deinit(&h);
}

static void a_leaking_build_is_told_from_one_that_does_not(void **state)
{
	struct store *s = box_open(*state);
	const int64_t step = s_ns / 10; /* ten looks a second: a machine may have been started minutes ago */
	int64_t t0 = box_now() - 130 * s_ns;
	struct watch_target t = box_target(10);
	for (unsigned i = 0; i < 1200; i++) {
		bool second = i >= 600;
		t.id.pid = second ? 11 : 10;
		t.build_id = second ? "new" : "old";
		t.process.time_ns = t0 + i * step;
		/* 10 MiB a minute, then a saw without growth */
		t.process.rss = second ? (200 << 20) + (i % 7) * (16 << 10) : (100 << 20) + i * (1ULL << 20) / 60;
		t.process.gc_count = i / 10;
		t.process.gc_pause_total_ns = (uint64_t)(i / 10) * (second ? 100000 : 300000);
		t.process.gc_pause_last_ns = second ? 100000 : 300000;
		store_sample(s, wall_of(t.process.time_ns), &t);
		if (i % 20 == 0)
			box_commit(s);
	}
	box_commit(s);
	event(s, WATCH_EVENT_OOM_KILL, "10-1000", t0 + 600 * step, NULL, "killed");
	event(s, WATCH_EVENT_EXIT, "10-1000", t0 + 600 * step, NULL, "ended");
	store_close(s);
	const struct compare_options spans = {
		.directory = *state,
		.any = "api",
		.from_ns = { wall_of(t0), wall_of(t0 + 610 * step) },
		.to_ns = { wall_of(t0 + 605 * step), wall_of(t0 + 1300 * step) },
	};
	struct compare c;
	assert_null(compare_read(&spans, &c));
	const struct compare_row *old = NULL, *new = NULL;
	for (size_t i = 0; i < c.rows.n; i++) {
		old = c.rows.v[i].build_id && strcmp(c.rows.v[i].build_id, "old") == 0 ? &c.rows.v[i] : old;
		new = c.rows.v[i].build_id &&strcmp(c.rows.v[i].build_id, "new") == 0 ? &c.rows.v[i] : new;
	}
	assert_non_null(old);
	assert_non_null(new);
	assert_true(fabs(old->growth_per_hour / (600 << 20) - 1) < 0.02);
	assert_true(fabs(new->growth_per_hour) < (2 << 20));
	assert_int_equal(old->oom_kills, 1);
	assert_int_equal(new->oom_kills, 0);
	assert_true(fabs(old->gc_pause_mean - 0.0003) < 1e-9 && old->gc_pause_max == 0.0003);
	assert_true(fabs(new->gc_pause_mean - 0.0001) < 1e-9);
	assert_true(fabs(new->rss_mean / (200.05 * (1 << 20)) - 1) < 0.01);
	const struct style style = { .utf8 = true, .width = 100 };
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	compare_text(&c, &style, &out);
	assert_non_null(strstr(out.buf, "OOM kills 1 and 0"));
	strbuf_clear(&out);
	compare_json(&c, &out);
	assert_non_null(strstr(out.buf, "\"build_id\":\"new\""));
	compare_deinit(&c);
}

static void a_sparkline_shows_the_largest_of_each_column(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	spark_add(&out, (const double[]){ 0, 7, 0, NAN, 3.6, NAN }, 6, 3, false);
	assert_string_equal(out.buf, "#_=");
	strbuf_clear(&out);
	spark_add(&out, (const double[]){ 5, 5, NAN }, 3, 50, true);
	assert_string_equal(out.buf, "▁▁ ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_name_means_the_one_that_died, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_moment_means_the_one_that_lived_then, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kill_that_it_outlived_was_not_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_answer_stands_in_the_first_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_unknown_is_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leaking_build_is_told_from_one_that_does_not, set_up, tear_down),
		cmocka_unit_test(a_sparkline_shows_the_largest_of_each_column),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
