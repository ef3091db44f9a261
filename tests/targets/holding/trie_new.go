// SPDX-License-Identifier: Apache-2.0

//go:build go1.23

package main

import (
	"strconv"
	"unique"
)

var interned []unique.Handle[string]

// The runtime's own user of a hash trie.
func trie(n int) {
	for i := 0; i < n; i++ {
		interned = append(interned, unique.Make("interned "+strconv.Itoa(i)))
	}
	known["trie"] = map[string]int{"handles": n}
}
