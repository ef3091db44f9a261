// SPDX-License-Identifier: Apache-2.0

// Big holds a large heap, many goroutines, or both; it prints "ready PID" and waits for the end of
// its input.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
)

// Block is a small object with pointers, so that a part of the heap has to be scanned.
type Block struct {
	Next *Block
	Data []byte
}

var (
	blocks *Block
	never  = make(chan int)
)

//go:noinline
func fill(bytes, object int64) {
	for held := int64(0); held < bytes; held += object + 32 {
		b := &Block{Next: blocks, Data: make([]byte, object)}
		for i := int64(0); i < object; i += 4096 {
			b.Data[i] = 1
		}
		blocks = b
	}
}

func waitOne() { <-never }

func startOne(n int) {
	for i := 0; i < n; i++ {
		go waitOne()
	}
}

func startTwo(n int) {
	for i := 0; i < n; i++ {
		go waitTwo()
	}
}

// waitTwo selects on channels of its own.
func waitTwo() {
	a, b := make(chan int), make(chan int)
	select {
	case <-a:
	case b <- 1:
	}
}

func main() {
	heap := flag.Int64("heap", 0, "`bytes` of heap")
	object := flag.Int64("object", 64<<10, "`bytes` of one object")
	goroutines := flag.Int("goroutines", 0, "blocked goroutines, two thirds of one kind")
	profile := flag.String("profile", "", "write a heap profile to `file` when full")
	flag.Parse()
	debug.SetGCPercent(-1)
	fill(*heap, *object)
	startOne(*goroutines * 2 / 3)
	startTwo(*goroutines - *goroutines*2/3)
	runtime.GC()
	debug.SetGCPercent(100)
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(f, 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "big:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("ready %d\n", os.Getpid())
	var b [64]byte
	for {
		n, err := syscall.Read(0, b[:])
		if err != syscall.EINTR && (n <= 0 || string(b[:n]) == "exit\n") {
			return
		}
	}
}
