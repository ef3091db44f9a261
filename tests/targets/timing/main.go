// SPDX-License-Identifier: Apache-2.0

// Timers in known numbers, for the tests of timers.
//
// Started with as many numbers as there are kinds; what it made stands in the line "ready PID". Answers "gc" after two
// collections, and "stop" after it stopped every other AfterFunc.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"
)

type session struct{ id int }

//go:noinline
func (s *session) expire() { s.id++ }

var (
	kept   []any
	stops  []*time.Timer
	closer []context.CancelFunc
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func afterFuncs(n int) {
	for i := 0; i < n; i++ {
		s := &session{i}
		stops = append(stops, time.AfterFunc(time.Hour, func() { s.id++ }))
	}
}

func methods(n int) {
	for i := 0; i < n; i++ {
		stops = append(stops, time.AfterFunc(2*time.Hour, (&session{i}).expire))
	}
}

// Timers and tickers that a goroutine waits for.
func waited(n int) {
	for i := 0; i < n; i++ {
		go waitOnce()
		go waitTicking()
	}
}

func waitOnce() { <-time.NewTimer(time.Hour).C }

func waitTicking() {
	for range time.NewTicker(30 * time.Minute).C {
	}
}

// Nobody waits for these, but they are kept.
func idle(n int) {
	for i := 0; i < n; i++ {
		kept = append(kept, time.NewTimer(time.Hour), time.NewTicker(10*time.Minute))
	}
}

// Nor for these, and nothing refers to them.
func lost(n int) {
	for i := 0; i < n; i++ {
		time.NewTicker(20 * time.Minute)
	}
}

func sleepers(n int) {
	for i := 0; i < n; i++ {
		go sleepLong()
	}
}

func sleepLong() { time.Sleep(time.Hour) }

func contexts(n int) {
	for i := 0; i < n; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		kept = append(kept, ctx)
		closer = append(closer, cancel)
	}
}

func deadlines(n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	for i := 0; i < n; i++ {
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		check(c.SetReadDeadline(time.Now().Add(time.Hour)))
		check(c.SetWriteDeadline(time.Now().Add(2 * time.Hour)))
		kept = append(kept, c)
	}
	kept = append(kept, l)
}

func main() {
	makers := []func(int){afterFuncs, methods, waited, idle, lost, sleepers, contexts, deadlines}
	for i, arg := range os.Args[1:] {
		n, err := strconv.Atoi(arg)
		check(err)
		makers[i](n)
	}
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "gc":
			runtime.GC()
			runtime.GC()
		case "stop":
			for i := 0; i < len(stops); i += 2 {
				stops[i].Stop()
			}
		}
		fmt.Println("ok")
	}
	runtime.KeepAlive(kept)
}
