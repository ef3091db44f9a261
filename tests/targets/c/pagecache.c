// SPDX-License-Identifier: Apache-2.0
/*
 * pagecache KIND BYTES FILE - fills its cgroup with page cache and nothing else, over and over, 20 MiB a second at most, until
 * its input ends. FILE is made, BYTES long, and has no name any more when it prints "ready PID".
 *
 * Kinds: read (reads it from end to end), map (the same through a mapping, each page twice, so that it counts as active),
 * write (writes it anew, so that pages are dirty), names (asks for BYTES/200 names that are not there: the kernel remembers
 * each, in memory that it takes back like page cache; FILE is a directory).
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE_MS = 50 }; /* after each MiB */

static char block[1 << 16];

static void check(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

static int made(const char *path, long bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd, path);
	check(unlink(path), "unlink");
	for (long at = 0; at < bytes; at += (long)sizeof(block))
		check(pwrite(fd, block, sizeof(block), at), "write");
	check(fdatasync(fd), "fdatasync");
	check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
	return fd;
}

static void look_up(const char *directory, long i)
{
	char name[512];
	struct stat st;

	snprintf(name, sizeof(name), "%s/no-such-name-%ld", directory, i);
	(void)stat(name, &st);
}

/* One block of it; how long a block is. */
static long step(const char *kind, int fd, const char *path, volatile char *map, long at)
{
	if (!strcmp(kind, "read"))
		check(pread(fd, block, sizeof(block), at), "read");
	else if (!strcmp(kind, "write"))
		check(pwrite(fd, block, sizeof(block), at), "write");
	else if (!strcmp(kind, "map"))
		for (int i = 0; i < 32; i++)
			(void)map[at + i % 16 * 4096];
	else
		look_up(path, at / 200);
	return *kind == 'n' ? 200 : (long)sizeof(block);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: pagecache read|map|write|names BYTES FILE");
	const char *kind = argv[1], *path = argv[3];
	long bytes = atol(argv[2]) / (long)sizeof(block) * (long)sizeof(block);
	int names = *kind == 'n', fd = names ? -1 : made(path, bytes);
	volatile char *map = NULL;

	if (!strcmp(kind, "map"))
		map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (struct pollfd input = { .fd = 0, .events = POLLIN };;) {
		for (long at = 0; at < bytes; at += step(kind, fd, path, map, at))
			if (at % (1 << 20) == 0 && poll(&input, 1, PAUSE_MS) > 0)
				return 0;
	}
}
