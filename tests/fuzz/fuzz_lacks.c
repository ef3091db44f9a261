/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/lacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/ullage-fuzz-lacks-XXXXXX", file[sizeof(root) + 8];

static void remove_root(void)
{
	unlink(file);
	rmdir(root);
}

/* A Go file, looked at from every one of its first lines. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	enum { LINES = 24, LEN_MAX = 4096 };
	if (!ready && (!mkdtemp(root) || atexit(remove_root) != 0))
		return 0;
	snprintf(file, sizeof(file), "%s/x.go", root);
	ready = true;
	AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct source *s = NULL;
	if (size > LEN_MAX || fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	struct err *err AUTO(err) = source_open(root, &s);
	assert(!err);
	struct arena arena;
	arena_init(&arena);
	struct source_lack_vec lacks = { 0 };
	for (uint32_t line = 0; line < LINES; line++) {
		struct source_place place = { "pkg.(*T).run.func1", "/build/x.go", line, line % 2 };
		source_lacks(s, &place, &arena, &lacks);
		place.creation = !place.creation;
		source_lacks(s, &place, &arena, &lacks);
	}
	for (size_t i = 0; i < lacks.n; i++)
		assert(lacks.v[i].rule && strlen(lacks.v[i].text) > 10);
	vec_deinit(&lacks);
	arena_deinit(&arena);
	source_close(s);
	return 0;
}
