/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "store/delta.h"
#include "store/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A chunk that can be read can be written again, and gives the same looks. */
static void try_chunk(const void *data, size_t size)
{
	struct delta from = { 0 }, to = { 0 }, back = { 0 };
	struct cursor c, again;
	struct store_point p;
	struct strbuf out;
	strbuf_init(&out);
	cursor_init(&c, data, size);
	for (size_t before = 0; delta_next(&from, &c); before = out.len) {
		delta_put(&to, from.boot_ms, from.offset_ms, from.values, &out);
		cursor_init(&again, out.buf + before, out.len - before);
		assert(delta_next(&back, &again) && !cursor_left(&again));
		assert(memcmp(&back, &from, sizeof(back)) == 0);
		delta_point(&from, &p);
		assert(p.process.time_ns == p.boot_ns && (unsigned)p.state < WATCH_STATES);
	}
	strbuf_deinit(&out);
}

/* As a row of the journal, and each chunk in it; and as a chunk. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal j = { 0 };
	journal_add(&j, data, size / 2);
	journal_add(&j, data + size / 2, size - size / 2);
	for (size_t i = 0; i < j.chunks.n; i++)
		try_chunk(j.chunks.v[i].data.buf, j.chunks.v[i].data.len);
	journal_deinit(&j);
	try_chunk(data, size);
	return 0;
}
