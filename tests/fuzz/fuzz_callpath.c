/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw stacks of any content, resolved in this process: the input is registers, chains and bytes. Half of the words are
 * bent so that they point into our own code or into the copy of the stack, or nothing would be found.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "callpath/callpath.h"

enum { STACK = 0x10000, CHAIN = 32, RUNS = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct target target;

static void begin(struct callpath **c, struct stacks *stacks)
{
	struct err *err = target.row ? NULL : target_open("/proc", getpid(), &target);
	assert(!err);
	if (*c) {
		callpath_free(*c);
		stacks_deinit(stacks);
	}
	stacks_init(stacks);
	err = callpath_new(&target, stacks, c);
	assert(!err);
}

/* Addresses of our own. */
static uint64_t bend(uint64_t v)
{
	uintptr_t code = v & 1 ? (uintptr_t)LLVMFuzzerTestOneInput : (uintptr_t)qsort;
	switch (v & 6) {
	case 0:
		return code + (v >> 8 & 0xffff);
	case 2:
		return STACK + (v >> 8 & 0x3ff);
	default:
		return v;
	}
}

static size_t take_chain(struct cursor *c, uint64_t *ret)
{
	size_t n = cursor_u8(c) % CHAIN;
	for (size_t i = 0; i < n; i++)
		ret[i] = bend(cursor_u64(c));
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char bytes[4096];
	static struct stacks stacks;
	static struct callpath *c;
	static unsigned runs;
	uint64_t user[CHAIN] = { 0 }, go[CHAIN] = { 0 };
	struct cursor in;
	if (runs++ % RUNS == 0) /* what is seen is remembered: now and then all is new */
		begin(&c, &stacks);
	cursor_init(&in, data, size);
	struct callpath_raw raw = { .flags = cursor_u8(&in), .user = user, .go = go, .bytes = bytes };
	raw.ip = bend(cursor_u64(&in));
	raw.sp = STACK + (cursor_u8(&in) & 0xf8);
	raw.bp = bend(cursor_u64(&in));
	raw.n_user = take_chain(&in, user);
	raw.n_go = take_chain(&in, go);
	for (size_t n = cursor_left(&in) / 8; !in.bad && n > 0 && raw.n_bytes + 8 <= sizeof(bytes);
	     n--, raw.n_bytes += 8) {
		uint64_t v = bend(cursor_u64(&in));
		memcpy(bytes + raw.n_bytes, &v, 8);
	}
	bool whole = false, again = false;
	uint32_t id = callpath_resolve(c, &raw, &whole);
	assert(id < stacks.v.n && stacks_depth(&stacks, id) > 0);
	assert(callpath_resolve(c, &raw, &again) == id && again == whole);
	return 0;
}
