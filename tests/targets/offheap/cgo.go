// SPDX-License-Identifier: Apache-2.0

package main

/*
#include "leak.h"

void goCallback(size_t bytes);

// Of the program itself: where it is stripped, this function has no name.
static void own_leak(size_t bytes)
{
	leak_malloc(bytes);
	__asm__ volatile("");
}
*/
import "C"

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const rounds = 40

var (
	reserved unsafe.Pointer
	halted   int32
	threads  C.int
)

const reservedBytes = 48 << 20

func init() {
	for name, f := range map[string]work{
		"malloc": leakMalloc, "mixed": leakMixed, "inlined": leakInlined, "own": leakOwn, "calloc": leakCalloc,
		"realloc": leakRealloc, "aligned": leakAligned, "cxx": leakCxx, "nofp": leakNofp, "callback": leakInCallback,
		"free": freeAll, "free-fast": freeAllFast, "flood": flood, "full": fullSpeed, "threads": leakInThreads, "lost": loseThreads,
		"mmap": mapInC, "untouched": mapUntouched, "part": mapPart, "grow": mapGrow, "break": growBreak,
		"file": mapFile, "deleted": mapDeleted, "shared": mapShared, "touch": touchOld, "touch-go": touchInGo,
	} {
		cases[name] = f
	}
}

func prepare(names []string) {
	C.reserve(&reserved, reservedBytes)
	block := C.take_block(100) // what libraries do at their first call is done
	C.free_block(block)
	C.cxx_churn(1)
}

func resume() {
	atomic.StoreInt32(&halted, 0)
}

// halt ends the cases that go on for as long as they are let.
func halt() {
	atomic.StoreInt32(&halted, 1)
	if threads > 0 {
		C.wait_threads(threads)
	}
}

