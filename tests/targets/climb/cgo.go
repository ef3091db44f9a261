// SPDX-License-Identifier: Apache-2.0

package main

/*
#include <stdlib.h>
#include <string.h>

static void take(size_t bytes)
{
	char *p = malloc(bytes);
	if (p)
		memset(p, 1, bytes);
	__asm__ volatile("" : : "r"(p) : "memory");
}
*/
import "C"

func init() {
	takers["malloc"] = func() { C.take(block) }
}
