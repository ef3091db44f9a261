// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

// A program with cgo starts its threads through libc.
import _ "runtime/cgo"
