// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

/*
#include <stdlib.h>
#include <string.h>

static char *held[1 << 20];
static int count;

static int hold(long bytes)
{
	static const long sizes[] = { 40, 200, 1000, 5000, 60000, 1 << 20 };

	for (int i = 0; bytes > 0 && count < 1 << 20; i++) {
		long n = sizes[i % 6] < bytes ? sizes[i % 6] : bytes;
		char *p = malloc((size_t)n);

		if (!p)
			return -1;
		memset(p, 1, (size_t)n);
		held[count++] = p;
		bytes -= n;
	}
	return 0;
}
*/
import "C"

import "errors"

//go:noinline
func holdMalloc(bytes int64) error {
	if C.hold(C.long(bytes)) != 0 {
		return errors.New("malloc failed")
	}
	return nil
}
