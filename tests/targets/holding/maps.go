// SPDX-License-Identifier: Apache-2.0

package main

import "strconv"

// Registry holds the map that was large once.
type Registry struct {
	items   map[int]*Item
	numbers map[uint64]uint64
	names   map[string]string
	empty   map[string]*Item
}

// Small is held three hundred times.
type Small struct {
	labels map[string]string
}

// What the allocator was asked for.
type allocation struct {
	Bytes uintptr `json:"bytes"`
	Scan  bool    `json:"scan"`
}

// As the runtime rounds sizes up.
func roundUp(bytes uintptr, pointers bool) uintptr {
	if pointers {
		return uintptr(cap(append([]*byte(nil), make([]*byte, bytes/8)...))) * 8
	}
	return uintptr(cap(append([]byte(nil), make([]byte, bytes)...)))
}

var (
	registry *Registry
	small    []*Small
	kept     = 1000
)

// Filled, and then all but a thousand deleted; one of numbers that is as it grew, one of strings as it grew.
func maps(n int) {
	r := &Registry{items: map[int]*Item{}, numbers: map[uint64]uint64{}, names: map[string]string{}, empty: map[string]*Item{}}
	for i := 0; i < n; i++ {
		r.items[i] = &Item{Name: "item"}
	}
	for i := kept; i < n; i++ {
		delete(r.items, i)
	}
	for i := 0; i < n/5; i++ {
		r.numbers[uint64(i)*7919] = uint64(i)
	}
	for i := 0; i < n/20; i++ {
		r.names["name"+strconv.Itoa(i)] = "value"
	}
	registry = r
	known["maps"] = describeAll(r)
}

func describeAll(r *Registry) map[string]any {
	return map[string]any{
		"map[int]*main.Item":    describe(r.items),
		"map[uint64]uint64":     describe(r.numbers),
		"map[string]string":     describe(r.names),
		"map[string]*main.Item": describe(r.empty),
	}
}

func smallMaps(n int) {
	for i := 0; i < n; i++ {
		s := &Small{labels: map[string]string{}}
		for j := 0; j < 3; j++ {
			s.labels["label"+strconv.Itoa(j)] = strconv.Itoa(i)
		}
		small = append(small, s)
	}
	known["smallmaps"] = map[string]any{"maps": n, "each": describe(small[0].labels)}
}

// What one does to get the memory of a map back.
func rebuild() {
	items := make(map[int]*Item, len(registry.items))
	for key, item := range registry.items {
		items[key] = item
	}
	registry.items = items
	known["maps"] = describeAll(registry)
}

// Programs grow like this, and waste nothing that a finding should name.
type Control struct {
	byID  map[int]*Item
	items []*Item
	lines []string
	data  [][]byte
	sets  []map[string]int
}

var controlled *Control

func control(n int) {
	c := &Control{byID: map[int]*Item{}}
	for i := 0; i < n; i++ {
		item := &Item{Name: strconv.Itoa(i)}
		c.byID[i] = item
		c.items = append(c.items, item)
		c.lines = append(c.lines, "line "+strconv.Itoa(i))
		c.data = append(c.data, make([]byte, 512))
		if i%10 == 0 {
			c.sets = append(c.sets, map[string]int{"one": i, "two": i})
		}
	}
	controlled = c
}
