/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("smaps", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	struct proc_smap_vec all = { 0 };
	struct proc_rollup rollup;
	struct err *err AUTO(err) = proc_smaps_parse(fd, &all);
	assert(!err || err_code(err) == ERR_FORMAT);
	for (size_t i = 0; i < all.n; i++)
		assert(all.v[i].start <= all.v[i].end);
	if (lseek(fd, 0, SEEK_SET) == 0) {
		struct err *bad AUTO(err) = proc_rollup_parse(fd, &rollup);
		assert(bad || (all.n == 1 && rollup.rss == all.v[0].rss));
	}
	vec_deinit(&all);
	return 0;
}
