// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"sync"
)

// Server has its map in itself.
type Server struct {
	sessions sync.Map
	name     string
}

var (
	shared  sync.Map // a global one
	server  *Server
	buffers = sync.Pool{New: func() any { return new([1024]byte) }}
	spare   []*[1024]byte
)

// An eighth of what was stored is deleted; with the old map what was deleted is told from what is in use.
func syncMap(n int) {
	server = &Server{name: "server"}
	for i := 0; i < n; i++ {
		server.sessions.Store(i, &Item{Name: strconv.Itoa(i)})
		if i < n/2 {
			shared.Store("key"+strconv.Itoa(i), &Item{})
		}
	}
	server.sessions.Range(func(any, any) bool { return true })
	for i := 0; i < n/8; i++ {
		server.sessions.Delete(i)
	}
	server.sessions.Store("last", &Item{Name: "last"})
	known["syncmap"] = map[string]int{"server": n - n/8 + 1, "shared": n / 2, "deleted": n / 8}
}

var refill = func() {}

// A pool is emptied by collections, so it is filled after the last one.
func pool(n int) {
	refill = func() {
		for i := 0; i < n; i++ {
			spare = append(spare, new([1024]byte))
		}
		for _, buffer := range spare {
			buffers.Put(buffer)
		}
		spare = nil
	}
	known["pool"] = map[string]int{"objects": n, "size": 1024}
}
