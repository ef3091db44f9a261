// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// The leaks. Each call makes one step of it; the line that must be named ends in "// site: MODE".

var (
	slices  [][]byte
	byName  = map[string]*record{}
	thunks  []func() int
	list    *node
	tickers []*time.Ticker
	never   = make(chan int)
	files   []*os.File
	conns   []net.Conn
)

type record struct {
	name    string
	payload [2000]byte
}

type node struct {
	next *node
	data [3000]byte
}

//go:noinline
func leakSlice() {
	b := make([]byte, 4000) // site: slice
	b[0] = 1
	slices = append(slices, b)
}

//go:noinline
func leakMap(n int) {
	name := fmt.Sprintf("user-%d", n)
	byName[name] = &record{name: name} // site: map
}

//go:noinline
func leakClosure(n int) {
	var buffer [2500]byte // site: closure
	buffer[n%len(buffer)] = 1
	thunks = append(thunks, func() int { buffer[0]++; return len(buffer) })
}

//go:noinline
func leakList() {
	list = &node{next: list} // site: list
}

//go:noinline
func receiveForever() int {
	return <-never
}

//go:noinline
func sendForever() {
	never <- 1
}

func leakReceive() {
	go receiveForever() // site: receive
}

func leakSend() {
	go sendForever() // site: send
}

// A goroutine that keeps a buffer: heap and stack grow with it, and it is one cause.
func leakHolder() {
	go holdForever() // site: holder
}

//go:noinline
func holdForever() {
	buffer := make([]byte, 10000+cap(never)) // of unknown size: on the heap
	buffer[0] = byte(<-never)
	runtime.KeepAlive(buffer)
}

//go:noinline
func onTimer() {}

func leakAfterFunc() {
	time.AfterFunc(time.Hour, onTimer) // site: afterfunc
}

func leakTicker() {
	tickers = append(tickers, time.NewTicker(time.Hour)) // site: ticker
}

func leakThread() {
	go blockThread() // site: thread
}

func blockThread() {
	runtime.LockOSThread()
	_ = syscall.Nanosleep(&syscall.Timespec{Sec: 3600}, nil) // blocks the thread
}

func leakFile() {
	f, err := os.Open(os.Args[0])
	if err != nil {
		panic(err)
	}
	files = append(files, f)
}

// Connections whose peer has closed, and which are never closed here.
func leakCloseWait() {
	once.Do(func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		address = l.Addr().String()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
	})
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	_, _ = io.ReadAll(c)
	conns = append(conns, c)
}

var (
	once    sync.Once
	address string
)

//go:noinline
func deeper(n int) int {
	var frame [400]byte
	frame[n%len(frame)] = 1
	if n%50 == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	return deeper(n+1) + int(frame[0]) // site: depth
}

func leakDepth() {
	once.Do(func() { go deeper(1) })
}

var cgroups int

func leakCgroup() {
	cgroups++
	if err := os.Mkdir(filepath.Join(*directory, fmt.Sprintf("left-%d", cgroups)), 0o755); err != nil {
		panic(err)
	}
}

func leakMmap() {
	b, err := syscall.Mmap(-1, 0, 256<<10, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE) // site: mmap
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
}
