// SPDX-License-Identifier: Apache-2.0

//go:build go1.24

package main

// The number of times that a map of buckets was cleared.
type clears struct{ _ uint64 }
