// SPDX-License-Identifier: Apache-2.0

// Web holds objects of every shape that a pointer map can have, woven into one web, and collects before it says
// "ready PID". It answers lines: gc (collects twice), drop (lets half of everything go, without collecting), exit.
//
// Everything random comes from -seed. With -churn goroutines allocate without end; what they hold at any time is little.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

var (
	heapBytes = flag.Int64("heap", 16<<20, "`bytes` to hold, more or less")
	churners  = flag.Int("churn", 0, "goroutines that allocate without end")
	seed      = flag.Int64("seed", 1, "of all that is random")
	parked    = flag.Int("parked", 50, "goroutines that wait, deep in a stack")
)

type leaf struct{ A, B int64 }

type pair struct {
	Left, Right *leaf
	N           int
	Next        *pair
}

// An interior pointer is all that holds the rest of it.
type wide struct {
	Before [9]*leaf
	Inner  leaf
	After  [20]string
}

// Its mask is too large to lie in the binary as one.
type huge struct {
	Head [3]*leaf
	Body [4000]struct {
		P *leaf
		N int64
		Q *leaf
	}
	Plain [1000]int64
	Tail  [17]*leaf
}

type shape interface{ Area() int }

func (l *leaf) Area() int { return int(l.A) }
func (p pair) Area() int  { return p.N }

type small int

func (s small) Area() int { return int(s) }

// Knot holds one of everything; there are many.
type knot struct {
	any      []interface{}
	shapes   []shape
	interior *leaf
	text     []string
	sub      string
	table    map[string]*pair
	numbers  map[int]int
	big      map[[4]int64]wide
	queue    chan *pair
	call     func() int
	bytes    []byte
	matrix   [][]*leaf
	records  []struct {
		K, V string
		N    int
	}
	arr    *[100]*pair
	long   []*leaf
	hidden uintptr
	raw    unsafe.Pointer
	self   *knot
	odd    *[7]struct {
		N [3]int64
		P *leaf
	}
	next *knot
}

var (
	knots     *knot
	hugeOnes  []*huge
	tables    [][]*leaf
	pool      = sync.Pool{New: func() interface{} { return new(wide) }}
	byMutex   sync.Map
	held      atomic.Value
	finalized int64
)

func newLeaf(r *rand.Rand) *leaf { return &leaf{r.Int63(), r.Int63()} }

func newPair(r *rand.Rand, depth int) *pair {
	p := &pair{Left: newLeaf(r), N: depth}
	if depth > 0 {
		p.Next = newPair(r, depth-1)
		p.Right = p.Next.Left
	}
	return p
}

// Sized makes objects with pointers of any size there is a class for: arrays of pairs, strings and pointers.
func sized(r *rand.Rand, words int) interface{} {
	switch r.Intn(4) {
	case 0:
		v := make([]*leaf, words)
		for i := 0; i < len(v); i += 1 + r.Intn(8) {
			v[i] = newLeaf(r)
		}
		return v
	case 1:
		v := make([]string, words/2+1)
		for i := 0; i < len(v); i += 1 + r.Intn(8) {
			v[i] = strings.Repeat("x", r.Intn(40))
		}
		return v
	case 2:
		v := make([]struct {
			N [2]int64
			P *leaf
		}, words/3+1)
		for i := 0; i < len(v); i += 1 + r.Intn(8) {
			v[i].N[0] = r.Int63()
			v[i].P = newLeaf(r)
		}
		return v
	}
	v := make([]interface{}, words/2+1)
	for i := 0; i < len(v); i += 1 + r.Intn(8) {
		v[i] = pair{Left: newLeaf(r), N: i}
	}
	return v
}