//go:noinline
func leakMalloc() []path {
	for i := 0; i < rounds; i++ {
		C.leak_malloc(1000)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakMalloc", Entry: "leak_malloc", Bytes: rounds * 1000, Count: rounds}}
}

// Large blocks are mappings of their own.
//
//go:noinline
func leakMixed() []path {
	sizes := []int64{1, 24, 100, 1032, 5000, 70000, 200000, 1 << 20}
	var sum int64
	for i := 0; i < rounds; i++ {
		size := sizes[i%len(sizes)]
		C.leak_malloc(C.size_t(size))
		sum += size
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakMixed", Entry: "leak_malloc", Bytes: sum, Count: rounds}}
}

func leakSmall(bytes C.size_t) {
	C.leak_malloc(bytes)
}

//go:noinline
func leakInlined() []path {
	for i := 0; i < rounds; i++ {
		leakSmall(48)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakSmall", Entry: "leak_malloc", Bytes: rounds * 48, Count: rounds}}
}

//go:noinline
func leakOwn() []path {
	for i := 0; i < rounds; i++ {
		C.own_leak(72)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakOwn", Bytes: rounds * 72, Count: rounds}}
}

//go:noinline
func leakCalloc() []path {
	for i := 0; i < rounds; i++ {
		C.leak_calloc(7, 130)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakCalloc", Entry: "leak_calloc", Bytes: rounds * 7 * 130, Count: rounds}}
}

//go:noinline
func leakRealloc() []path {
	for i := 0; i < rounds/2; i++ {
		C.leak_realloc(4096)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakRealloc", Entry: "leak_realloc", Bytes: rounds / 2 * 4096,
		Count: rounds / 2}}
}

//go:noinline
func leakAligned() []path {
	for i := 0; i < rounds; i++ {
		C.leak_aligned(512)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakAligned", Entry: "leak_aligned", Bytes: 2 * rounds * 512,
		Count: 2 * rounds}}
}

//go:noinline
func leakCxx() []path {
	for i := 0; i < rounds; i++ {
		C.cxx_leak(300)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakCxx", Entry: "cxx_leak", Bytes: rounds * 420, Count: 2 * rounds}}
}

//go:noinline
func leakNofp() []path {
	for i := 0; i < rounds; i++ {
		C.nofp_leak(640)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakNofp", Entry: "nofp_leak", Bytes: rounds * 640, Count: rounds}}
}

//export goCallback
func goCallback(bytes C.size_t) {
	leakBelow(bytes)
}

//go:noinline
func leakBelow(bytes C.size_t) {
	C.leak_malloc(bytes)
}

//go:noinline
func leakInCallback() []path {
	for i := 0; i < rounds; i++ {
		C.call_back(C.leak_callback(C.goCallback), 88)
		pause()
	}
	return []path{{Kind: "malloc", Function: "main.leakBelow", Entry: "leak_malloc", Bytes: rounds * 88, Count: rounds}}
}

//go:noinline
func freeAll() []path {
	for i := 0; i < rounds; i++ {
		block := C.take_block(2000)
		pause()
		C.free_block(block)
		if i%8 == 0 {
			C.cxx_churn(1)
		}
	}
	return []path{{Kind: "malloc", Function: "main.freeAll"}}
}

const (
	batch      = 1000
	keptOf     = 500
	floodBytes = 64
)

// pace lets a loop do one batch a millisecond, a million calls a second.
type pace struct {
	began time.Time
	n     int
}

func (p *pace) next() bool {
	if p.n == 0 {
		p.began = time.Now()
	}
	p.n++
	if ahead := time.Duration(p.n)*time.Millisecond - time.Since(p.began); ahead > time.Millisecond {
		time.Sleep(ahead)
	}
	return atomic.LoadInt32(&halted) == 0
}

//go:noinline
func freeAllFast() []path {
	for p := (pace{}); p.next(); {
		C.churn_free(batch, 96)
	}
	return []path{{Kind: "malloc", Function: "main.freeAllFast"}}
}

//go:noinline
func flood() []path {
	var n int64
	for p := (pace{}); p.next(); {
		n += int64(C.churn_keep(batch, keptOf, floodBytes))
	}
	return []path{{Kind: "malloc", Function: "main.flood", Entry: "churn_keep", Bytes: n * floodBytes, Count: n}}
}

// As fast as it goes, for benchmarks; little is kept.
//
//go:noinline
func fullSpeed() []path {
	var n, calls int64
	for atomic.LoadInt32(&halted) == 0 {
		n += int64(C.churn_keep(batch, batch, floodBytes))
		calls += batch
	}
	return []path{{Kind: "malloc", Function: "main.fullSpeed", Entry: "churn_keep", Bytes: n * floodBytes, Count: n,
		Calls: calls}}
}

//go:noinline
func leakInThreads() []path {
	threads = 64
	C.start_threads(threads, 10, 200)
	C.wait_threads(threads)
	return []path{
		{Kind: "malloc", Entry: "thread_work", Bytes: 64 * 10 * 200, Count: 64 * 10},
		{Kind: "mmap", Function: "main.leakInThreads", Entry: "start_threads", What: "stack", Bytes: 64 * 256 << 10,
			Count: 64, AtLeast: true},
	}
}

//go:noinline
func loseThreads() []path {
	for i := 0; i < 8; i++ {
		C.lose_threads(1, 512<<10)
		pause()
	}
	return []path{{Kind: "mmap", Function: "main.loseThreads", Entry: "lose_threads", What: "stack", Bytes: 8 * 512 << 10,
		Count: 8, AtLeast: true}}
}

//go:noinline
func mapInC() []path {
	for i := 0; i < 10; i++ {
		block := C.map_anon(5 << 12)
		C.touch_pages(block, 5<<12)
		pause()
	}
	return []path{{Kind: "mmap", Function: "main.mapInC", Entry: "map_anon", What: "anon", Bytes: 10 * 5 << 12, Count: 10}}
}

//go:noinline
func mapUntouched() []path {
	C.map_anon(32 << 20)
	return []path{{Kind: "mmap", Function: "main.mapUntouched", Entry: "map_anon", What: "untouched", Bytes: 32 << 20,
		Count: 1}}
}

// The kernel splits each mapping in two; it is one that was mapped.
//
//go:noinline
func mapPart() []path {
	for i := 0; i < 10; i++ {
		C.map_part(16, 5, 4)
		pause()
	}
	return []path{{Kind: "mmap", Function: "main.mapPart", Entry: "map_part", Bytes: 10 * 12 << 12, Count: 10}}
}

// Each is taken twice: a page when it is mapped, and the rest when it grows.
//
//go:noinline
func mapGrow() []path {
	for i := 0; i < 10; i++ {
		C.map_grow(1<<12, 9<<12)
		pause()
	}
	return []path{{Kind: "mmap", Function: "main.mapGrow", Entry: "map_grow", Bytes: 10 * 9 << 12, Count: 20}}
}

//go:noinline
func growBreak() []path {
	for i := 0; i < 10; i++ {
		C.grow_break(7 << 12)
		pause()
	}
	return []path{{Kind: "mmap", Function: "main.growBreak", Entry: "grow_break", Bytes: 10 * 7 << 12, Count: 10}}
}

func file() *os.File {
	f, err := os.CreateTemp("", "offheap-")
	if err != nil {
		panic(err)
	}
	if err := f.Truncate(1 << 20); err != nil {
		panic(err)
	}
	return f
}

//go:noinline
func mapFile() []path {
	f := file()
	defer os.Remove(f.Name())
	C.map_file(C.int(f.Fd()), 1<<20, 1)
	return []path{{Kind: "mmap", Function: "main.mapFile", Entry: "map_file", Bytes: 1 << 20, Count: 1}}
}

//go:noinline
func mapDeleted() []path {
	f := file()
	os.Remove(f.Name())
	C.map_file(C.int(f.Fd()), 1<<20, 1)
	return []path{{Kind: "mmap", Function: "main.mapDeleted", Entry: "map_file", Bytes: 1 << 20, Count: 1}}
}

//go:noinline
func mapShared() []path {
	name := []byte("offheap\x00")
	const memfdCreate = 319
	fd, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name[0])), 0, 0)
	if errno != 0 {
		panic(errno)
	}
	if err := syscall.Ftruncate(int(fd), 2<<20); err != nil {
		panic(err)
	}
	C.map_file(C.int(fd), 2<<20, 1)
	return []path{{Kind: "mmap", Function: "main.mapShared", Entry: "map_file", What: "shared", Bytes: 2 << 20, Count: 1}}
}

//go:noinline
func touchOld() []path {
	C.touch_pages(reserved, reservedBytes/2)
	return []path{{Kind: "resident", Function: "main.touchOld", Entry: "touch_pages", Bytes: reservedBytes / 2}}
}

//go:noinline
func touchInGo() []path {
	half := unsafe.Pointer(uintptr(reserved) + reservedBytes/2)
	block := (*[reservedBytes / 2]byte)(half)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	return []path{{Kind: "resident", Function: "main.touchInGo", Bytes: reservedBytes / 2}}
}
