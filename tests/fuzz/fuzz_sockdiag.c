/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "proc/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the question, the rest is a datagram of the answer. Every number in it may be an inode. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct hash_map wanted = { 0 };
	struct proc_sockets s;
	bool done = false;
	if (size < 1)
		return 0;
	arena_init(&arena);
	for (size_t i = 1; i + 4 <= size; i += 4)
		*hash_map_at(&wanted, load_u32(data + i), NULL) = 1;
	proc_sockets_init(&s, &arena, &wanted);
	struct err *err AUTO(err) =
		proc_sockdiag_parse((enum proc_sockdiag)(data[0] % PROC_SOCKDIAG_MAX_), data + 1, size - 1, &s, &done);
	assert(!err || err_code(err) == ERR_FORMAT || done);
	assert(s.v.n <= wanted.n && s.v.n == s.found.n);
	for (size_t i = 0; i < s.v.n; i++) {
		const struct proc_socket *one = &s.v.v[i];
		assert(err || (one->protocol && one->state));
		assert(one->memory == PROC_SOCKET_UNKNOWN || one->memory < UINT64_C(5) << 31);
	}
	proc_sockets_deinit(&s);
	hash_map_deinit(&wanted);
	arena_deinit(&arena);
	return 0;
}