func newKnot(r *rand.Rand, i int) *knot {
	k := &knot{table: map[string]*pair{}, numbers: map[int]int{}, queue: make(chan *pair, r.Intn(9))}
	k.any = append(k.any, newLeaf(r), *newPair(r, 1), i, "text", k, sized(r, 1+r.Intn(70)), sized(r, 1+r.Intn(1<<uint(r.Intn(14)))))
	k.shapes = []shape{newLeaf(r), *newPair(r, 2), small(i)}
	w := &wide{}
	for j := range w.After {
		w.After[j] = fmt.Sprint("after ", i, j)
	}
	k.interior = &w.Inner
	k.text = strings.Fields("the quick brown fox jumps over the lazy dog")
	k.sub = strings.Repeat("y", 100+r.Intn(900))[50:60]
	for j := r.Intn(40); j >= 0; j-- {
		k.table[fmt.Sprint("key ", i, j)] = newPair(r, r.Intn(3))
		k.numbers[j] = i
	}
	if i%16 == 0 {
		k.big = map[[4]int64]wide{{int64(i)}: {Before: [9]*leaf{newLeaf(r)}}}
	}
	for j := 0; j < cap(k.queue); j++ {
		k.queue <- newPair(r, 0)
	}
	captured, also := newPair(r, 1), i
	k.call = func() int { return captured.N + also }
	k.bytes = make([]byte, r.Intn(3000))
	k.matrix = make([][]*leaf, r.Intn(6))
	for j := range k.matrix {
		k.matrix[j] = make([]*leaf, r.Intn(200))
		for x := range k.matrix[j] {
			k.matrix[j][x] = newLeaf(r)
		}
	}
	k.records = make([]struct {
		K, V string
		N    int
	}, r.Intn(50))
	for j := range k.records {
		k.records[j].K = fmt.Sprint("k", j)
		k.records[j].V = fmt.Sprint("v", j)
	}
	k.arr = new([100]*pair)
	for j := range k.arr {
		k.arr[j] = &pair{N: j}
	}
	k.odd = new([7]struct {
		N [3]int64
		P *leaf
	})
	for j := range k.odd {
		k.odd[j].P = newLeaf(r)
	}
	k.long = make([]*leaf, 3, 3+r.Intn(900))
	k.long[1] = newLeaf(r)
	k.hidden = uintptr(unsafe.Pointer(newLeaf(r))) // holds nothing
	k.raw = unsafe.Pointer(newPair(r, 1))
	k.self = k
	if i%8 == 0 {
		f := newPair(r, 1)
		runtime.SetFinalizer(f, func(*pair) { atomic.AddInt64(&finalized, 1) })
		k.any = append(k.any, f)
	}
	if i%32 == 0 {
		pool.Put(w)
		byMutex.Store(i, newPair(r, 1))
		held.Store(newPair(r, 2))
	}
	return k
}

func newHuge(r *rand.Rand) *huge {
	h := new(huge)
	for i := range h.Body {
		if i%5 == 0 {
			h.Body[i].P = newLeaf(r)
			h.Body[i].Q = h.Body[i].P
		}
	}
	h.Head[2], h.Tail[16] = newLeaf(r), newLeaf(r)
	return h
}

//go:noinline
func park(depth int, p *pair, ready *sync.WaitGroup, stop chan struct{}) int {
	local := [3]*pair{p, {N: depth, Left: &leaf{}}}
	if depth > 0 {
		return park(depth-1, local[1], ready, stop) + local[0].N
	}
	ready.Done()
	<-stop
	return local[1].N
}

func churn(r *rand.Rand) {
	var ring [64]interface{}
	for i := 0; ; i++ {
		ring[i%len(ring)] = sized(r, 1+r.Intn(200))
		if i%1000 == 0 {
			runtime.Gosched()
		}
	}
}

func collect() {
	runtime.GC()
	runtime.GC()
}

func drop() {
	n := 0
	for k := knots; k != nil && k.next != nil; k = k.next {
		k.next = k.next.next
		n++
	}
	hugeOnes = hugeOnes[:len(hugeOnes)/2]
	fmt.Println("dropped", n)
}

func main() {
	flag.Parse()
	r := rand.New(rand.NewSource(*seed))
	var m runtime.MemStats
	for i := 0; ; i++ {
		k := newKnot(r, i)
		k.next, knots = knots, k
		if i%64 == 0 {
			hugeOnes = append(hugeOnes, newHuge(r))
			tables = append(tables, make([]*leaf, 5000+r.Intn(100000)))
			tables[len(tables)-1][4711] = newLeaf(r)
		}
		if i%16 == 0 {
			runtime.ReadMemStats(&m)
			if int64(m.HeapAlloc) >= *heapBytes {
				break
			}
		}
	}
	var ready sync.WaitGroup
	stop := make(chan struct{})
	ready.Add(*parked)
	for i := 0; i < *parked; i++ {
		go park(i*3, newPair(r, 1), &ready, stop)
	}
	ready.Wait()
	arenas(r)
	foreign(r)
	for i := 0; i < *churners; i++ {
		go churn(rand.New(rand.NewSource(int64(i))))
	}
	if *churners == 0 {
		collect()
		debug.SetGCPercent(-1)
		collect()
	}
	fmt.Println("ready", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "gc":
			collect()
		case "drop":
			drop()
		case "exit":
			return
		}
		fmt.Println("done")
	}
	runtime.KeepAlive(stop)
}
