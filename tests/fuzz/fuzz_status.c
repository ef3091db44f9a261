/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "proc/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* /proc/PID/stat and /proc/PID/status. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_stat stat;
	if (proc_stat_parse((const char *)data, size, &stat))
		assert(stat.state && strnlen(stat.comm, sizeof(stat.comm)) < sizeof(stat.comm));
	AUTO_CLOSE int fd = memfd_create("status", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	struct proc_status status;
	struct err *err AUTO(err) = proc_status_parse(fd, &status);
	assert(err ? err_code(err) == ERR_FORMAT : status.state != 0);
	return 0;
}
