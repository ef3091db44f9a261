// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

// int x;
import "C"

import "runtime/cgo"

func handles(n int) {
	for i := 0; i < n; i++ {
		cgo.NewHandle(&Item{})
	}
	known["handles"] = map[string]int{"handles": n}
}
