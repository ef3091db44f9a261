// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

/*
#include <stdlib.h>
#include <string.h>

static char *volatile kept;

static void leak_malloc(long bytes)
{
	char *p = malloc((size_t)bytes);

	if (p)
		memset(p, 1, (size_t)bytes);
	kept = p;
}
*/
import "C"

func leakC() {
	C.leak_malloc(64 << 10) // site: malloc
}
