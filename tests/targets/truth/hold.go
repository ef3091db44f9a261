// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// Session is what the map holds.
type Session struct {
	ID      string
	User    *User
	Payload []byte
	Tags    []string
}

// User is small and has a pointer.
type User struct {
	Name  string
	Score int64
}

// Node is an element of the linked list.
type Node struct {
	Next  *Node
	Value [6]int64
}

var (
	sessions map[string]*Session
	slices   [][]byte
	list     *Node
	large    [][]byte
)

//go:noinline
func newSession(i int) *Session {
	id := "session-" + strconv.Itoa(i)
	return &Session{
		ID:      id,
		User:    &User{Name: "user-" + strconv.Itoa(i%1000), Score: int64(i)},
		Payload: make([]byte, 128+i%512),
		Tags:    []string{id, "tag"},
	}
}

//go:noinline
func fillSessions(bytes int64) {
	n := int(bytes / 704)
	sessions = make(map[string]*Session, n)
	for i := 0; i < n; i++ {
		s := newSession(i)
		sessions[s.ID] = s
	}
	known.Sessions = n
}

//go:noinline
func fillSlices(bytes int64) {
	sizes := []int{8, 24, 100, 500, 1500, 4000, 9000, 20000, 32768}
	for i := 0; bytes > 0; i++ {
		b := make([]byte, sizes[i%len(sizes)])
		touch(b)
		slices = append(slices, b)
		bytes -= int64(len(b))
	}
}

//go:noinline
func fillList(bytes int64) {
	for i := int64(0); i < bytes/64; i++ {
		n := &Node{Next: list}
		n.Value[0] = i
		list = n
	}
}

// fillLarge leaves the second half of its last object untouched.
//
//go:noinline
func fillLarge(bytes int64) {
	for i := 0; bytes > 0; i++ {
		b := make([]byte, 40000+(i%7)*300000)
		if bytes -= int64(len(b)); bytes > 0 {
			touch(b)
		} else {
			touch(b[:len(b)/2])
			known.UntouchedBytes = int64(len(b) - len(b)/2)
		}
		large = append(large, b)
	}
}

func fillHeap(bytes int64) {
	known.HeapBytes = bytes
	if bytes == 0 {
		return
	}
	fillSessions(bytes * 3 / 10)
	fillSlices(bytes * 3 / 10)
	fillList(bytes * 2 / 10)
	fillLarge(bytes * 2 / 10)
}

func freeHalf() {
	for i := 0; i < len(slices); i += 2 {
		slices[i] = nil
	}
	for i := 0; i < len(large); i += 2 {
		large[i] = nil
	}
	i := 0
	for id := range sessions {
		if i++; i%2 == 0 {
			delete(sessions, id)
		}
	}
	known.Sessions = len(sessions)
	for n := list; n != nil && n.Next != nil; n = n.Next {
		n.Next = n.Next.Next
	}
	debug.FreeOSMemory()
}

var (
	never   = make(chan int)
	another = make(chan string)
	locked  sync.Mutex
	cond    = sync.NewCond(&sync.Mutex{})
	group   sync.WaitGroup
)

func waitReceive() { <-never }
func waitSend()    { never2 <- 1 }
func waitMutex()   { locked.Lock() }
func waitGroup()   { group.Wait() }
func waitForever() { select {} }
func waitSleep()   { time.Sleep(24 * time.Hour) }

var never2 = make(chan int)

func waitSelect() {
	select {
	case <-never:
	case <-another:
	}
}

func waitCond() {
	cond.L.Lock()
	cond.Wait()
}

func waitIO() {
	r, w, err := os.Pipe()
	fail(err)
	keepOpen(w)
	var b [1]byte
	_, _ = r.Read(b[:])
}

var (
	openMutex sync.Mutex
	open      []*os.File
)

func keepOpen(f *os.File) {
	openMutex.Lock()
	open = append(open, f)
	openMutex.Unlock()
}

func waitDeep() { descend(60) }

//go:noinline
func descend(n int) int {
	var frame [32]int
	frame[n%32] = n
	if n == 0 {
		<-never
	} else {
		frame[0] += descend(n - 1)
	}
	return frame[n%32] + frame[0]
}

// The most pipes for waitIO: two descriptors each.
const maxPipes = 100

func startGoroutines(n int) {
	locked.Lock()
	group.Add(1)
	kinds := []struct {
		name string
		run  func()
	}{
		{"main.waitReceive", waitReceive}, {"main.waitSelect", waitSelect}, {"main.waitMutex", waitMutex},
		{"main.waitIO", waitIO}, {"main.waitSend", waitSend}, {"main.waitCond", waitCond},
		{"main.waitGroup", waitGroup}, {"main.waitForever", waitForever}, {"main.waitDeep", waitDeep},
		{"main.waitSleep", waitSleep},
	}
	if *noTimers {
		kinds = kinds[:len(kinds)-1]
	}
	for i := 0; i < n; i++ {
		kind := kinds[i%len(kinds)]
		if kind.name == "main.waitIO" && known.Goroutines[kind.name] == maxPipes {
			kind = kinds[0]
		}
		known.Goroutines[kind.name]++
		go kind.run()
	}
	for i := 0; i < 10; i++ {
		time.Sleep(time.Millisecond)
		runtime.Gosched()
	}
}

//go:noinline
func lockedThread(ready chan<- bool) {
	runtime.LockOSThread()
	ready <- true
	<-never
}

func startThreads(n int) {
	ready := make(chan bool)
	for i := 0; i < n; i++ {
		go lockedThread(ready)
	}
	for i := 0; i < n; i++ {
		<-ready
	}
	known.Threads = n
}

// churn keeps a window of objects of many sizes alive and replaces them without end.
//
//go:noinline
func churn(seed int) {
	window := make([][]byte, 2048)
	nodes := make([]*Node, 2048)
	x := uint32(seed)*2654435761 + 1
	for {
		x = x*1664525 + 1013904223
		size := 16 << (x >> 29)
		if x>>20%512 == 0 {
			size = 64 << 10
		}
		window[x>>12%2048] = make([]byte, size+int(x>>8%16))
		nodes[x>>7%2048] = &Node{}
	}
}
