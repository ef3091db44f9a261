// SPDX-License-Identifier: Apache-2.0

package main

// #include "crossing.h"
import "C"

import "unsafe"

//export goBack
func goBack(fd, depth C.int) C.int {
	if depth > 1 {
		return C.call_go(fd, depth-1)
	}
	return goDeepest(fd)
}

//go:noinline
func goDeepest(fd C.int) C.int { return C.wait_below(fd) }

func pointer(b *[1]byte) uintptr { return uintptr(unsafe.Pointer(b)) }
