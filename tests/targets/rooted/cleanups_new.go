// SPDX-License-Identifier: Apache-2.0

//go:build go1.24

package main

import "runtime"

const cleaned = 6

var cleanable []*resource

func clean(id int) { _ = id }

// startCleanups attaches a cleanup to objects that are held; it returns to how many.
//
//go:noinline
func startCleanups() int {
	for i := 0; i < cleaned; i++ {
		r := &resource{}
		runtime.AddCleanup(r, clean, i)
		cleanable = append(cleanable, r)
	}
	return cleaned
}
