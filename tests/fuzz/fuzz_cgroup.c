/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "proc/cgplace.h"
#include "proc/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_place(const char *cgroup, const char *mountinfo, const char *controller)
{
	struct arena arena;
	struct cgplace place;
	struct cgplace_dir_vec dirs = { 0 };
	arena_init(&arena);
	proc_cgplace_find(cgroup, controller, &arena, &place);
	assert(place.version <= 2 && !place.version == !place.path);
	proc_cgplace_dirs(mountinfo, &place, controller, &arena, &dirs);
	for (size_t i = 0; i < dirs.n; i++) {
		AUTO_FREE char *below = xasprintf("/%s/", dirs.v[i].below);
		assert(!strstr(below, "/../")); /* never out of the mount */
	}
	vec_deinit(&dirs);
	arena_deinit(&arena);
}

/* The text of /proc/PID/cgroup, a NUL, the text of mountinfo; and all of it as a memory.stat. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xcalloc(1, size + 2);
	memcpy(text, data, size);
	const char *mountinfo = text + strlen(text) + 1;
	try_place(text, mountinfo, "memory");
	try_place(text, mountinfo, "cpu");
	AUTO_CLOSE int fd = memfd_create("stat", MFD_CLOEXEC);
	for (unsigned version = 1; version <= 2; version++) {
		struct cgroup_stat stat;
		if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
			return 0;
		proc_cgroup_stat_parse(fd, version, &stat);
	}
	return 0;
}
