/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "codec/escapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Output of the Go compiler. Each entry is found again by its own file and line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(stream) struct stream s;
	AUTO(escapes) struct escapes e = { 0 };
	struct err *err AUTO(err) = stream_open_memory(data, size, "fuzz", 1 << 20, &s);
	struct err *bad AUTO(err) = err ? NULL : escapes_read(&s, &e);
	if (err || bad)
		return 0;
	assert(e.v.n);
	for (size_t i = 0; i < e.v.n; i++) {
		size_t at = 0;
		assert(escapes_next(&e, e.v.v[i].file, e.v.v[i].line, &at));
	}
	return 0;
}
