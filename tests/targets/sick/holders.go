// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"sync"
)

// Leaks that are told by what holds them, and look-alikes of those. Each call makes one step.

var (
	root, _ = context.WithCancel(context.Background())
	grown   = sync.Map{}
	buffers = sync.Pool{New: func() interface{} { return new(buffer) }}
	ring    [][]byte
	ringAt  int
	index   map[int]*record
	recent  *lru
)

type value struct{ payload [2000]byte }

// A context with a value for every request, and no cancel ever.
func leakContext() {
	child, cancel := context.WithCancel(context.WithValue(root, value{}, &value{})) // site: context
	_ = cancel
	_ = child
}

func leakSyncMap(n int) {
	grown.Store(n, &value{}) // site: syncmap
}

type buffer struct{ b []byte }

// One buffer, given back each time a little larger: the pool keeps the largest, for as long as it is used.
func leakPool() {
	b := buffers.Get().(*buffer)
	b.b = append(b.b, make([]byte, 4000)...) // site: poolgrow
	buffers.Put(b)
}

type closer struct{ payload [2000]byte }

// The first finalizer never returns; those of the others wait behind it.
func leakFinalizer() {
	c := &closer{} // site: finalizer
	runtime.SetFinalizer(c, func(*closer) { <-never })
}

// A ring that was made for all that it will ever hold.
func fillRing() {
	if ring == nil {
		ring = make([][]byte, *size/(8<<10))
	}
	ring[ringAt] = make([]byte, 8<<10)
	ringAt = (ringAt + 1) % len(ring)
}

// A map that was large once.
func shrinkMap() {
	if index != nil {
		return
	}
	index = make(map[int]*record)
	for i := 0; i < *size/32; i++ {
		index[i] = nil
	}
	for i := 100; i < *size/32; i++ {
		delete(index, i)
	}
}

// lru forgets the oldest entries when it holds more than max.
type lru struct {
	max     int
	entries map[int]*entry
	first   *entry
	last    *entry
}

type entry struct {
	next, previous *entry
	key            int
	payload        [4000]byte
}

func newLRU(max int) *lru {
	return &lru{max: max, entries: map[int]*entry{}}
}

func (l *lru) add(key int) {
	e := &entry{key: key, next: l.first}
	if l.first != nil {
		l.first.previous = e
	} else {
		l.last = e
	}
	l.first = e
	l.entries[key] = e
	if len(l.entries) > l.max {
		delete(l.entries, l.last.key)
		l.last = l.last.previous
		l.last.next = nil
	}
}

func fillLRU(n int) {
	if recent == nil {
		recent = newLRU(*size)
	}
	recent.add(n)
}
