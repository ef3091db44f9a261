// SPDX-License-Identifier: Apache-2.0

//go:build !goexperiment.swissmap && !go1.26

package main

import "unsafe"

// The runtime's map before 1.24, and after it without the experiment.
type hmap struct {
	count      int
	flags      uint8
	b          uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
	clears     clears
	extra      *mapextra
}

type mapextra struct {
	overflow, oldoverflow *[]unsafe.Pointer
	next                  unsafe.Pointer
}

func describe(m any) map[string]any {
	face := (*[2]unsafe.Pointer)(unsafe.Pointer(&m))
	h := (*hmap)(face[1])
	bucket := *(*unsafe.Pointer)(unsafe.Add(face[0], 64))
	size, pointers := *(*uintptr)(bucket), *(*uintptr)(unsafe.Add(bucket, 8)) != 0
	list := []allocation{{unsafe.Sizeof(*h), true}}
	n := uintptr(1) << h.b
	capacity := uintptr(0)
	if h.buckets != nil {
		list, capacity = buckets(list, h.buckets, n, size, pointers, h.b)
	}
	if h.oldbuckets != nil {
		old, b := n, h.b // of a growth to the same size
		if h.flags&8 == 0 {
			old, b = n/2, h.b-1
		}
		list, _ = buckets(list, h.oldbuckets, old, size, pointers, b)
	}
	if h.extra != nil {
		list = append(list, allocation{24, true})
		for _, s := range []*[]unsafe.Pointer{h.extra.overflow, h.extra.oldoverflow} {
			if s != nil {
				list = append(list, allocation{24, true}, allocation{uintptr(cap(*s)) * 8, true})
			}
		}
	}
	return map[string]any{"entries": h.count, "capacity": capacity, "allocations": list}
}

// The array, and the overflow buckets outside of it. The last bucket that was made in stock points to the first, until used.
func buckets(list []allocation, at unsafe.Pointer, n, size uintptr, pointers bool, b uint8) ([]allocation, uintptr) {
	total := n
	if b >= 4 {
		total += n >> 4
	}
	array := allocation{total * size, pointers}
	start := uintptr(at)
	end := start + roundUp(array.Bytes, pointers)
	list = append(list, array)
	all := n
	for i := uintptr(0); i < n; i++ {
		next := *(*unsafe.Pointer)(unsafe.Add(at, i*size+size-8))
		for next != nil {
			all++
			if uintptr(next) < start || uintptr(next) >= end {
				list = append(list, allocation{size, pointers})
			}
			next = *(*unsafe.Pointer)(unsafe.Add(next, size-8))
		}
	}
	return list, all * 8
}
