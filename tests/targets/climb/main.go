// SPDX-License-Identifier: Apache-2.0

// climb takes memory in one of many ways, at a pace that is given, until what it keeps has reached -plateau; with 0 it never
// stops. It prints "ready PID" and lives for -life, or until its input ends. With -figures it prints what the runtime says
// so often: collections, heap goal, bytes that the last one kept (0 before Go 1.21), bytes of objects.
//
//	line        blocks of 64 KiB, -rate bytes a second
//	small       objects of some 100 bytes, each of which points to the one before
//	slice       one slice of words that is appended to
//	map         one map from words to words
//	steps       each time it is full, a buffer twice as large takes the place of the last
//	pool        chunks of -burst bytes, the next one when the last is used up
//	goroutines  goroutines that wait with deep stacks
//	mmap        anonymous mappings that are written to
//	malloc      blocks of the C heap (cgo)
//	teeth       mappings of -burst bytes in all, filled at -rate and then given back, over and over
//	burst       -burst bytes at -rate each -period, forgotten and given back after a quarter of it
//	reload      -burst bytes of small buffers, filled anew at -rate each -period while the ones before are still held
//	cache       a file of -plateau bytes is written to -file and read over and over
//	idle        nothing
//
// Beside that -garbage bytes a second are allocated and forgotten, -base bytes are held from the beginning, and the growth
// begins after -after. With -every it takes at once what was due in so long. -curve says how the pace changes: even, slower (it
// comes near -plateau with a time constant of plateau/rate), s (at -rate where it is steepest), faster (even at first, twice
// as fast after each plateau/rate or 30 s).
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

const block = 64 << 10

var (
	kind    = flag.String("kind", "line", "how it takes memory")
	rate    = flag.Float64("rate", 1<<20, "`bytes` a second")
	plateau = flag.Float64("plateau", 0, "`bytes` at which it stops")
	every   = flag.Duration("every", 0, "how often it takes what is due")
	curve   = flag.String("curve", "even", "how the pace changes")
	garbage = flag.Float64("garbage", 0, "`bytes` of garbage a second besides")
	base    = flag.Int("base", 0, "`bytes` held from the beginning")
	burst   = flag.Int("burst", 32<<20, "`bytes` of a burst or a tooth")
	period  = flag.Duration("period", 10*time.Second, "from burst to burst")
	after   = flag.Duration("after", 0, "when it begins")
	life    = flag.Duration("life", time.Hour, "how long it lives")
	figures = flag.Duration("figures", 0, "how often the runtime's figures are printed")
	file    = flag.String("file", "climb.cache", "what is read")
)

var (
	kept   [][]byte
	last   *object
	words  []uint64
	table  = map[uint64]uint64{}
	buffer []byte
	sink   []byte
)

type object struct {
	before *object
	room   [11]uint64
}

