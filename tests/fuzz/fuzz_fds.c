/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "proc/fds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A link of /proc/PID/fd, a NUL, the fdinfo of an epoll instance. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct proc_fd one = { 0 };
	uint64_t watched = 0;
	AUTO_FREE char *link = xstrndup((const char *)data, size);
	size_t n = strlen(link) + 1;
	arena_init(&arena);
	proc_fd_parse(link, &arena, &one);
	assert(one.kind && *one.kind);
	arena_deinit(&arena);
	AUTO_CLOSE int fd = memfd_create("info", MFD_CLOEXEC);
	if (n >= size || fd < 0 || write(fd, data + n, size - n) != (ssize_t)(size - n) || lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	struct err *err AUTO(err) = proc_epoll_parse(fd, &watched);
	assert(!err && watched <= size);
	return 0;
}
