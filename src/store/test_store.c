/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture/blackbox.h"

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

static void what_was_looked_at_is_read_back_exactly(void **state)
{
	struct store *s = box_open(*state);
	int64_t t0 = box_now();
	struct store_point_vec points = { 0 };
	enum { LOOKS = 300 }; /* several chunks and a rest in the journal */
	for (unsigned i = 0; i < LOOKS; i++) {
		box_look(s, 4711, t0, i);
		box_look(s, 4712, t0, i + 5);
		if (i % 3 == 0)
			box_commit(s);
	}
	box_commit(s);
	assert_int_equal(box_points(*state, "4711", &points), LOOKS);
	for (unsigned i = 0; i < LOOKS; i++) {
		const struct store_point *p = &points.v[i];
		assert_int_equal(p->boot_ns, t0 + i * 1000000000LL);
		assert_int_equal(p->process.rss, box_rss(i));
		assert_int_equal(p->process.goroutines, 20 + i % 3);
		assert_int_equal(p->cgroup.limit, 512ULL << 20);
		assert_true(p->cgroup.high == WATCH_UNKNOWN && isnan(p->cgroup.psi_some) && isnan(p->forecast.eta));
	}
	store_close(s);
	points.n = 0;
	assert_int_equal(box_points(*state, "4711", &points), LOOKS);
	vec_deinit(&points);
}

static void a_look_without_news_is_written_every_fifteen_seconds(void **state)
{
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	struct watch_target t = box_target(1);
	int64_t t0 = box_now();
	for (unsigned i = 0; i <= 100; i++) {
		t.process.time_ns = t0 + i * 1000000000LL;
		t.process.rss = i == 100 ? 2000000 : 1000000;
		t.cgroup.available = 5000000 + i; /* the machine's: no reason to write */
		store_sample(s, t.process.time_ns, &t);
		box_commit(s);
	}
	store_close(s);
	/* 0, 15, ... 90, the last before the change, the change */
	assert_int_equal(box_points(*state, "1", &points), 9);
	assert_int_equal(points.v[7].boot_ns - t0, 99000000000LL);
	assert_int_equal(points.v[7].process.rss, 1000000);
	assert_int_equal(points.v[8].process.rss, 2000000);
	vec_deinit(&points);
}

static void a_second_daemon_is_told_who_has_the_directory(void **state)
{
	int up[2];
	assert_int_equal(pipe(up), 0);
	pid_t child = fork();
	if (child == 0) {
		struct store *s;
		struct err *err = store_open(&(struct store_options){ .directory = *state }, &s);
		char c = err ? 'e' : 'o';
		(void)!write(up[1], &c, 1);
		pause();
		_exit(0);
	}
	char c = 0;
	assert_int_equal(read(up[0], &c, 1), 1);
	assert_int_equal(c, 'o');
	assert_int_equal(store_holder(*state), child);
	struct store *s;
	struct err *err AUTO(err) = store_open(&(struct store_options){ .directory = *state }, &s);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_WRITE);
	char number[32];
	snprintf(number, sizeof(number), "process %d", child);
	assert_non_null(strstr(err_text(err), number));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(store_holder(*state), 0);
	close(up[0]);
	close(up[1]);
	store_close(box_open(*state));
}

