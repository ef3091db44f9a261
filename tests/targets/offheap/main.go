// SPDX-License-Identifier: Apache-2.0

// Offheap takes memory outside the Go heap, each way by a function of its own, and knows exactly how much.
//
//	offheap CASE...
//
// It prints "ready PID" and answers lines:
//
//	start   does what the cases are, one after the other, and answers "ok" before it begins
//	stop    waits for their end and prints the truth as JSON: what is outstanding by call path
//	exit    ends the process at once
//	exec    becomes a fresh copy of itself, with the cases
//
// Between stop and the next start nothing is taken and nothing given back.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// path is what one call path holds. Bytes of AtLeast are a lower bound: glibc adds guards to stacks.
type path struct {
	Case     string `json:"case"`
	Kind     string `json:"kind"`
	Function string `json:"function"` // of Go; "" where a thread of C took it
	Entry    string `json:"entry"`    // of C, called by it; "" for none
	What     string `json:"what,omitempty"`
	Bytes    int64  `json:"bytes"`
	Count    int64  `json:"count"`
	AtLeast  bool   `json:"at_least,omitempty"`
	Calls    int64  `json:"calls,omitempty"` // of the allocator, where that is the point
}

type work func() []path

var cases = map[string]work{}

// kept is what allocateInGo keeps.
var kept = make([][]byte, 0, 1000)

func pause() {
	time.Sleep(4 * time.Millisecond)
}

func mmapAnon(bytes int) []byte {
	block, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return block
}

func init() {
	cases["mmap-go"] = mapInGo
	cases["mmap-go-free"] = mapAndUnmap
	cases["go"] = allocateInGo
}

//go:noinline
func mapInGo() []path {
	for i := 0; i < 10; i++ {
		mmapAnon(3 << 14)[0] = 1
		pause()
	}
	// mmapAnon is small enough to be inlined, and is named all the same.
	return []path{{Kind: "mmap", Function: "main.mmapAnon", Bytes: 10 * 3 << 14, Count: 10}}
}

//go:noinline
func mapAndUnmap() []path {
	for i := 0; i < 10; i++ {
		block, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE,
			syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			panic(err)
		}
		pause()
		if err := syscall.Munmap(block); err != nil {
			panic(err)
		}
	}
	return []path{{Kind: "mmap", Function: "main.mapAndUnmap"}}
}

//go:noinline
func allocateInGo() []path {
	for i := 0; i < cap(kept); i++ {
		kept = append(kept, allocateOne())
	}
	return []path{{Kind: "go", Function: "main.allocateOne", Bytes: int64(cap(kept)) * 5000, Count: int64(cap(kept))}}
}

//go:noinline
func allocateOne() []byte {
	return make([]byte, 5000)
}

func run(names []string, done chan<- []path) {
	var truth []path
	for _, name := range names {
		for _, p := range cases[name]() {
			p.Case = name
			truth = append(truth, p)
		}
	}
	done <- truth
}

func main() {
	names := os.Args[1:]
	for _, name := range names {
		if cases[name] == nil {
			fmt.Fprintln(os.Stderr, "offheap: no case", name)
			os.Exit(2)
		}
	}
	prepare(names)
	runtime.GC()
	fmt.Println("ready", os.Getpid())
	done := make(chan []path, 1)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "start":
			resume()
			fmt.Println("ok")
			go run(names, done)
		case "stop":
			halt()
			text, err := json.Marshal(<-done)
			if err != nil {
				panic(err)
			}
			fmt.Println(string(text))
		case "exit":
			os.Exit(0)
		case "exec":
			panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
		}
	}
}
