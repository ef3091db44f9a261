// SPDX-License-Identifier: Apache-2.0

// stuck has known numbers of goroutines that wait in each way, and writes what Go prints about them.
//
// It prints "ready PID", then answers lines: "write DIR" writes DIR/debug1.txt, debug2.txt, proto.pb.gz, and "leaks DIR", from
// Go 1.27 on, leak-debug1.txt and so on of goroutineleak ("ok"); "gc" collects ("ok"); "panic", "fatal" and "nil" end it in that way.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type store struct {
	mu   sync.Mutex
	rows map[string]int
}

// get panics with the lock held, because the unlock is not deferred.
func (s *store) get(key string) int {
	s.mu.Lock()
	if s.rows == nil {
		panic("no rows")
	}
	n := s.rows[key]
	s.mu.Unlock()
	return n
}

func (s *store) tryGet() {
	defer func() { _ = recover() }()
	s.get("x")
}

//go:noinline
func receive(c chan int) { <-c }

// ask starts a goroutine that waits for an answer on a channel of its own, and returns.
//
//go:noinline
func ask() {
	c := make(chan int)
	go receive(c)
}

//go:noinline
func answer(c chan [4]int) { c <- [4]int{1} }

// request gives up before the answer comes.
//
//go:noinline
func request() {
	c := make(chan [4]int)
	go answer(c)
}

//go:noinline
func worker(jobs chan string) {
	for range jobs {
	}
}

//go:noinline
func newPool(n int) chan string {
	jobs := make(chan string)
	for i := 0; i < n; i++ {
		go worker(jobs)
	}
	return jobs
}

//go:noinline
func locked(c chan int) {
	runtime.LockOSThread()
	<-c
}

//go:noinline
func nilChannel(c chan int) { <-c }

//go:noinline
func choose(a, b chan int) {
	select {
	case <-a:
	case <-b:
	}
}

//go:noinline
func rest() { time.Sleep(24 * time.Hour) }

func labelled(c chan int) {
	pprof.Do(context.Background(), pprof.Labels("job", "j7", "tenant", "t 42"), func(context.Context) { <-c })
}

//go:noinline
func waitGroup(g *sync.WaitGroup) { g.Wait() }

var keep []interface{}

func start() {
	s := &store{}
	s.tryGet()
	a, b := make(chan int), make(chan int)
	g := &sync.WaitGroup{}
	g.Add(1)
	keep = append(keep, s, a, b, g, newPool(8))
	for i := 0; i < 150; i++ {
		ask()
	}
	for i := 0; i < 30; i++ {
		request()
	}
	for i := 0; i < 5; i++ {
		go s.get("x")
	}
	for i := 0; i < 3; i++ {
		go choose(a, b)
		go labelled(a)
	}
	for i := 0; i < 2; i++ {
		go rest()
		go waitGroup(g)
	}
	go locked(a)
	go nilChannel(nil)
	time.Sleep(200 * time.Millisecond)
}

func write(path, profile string, debug int) {
	f, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	if p := pprof.Lookup(profile); p != nil {
		err = p.WriteTo(f, debug)
	}
	if err != nil {
		panic(err)
	}
	f.Close()
}

func writeAll(dir, profile, prefix string) {
	write(filepath.Join(dir, prefix+"debug1.txt"), profile, 1)
	write(filepath.Join(dir, prefix+"debug2.txt"), profile, 2)
	write(filepath.Join(dir, prefix+"proto.pb.gz"), profile, 0)
}

func main() {
	start()
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var word, dir string
		fmt.Sscan(lines.Text(), &word, &dir)
		switch word {
		case "write":
			writeAll(dir, "goroutine", "")
		case "leaks":
			writeAll(dir, "goroutineleak", "leak-")
		case "gc":
			runtime.GC()
		case "panic":
			panic("as it was told")
		case "fatal":
			var mu sync.Mutex
			mu.Unlock()
		case "nil":
			var s *store
			s.rows = nil
		}
		fmt.Println("ok")
	}
	runtime.KeepAlive(keep)
}