func touched(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

func mapped(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

func deep(n int, c chan int) int {
	var room [64]int
	room[n%64] = n
	if n == 0 {
		return <-c
	}
	return deep(n-1, c) + room[n%64]
}

// Each takes one block.
var takers = map[string]func(){
	"line": func() { kept = append(kept, touched(block)) },
	"small": func() {
		for i := 0; i < block/96; i++ {
			last = &object{before: last}
		}
	},
	"slice": func() {
		for i := 0; i < block/8; i++ {
			words = append(words, uint64(i))
		}
	},
	"map": func() {
		for i := 0; i < block/24; i++ {
			table[uint64(len(table))] = 1
		}
	},
	"steps":      steps,
	"pool":       pool,
	"goroutines": func() { go deep(60, make(chan int)) }, // 32 KiB of stack, doubled
	"mmap":       func() { kept = append(kept, mapped(block)) },
}

var filled int

func steps() {
	filled += block
	if filled > len(buffer) {
		size := 2 * len(buffer)
		if size < 1<<20 {
			size = 1 << 20
		}
		buffer = touched(size)
	}
}

func pool() {
	if filled%*burst < block {
		kept = append(kept, touched(*burst))
	}
	filled += block
}

// due is how many bytes shall have been taken so long after the beginning.
func due(seconds float64) float64 {
	if seconds < 0 {
		return 0
	}
	bytes, scale := *rate*seconds, 30.0
	if *plateau > 0 {
		scale = *plateau / *rate
	}
	switch *curve {
	case "slower":
		bytes = *plateau * (1 - math.Exp(-seconds/scale))
	case "s": // a fiftieth of it at the beginning
		bytes = *plateau / (1 + math.Exp(4-4*seconds/scale))
	case "faster":
		bytes = *rate * scale / math.Ln2 * (math.Exp2(seconds/scale) - 1)
	}
	if *plateau > 0 {
		return math.Min(bytes, *plateau)
	}
	return bytes
}

func grow(take func()) {
	start, taken, wasted := time.Now(), 0.0, 0.0
	for now := start; now.Sub(start) < *life; now = time.Now() {
		elapsed := now.Sub(start)
		if *every > 0 {
			elapsed = elapsed.Truncate(*every)
		}
		for end := due((elapsed - *after).Seconds()); taken+block <= end; taken += block {
			take()
		}
		for end := *garbage * elapsed.Seconds(); wasted+block <= end; wasted += block {
			sink = touched(block)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func teeth() {
	for {
		var tooth [][]byte
		start := time.Now()
		for n := 0; n < *burst; n += block {
			time.Sleep(time.Until(start.Add(time.Duration(float64(n) / *rate * 1e9))))
			tooth = append(tooth, mapped(block))
		}
		for _, b := range tooth {
			_ = syscall.Munmap(b)
		}
	}
}

func bursts() {
	for {
		time.Sleep(*period)
		start := time.Now()
		var held [][]byte
		for n := 0; n < *burst; n += block {
			time.Sleep(time.Until(start.Add(time.Duration(float64(n) / *rate * 1e9))))
			held = append(held, touched(block))
		}
		time.Sleep(*period / 4)
		sink, held = held[0], nil
		debug.FreeOSMemory()
	}
}

func reloads() {
	const entry = 2 << 10
	for ; ; time.Sleep(*period) {
		start := time.Now()
		var next [][]byte
		for n := 0; n < *burst; n += entry {
			if n%(32*entry) == 0 {
				time.Sleep(time.Until(start.Add(time.Duration(float64(n) / *rate * 1e9))))
			}
			next = append(next, touched(entry))
		}
		kept = next
	}
}

func cache() {
	f, err := os.Create(*file)
	if err != nil {
		panic(err)
	}
	os.Remove(*file)
	b := make([]byte, block)
	for n := 0.0; n < *plateau; n += block {
		if _, err := f.Write(b); err != nil {
			panic(err)
		}
	}
	f.Sync()
	start, read := time.Now(), 0.0
	for {
		if n, err := f.Read(b); n == 0 || err == io.EOF {
			_, _ = f.Seek(0, io.SeekStart)
		}
		read += block
		time.Sleep(time.Until(start.Add(time.Duration(read / *rate * 1e9))))
	}
}

func print(every time.Duration) {
	names := []string{"/gc/cycles/total:gc-cycles", "/gc/heap/goal:bytes", "/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes"}
	samples := make([]metrics.Sample, len(names))
	for i := range names {
		samples[i].Name = names[i]
	}
	for ; ; time.Sleep(every) {
		metrics.Read(samples)
		v := [4]uint64{}
		for i := range samples {
			if samples[i].Value.Kind() == metrics.KindUint64 {
				v[i] = samples[i].Value.Uint64()
			}
		}
		fmt.Println(v[0], v[1], v[2], v[3])
	}
}

func main() {
	flag.Parse()
	kept = append(kept, touched(*base+1))
	fmt.Printf("ready %d\n", os.Getpid())
	if *figures > 0 {
		go print(*figures)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	time.AfterFunc(*life, func() { os.Exit(0) })
	switch *kind {
	case "teeth":
		teeth()
	case "burst":
		bursts()
	case "reload":
		reloads()
	case "cache":
		cache()
	case "idle":
		time.Sleep(*life)
	default:
		take := takers[*kind]
		if take == nil {
			fmt.Fprintln(os.Stderr, "unknown -kind")
			os.Exit(2)
		}
		grow(take)
	}
}
