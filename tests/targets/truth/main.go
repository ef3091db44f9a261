// SPDX-License-Identifier: Apache-2.0

// Truth holds a known mixture of memory, goroutines and threads, and tells about itself on request.
//
// It prints "ready PID" and then answers each line read from standard input:
//
//	stats         one JSON line: runtime.MemStats and a few counts, with next to no allocation
//	known         one JSON line: what the flags made it hold, and where
//	gc            runtime.GC()
//	free          frees half of the heap, collects and returns it to the system
//	profile PATH  writes the heap profile with debug=1
//	goroutines    runtime.NumGoroutine(), which leaves system goroutines out
//	exit
//
// Between two commands it is idle: the main goroutine sits in read(2) and, unless -churn asks for
// it, nothing allocates and no timer is due within a day.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

var (
	heapBytes  = flag.Int64("heap", 32<<20, "`bytes` of Go heap to hold")
	goroutines = flag.Int("goroutines", 16, "blocked goroutines")
	churners   = flag.Int("churn", 0, "goroutines that allocate without end")
	cgoBytes   = flag.Int64("cgo-malloc", 0, "`bytes` to hold from malloc (cgo builds only)")
	mmapBytes  = flag.Int64("mmap", 0, "`bytes` of anonymous memory to map and touch")
	mmapFile   = flag.String("file", "", "file to map shared and touch")
	release    = flag.Bool("release", false, "free half of the heap and return it to the system")
	threads    = flag.Int("threads", 0, "goroutines locked to a thread of their own")
	mappings   = flag.Int("maps", 0, "neighbouring mappings of one page each")
	gogc       = flag.Int("gogc", 100, "as the environment variable GOGC; -1 is off")
	profRate   = flag.Int("profrate", 512<<10, "runtime.MemProfileRate")
	noTimers   = flag.Bool("quiet-timers", false, "no goroutine sleeps, so that there is no timer")
)

// Known is what the answer to "known" says.
type Known struct {
	HeapBytes      int64          // asked for
	Sessions       int            // entries of the session map
	UntouchedBytes int64          // part of a large object that was never written
	MmapAddress    uint64         // of -mmap
	MmapBytes      int64          //
	FileAddress    uint64         // of -file
	FileBytes      int64          //
	MapsAddress    uint64         // of -maps
	MapsBytes      int64          //
	CgoBytes       int64          //
	Threads        int            //
	Goroutines     map[string]int // by the function they were started with
}

var known = Known{Goroutines: map[string]int{}}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func reply(b []byte) {
	for len(b) > 0 {
		n, err := syscall.Write(1, b)
		if err != nil {
			os.Exit(1)
		}
		b = b[n:]
	}
}

func touch(b []byte) {
	for i := 0; i < len(b); i += 4096 {
		b[i] = byte(i>>12) | 1
	}
}

