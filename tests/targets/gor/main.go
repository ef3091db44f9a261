// SPDX-License-Identifier: Apache-2.0

// Goroutines parked in every way there is, for the tests of stacks.
//
// Answers on standard output, one line each: "stacks" the text of runtime.Stack(all) as JSON, "total" what
// runtime.NumGoroutine says, "gc" a collection, "many N" starts N more, "churn" some that never stand still, "gap" how long the longest pause of a goroutine
// that only looks at the clock was since the last such question, in nanoseconds.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type server struct {
	mu   sync.Mutex
	rw   sync.RWMutex
	cond *sync.Cond
	wg   sync.WaitGroup
	ch   chan string
	big  chan [64]byte
}

type waiter interface{ wait(depth int) }

type inner struct{ ch chan int }

func (i inner) wait(depth int)     { <-i.ch }
func (i *inner) pointer(depth int) { <-i.ch }

type outer struct{ inner } // promotes wait: calls through the interface go through a wrapper

func (s *server) recv()      { <-s.ch }
func (s *server) send()      { s.big <- [64]byte{} }
func (s *server) lock()      { s.mu.Lock() }
func (s *server) rlock()     { s.rw.RLock() }
func (s *server) wlock()     { s.rw.Lock() }
func (s *server) waitGroup() { s.wg.Wait() }
func (s *server) condition() { s.cond.L.Lock(); s.cond.Wait() }
func (s *server) nilChan()   { var c chan int; <-c }
func (s *server) nothing()   { select {} }
func (s *server) sleep()     { time.Sleep(time.Hour) }
func (s *server) ranging() {
	for range s.ch {
	}
}
func (s *server) deferring()  { defer func() { <-s.ch }(); runtime.Gosched() }
func (s *server) panicking()  { defer func() { <-s.ch }(); var p *int; *p = 1 }
func (s *server) panicValue() { defer func() { <-s.ch }(); panic("known") }

func (s *server) choose() {
	var other chan int
	select {
	case <-s.ch:
	case s.big <- [64]byte{}:
	case other <- 1:
	}
}

//go:noinline
func recurse(depth int, ch chan int) int {
	if depth == 0 {
		return <-ch
	}
	return recurse(depth-1, ch) + 1
}

func small(ch chan int) int   { return smaller(ch) } // inlined into its caller, and the next into it
func smaller(ch chan int) int { return <-ch }

//go:noinline
func inlined(ch chan int) int {
	a := small(ch)
	return a + small(ch)
}

//go:noinline
func generic[T any, U any](ch chan T, other U) T { return <-ch }

type pair[K comparable, V any] struct {
	key K
	ch  chan V
}

//go:noinline
func (p *pair[K, V]) get() V { return <-p.ch }

type byWait struct {
	*server
	n int
}

func (b byWait) Len() int           { return 2 }
func (b byWait) Swap(i, j int)      {}
func (b byWait) Less(i, j int) bool { <-b.ch; return false }

// What is under way before all goroutines wait where they will: connections that are made, a timer that fires.
var arriving sync.WaitGroup

// Kept, since a connection that nobody refers to is closed by the GC.
var (
	accepted   []net.Conn
	acceptedMu sync.Mutex // of two loops that append at the same time one lost its connection, and the GC closed it
)

func listen(deadline bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	arriving.Add(2)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		arriving.Done()
		if deadline {
			check(c.SetReadDeadline(time.Now().Add(time.Hour)))
		}
		var b [1]byte
		c.Read(b[:])
	}()
	go func() {
		for {
			c, err := l.Accept()
			check(err)
			acceptedMu.Lock()
			accepted = append(accepted, c)
			acceptedMu.Unlock()
			arriving.Done()
		}
	}()
}

func pipeRead() {
	var fds [2]int
	check(syscall.Pipe(fds[:]))
	var b [1]byte
	syscall.Read(fds[0], b[:])
}

func locked() {
	runtime.LockOSThread()
	select {}
}

func labelled(ctx context.Context, ch chan int) {
	pprof.Do(ctx, pprof.Labels("tenant", "blue", "path", "/v1/users"), func(context.Context) { <-ch })
}

func manyLabels(ch chan int) {
	var pairs []string
	for i := 0; i < 20; i++ {
		pairs = append(pairs, fmt.Sprint("key", 10+i), fmt.Sprint("value", i))
	}
	pprof.Do(context.Background(), pprof.Labels(pairs...), func(context.Context) { <-ch })
}

// Stacks that change all the time: each has churnDepth frames of left or right, which are of different size, as the bits
// of path say.
const churnDepth = 24

var sink uint64

//go:noinline
func left(depth int, path uint64, ch chan int) {
	if depth == 0 {
		<-ch
		return
	}
	turn(depth, path, ch)
}

