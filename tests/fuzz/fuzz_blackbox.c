/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "store/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char place[64];

static void remove_place(void)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/ullage.db", place);
	unlink(path);
	rmdir(place);
}

static const char *directory(void)
{
	if (!place[0]) {
		struct stat st;
		snprintf(place, sizeof(place), "%s/ullage-fuzz-XXXXXX",
			 stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
		if (mkdtemp(place))
			atexit(remove_place);
	}
	return place;
}

static void read_all(struct store_reader *r, struct arena *arena)
{
	struct store_life_vec lives = { 0 };
	struct store_event_vec events = { 0 };
	struct store_file_vec files = { 0 };
	struct store_run_vec runs = { 0 };
	err_free(store_runs(r, &runs));
	err_free(store_lives(r, &(struct store_which){ 0 }, arena, &lives));
	err_free(store_events(r, &(struct store_event_which){ 0 }, arena, &events));
	err_free(store_files(r, &(struct store_file_which){ 0 }, arena, &files));
	for (size_t i = 0; i < lives.n && i < 4; i++) {
		struct store_point_vec points = { 0 };
		assert(lives.v[i].key);
		err_free(store_series(r, &lives.v[i], 0, 0, 50, &points));
		assert(points.n <= 50);
		vec_deinit(&points);
	}
	for (size_t i = 0; i < events.n; i++)
		assert((unsigned)events.v[i].e.kind < WATCH_EVENTS);
	vec_deinit(&lives);
	vec_deinit(&events);
	vec_deinit(&files);
	vec_deinit(&runs);
}

/* A database that somebody else made: what can be read is, the rest is an error, nothing else happens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[96];
	struct store_reader *r;
	struct arena arena;
	snprintf(path, sizeof(path), "%s/ullage.db", directory());
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	arena_init(&arena);
	struct err *err = store_reader_open(directory(), false, &r);
	if (!err)
		read_all(r, &arena);
	store_reader_close(r);
	err_free(err);
	arena_deinit(&arena);
	return 0;
}
