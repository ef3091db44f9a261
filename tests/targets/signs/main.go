// SPDX-License-Identifier: Apache-2.0

// signs does what a signal of the watch tells of, or what looks like it and is none. It prints "ready PID" and lives until its
// input ends. Each -kind begins as its look-alike does; after -after it turns into what it is named after, unless -harmless.
//
//	goroutines  two hundred that wait; then twice as many each -every, up to half a million. Harmless: a thousand for two seconds
//	stalled     garbage is collected; then the collector is turned off and the heap grows. Harmless: nothing is done any more
//	thrash      a heap of pointers near GOMEMLIMIT and as much garbage as can be made. Harmless: the same far below it
//	pauses      a loop that cannot be interrupted, of 60 ms, beside a collector: needs GODEBUG=asyncpreemptoff=1. Harmless:
//	            one of a millisecond
//	reserve     20 GiB of address space that is not touched. Harmless: 2 GiB
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	kind     = flag.String("kind", "", "what it does")
	harmless = flag.Bool("harmless", false, "only what looks like it")
	after    = flag.Duration("after", 10*time.Second, "when it begins")
	every    = flag.Duration("every", 4500*time.Millisecond, "how long goroutines take to double")
	live     = flag.Int("live", 24<<20, "`bytes` of the heap that are kept")
)

var (
	kept  [][]byte
	sink  []byte
	never = make(chan int)
	spent uint64
)

func hold(n int) {
	for i := 0; i < n; i += 64 << 10 {
		b := make([]byte, 64<<10)
		b[0] = 1
		kept = append(kept, b)
	}
}

type node struct {
	next *node
	room [7]uint64
}

var list *node

func link(n int) {
	for i := 0; i < n; i += 64 {
		list = &node{next: list}
	}
}

func waste(n int) {
	for i := 0; i < n; i += 4 << 10 {
		sink = make([]byte, 4<<10)
	}
}

func goroutines() {
	for n := 0; n < 200; n++ {
		go func() { <-never }()
	}
	time.Sleep(*after)
	if *harmless {
		for n := 0; n < 1000; n++ {
			go time.Sleep(2 * time.Second)
		}
		return
	}
	const most = 1 << 19
	start, began := float64(runtime.NumGoroutine()), time.Now()
	for { // by the clock: on a busy machine as elsewhere
		want := math.Min(start*math.Exp2(float64(time.Since(began))/float64(*every)), most)
		for n := runtime.NumGoroutine(); n < int(want); n++ {
			go func() { <-never }()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func stalled() {
	for start := time.Now(); time.Since(start) < *after; time.Sleep(20 * time.Millisecond) {
		waste(1 << 20)
	}
	if *harmless {
		return
	}
	debug.SetGCPercent(-1)
	for {
		hold(192 << 10)
		time.Sleep(20 * time.Millisecond)
	}
}

func thrash() {
	for {
		waste(16 << 20)
		if *harmless {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

//go:noinline
func spin(n uint64) uint64 {
	x := n
	for i := uint64(0); i < n; i++ {
		x = x*3 + i
	}
	return x
}

func pauses() {
	length := 60 * time.Millisecond
	if *harmless {
		length = time.Millisecond
	}
	const probe = 1 << 22
	start := time.Now()
	atomic.AddUint64(&spent, spin(probe))
	n := uint64(float64(probe) * float64(length) / float64(time.Since(start)))
	go func() {
		for {
			atomic.AddUint64(&spent, spin(n))
			time.Sleep(length)
		}
	}()
	for {
		waste(4 << 20)
		time.Sleep(100 * time.Millisecond)
	}
}

func reserve() {
	n := 20 << 30
	if *harmless {
		n = 2 << 30
	}
	if _, err := syscall.Mmap(-1, 0, n, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE); err != nil {
		panic(err)
	}
}

func main() {
	flag.Parse()
	does := map[string]func(){"goroutines": goroutines, "stalled": stalled, "thrash": thrash, "pauses": pauses, "reserve": reserve}[*kind]
	if does == nil {
		fmt.Fprintln(os.Stderr, "unknown -kind")
		os.Exit(2)
	}
	if *kind == "thrash" {
		link(*live)
	} else {
		hold(*live)
	}
	fmt.Printf("ready %d\n", os.Getpid())
	go does()
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(kept)
	runtime.KeepAlive(list)
}
