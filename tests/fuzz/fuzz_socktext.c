/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "proc/socktext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INODES = 256 };

/* The name of a table, a newline, the table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct hash_map wanted = { 0 };
	struct proc_sockets s;
	const uint8_t *newline = memchr(data, '\n', size);
	size_t n = newline ? (size_t)(newline - data) : 0;
	AUTO_FREE char *table = xstrndup((const char *)data, n);
	AUTO_CLOSE int fd = memfd_create("table", MFD_CLOEXEC);
	if (!newline || fd < 0 || write(fd, newline + 1, size - n - 1) != (ssize_t)(size - n - 1) ||
	    lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	arena_init(&arena);
	for (uint64_t i = 0; i < INODES; i++)
		*hash_map_at(&wanted, i, NULL) = 1;
	proc_sockets_init(&s, &arena, &wanted);
	struct err *err AUTO(err) = proc_socktext_parse(fd, table, "any", &s);
	assert(!err && s.v.n < INODES);
	for (size_t i = 0; i < s.v.n; i++)
		assert(s.v.v[i].state && s.v.v[i].memory == PROC_SOCKET_UNKNOWN);
	proc_sockets_deinit(&s);
	hash_map_deinit(&wanted);
	arena_deinit(&arena);
	return 0;
}
