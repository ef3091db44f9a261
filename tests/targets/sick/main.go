// SPDX-License-Identifier: Apache-2.0

// Sick has one illness, chosen by -mode: a leak of one kind (leaks.go), or what only looks like one (alikes.go).
//
// It prints "ready PID", and makes -steps steps of the mode a second until its input ends, or for a minute. Beside it
// allocates -churn bytes of garbage a second, so that the collector runs.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"
)

var (
	mode      = flag.String("mode", "", "what to do")
	steps     = flag.Int("steps", 1000, "steps a second")
	churn     = flag.Int("churn", 0, "`bytes` of garbage a second besides")
	base      = flag.Int("base", 0, "`bytes` of live heap from the start")
	size      = flag.Int("size", 16<<20, "how large the cache, the burst or the pool becomes")
	when      = flag.Int("when", 0, "the step at which the burst comes, or what was held is freed")
	directory = flag.String("dir", "", "where to make files or cgroups")
	warm      = flag.Duration("warm", 0, "how long it runs before it says that it is ready")
	life      = flag.Duration("life", time.Minute, "how long it lives")
)

var modes = map[string]func(step int){
	"slice":     func(int) { leakSlice() },
	"map":       leakMap,
	"closure":   leakClosure,
	"list":      func(int) { leakList() },
	"receive":   func(int) { leakReceive() },
	"send":      func(int) { leakSend() },
	"holder":    func(int) { leakHolder() },
	"afterfunc": func(int) { leakAfterFunc() },
	"ticker":    func(int) { leakTicker() },
	"thread":    func(int) { leakThread() },
	"file":      func(int) { leakFile() },
	"closewait": func(int) { leakCloseWait() },
	"depth":     func(int) { leakDepth() },
	"cgroup":    func(int) { leakCgroup() },
	"mmap":      func(int) { leakMmap() },
	"malloc":    func(int) { leakC() },
	"cache":     func(int) { fillCache() },
	"garbage":   func(int) { garbage(16 << 10) },
	"burst":     keepOne,
	"workers":   func(int) { growPool() },
	"pool":      func(int) { churnPool() },
	"requests":  func(int) { serveRequest() },
	"freed":     freeMuch,
	"fragments": func(int) { fragment() },
	"thrash":    func(int) { thrash() },
	"write":     func(int) { writeFile() },
	"context":   func(int) { leakContext() },
	"syncmap":   leakSyncMap,
	"poolgrow":  func(int) { leakPool() },
	"finalizer": func(int) { leakFinalizer() },
	"ring":      func(int) { fillRing() },
	"mapcap":    func(int) { shrinkMap() },
	"lru":       fillLRU,
	"idle":      func(int) {},
}

var live [][]byte

func makeBase() {
	for i := 0; i < *base/(16<<10); i++ {
		b := make([]byte, 16<<10)
		for k := 0; k < len(b); k += 4096 {
			b[k] = 1
		}
		live = append(live, b)
	}
}

func run(step func(int), end time.Time) {
	const tick = 10 * time.Millisecond
	start, done, wasted := time.Now(), 0, 0
	for now := start; now.Before(end); now = time.Now() {
		elapsed := now.Sub(start).Seconds()
		for ; done < int(elapsed*float64(*steps)); done++ {
			step(done)
		}
		for ; wasted < int(elapsed*float64(*churn)); wasted += 16 << 10 {
			garbage(16 << 10)
		}
		time.Sleep(tick)
	}
}

func main() {
	flag.Parse()
	step, ok := modes[*mode]
	if !ok {
		fmt.Fprintln(os.Stderr, "sick: unknown -mode")
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = pprof.Lookup("heap") // keeps the memory profile in
		os.Exit(0)
	}()
	makeBase()
	go func() {
		time.Sleep(*warm)
		fmt.Printf("ready %d\n", os.Getpid())
	}()
	run(step, time.Now().Add(*life))
}
