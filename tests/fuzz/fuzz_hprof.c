/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "codec/hprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is sorted and named; what fails is FORMAT or a ceiling. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(snapshot) struct snapshot s;
	AUTO(stream) struct stream in;
	snapshot_init(&s);
	struct err *err AUTO(err) = stream_open_memory(data, size, "input", 16 << 20, &in);
	if (!err)
		err = hprof_read(&in, &s);
	for (size_t i = 0; i < s.heap.types.n; i++) {
		assert(s.heap.types.v[i].type);
		assert(!i || s.heap.types.v[i - 1].bytes >= s.heap.types.v[i].bytes);
	}
	assert(!err || err_code(err) == ERR_FORMAT || err_code(err) == ERR_LIMIT || err_code(err) == ERR_UNSUPPORTED);
	return 0;
}
