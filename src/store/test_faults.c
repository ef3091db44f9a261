/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture/blackbox.h"
#include "store/parts.h"
#include "store/schema.h"

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

static char *path_in(const char *directory, const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

static const char *whole(const char *directory)
{
	static char answer[256];
	sqlite3 *h;
	sqlite3_stmt *st = NULL;
	AUTO_FREE char *path = path_in(directory, "ullage.db");
	assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(h, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	snprintf(answer, sizeof(answer), "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(h);
	return answer;
}

/* A daemon that looks every millisecond and commits after ten: a hundred times as fast as the real one. */
static void look_until_killed(const char *directory, int pid, volatile unsigned *committed)
{
	struct store *s;
	if (store_open(&(struct store_options){ .directory = directory, .retain_bytes = 4 << 20 }, &s))
		_exit(1);
	int64_t t0 = box_now();
	for (unsigned i = 0;; i++) {
		box_look(s, pid, t0, i);
		if (i % 10 == 9) {
			if (store_commit(s))
				_exit(1);
			*committed = i + 1;
		}
		if (i % 100 == 50 && store_trim(s, t0))
			_exit(1);
		sleep_ms(1);
	}
}

static void a_daemon_that_is_killed_loses_at_most_what_it_did_not_commit(void **state)
{
	enum { ROUNDS = 30 };
	volatile unsigned *committed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned looks = 0;
	assert_true(committed != MAP_FAILED);
	for (int round = 1; round <= ROUNDS; round++) {
		struct store_point_vec points = { 0 };
		char pid[16];
		*committed = 0;
		pid_t child = fork();
		if (child == 0)
			look_until_killed(*state, round, committed);
		for (unsigned i = 0; i < 2000 && !*committed; i++)
			sleep_ms(1);
		sleep_ms((unsigned)(round * 7919) % 97);
		kill(child, SIGKILL);
		int status;
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		unsigned must = *committed;
		snprintf(pid, sizeof(pid), "%d", round);
		size_t n = box_points(*state, pid, &points);
		assert_in_range(n, must, must + 10);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(points.v[i].process.rss, box_rss(i));
		looks += must;
		vec_deinit(&points);
	}
	struct store *s = box_open(*state);
	assert_non_null(strstr(store_told(s), "did not end in order"));
	for (int round = 1; round <= ROUNDS; round++) {
		struct store_point_vec points = { 0 };
		char pid[16];
		snprintf(pid, sizeof(pid), "%d", round);
		assert_true(box_points(*state, pid, &points) > 0);
		vec_deinit(&points);
	}
	store_close(s);
	assert_string_equal(whole(*state), "ok");
	print_message("# killed %d times, %u looks committed, none of them lost\n", ROUNDS, looks);
	munmap((void *)(uintptr_t)committed, 4096);
}

static void fill(const char *directory, const char *name, off_t from, size_t len)
{
	AUTO_FREE char *path = path_in(directory, name);
	AUTO_FREE char *noise = xmalloc(len);
	memset(noise, 0x5a, len);
	AUTO_CLOSE int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, noise, len, from), len);
}

static void a_damaged_database_is_put_aside_and_a_new_one_begins(void **state)
{
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	struct store_blob b;
	box_look(s, 3, box_now(), 0);
	assert_null(store_file_begin(s, STORE_SNAPSHOT, "3-1000", ".ullage", 1764126720000000000, &b));
	assert_null(store_file_done(s, &b));
	store_close(s);
	fill(*state, "ullage.db", 0, 100);
	s = box_open(*state);
	assert_non_null(strstr(store_told(s), "was damaged"));
	assert_non_null(strstr(store_told(s), "ullage.db.damaged-20"));
	box_look(s, 4, box_now(), 0);
	box_commit(s);
	assert_int_equal(box_points(*state, "4", &points), 1);
	store_close(s);
	struct store_reader *r;
	struct arena arena;
	struct store_file_vec files = { 0 };
	arena_init(&arena);
	assert_null(store_reader_open(*state, false, &r));
	assert_null(store_files(r, &(struct store_file_which){ .target = "3-1000" }, &arena,
				&files)); /* the files are still known */
	assert_int_equal(files.n, 1);
	assert_int_equal(files.v[0].f.wall_ns, 1764126720000000000);
	store_reader_close(r);
	vec_deinit(&files);
	vec_deinit(&points);
	arena_deinit(&arena);
}

static void damage_that_is_found_while_in_use_costs_no_look_that_is_in_memory(void **state)
{
	struct store *s = box_open(*state);
	struct store_point_vec points = { 0 };
	struct stat st;
	AUTO_FREE char *path = path_in(*state, "ullage.db");
	int64_t t0 = box_now();
	for (unsigned i = 0; i < 20; i++)
		box_look(s, 3, t0, i);
	box_commit(s);
	sqlite3_wal_checkpoint_v2(s->db.h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	assert_int_equal(stat(path, &st), 0);
	fill(*state, "ullage.db", 4096, (size_t)st.st_size - 4096);
	sqlite3_db_release_memory(s->db.h);
	for (unsigned i = 20; i < 30; i++)
		box_look(s, 3, t0, i);
	box_event(s, WATCH_EVENT_ALARM, "3-1000", "something");
	box_commit(s);
	assert_non_null(strstr(store_told(s), "was damaged"));
	assert_int_equal(box_points(*state, "3", &points), 30); /* the chunk was in memory as well */
	store_close(s);
	points.n = 0;
	assert_int_equal(box_points(*state, "3", &points), 30);
	assert_string_equal(whole(*state), "ok");
	vec_deinit(&points);
}

static size_t lives_read(const char *directory, bool *damaged)
{
	struct store_reader *r;
	struct store_life_vec lives = { 0 };
	struct arena arena;
	arena_init(&arena);
	assert_null(store_reader_open(directory, false, &r));
	struct err *err = store_lives(r, &(struct store_which){ 0 }, &arena, &lives);
	if (store_reader_mend(r, err)) {
		lives.n = 0;
		err = store_lives(r, &(struct store_which){ 0 }, &arena, &lives);
	}
	assert_null(err);
	*damaged = store_reader_damage(r) != NULL;
	size_t n = lives.n;
	store_reader_close(r);
	vec_deinit(&lives);
	arena_deinit(&arena);
	return n;
}

/* 300 lives, with some events each, and their looks. */
static off_t fill_box(const char *directory)
{
	struct stat st;
	AUTO_FREE char *path = path_in(directory, "ullage.db");
	struct store *s = box_open(directory);
	int64_t t0 = box_now();
	for (int pid = 1; pid <= 300; pid++) {
		char key[32];
		snprintf(key, sizeof(key), "%d-1000", pid);
		box_look(s, pid, t0, 0);
		box_event(s, WATCH_EVENT_ALARM, key, "something");
		box_event(s, WATCH_EVENT_EXIT, key, "it ended");
	}
	box_commit(s);
	store_close(s);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void what_can_be_read_of_a_damaged_database_is_kept(void **state)
{
	static const struct {
		double from, to; /* of the file; to 0: it is cut off there */
		size_t at_least; /* lives of 300 */
	} damages[] = { { 0, 0.001, 300 }, { 0.55, 0, 100 }, { 0.3, 0.35, 150 } };
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		bool damaged;
		AUTO_FREE char *directory = xasprintf("%s/%zu", (const char *)*state, i);
		AUTO_FREE char *path = path_in(directory, "ullage.db");
		double size = (double)fill_box(directory);
		off_t from = (off_t)(damages[i].from * size) & ~4095;
		if (damages[i].to > 0)
			fill(directory, "ullage.db", from, (size_t)(damages[i].to * size) - (size_t)from);
		else
			assert_int_equal(truncate(path, from), 0);
		assert_true(lives_read(directory, &damaged) >= damages[i].at_least);
		struct store *s = box_open(directory);
		assert_non_null(strstr(store_told(s), "what can be read of it is kept"));
		store_close(s);
		assert_true(lives_read(directory, &damaged) >= damages[i].at_least);
		assert_false(damaged);
		assert_string_equal(whole(directory), "ok");
	}
}

static void tables_that_somebody_else_made_are_not_used(void **state)
{
	static const char endless[] = "DROP TABLE event; CREATE VIEW event AS WITH RECURSIVE c(x) AS "
				      "(SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x id FROM c";
	static const char *const made[] = {
		"CREATE TRIGGER t AFTER INSERT ON run BEGIN DELETE FROM event; END",
		"CREATE INDEX i ON run(hex(zeroblob(10000000 + id)))",
		"ALTER TABLE event ADD COLUMN x TEXT AS (hex(zeroblob(10000000)))",
		endless,
	};
	AUTO_FREE char *path = path_in(*state, "ullage.db");
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		sqlite3 *h;
		store_close(box_open(*state));
		assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
		assert_int_equal(sqlite3_exec(h, made[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(h);
		struct store *s = box_open(*state);
		assert_non_null(strstr(store_told(s), "not those that ullage makes"));
		store_close(s);
	}
}

static void a_directory_that_is_removed_is_made_anew(void **state)
{
	static const char *const names[] = { "ullage.db", "ullage.db-wal", "ullage.db-shm",
					     "lock",	  "snapshots",	   "profiles",
					     "" };
	struct store_point_vec points = { 0 };
	AUTO_FREE char *directory = path_in(*state, "data");
	struct store *s = box_open(directory);
	int64_t t0 = box_now();
	for (unsigned i = 0; i < 10; i++)
		box_look(s, 3, t0, i);
	box_commit(s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = path_in(directory, names[i]);
		assert_int_equal(remove(path), 0);
	}
	for (unsigned i = 10; i < 20; i++)
		box_look(s, 3, t0, i);
	box_commit(s);
	assert_non_null(strstr(store_told(s), "was removed"));
	assert_int_equal(box_points(directory, "3", &points), 20); /* what is in memory is not lost */
	store_close(s);
	vec_deinit(&points);
}

static void the_way_to_a_directory_may_be_a_symbolic_link(void **state)
{
	AUTO_FREE char *link = path_in(*state, "link");
	assert_int_equal(symlink(".", link), 0);
	AUTO_FREE char *directory = xasprintf("%s/data", link);
	store_close(box_open(directory));
	bool damaged;
	assert_int_equal(lives_read(directory, &damaged), 0);
}

static void a_database_of_a_newer_version_is_left_alone(void **state)
{
	AUTO_FREE char *path = path_in(*state, "ullage.db");
	store_close(box_open(*state));
	sqlite3 *h;
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
	AUTO_FREE char *copy = xasprintf("cp %s %s.before", path, path),
		       *compare = xasprintf("cmp %s %s.before", path, path);
	assert_int_equal(system(copy), 0);
	struct store *s;
	struct store_reader *r;
	struct err *err = store_open(&(struct store_options){ .directory = *state }, &s);
	assert_int_equal(err_code(err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(err), "format 99"));
	err_free(err);
	err = store_reader_open(*state, false, &r);
	assert_int_equal(err_code(err), ERR_UNSUPPORTED);
	err_free(err);
	assert_int_equal(system(compare), 0);
}

static void another_program_s_database_is_not_taken_for_ours(void **state)
{
	AUTO_FREE char *path = path_in(*state, "ullage.db");
	sqlite3 *h;
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
	struct store_reader *r;
	struct err *err = store_reader_open(*state, false, &r);
	assert_int_equal(err_code(err), ERR_FORMAT);
	err_free(err);
}

static void an_older_database_takes_the_steps_that_it_lacks(void **state)
{
	static const char *const steps[] = { "CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES(7)",
					     "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x + 1",
					     "CREATE TABLE broken(" };
	AUTO_FREE char *path = path_in(*state, "old.db");
	struct db db;
	int64_t v;
	assert_null(db_open(path, NULL, &db));
	assert_null(schema_apply(&db, steps, 1));
	assert_null(schema_apply(&db, steps, 2));
	assert_null(db_number(&db, "SELECT y FROM a", &v));
	assert_int_equal(v, 8);
	struct err *err = schema_apply(&db, steps, 3); /* what fails leaves it as it was */
	assert_non_null(err);
	err_free(err);
	assert_null(db_number(&db, "PRAGMA user_version", &v));
	assert_int_equal(v, 2);
	db_close(&db);
}

/* In a file system of one MiB that only this child sees. Exit 77: there can be none here. */
static int on_a_full_disk(const char *directory)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", directory, "tmpfs", 0, "size=1m,mode=700") < 0)
		return 77;
	struct store *s;
	struct store_stats stats;
	struct store_point_vec points = { 0 };
	if (store_open(&(struct store_options){ .directory = directory }, &s))
		return 2;
	AUTO_FREE char *ballast = path_in(directory, "ballast");
	AUTO_FREE char *noise = xcalloc(1, 4096);
	AUTO_CLOSE int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	int64_t t0 = box_now();
	box_look(s, 5, t0, 0);
	if (store_commit(s))
		return 3;
	while (write(fd, noise, 4096) == 4096)
		;
	unsigned told = 0, looks = 1;
	for (unsigned second = 0; second < 1000; second++) {
		box_look(s, 5, t0, looks++);
		struct err *err = store_commit(s);
		told += err && err_code(err) == ERR_WRITE;
		err_free(err);
	}
	store_stats(s, &stats);
	if (told < 900 || !stats.failing || !stats.lost)
		return 4;
	if (unlink(ballast) < 0 || ftruncate(fd, 0) < 0)
		return 5;
	for (unsigned i = 0; i < 50; i++) {
		box_look(s, 5, t0, looks++);
		if (store_commit(s))
			return 6;
	}
	store_stats(s, &stats);
	if (stats.failing)
		return 7;
	store_close(s);
	size_t n = box_points(directory, "5", &points);
	/* all but what was counted, and the newest of it */
	print_message("# %zu looks read, %llu lost, of %u\n", n, (unsigned long long)stats.lost, looks);
	if (n + stats.lost != looks || points.v[n - 1].process.rss != box_rss(looks - 1) ||
	    strcmp(whole(directory), "ok") != 0)
		return 8;
	struct store_reader *r;
	struct arena arena;
	struct store_event_vec events = { 0 };
	arena_init(&arena);
	if (store_reader_open(directory, false, &r) ||
	    store_events(r, &(struct store_event_which){ .kinds = 1u << WATCH_EVENT_NOTE }, &arena, &events) ||
	    events.n != 1 || !strstr(events.v[0].e.text, "could not be written"))
		return 9;
	return 0;
}

static void a_full_disk_is_told_and_survived(void **state)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(on_a_full_disk(*state));
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a daemon that was killed left, in a directory that cannot be written. */
static int in_a_read_only_directory(const char *directory)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(directory, directory, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return 77;
	struct store *s;
	struct store_point_vec points = { 0 };
	struct err *err = store_open(&(struct store_options){ .directory = directory }, &s);
	if (!err || err_code(err) != ERR_WRITE)
		return 2;
	return box_points(directory, "6", &points) == 30 ? 0 : 3;
}

static void ended(struct store *s, int pid)
{
	AUTO_FREE char *key = xasprintf("%d-1000", pid);
	store_event(s, &(struct watch_event){ .wall_ns = box_now(),
					      .kind = WATCH_EVENT_EXIT,
					      .target = key,
					      .value = NAN,
					      .threshold = NAN });
}

static void targets_that_come_and_go_while_nothing_can_be_written_are_bounded(void **state)
{
	enum { TARGETS = 4 * STORE_ENDED_MAX };
	struct store *s = box_open(*state);
	struct store_stats stats;
	AUTO_FREE char *aside = xasprintf("%s.aside", (const char *)*state);
	assert_int_equal(rename(*state, aside), 0);
	close(open(*state, O_CREAT | O_WRONLY, 0600));
	for (int pid = 1; pid <= TARGETS; pid++) {
		box_look(s, pid, box_now(), 0);
		ended(s, pid);
		if (pid % 256 == 0)
			err_free(store_commit(s));
	}
	assert_true(s->live.n <= STORE_ENDED_MAX);
	store_stats(s, &stats);
	assert_true(stats.failing);
	assert_int_equal(stats.lost, TARGETS - STORE_ENDED_MAX + TARGETS - STORE_EVENTS_MAX);
	unlink(*state);
	assert_int_equal(rename(aside, *state), 0);
	assert_null(store_commit(s));
	assert_int_equal(s->live.n, 0);
	store_close(s);
	struct store_point_vec points = { 0 };
	assert_int_equal(box_points(*state, "1", &points), 0);
	assert_int_equal(box_points(*state, "4096", &points), 1);
	vec_deinit(&points);
}

static void what_a_killed_daemon_left_is_read_without_writing(void **state)
{
	int status;
	static const char *const without[] = { NULL, "ullage.db-shm" };
	for (size_t i = 0; i < 2; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct store *s = box_open(*state);
			int64_t t0 = box_now();
			for (unsigned j = 0; i == 0 && j < 30; j++)
				box_look(s, 6, t0, j);
			box_commit(s);
			raise(SIGKILL);
		}
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		AUTO_FREE char *path = path_in(*state, without[i] ? without[i] : "none");
		unlink(path);
		child = fork();
		if (child == 0)
			_exit(in_a_read_only_directory(*state));
		waitpid(child, &status, 0);
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_daemon_that_is_killed_loses_at_most_what_it_did_not_commit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_database_is_put_aside_and_a_new_one_begins, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(damage_that_is_found_while_in_use_costs_no_look_that_is_in_memory,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_can_be_read_of_a_damaged_database_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tables_that_somebody_else_made_are_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_is_removed_is_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_way_to_a_directory_may_be_a_symbolic_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_database_of_a_newer_version_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_program_s_database_is_not_taken_for_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_older_database_takes_the_steps_that_it_lacks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_survived, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_that_come_and_go_while_nothing_can_be_written_are_bounded,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_daemon_left_is_read_without_writing, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
