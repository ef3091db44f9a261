// SPDX-License-Identifier: Apache-2.0

//go:build goexperiment.swissmap || go1.26

package main

import "unsafe"

// The runtime's map since 1.24.
type swiss struct {
	used   uint64
	seed   uintptr
	dir    unsafe.Pointer
	dirLen int
	rest   [16]byte
}

type table struct {
	used, capacity, left uint16
	depth                uint8
	index                int
	groups               unsafe.Pointer
	mask                 uint64
}

func describe(m any) map[string]any {
	face := (*[2]unsafe.Pointer)(unsafe.Pointer(&m))
	h := (*swiss)(face[1])
	group := *(*unsafe.Pointer)(unsafe.Add(face[0], 64))
	size, pointers := *(*uintptr)(group), *(*uintptr)(unsafe.Add(group, 8)) != 0
	list := []allocation{{unsafe.Sizeof(*h), true}}
	capacity := uintptr(0)
	if h.dirLen == 0 && h.dir != nil {
		list, capacity = append(list, allocation{size, pointers}), 8
	}
	var before *table
	if h.dirLen > 0 {
		list = append(list, allocation{uintptr(h.dirLen) * 8, true})
	}
	for i := 0; i < h.dirLen; i++ {
		t := *(**table)(unsafe.Add(h.dir, uintptr(i)*8))
		if t == before { // several entries of the directory lead to one table
			continue
		}
		before = t
		capacity += uintptr(t.capacity)
		list = append(list, allocation{unsafe.Sizeof(*t), true},
			allocation{(uintptr(t.mask) + 1) * size, pointers})
	}
	return map[string]any{"entries": h.used, "capacity": capacity, "allocations": list}
}
