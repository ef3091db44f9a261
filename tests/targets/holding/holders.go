// SPDX-License-Identifier: Apache-2.0

package main

import (
	"container/list"
	"context"
	"strconv"
	"strings"
	"time"
)

// Queue is a pair of channels that are not read from.
type Queue struct {
	items   chan *Item
	numbers chan int64
	stuck   chan *Item
}

var queue *Queue

func channels(n int) {
	queue = &Queue{make(chan *Item, n*2), make(chan int64, n), make(chan *Item, 4)}
	for i := 0; i < n; i++ {
		queue.items <- &Item{Name: strconv.Itoa(i)}
		if i%4 == 0 {
			queue.numbers <- int64(i)
		}
	}
	for i := 0; i < 54; i++ {
		go func() { queue.stuck <- &Item{} }()
	}
	for len(queue.stuck) < 4 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	known["channels"] = map[string]int{"items": n, "capacity": n * 2, "numbers": (n + 3) / 4, "waiting": 50}
}

type key int

// Tenant keeps the parent of contexts that nobody cancels.
type Tenant struct {
	base     context.Context
	cancel   context.CancelFunc
	deepest  context.Context
	requests []context.Context
}

var tenant *Tenant

func contexts(n int) {
	t := &Tenant{}
	t.base, t.cancel = context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		child, _ := context.WithCancel(t.base) //nolint
		if i < 10 {
			t.requests = append(t.requests, child)
		}
	}
	for i := 0; i < 40; i++ {
		child, _ := context.WithTimeout(t.base, time.Hour) //nolint
		t.requests = append(t.requests, child)
	}
	t.deepest = t.base
	for i := 0; i < 30; i++ {
		t.deepest = context.WithValue(t.deepest, key(i), strconv.Itoa(i))
	}
	tenant = t
	known["contexts"] = map[string]int{"children": n + 40, "timers": 40, "depth": 30}
}

// Handlers is what callbacks are kept in.
type Handlers struct {
	list   []func() int64
	byName map[string]func(int)
}

var handlers *Handlers

func closures(n int) {
	h := &Handlers{byName: map[string]func(int){}}
	for i := 0; i < n; i++ {
		item, data := &Item{Name: strconv.Itoa(i)}, make([]byte, 256)
		h.list = append(h.list, func() int64 { return item.Value[0] + int64(data[0]) })
	}
	for i := 0; i < n/4; i++ {
		item := &Item{}
		h.byName[strconv.Itoa(i)] = func(v int) { item.Value[0] = int64(v) }
	}
	handlers = h
	known["closures"] = map[string]int{"list": n, "named": n / 4}
}

// Record keeps a little of a large array.
type Record struct {
	head []byte // the beginning of an array of 16 KiB
	id   int
}

// Tail keeps what was sliced off an array of numbers.
type Tail struct {
	numbers []int64
	id      int
}

var (
	records []*Record
	tails   []*Tail
)

func slices(n int) {
	for i := 0; i < n; i++ {
		array := make([]byte, 16384)
		records = append(records, &Record{array[:40], i})
		numbers := make([]int64, 4096)
		tails = append(tails, &Tail{numbers[4000:], i})
	}
	known["slices"] = map[string]int{"arrays": n, "used": 40, "bytes": 16384, "tail_used": 96 * 8, "tail_bytes": 32768}
}

// Name is cut out of a long text.
type Name struct {
	text string
	id   int
}

var names []*Name

func substrings(n int) {
	for i := 0; i < n; i++ {
		text := strings.Repeat(strconv.Itoa(i%10), 16384)
		names = append(names, &Name{text[100:110], i})
	}
	known["strings"] = map[string]int{"strings": n, "used": 10, "bytes": 16384}
}

// Reference points into an array.
type Reference struct {
	item *Item
	id   int
}

var references []*Reference

func interior(n int) {
	for i := 0; i < n; i++ {
		array := make([]Item, 256)
		references = append(references, &Reference{&array[7], i})
	}
	known["interior"] = map[string]int{"pointers": n, "used": 48, "bytes": 256 * 48}
}

// LRU is the usual cache: a map and a list of the same entries.
type LRU struct {
	byKey map[string]*list.Element
	order *list.List
}

// Link is of a list of one's own.
type Link struct {
	next  *Link
	value [5]int64
}

var (
	lru   *LRU
	links *Link
)

func lists(n int) {
	lru = &LRU{map[string]*list.Element{}, list.New()}
	for i := 0; i < n; i++ {
		name := strconv.Itoa(i)
		lru.byKey[name] = lru.order.PushFront(&Item{Name: name})
	}
	for i := 0; i < 2*n; i++ {
		links = &Link{next: links}
	}
	known["lists"] = map[string]int{"lru": n, "links": 2 * n}
}

var pending []*time.Timer

func timers(n int) {
	for i := 0; i < n; i++ {
		item := &Item{Name: strconv.Itoa(i)}
		pending = append(pending, time.AfterFunc(time.Hour, func() { item.Next = nil }))
	}
	known["timers"] = map[string]int{"timers": n}
}
