/* SPDX-License-Identifier: Apache-2.0 */
/* Variables by debug information, of any file. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sym/dwarf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd AUTO_CLOSE = memfd_create("fuzz", MFD_CLOEXEC);
	struct sym_dwarf_variable_vec v = { 0 };
	struct arena arena;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	arena_init(&arena);
	err_free(sym_dwarf_variables(fd, "input", &arena, &v));
	vec_deinit(&v);
	arena_deinit(&arena);
	return 0;
}
