/* SPDX-License-Identifier: Apache-2.0 */
/* Build info: the input is a blob, and also a version string. */
#include <stddef.h>
#include <stdint.h>

#include "gort/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gort_module m = { .minor = -1 };
	arena_init(&m.arena);
	err_free(gort_buildinfo_parse(data, size, &m));
	gort_version_parse(arena_strndup(&m.arena, (const char *)data, size), &m);
	gort_module_deinit(&m);
	return 0;
}