//go:noinline
func right(depth int, path uint64, ch chan int) {
	var room [31]uint64
	for i := range room {
		room[i] = path + uint64(i)
	}
	if depth == 0 {
		<-ch
	} else {
		turn(depth, path, ch)
	}
	atomic.AddUint64(&sink, room[path%31])
}

func turn(depth int, path uint64, ch chan int) {
	if path&1 == 0 {
		left(depth-1, path>>1, ch)
	} else {
		right(depth-1, path>>1, ch)
	}
}

func churn(n int) {
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go func(path uint64) {
			for ; ; path = path*6364136223846793005 + 1442695040888963407 {
				left(churnDepth-1, path>>20, ch)
			}
		}(uint64(i))
	}
	go func() {
		for i := 0; ; i++ {
			ch <- i
		}
	}()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func park(s *server, ch chan int) {
	for _, f := range []func(){s.recv, s.send, s.lock, s.rlock, s.wlock, s.waitGroup, s.condition, s.nilChan,
		s.nothing, s.sleep, s.ranging, s.deferring, s.panicking, s.panicValue, s.choose, pipeRead, locked} {
		go f() // method values: a wrapper -fm starts them
	}
	go s.recv() // a method, called by a wrapper that the go statement makes
	go func() { <-ch }()
	go func(n int) { func() { <-ch }() }(7)
	for _, depth := range []int{1, 99, 100, 101, 1000, 3000} {
		go recurse(depth, ch)
	}
	go inlined(ch)
	go generic(ch, "x")
	go generic(make(chan string), 5)
	go (&pair[string, []int]{ch: make(chan []int)}).get()
	var w waiter = outer{inner{ch}}
	go w.wait(1)
	var pw waiter = &outer{inner{ch}}
	go pw.wait(2)
	f := (&inner{ch}).pointer
	go f(3)
	go sort.Sort(byWait{s, 1})
	go sync.NewCond(&sync.Mutex{}).L.Lock()
	go labelled(context.Background(), ch)
	go manyLabels(ch)
	go new(sync.Once).Do(func() { <-ch })
	go func() { defer func() { recover(); <-ch }(); var m map[string]int; m["x"] = 1 }()
	arriving.Add(1)
	time.AfterFunc(time.Nanosecond, func() { arriving.Done(); <-ch })
	listen(false)
	listen(true)
	parkNative(ch)
	if len(os.Args) > 1 && os.Args[1] == "bubble" {
		parkInBubble()
	}
}

// Until every goroutine but this one waits, and where it did a moment ago: a machine may take its time for that.
func settle() {
	arriving.Wait()
	before, now := make([]byte, 1<<20), make([]byte, 1<<20)
	for n := 0; ; before, now = now, before {
		time.Sleep(30 * time.Millisecond)
		m := runtime.Stack(now, true)
		others := now[bytes.IndexByte(now[:m], ']'):m]
		moving := bytes.Contains(others, []byte(" [runnable")) || bytes.Contains(others, []byte(" [running"))
		if !moving && bytes.Equal(now[:m], before[:n]) {
			return
		}
		n = m
	}
}

// The answers: one command a line.
func serve(ch chan int, gap *int64) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		switch words[0] {
		case "stacks":
			buf := make([]byte, 64<<20)
			text, err := json.Marshal(string(buf[:runtime.Stack(buf, true)]))
			check(err)
			fmt.Printf("%s\n", text)
		case "total":
			fmt.Println(runtime.NumGoroutine())
		case "gc":
			runtime.GC()
			fmt.Println("ok")
		case "many":
			n, err := strconv.Atoi(words[1])
			check(err)
			for i := 0; i < n; i++ {
				go recurse(i%7, ch)
			}
			time.Sleep(time.Second)
			fmt.Println("ok")
		case "churn":
			churn(500)
			fmt.Println("ok")
		case "gap":
			fmt.Println(atomic.SwapInt64(gap, 0))
		}
	}
}

func main() {
	s := &server{ch: make(chan string), big: make(chan [64]byte)}
	s.cond = sync.NewCond(&sync.Mutex{})
	s.mu.Lock()
	s.rw.Lock()
	s.wg.Add(1)
	ch := make(chan int)
	var gap int64
	if len(os.Args) > 1 && os.Args[1] == "ticking" {
		go func() {
			for last := time.Now(); ; {
				time.Sleep(time.Millisecond)
				now := time.Now()
				if d := int64(now.Sub(last)); d > atomic.LoadInt64(&gap) {
					atomic.StoreInt64(&gap, d)
				}
				last = now
			}
		}()
	}
	park(s, ch)
	settle()
	fmt.Println("ready", os.Getpid())
	serve(ch, &gap)
}
