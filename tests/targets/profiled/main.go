// SPDX-License-Identifier: Apache-2.0

// Profiled allocates at many sites, in inlined, generic, recursive and concurrent code, and writes
// its heap profile on request.
//
// It prints "ready PID" and then answers each line read from standard input:
//
//	write PATH    the heap profile, as protobuf
//	gc            runtime.GC()
//	exit
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"unsafe"
)

var (
	profRate = flag.Int("profrate", 512<<10, "runtime.MemProfileRate")
	collect  = flag.Int("gc", 2, "collections before it is ready; 0 leaves the collector off from the start")
	stacks   = flag.Int("stacks", 0, "different stacks to allocate with, a multiple of 16")
	rounds   = flag.Int("rounds", 2000, "objects of each kind")
)

type node struct {
	next *node
	body [6]uint64
}

type document struct {
	title   string
	pages   [][]byte
	index   map[string]int
	padding [80]*node
}

var (
	kept  []any
	nodes *node
	sink  any
	mu    sync.Mutex
)

func keep(v any) {
	mu.Lock()
	kept = append(kept, v)
	mu.Unlock()
}

// newNode is inlined into its callers.
func newNode(next *node) *node { return &node{next: next} }

// pushTwice is inlined too, and what it inlines.
func pushTwice() {
	nodes = newNode(nodes)
	nodes = newNode(nodes)
}

func generic[T any](n int) []T { return make([]T, n) }

//go:noinline
func deep(level, size int) []byte {
	if level == 0 {
		return make([]byte, size)
	}
	return deep(level-1, size)
}

//go:noinline
func dropped(n int) {
	for i := 0; i < n; i++ {
		sink = make([]uint64, 64+i%8)
	}
	sink = nil
}

func newDocument(i int) *document {
	d := &document{title: fmt.Sprintf("document %d", i), index: map[string]int{}}
	for k := 0; k < 4; k++ {
		d.pages = append(d.pages, bytes.Repeat([]byte{byte(k)}, 600))
		d.index[strings.Repeat("k", k+1)] = k
	}
	return d
}

func work(n int) {
	for i := 0; i < n; i++ {
		mu.Lock()
		pushTwice()
		mu.Unlock()
		keep(newDocument(i))
		if i%16 == 0 {
			keep(generic[node](8))
			keep(generic[uint16](1000))
			keep(deep(i%160, 2000))
			keep(make([]*node, 9000))
		}
	}
	dropped(n * 4)
}

//go:noinline
func left(path uint, bits int) *node {
	if bits == 0 {
		return new(node)
	}
	return turn(path, bits-1)
}

//go:noinline
func right(path uint, bits int) *node {
	if bits == 0 {
		return new(node)
	}
	return turn(path, bits-1)
}

// turn calls one of two functions at each level, so that every number is a stack of its own.
//
//go:noinline
func turn(path uint, bits int) *node {
	if path>>uint(bits)&1 == 0 {
		return left(path, bits)
	}
	return right(path, bits)
}

func manyStacks(n int) {
	bits := 1
	for 1<<uint(bits) < n {
		bits++
	}
	list := make([]*node, n)
	for i := range list {
		list[i] = turn(uint(i), bits)
	}
	keep(list)
}

func write(path string) {
	f, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(f, 0)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1)
	}
}

func main() {
	flag.Parse()
	runtime.MemProfileRate = *profRate
	debug.SetGCPercent(-1)
	var done sync.WaitGroup
	for i := 0; i < 4; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			work(*rounds / 4)
		}()
	}
	done.Wait()
	if *stacks > 0 {
		manyStacks(*stacks)
	}
	for i := 0; i < *collect; i++ {
		runtime.GC()
	}
	fmt.Printf("ready %d node %d\n", os.Getpid(), unsafe.Sizeof(node{}))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch words := strings.Fields(in.Text()); words[0] {
		case "write":
			write(words[1])
		case "gc":
			runtime.GC()
		case "exit":
			return
		}
		fmt.Println("ok")
	}
}
