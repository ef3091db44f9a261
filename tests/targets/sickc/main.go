// SPDX-License-Identifier: Apache-2.0

// Sickc has one illness outside of the Go heap, chosen by -mode: a leak (leaks.go), or what only looks like one (alikes.go).
//
// See package steps for what it prints and when it ends.
package main

import (
	"flag"

	"ullage.test/targets/steps"
)

var (
	size  = flag.Int("size", 16<<20, "how large the cache, the burst or the pool becomes")
	when  = flag.Int("when", 0, "the step at which what was held is freed")
	block = flag.Int("block", 16<<10, "`bytes` of one block")
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
	"garbage": func(int) { steps.Garbage(16 << 10) },
	"idle":    func(int) {},
}

var sink []byte // what is read goes here

func main() {
	steps.Main(modes, nil, nil)
}
