/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Replays a corpus without libFuzzer: every argument is a file, or a directory whose files are taken in order.
 * A directory that does not exist counts as empty; no input at all is a failure. The empty input always goes first.
 */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

enum { INPUT_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerrordesc_np(errno));
		return false;
	}
	AUTO_FREE uint8_t *data = xmalloc(INPUT_MAX);
	size_t size = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	AUTO_FREE uint8_t *exact = xmalloc(size ? size : 1); /* so that a sanitizer sees the end */
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	return true;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* How many inputs were replayed, -1 when one could not be read. */
static int replay_directory(const char *path)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, visible, alphasort);
	int count = 0;
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *file = xasprintf("%s/%s", path, entries[i]->d_name);
		if (count >= 0)
			count = replay_file(file) ? count + 1 : -1;
		free(entries[i]);
	}
	free(entries);
	return count;
}

int main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	int total = 0;
	for (int i = 1; i < argc; i++) {
		struct stat st;
		bool file = stat(argv[i], &st) == 0 && S_ISREG(st.st_mode);
		int n = file ? (replay_file(argv[i]) ? 1 : -1) : replay_directory(argv[i]);
		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs\n", total);
	return total ? 0 : 1;
}
