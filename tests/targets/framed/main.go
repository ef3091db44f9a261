// SPDX-License-Identifier: Apache-2.0

// Framed holds all that it has by words of stacks: locals of main, receivers of methods that wait, what closures of
// goroutines captured. It prints "ready PID", then what it holds for each line "known" read from standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

type item struct {
	next *item
	name string
}

type cache struct {
	byName map[string]*entry
	first  *item
	n      int
}

type entry struct {
	key   string
	value *[4]int64
}

// What only a method that waits has, as its receiver.
type worker struct {
	jobs chan *job
	done []*job
	last *job
	name string
	n    int
}

type job struct {
	worker *worker
	text   string
}

// What a goroutine's closure captured.
type session struct {
	user  *string
	parts []*part
	n     int64
}

type part struct {
	owner *session
	n     int64
}

//go:noinline
func newCache(n int) *cache {
	c := &cache{byName: map[string]*entry{}, n: n}
	for i := 0; i < n; i++ {
		c.first = &item{next: c.first, name: strconv.Itoa(i + 1000000)}
		c.byName[c.first.name] = &entry{key: c.first.name, value: new([4]int64)}
	}
	return c
}

//go:noinline
func tryCache(n int) (*cache, error) {
	if n < 0 {
		return nil, fmt.Errorf("%d is too few", n)
	}
	return newCache(n), nil
}

//go:noinline
func (w *worker) run(ready *sync.WaitGroup) {
	for i := 0; i < 10; i++ {
		w.done = append(w.done, &job{worker: w, text: w.name})
	}
	ready.Done()
	for j := range w.jobs {
		w.last = j
		w.n++
	}
	runtime.KeepAlive(w)
}

//go:noinline
func newSession(i int) *session {
	name := strconv.Itoa(i + 1000000)
	s := &session{user: &name}
	for k := 0; k < 5; k++ {
		s.parts = append(s.parts, &part{owner: s, n: int64(k)})
	}
	return s
}

func main() {
	var ready sync.WaitGroup
	stop := make(chan int)
	c, err := tryCache(3000)
	if err != nil {
		panic(err)
	}
	for i := 0; i < 30; i++ {
		ready.Add(2)
		go (&worker{jobs: make(chan *job), name: strconv.Itoa(i + 1000000)}).run(&ready)
		s := newSession(i)
		go func() {
			ready.Done()
			<-stop
			s.n++
		}()
	}
	ready.Wait()
	runtime.GC()
	fmt.Println("ready", os.Getpid())
	known := map[string]int{
		"main.cache": 1, "main.item": 3000, "main.entry": 3000, "[4]int64": 3000, "main.worker": 30, "main.job": 300,
		"main.session": 30, "main.part": 150, "map[string]*main.entry": 1,
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "known" {
			text, _ := json.Marshal(known)
			fmt.Println(string(text))
		}
	}
	c.n += len(c.byName)
	runtime.KeepAlive(c)
	close(stop)
}
