// SPDX-License-Identifier: Apache-2.0

// Sickc has one illness outside of the Go heap, chosen by -mode: a leak (leaks.go), or what only looks like one (alikes.go).
//
// It prints "ready PID", and makes -steps steps of the mode a second until its input ends, or for a minute. Beside it
// allocates -churn bytes of garbage a second on the Go heap, so that the collector runs.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	mode  = flag.String("mode", "", "what to do")
	steps = flag.Int("steps", 100, "steps a second")
	churn = flag.Int("churn", 0, "`bytes` of garbage a second besides")
	size  = flag.Int("size", 16<<20, "how large the cache, the burst or the pool becomes")
	when  = flag.Int("when", 0, "the step at which what was held is freed")
	block = flag.Int("block", 16<<10, "`bytes` of one block")
	warm  = flag.Duration("warm", 0, "how long it runs before it says that it is ready")
	life  = flag.Duration("life", time.Minute, "how long it lives")
)

var modes = map[string]func(step int){
	"malloc":    func(int) { leakMalloc() },
	"string":    func(int) { leakString() },
	"zlib":      func(int) { leakZlib() },
	"realloc":   leakRealloc,
	"fast":      func(int) { leakFast() },
	"mmap":      func(int) { leakMmap() },
	"cmmap":     func(int) { leakMmapC() },
	"untouched": func(int) { leakUntouched() },
	"filemap":   func(int) { leakFileMap() },
	"brk":       func(int) { leakBreak() },
	"pthread":   func(int) { leakThread() },
	"unjoined":  func(int) { leakUnjoined() },
	"virt":      func(int) { leakConnection() },
	"bump":      func(int) { leakBump() },

	"freed":   freeMuch,
	"cache":   func(int) { fillCache() },
	"freeall": func(int) { freeAll() },
	"ring":    func(int) { turnMappings() },
	"read":    func(int) { readFile() },
	"shm":     func(int) { fillShared() },
	"reserve": reserveOnce,
	"pool":    func(int) { growPool() },
	"handle":  func(int) { useHandle() },
	"garbage": func(int) { garbage(16 << 10) },
	"idle":    func(int) {},
}

var sink []byte

func garbage(bytes int) {
	sink = make([]byte, bytes)
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
		fmt.Fprintln(os.Stderr, "sickc: unknown -mode")
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	go func() {
		time.Sleep(*warm)
		fmt.Printf("ready %d\n", os.Getpid())
	}()
	run(step, time.Now().Add(*life))
}
