/* SPDX-License-Identifier: Apache-2.0 */
#include "leak.h"

#include <stdlib.h>
#include <string.h>

/* A library as Debian ships them: optimised, without frame pointers, stripped. Its inner functions have no names. */
static void *volatile last;

__attribute__((noinline)) static void *inner(size_t bytes)
{
	char scratch[200];
	memset(scratch, (int)bytes, sizeof(scratch));
	void *block = malloc(bytes);
	memcpy(block, scratch, bytes < sizeof(scratch) ? bytes : sizeof(scratch));
	return block;
}

__attribute__((noinline)) static void middle(size_t bytes, int depth)
{
	volatile char local[64];
	local[0] = (char)depth;
	if (depth)
		middle(bytes, depth - 1);
	else
		last = inner(bytes);
	local[1] = local[0];
}

void nofp_leak(size_t bytes)
{
	middle(bytes, 3);
	if (!last)
		abort();
}
