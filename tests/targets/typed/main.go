// SPDX-License-Identifier: Apache-2.0

// Typed holds objects of many types in numbers that it knows, and prints them: "ready PID", then one JSON line for each
// line "known" read from standard input. It then stands still.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
)

// Elements of a list that only a global holds, by its head.
type alpha struct {
	next *alpha
	name string
	data []byte
}

// Values of a map.
type beta struct {
	owner *alpha
	n     int64
	text  string
}

// Objects behind interfaces, and values boxed in them.
type gamma struct {
	list []int32
	self *gamma
}

type delta struct {
	a, b string
}

// Elements of channels.
type epsilon struct {
	n    int
	back *epsilon
}

// What only closures hold.
type zeta struct {
	p *int64
	n [3]int64
}

// Over 512 bytes, so that it has a header where there are headers; and a large object.
type eta struct {
	p   *eta
	pad [600]byte
}

type theta struct {
	p   *theta
	pad [40000]byte
}

// Behind an atomic pointer.
type iota64 struct {
	n int64
	s *string
}

// An inner struct that is pointed to as well as the outer one.
type inner struct {
	p *int64
	n int64
}

type outer struct {
	inner
	tail [5]*string
}

type pair[K comparable, V any] struct {
	key   K
	value V
	next  *pair[K, V]
}

// Without pointers.
type plain struct {
	a, b, c int64
}

var (
	list      *alpha
	betas     = map[string]*beta{}
	numbers   = map[int]int64{}
	nested    = map[int32]map[string]plain{}
	anything  []interface{}
	queue     chan *epsilon
	ticks     chan int
	callbacks []func() int64
	etas      []*eta
	thetas    []*theta
	current   atomic.Value
	outers    []*outer
	inners    []*inner
	pairs     *pair[string, *plain]
	plains    []*plain
	table     [][3]*gamma
	matrix    [][]float64
	lines     []string
)

type known map[string]int

//go:noinline
func text(i int) string {
	return "text-" + strconv.Itoa(i+1000000)
}

func holdBasics(k known) {
	for i := 0; i < 3000; i++ {
		list = &alpha{next: list, name: text(i), data: make([]byte, 100)}
	}
	k["main.alpha"] = 3000
	for i := 0; i < 700; i++ {
		betas[text(i)] = &beta{owner: list, n: int64(i), text: text(i + 1)}
		numbers[i] = int64(i)
	}
	k["main.beta"] = 700
	k["map[string]*main.beta"] = 1
	k["map[int]int64"] = 1
	for i := int32(0); i < 60; i++ {
		m := map[string]plain{}
		for j := 0; j < int(i); j++ {
			m[text(j)] = plain{}
		}
		nested[i] = m
	}
	k["map[int32]map[string]main.plain"] = 1
	k["map[string]main.plain"] = 60
}

func holdInterfaces(k known) {
	for i := 0; i < 400; i++ {
		anything = append(anything, &gamma{list: make([]int32, 20)}, delta{a: text(i), b: text(i)})
	}
	k["main.delta"] = 400
	for i := 0; i < 50; i++ {
		table = append(table, [3]*gamma{new(gamma), nil, new(gamma)})
	}
	k["main.gamma"] = 500
	current.Store(&iota64{n: 1})
	k["main.iota64"] = 1
}

//go:noinline
func callback(z *zeta, n int64) func() int64 {
	return func() int64 { return *z.p + n }
}

func holdFunctions(k known) {
	for i := 0; i < 300; i++ {
		callbacks = append(callbacks, callback(&zeta{p: new(int64)}, int64(i)))
	}
	k["main.zeta"] = 300
	k["func main.callback.func1"] = 300
	queue = make(chan *epsilon, 100)
	for i := 0; i < 40; i++ {
		queue <- &epsilon{n: i}
	}
	ticks = make(chan int, 500)
	k["main.epsilon"] = 40
	k["chan *main.epsilon"] = 1
	k["chan int"] = 1
}

func holdSizes(k known) {
	for i := 0; i < 200; i++ {
		etas = append(etas, &eta{})
	}
	for i := 0; i < 10; i++ {
		thetas = append(thetas, &theta{})
	}
	k["main.eta"] = 200
	k["main.theta"] = 10
	for i := 0; i < 250; i++ {
		o := &outer{}
		outers = append(outers, o)
		inners = append(inners, &o.inner)
	}
	k["main.outer"] = 250
	k["main.inner"] = 0
	for i := 0; i < 350; i++ {
		pairs = &pair[string, *plain]{key: text(i), value: new(plain), next: pairs}
		plains = append(plains, new(plain))
	}
	k["main.plain"] = 700
	k["main.pair[string,*main.plain]"] = 350
	for i := 0; i < 100; i++ {
		matrix = append(matrix, make([]float64, 50+i))
		lines = append(lines, text(i))
	}
	k["[]float64"] = 100
}

func main() {
	k := known{}
	holdBasics(k)
	holdInterfaces(k)
	holdFunctions(k)
	holdSizes(k)
	runtime.GC()
	runtime.GC()
	fmt.Println("ready", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "known" {
			line, _ := json.Marshal(k)
			fmt.Println(string(line))
		}
	}
}
