/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "sym/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[SYM_MANGLED_MAX + 1] = "", buf[SYM_DEMANGLED_MAX];
	memcpy(name, data, size < SYM_MANGLED_MAX ? size : SYM_MANGLED_MAX);
	const char *out = sym_demangle(name, buf);
	assert(out == name || strlen(out) < sizeof(buf));
	return 0;
}