func address(b []byte) uint64 {
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

//go:noinline
func mapAnonymous(bytes int64) []byte {
	b, err := syscall.Mmap(-1, 0, int(bytes), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	fail(err)
	touch(b)
	return b
}

//go:noinline
func mapFile(path string) []byte {
	f, err := os.Open(path)
	fail(err)
	defer f.Close()
	info, err := f.Stat()
	fail(err)
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	fail(err)
	sum := byte(0)
	for i := 0; i < len(b); i += 4096 {
		sum += b[i]
	}
	sink = sum
	return b
}

var sink byte

// mapMany makes n mappings that the kernel cannot merge: every second page is read-only.
//
//go:noinline
func mapMany(n int) []byte {
	b := mapAnonymous(int64(n) * 4096)
	for i := 1; i < n; i += 2 {
		fail(syscall.Mprotect(b[i*4096:(i+1)*4096], syscall.PROT_READ))
	}
	return b
}

var (
	stats  runtime.MemStats
	answer = make([]byte, 0, 4096)
)

func field(b []byte, name string, value uint64) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	b = strconv.AppendUint(b, value, 10)
	return append(b, ',')
}

func statsLine() []byte {
	s := &stats
	runtime.ReadMemStats(s)
	b := append(answer[:0], '{')
	b = field(b, "HeapAlloc", s.HeapAlloc)
	b = field(b, "HeapInuse", s.HeapInuse)
	b = field(b, "HeapIdle", s.HeapIdle)
	b = field(b, "HeapReleased", s.HeapReleased)
	b = field(b, "HeapSys", s.HeapSys)
	b = field(b, "HeapObjects", s.HeapObjects)
	b = field(b, "StackInuse", s.StackInuse)
	b = field(b, "StackSys", s.StackSys)
	b = field(b, "MSpanInuse", s.MSpanInuse)
	b = field(b, "MSpanSys", s.MSpanSys)
	b = field(b, "MCacheInuse", s.MCacheInuse)
	b = field(b, "MCacheSys", s.MCacheSys)
	b = field(b, "BuckHashSys", s.BuckHashSys)
	b = field(b, "GCSys", s.GCSys)
	b = field(b, "OtherSys", s.OtherSys)
	b = field(b, "Sys", s.Sys)
	b = field(b, "TotalAlloc", s.TotalAlloc)
	b = field(b, "Mallocs", s.Mallocs)
	b = field(b, "Frees", s.Frees)
	b = field(b, "NumGC", uint64(s.NumGC))
	b = field(b, "NumForcedGC", uint64(s.NumForcedGC))
	b = field(b, "LastGC", s.LastGC)
	b = field(b, "PauseTotalNs", s.PauseTotalNs)
	b = field(b, "NextGC", s.NextGC)
	b = field(b, "NumGoroutine", uint64(runtime.NumGoroutine()))
	b = field(b, "GOMAXPROCS", uint64(runtime.GOMAXPROCS(0)))
	b = field(b, "NumCgoCall", uint64(runtime.NumCgoCall()))
	b = append(b, `"GCCPUFraction":`...)
	b = strconv.AppendFloat(b, s.GCCPUFraction, 'g', -1, 64)
	b = append(b, `,"Version":"`...)
	b = append(b, runtime.Version()...)
	return append(b, "\"}\n"...)
}

func writeProfile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.Lookup("heap").WriteTo(f, 1); err != nil {
		return err
	}
	return f.Close()
}

func done(err error) {
	if err != nil {
		reply([]byte("error " + err.Error() + "\n"))
	} else {
		reply([]byte("ok\n"))
	}
}

func command(line string) {
	switch {
	case line == "stats":
		reply(statsLine())
	case line == "known":
		b, err := json.Marshal(&known)
		fail(err)
		reply(append(b, '\n'))
	case line == "gc":
		runtime.GC()
		done(nil)
	case line == "free":
		freeHalf()
		done(nil)
	case line == "goroutines":
		reply([]byte(strconv.Itoa(runtime.NumGoroutine()) + "\n"))
	case strings.HasPrefix(line, "profile "):
		done(writeProfile(line[len("profile "):]))
	case line == "exit":
		os.Exit(0)
	default:
		done(fmt.Errorf("unknown command %q", line))
	}
}

// serve reads without a buffered reader: a blocked read(2) keeps the process idle.
func serve() {
	buf := make([]byte, 4096)
	used := 0
	for {
		n, err := syscall.Read(0, buf[used:])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			os.Exit(0)
		}
		used += n
		for i := 0; i < used; i++ {
			if buf[i] == '\n' {
				command(string(buf[:i]))
				used = copy(buf, buf[i+1:used])
				i = -1
			}
		}
	}
}

func main() {
	flag.Parse()
	runtime.MemProfileRate = *profRate
	debug.SetGCPercent(*gogc)
	fillHeap(*heapBytes)
	if *mmapBytes > 0 {
		known.MmapBytes, known.MmapAddress = *mmapBytes, address(mapAnonymous(*mmapBytes))
	}
	if *mmapFile != "" {
		b := mapFile(*mmapFile)
		known.FileBytes, known.FileAddress = int64(len(b)), address(b)
	}
	if *mappings > 0 {
		b := mapMany(*mappings)
		known.MapsBytes, known.MapsAddress = int64(len(b)), address(b)
	}
	if *cgoBytes > 0 {
		fail(holdMalloc(*cgoBytes))
		known.CgoBytes = *cgoBytes
	}
	startGoroutines(*goroutines)
	startThreads(*threads)
	if *release {
		freeHalf()
	}
	runtime.GC()
	runtime.GC()
	for i := 0; i < *churners; i++ {
		go churn(i)
	}
	reply([]byte("ready " + strconv.Itoa(os.Getpid()) + "\n"))
	serve()
}
