// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"ullage.test/targets/steps"
)

// What looks like a leak and is none. Each call makes one step.

var (
	held     [][]byte
	cache    [][]byte
	cacheAt  int
	pool     = sync.Pool{New: func() interface{} { return new([16 << 10]byte) }}
	work     = make(chan int)
	workers  int
	scratch  *os.File
	block    = make([]byte, 256<<10)
	filled   bool
	original [][]byte
)

// A cache of fixed size that fills, and then turns over.
func fillCache() {
	entry := make([]byte, 8<<10)
	entry[0] = 1
	if len(cache) < *size/len(entry) {
		cache = append(cache, entry)
		return
	}
	cache[cacheAt] = entry
	cacheAt = (cacheAt + 1) % len(cache)
}

// One large allocation, kept.
func keepOne(step int) {
	steps.Garbage(4 << 10)
	if step == *when {
		b := make([]byte, *size)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
}

// Workers up to a number, all of them busy with what comes.
func growPool() {
	if workers < *size {
		workers++
		go func() {
			for n := range work {
				steps.Garbage(n)
			}
		}()
	}
	work <- 1000
}

func churnPool() {
	b := pool.Get().(*[16 << 10]byte)
	b[0]++
	pool.Put(b)
	steps.Garbage(4 << 10)
}

// Goroutines that come and go.
func serveRequest() {
	go func() {
		steps.Garbage(8 << 10)
	}()
}

// Much memory for a while, then little.
func freeMuch(step int) {
	if step == 0 {
		original = make([][]byte, *size/(64<<10))
		for i := range original {
			original[i] = make([]byte, 64<<10)
			for k := 0; k < len(original[i]); k += 4096 {
				original[i][k] = 1
			}
		}
	}
	if step == *when {
		original = nil
		runtime.GC()
	}
}

// Many small objects, of which one in sixteen stays.
func fragment() {
	if !filled {
		filled = true
		all := make([][]byte, *size/128)
		for i := range all {
			all[i] = make([]byte, 128)
		}
		for i := 0; i < len(all); i += 16 {
			held = append(held, all[i])
		}
		all = nil
		runtime.GC()
		runtime.GC()
	}
	steps.Garbage(4 << 10)
}

// Small objects full of pointers: much work to mark.
type member struct {
	next  *member
	other [7]*member
}

var crowd *member

// A live heap just below GOMEMLIMIT: the collector never rests.
func thrash() {
	if !filled {
		filled = true
		for i := 0; i < *size/64; i++ {
			crowd = &member{next: crowd}
		}
	}
	steps.Garbage(16 << 10)
}

// A file that is written: page cache, or tmpfs, of the cgroup.
func writeFile() {
	if scratch == nil {
		f, err := os.Create(filepath.Join(*directory, "scratch"))
		if err != nil {
			panic(err)
		}
		scratch = f
	}
	if _, err := scratch.Write(block); err != nil {
		panic(err)
	}
}
