// SPDX-License-Identifier: Apache-2.0

//go:build goexperiment.arenas

package main

import (
	"arena"
	"math/rand"
)

var (
	arenaOf   *arena.Arena
	inArena   *pair
	arenaRows []*leaf
)

// Objects of a user arena that hold objects of the heap, and the other way round.
func arenas(r *rand.Rand) {
	arenaOf = arena.NewArena()
	for i := 0; i < 2000; i++ {
		p := arena.New[pair](arenaOf)
		p.Left, p.Next = newLeaf(r), inArena
		inArena = p
	}
	arenaRows = arena.MakeSlice[*leaf](arenaOf, 5000, 5000)
	for i := range arenaRows {
		arenaRows[i] = newLeaf(r)
	}
}
