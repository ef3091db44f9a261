// SPDX-License-Identifier: Apache-2.0

// rooted holds a known number of bytes by each sort of root, and has known numbers of goroutines that nobody can wake, and
// of finalizers.
//
// It prints "ready PID", then answers lines: "gc" collects twice, "leaks" tells how many goroutines the runtime's own search
// finds (-1: it has none), "garbage" drops one of the payloads, "stale" starts four goroutines that wait and have each let go of
// one, "known" tells the numbers as JSON.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"
)

const (
	payload   = 1 << 20 // bytes that each root holds
	finalized = 7       // objects with a finalizer that are held
	inCycles  = 5       // objects with a finalizer that lead to themselves
	queued    = 4       // finalizers that wait behind the one that blocks, which counts as well
)

type block struct {
	data []byte
	next *block
}

//go:noinline
func newBlock() *block { return &block{data: make([]byte, payload-64)} }

// ---- globals ----

var sessions map[string]*block

var cache struct {
	mu   sync.Mutex
	hits int
	rows []*block
}

var dropped *block

//go:noinline
func fillSessions() {
	sessions = map[string]*block{}
	for i := 0; i < 4; i++ {
		sessions[strconv.Itoa(i)] = newBlock()
	}
}

//go:noinline
func fillCache() {
	cache.mu.Lock()
	cache.hits++
	cache.rows = append(cache.rows, newBlock(), newBlock())
	cache.mu.Unlock()
}

//go:noinline
func fillDropped() { dropped = newBlock() }

// ---- goroutines that hold something, and are alive ----

//go:noinline
func holdInStack(c chan int) {
	b := newBlock()
	<-c
	runtime.KeepAlive(b)
}

// staleInStack has held a block that it no longer needs when it waits.
//
//go:noinline
func staleInStack(c chan int) {
	b := newBlock()
	b.next = b
	runtime.KeepAlive(b)
	<-c
}

var wakeUp = make(chan int)

func startHolders() {
	for i := 0; i < 3; i++ {
		go holdInStack(wakeUp)
	}
}

// ---- timers ----

//go:noinline
func startTimers() {
	b := newBlock()
	time.AfterFunc(24*time.Hour, func() { b.next = nil })
}

// ---- goroutines that nobody can wake ----

type gate struct {
	mu   sync.Mutex
	rw   sync.RWMutex
	wg   sync.WaitGroup
	cond *sync.Cond
	ch   chan int
}

//go:noinline
func newGate() *gate {
	g := &gate{ch: make(chan int)}
	g.cond = sync.NewCond(&sync.Mutex{})
	g.mu.Lock()
	g.rw.Lock()
	g.wg.Add(1)
	return g
}

//go:noinline
func stuckLock(g *gate) { g.mu.Lock() }

//go:noinline
func stuckReadLock(g *gate) { g.rw.RLock() }

//go:noinline
func stuckGroup(g *gate) { g.wg.Wait() }

//go:noinline
func stuckCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

//go:noinline
func stuckSelect(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

//go:noinline
func stuckReceive(c chan *block, b *block) {
	<-c
	runtime.KeepAlive(b)
}

//go:noinline
func stuckForever() { select {} }

// startStuck starts goroutines that wait for what only they know; it returns how many.
//
//go:noinline
func startStuck() int {
	g := newGate()
	go stuckLock(g)
	go stuckReadLock(newGate())
	go stuckGroup(newGate())
	c := sync.NewCond(&sync.Mutex{})
	for i := 0; i < 3; i++ {
		go stuckCond(c)
	}
	go stuckSelect(make(chan int), make(chan int))
	ping, pong := make(chan *block), make(chan *block)
	go func() { // two that wait for each other
		v := <-ping
		pong <- v
	}()
	go func() {
		v := <-pong
		ping <- v
	}()
	go stuckReceive(make(chan *block), newBlock())
	go stuckForever()
	go stuckReceive(nil, nil)
	return 12
}

// ---- goroutines that look the same and can be woken ----

var global = newGate()

//go:noinline
func holdOther(own, other chan int) {
	<-own
	close(other)
}

//go:noinline
func startWakeable() {
	go stuckLock(global)
	go stuckReadLock(global)
	go stuckGroup(global)
	go stuckCond(global.cond)
	go stuckSelect(make(chan int), global.ch)
	first := make(chan int)
	last := first
	for i := 0; i < 20; i++ { // each knows what wakes the next
		next := make(chan int)
		go holdOther(last, next)
		last = next
	}
	go func() {
		<-wakeUp
		close(first)
	}()
	go func() { <-time.After(24 * time.Hour) }()
	go func() { time.Sleep(24 * time.Hour) }()
}

// ---- finalizers ----

type resource struct {
	self  *resource
	other *resource
	data  [4]int
	block *block
}

var resources []*resource

var never = make(chan int)

func finalize(r *resource) { r.data[0] = 0 }

//go:noinline
func blockInFinalizer(r *resource) { <-never }

//go:noinline
func startFinalizers() {
	for i := 0; i < finalized; i++ {
		r := &resource{}
		runtime.SetFinalizer(r, finalize)
		resources = append(resources, r)
	}
	for i := 0; i < inCycles; i++ {
		r := &resource{block: nil}
		r.other = &resource{self: r}
		runtime.SetFinalizer(r, finalize)
		if i == 0 {
			r.block = newBlock()
		}
	}
}

//go:noinline
func blockFinalizers() {
	for i := 0; i < queued+1; i++ {
		runtime.SetFinalizer(&resource{}, blockInFinalizer)
	}
}

// ---- what it tells ----

// leaks is how many goroutines the runtime's own search finds, -1 where there is none.
func leaks() int {
	p := pprof.Lookup("goroutineleak")
	if p == nil {
		return -1
	}
	var text bytes.Buffer
	_ = p.WriteTo(&text, 1)
	m := regexp.MustCompile(`total (\d+)`).FindStringSubmatch(text.String())
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func main() {
	fillSessions()
	fillCache()
	fillDropped()
	startHolders()
	startTimers()
	stuck := startStuck()
	startWakeable()
	startFinalizers()
	cleanups := startCleanups()
	runtime.GC()
	blockFinalizers()
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "gc":
			runtime.GC()
			runtime.GC()
			fmt.Println("ok")
		case "leaks":
			fmt.Println(leaks())
		case "garbage":
			dropped = nil
			fmt.Println("ok")
		case "stale":
			for i := 0; i < 4; i++ {
				go staleInStack(wakeUp)
			}
			time.Sleep(50 * time.Millisecond)
			fmt.Println("ok")
		case "known":
			out, _ := json.Marshal(map[string]int{"Payload": payload, "Stuck": stuck, "Finalized": finalized,
				"InCycles": inCycles, "Queued": queued + 1, "Holders": 3, "Cleanups": cleanups})
			fmt.Println(string(out))
		}
	}
	runtime.KeepAlive(resources)
}
