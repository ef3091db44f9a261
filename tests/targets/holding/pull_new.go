// SPDX-License-Identifier: Apache-2.0

//go:build go1.23

package main

import "iter"

var nexts []func() (int, bool)

func numbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// Iterators that were asked once, and neither to their end nor to stop.
func pulls(n int) int {
	for i := 0; i < n; i++ {
		next, _ := iter.Pull(iter.Seq[int](numbers))
		next()
		nexts = append(nexts, next)
	}
	return n
}
