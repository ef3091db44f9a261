/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is sorted, disjoint and named. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("maps", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	struct arena arena;
	struct vma_vec vmas = { 0 };
	arena_init(&arena);
	struct err *err AUTO(err) = proc_maps_parse(fd, &arena, &vmas);
	for (size_t i = 0; i < vmas.n; i++) {
		assert(vmas.v[i].start < vmas.v[i].end && vmas.v[i].name);
		assert(!i || vmas.v[i - 1].end <= vmas.v[i].start);
		assert(vma_find(&vmas, vmas.v[i].start) == &vmas.v[i]);
	}
	assert(!err || err_code(err) == ERR_FORMAT);
	vec_deinit(&vmas);
	arena_deinit(&arena);
	return 0;
}
