/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/gotext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is within its tables, and adds up. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream s;
	struct goroutines gs;
	goroutines_init(&gs);
	struct err *err AUTO(err) = stream_open_memory(data, size, "dump", 1 << 24, &s);
	if (!err)
		err = gotext_read(&s, 0, &gs);
	stream_close(&s);
	uint64_t total = 0;
	for (size_t i = 0; i < gs.v.n; i++) {
		const struct goroutine *g = &gs.v.v[i];
		assert(g->state && g->count && g->stack < gs.stacks.v.n && g->created_by < gs.stacks.v.n);
		assert((size_t)g->label_at + g->label_n <= gs.labels.n);
		for (uint32_t f = 0; f < stacks_depth(&gs.stacks, g->stack); f++)
			assert(stacks_at(&gs.stacks, g->stack, f)->function &&
			       stacks_at(&gs.stacks, g->stack, f)->file);
		total += g->flags & GOROUTINE_SYSTEM ? 0 : g->count;
	}
	assert(total == gs.total || err);
	goroutines_deinit(&gs);
	return 0;
}
