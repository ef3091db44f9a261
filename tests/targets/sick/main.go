// SPDX-License-Identifier: Apache-2.0

// Sick has one illness, chosen by -mode: a leak of one kind (leaks.go), or what only looks like one (alikes.go).
//
// See package steps for what it prints and when it ends.
package main

import (
	"flag"
	"runtime/pprof"

	"ullage.test/targets/steps"
)

var (
	base      = flag.Int("base", 0, "`bytes` of live heap from the start")
	size      = flag.Int("size", 16<<20, "how large the cache, the burst or the pool becomes")
	when      = flag.Int("when", 0, "the step at which the burst comes, or what was held is freed")
	directory = flag.String("dir", "", "where to make files or cgroups")
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
	"garbage":   func(int) { steps.Garbage(16 << 10) },
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

// keepProfile links the memory profile in, which the linker leaves out of what never asks for it.
func keepProfile() {
	_ = pprof.Lookup("heap")
}

func main() {
	steps.Main(modes, makeBase, keepProfile)
}
