// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import "C"

import (
	"math/rand"
	"runtime/cgo"
)

var handles []cgo.Handle

func foreign(r *rand.Rand) {
	for i := 0; i < 100; i++ {
		handles = append(handles, cgo.NewHandle(newPair(r, 2)))
	}
}