static void files_are_private(void **state)
{
	struct stat st;
	char path[256];
	store_close(box_open(*state));
	struct store *s = box_open(*state);
	snprintf(path, sizeof(path), "%s/ullage.db", (char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/ullage.db-wal", (char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/snapshots", (char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	store_close(s);
}

static void a_snapshot_appears_whole_or_not_at_all(void **state)
{
	struct store *s = box_open(*state);
	struct store_blob done, dropped, lost;
	struct stat st;
	int64_t at = 1764126720120000000; /* 2025-11-26T03:12:00.120Z */
	assert_null(store_file_begin(s, STORE_SNAPSHOT, "4711-1000", ".ullage", at, &done));
	assert_int_equal(write(done.fd, "abc", 3), 3);
	assert_int_equal(stat(done.path, &st), -1);
	assert_null(store_file_done(s, &done));
	assert_int_equal(stat(done.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_non_null(strstr(done.path, "/snapshots/4711-1000_20251126T031200.120Z.ullage"));
	assert_null(store_file_begin(s, STORE_PROFILE, "../x", ".pb.gz", at, &dropped));
	store_file_drop(&dropped);
	assert_int_equal(stat(dropped.temporary, &st), -1);
	assert_null(store_file_begin(s, STORE_PROFILE, "4711-1000", ".heap.pb.gz", at, &lost));
	store_close(s);
	s = box_open(*state); /* what was left over is removed, and told */
	assert_non_null(strstr(store_told(s), "1 unfinished profiles"));
	assert_int_equal(stat(lost.temporary, &st), -1);
	close(lost.fd);
	struct store_reader *r;
	struct arena arena;
	struct store_file_vec files = { 0 };
	arena_init(&arena);
	assert_null(store_reader_open(*state, true, &r));
	assert_null(store_files(r, &(struct store_file_which){ .target = "4711-1000" }, &arena, &files));
	assert_int_equal(files.n, 1);
	assert_string_equal(files.v[0].f.path, done.path);
	assert_int_equal(files.v[0].f.wall_ns, at);
	assert_true(files.v[0].f.bytes == 3 && files.v[0].there);
	store_reader_close(r);
	vec_deinit(&files);
	arena_deinit(&arena);
	store_close(s);
}

static void events_come_back_newest_first_with_what_they_said(void **state)
{
	struct store *s = box_open(*state);
	struct store_event_vec events = { 0 };
	struct store_reader *r;
	struct arena arena;
	arena_init(&arena);
	store_event(s, &(struct watch_event){ .wall_ns = 1000,
					      .kind = WATCH_EVENT_ALARM,
					      .target = "1-2",
					      .name = "near_limit",
					      .text = "near\x01",
					      .detail = "{\"a\": [1, 2]}",
					      .value = 0.9,
					      .threshold = 0.85 });
	store_event(s, &(struct watch_event){ .wall_ns = 2000,
					      .kind = WATCH_EVENT_OOM_KILL,
					      .target = "1-2",
					      .detail = "{broken",
					      .value = NAN,
					      .threshold = NAN,
					      .dry = true });
	box_event(s, WATCH_EVENT_NOTE, NULL, "of the daemon");
	box_commit(s);
	assert_null(store_reader_open(*state, true, &r));
	assert_null(store_events(r, &(struct store_event_which){ .target = "1-2" }, &arena, &events));
	assert_int_equal(events.n, 2);
	assert_int_equal(events.v[0].e.kind, WATCH_EVENT_OOM_KILL);
	assert_true(events.v[0].e.dry && isnan(events.v[0].e.value));
	assert_null(events.v[0].e.detail); /* no JSON: not shown as such */
	assert_string_equal(events.v[1].e.detail, "{\"a\":[1,2]}");
	assert_string_equal(events.v[1].e.name, "near_limit");
	assert_true(events.v[1].e.value == 0.9);
	events.n = 0;
	assert_null(store_events(r, &(struct store_event_which){ .kinds = 1u << WATCH_EVENT_NOTE }, &arena, &events));
	assert_int_equal(events.n, 1);
	events.n = 0;
	assert_null(store_events(r, &(struct store_event_which){ .limit = 1, .before_id = 2 }, &arena, &events));
	assert_int_equal(events.n, 1);
	assert_int_equal(events.v[0].e.kind, WATCH_EVENT_ALARM);
	store_reader_close(r);
	store_close(s);
	vec_deinit(&events);
	arena_deinit(&arena);
}

static void starts_of_the_daemon_are_known_and_how_they_ended(void **state)
{
	struct store_run_vec runs = { 0 };
	struct store_reader *r;
	store_close(box_open(*state));
	struct store *s = box_open(*state);
	assert_null(store_reader_open(*state, true, &r));
	assert_null(store_runs(r, &runs));
	assert_int_equal(runs.n, 2);
	assert_int_equal(runs.v[0].pid, getpid());
	assert_int_equal(runs.v[0].ended_wall_ns, 0);
	assert_true(runs.v[1].ended_wall_ns >= runs.v[1].started_wall_ns);
	store_reader_close(r);
	store_close(s);
	vec_deinit(&runs);
}

static void a_point_as_json_has_null_for_what_is_unknown(void **state)
{
	struct store_point p = { .state = WATCH_WARNING };
	AUTO(strbuf) struct strbuf out;
	struct json j;
	strbuf_init(&out);
	watch_process_sample_init(&p.process);
	watch_cgroup_sample_init(&p.cgroup);
	p.forecast = (struct watch_forecast){ .rate = -1.5e6, .eta = NAN, .confidence = NAN, .z = NAN };
	p.process.rss = 4096;
	p.process.gc_pause_total_ns = 1500000;
	json_init(&j, &out);
	json_object(&j, NULL);
	store_point_json(&j, &p, true);
	json_object_end(&j);
	assert_non_null(strstr(out.buf, "\"rss_bytes\":4096"));
	assert_non_null(strstr(out.buf, "\"eta_seconds\":null"));
	assert_non_null(strstr(out.buf, "\"rate_bytes_per_second\":-1500000"));
	assert_non_null(strstr(out.buf, "\"gc_pause_total_seconds\":0.0015"));
	assert_non_null(strstr(out.buf, "\"state\":\"warning\""));
}

static void a_long_series_is_thinned_to_its_peaks(void **state)
{
	struct store *s = box_open(*state);
	struct store_reader *r;
	struct store_point_vec points = { 0 };
	struct watch_target t = box_target(8);
	int64_t t0 = box_now();
	for (unsigned i = 0; i < 1000; i++) {
		t.process.time_ns = t0 + i * 1000000000LL;
		t.process.rss = i == 333 ? 9000 : 1000 + i;
		store_sample(s, t.process.time_ns, &t);
		if (i % 50 == 49)
			box_commit(s);
	}
	box_commit(s);
	assert_null(store_reader_open(*state, true, &r));
	assert_null(store_series_of(r, "8-1000", 0, 0, 20, &points));
	assert_in_range(points.n, 15, 20);
	assert_int_equal(points.v[0].process.rss, 1000);
	assert_int_equal(points.v[points.n - 1].process.rss, 1999);
	size_t peaks = 0;
	for (size_t i = 0; i < points.n; i++) {
		peaks += points.v[i].process.rss == 9000;
		assert_true(!i || points.v[i].wall_ns > points.v[i - 1].wall_ns);
	}
	assert_int_equal(peaks, 1);
	struct err *err = store_series_of(r, "9-1", 0, 0, 20, &points);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_free(err);
	store_reader_close(r);
	store_close(s);
	vec_deinit(&points);
}

static uint64_t database_bytes(const char *directory)
{
	char path[512];
	struct stat st;
	uint64_t bytes = 0;
	static const char *const names[] = { "ullage.db", "ullage.db-wal" };
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		bytes += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	return bytes;
}

static size_t files_of(const char *directory, const char *target, enum store_file kind)
{
	struct store_file_vec files = { 0 };
	struct store_reader *r;
	struct arena arena;
	arena_init(&arena);
	assert_null(store_reader_open(directory, true, &r));
	assert_null(
		store_files(r, &(struct store_file_which){ .target = target, .kinds = 1u << kind }, &arena, &files));
	for (size_t i = 0; i < files.n; i++)
		assert_true(files.v[i].there);
	size_t n = files.n;
	store_reader_close(r);
	vec_deinit(&files);
	arena_deinit(&arena);
	return n;
}

static void make_file(struct store *s, enum store_file kind, const char *target, size_t bytes, unsigned number)
{
	struct store_blob b;
	AUTO_FREE char *data = xcalloc(1, bytes);
	assert_null(store_file_begin(s, kind, target, ".x", 1764126720000000000 + number * 1000000000LL, &b));
	assert_int_equal(write(b.fd, data, bytes), bytes);
	assert_null(store_file_done(s, &b));
}

static void what_is_too_much_goes_oldest_looks_first(void **state)
{
	enum { KIB = 1024, BUDGET = 512 * KIB };
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	int64_t t0 = box_now();
	for (unsigned i = 0; i < 20; i++) {
		make_file(s, STORE_SNAPSHOT, i % 2 ? "5-1" : "6-1", 20UL * KIB, i);
		make_file(s, STORE_PROFILE, "5-1", 20UL * KIB, i);
	}
	box_event(s, WATCH_EVENT_OOM_KILL, "5-1", "killed");
	for (unsigned i = 0; i < 40000; i++) {
		box_look(s, 5, t0, i);
		if (i % 50 == 0)
			box_commit(s);
	}
	store_retain(s, BUDGET, 0);
	for (unsigned i = 0; i < 60; i++) {
		assert_null(store_trim(s, t0));
		box_commit(s);
	}
	struct store_stats stats;
	store_stats(s, &stats);
	assert_int_equal(stats.lost, 0);
	store_close(s);
	s = box_open(*state);
	store_stats(s, &stats);
	assert_true(database_bytes(*state) <= BUDGET / 2);
	assert_true(stats.bytes <= BUDGET + 64 * KIB);
	/* the newest snapshot of each is there, and the newest looks */
	assert_true(files_of(*state, "5-1", STORE_SNAPSHOT) >= 1 && files_of(*state, "6-1", STORE_SNAPSHOT) >= 1);
	assert_true(files_of(*state, "5-1", STORE_PROFILE) < 20);
	store_close(s);
	size_t n = box_points(*state, "5", &points);
	assert_in_range(n, 1000, 39999);
	assert_int_equal(points.v[n - 1].process.rss, box_rss(39999));
	vec_deinit(&points);
}

static void a_wall_clock_that_jumps_ahead_makes_nothing_old(void **state)
{
	const int64_t day = 86400000000000;
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	int64_t t0 = box_now(), wall = 1764126720000000000;
	store_retain(s, 0, 14 * day);
	for (unsigned i = 0; i < 400; i++) {
		box_look(s, 5, t0, i);
		if (i % 50 == 49)
			box_commit(s);
	}
	assert_null(store_trim(s, wall));
	assert_null(store_trim(s, wall + 3650 * day));
	store_close(s);
	assert_int_equal(box_points(*state, "5", &points), 400);
	s = box_open(*state);
	store_retain(s, 0, 14 * day);
	assert_null(store_trim(s, wall + 3650 * day)); /* the first that this run hears is believed */
	store_close(s);
	points.n = 0;
	assert_int_equal(box_points(*state, "5", &points), 0);
	vec_deinit(&points);
}

static void looks_keep_their_order_when_the_wall_clock_goes_back(void **state)
{
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	struct watch_target t = box_target(7);
	int64_t t0 = box_now(), wall = 1764126720000000000;
	for (unsigned i = 0; i < 20; i++) {
		t.process.time_ns = t0 + i * 1000000000LL;
		t.process.rss = i;
		store_sample(s, wall + i * 1000000000LL - (i >= 10 ? 3600000000000 : 0), &t);
	}
	store_close(s);
	assert_int_equal(box_points(*state, "7", &points), 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(points.v[i].process.rss, i);
		int64_t expected = wall + i * 1000000000LL - (i >= 10 ? 3600000000000 : 0);
		assert_in_range(points.v[i].wall_ns - expected + 1000000, 0, 2000000);
	}
	vec_deinit(&points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_looked_at_is_read_back_exactly, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_look_without_news_is_written_every_fifteen_seconds, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_second_daemon_is_told_who_has_the_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_snapshot_appears_whole_or_not_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(events_come_back_newest_first_with_what_they_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(starts_of_the_daemon_are_known_and_how_they_ended, set_up, tear_down),
		cmocka_unit_test(a_point_as_json_has_null_for_what_is_unknown),
		cmocka_unit_test_setup_teardown(a_long_series_is_thinned_to_its_peaks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_too_much_goes_oldest_looks_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_jumps_ahead_makes_nothing_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looks_keep_their_order_when_the_wall_clock_goes_back, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
