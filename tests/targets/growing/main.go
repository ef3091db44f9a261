// SPDX-License-Identifier: Apache-2.0

// growing holds what each line of its standard input asks for, and writes what Go's own tools would see of it:
//
//	keep N        N more records: a node of 64 bytes and a payload of 112
//	wait N        N more goroutines, each waiting on a channel of its own
//	gc            two collections, so that the heap profile is up to date
//	heap FILE     the heap profile
//	goroutines FILE, goroutines1 FILE, goroutinespb FILE   all goroutines: debug=2, debug=1, protobuf
//	dump FILE     debug.WriteHeapDump
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

type node struct {
	next    *node
	payload *[112]byte
	rest    [48]byte
}

var kept *node

//go:noinline
func keep() {
	kept = &node{next: kept, payload: new([112]byte)}
	kept.payload[0] = 1 // resident, too
}

//go:noinline
func wait() {
	<-make(chan int)
}

func write(path string, f func(*os.File)) {
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	f(file)
	file.Close()
}

func answer(words []string) {
	switch words[0] {
	case "keep":
		n, _ := strconv.Atoi(words[1])
		for i := 0; i < n; i++ {
			keep()
		}
	case "wait":
		n, _ := strconv.Atoi(words[1])
		for i := 0; i < n; i++ {
			go wait()
		}
		time.Sleep(50 * time.Millisecond) // until they wait
	case "gc":
		runtime.GC()
		runtime.GC()
	case "heap":
		write(words[1], func(f *os.File) { pprof.Lookup("heap").WriteTo(f, 0) })
	case "goroutines":
		write(words[1], func(f *os.File) { pprof.Lookup("goroutine").WriteTo(f, 2) })
	case "goroutines1":
		write(words[1], func(f *os.File) { pprof.Lookup("goroutine").WriteTo(f, 1) })
	case "goroutinespb":
		write(words[1], func(f *os.File) { pprof.Lookup("goroutine").WriteTo(f, 0) })
	case "dump":
		write(words[1], func(f *os.File) { debug.WriteHeapDump(f.Fd()) })
	}
	fmt.Println("ok")
}

func main() {
	runtime.MemProfileRate = 1
	fmt.Println("ready", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		answer(strings.Fields(in.Text()))
	}
}
