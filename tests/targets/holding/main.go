// SPDX-License-Identifier: Apache-2.0

// Every usual holder in a known number, for the tests of owners.
//
// Started with the names of what it shall hold (see `parts`), each with "=NUMBER" or without. Prints "ready PID" and
// answers "known" with JSON of what it holds, "gc" after two collections, and "rebuild" after it has copied the entries
// of its map of items to a new one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
)

// Item is what most of them hold: 48 bytes with a pointer.
type Item struct {
	Name  string
	Next  *Item
	Value [3]int64
}

type part struct {
	name   string
	number int
	build  func(n int)
}

var parts = []part{
	{"rate", 1, func(n int) { runtime.MemProfileRate = n }}, // of the profile, from here on
	{"maps", 100000, maps},
	{"smallmaps", 300, smallMaps},
	{"control", 5000, control},
	{"syncmap", 700, syncMap},
	{"pool", 64, pool},
	{"channels", 600, channels},
	{"contexts", 500, contexts},
	{"closures", 400, closures},
	{"slices", 200, slices},
	{"strings", 300, substrings},
	{"interior", 100, interior},
	{"lists", 800, lists},
	{"timers", 120, timers},
	{"handles", 90, handles},
	{"trie", 500, trie},
	{"iterators", 3, iterators},
}

var known = map[string]any{}

func build(arguments []string) {
	for _, argument := range arguments {
		name, number, given := strings.Cut(argument, "=")
		for _, p := range parts {
			if p.name != name {
				continue
			}
			n := p.number
			if given {
				n, _ = strconv.Atoi(number)
			}
			p.build(n)
		}
	}
}

func collect() {
	runtime.GC()
	runtime.GC()
}

func main() {
	build(os.Args[1:])
	collect()
	debug.SetGCPercent(-1)
	refill()
	fmt.Printf("ready %d\n", os.Getpid())
	answers := map[string]func() string{
		"gc":      func() string { collect(); return "ok" },
		"rebuild": func() string { rebuild(); collect(); return "ok" },
		"profile": func() string { return fmt.Sprint(pprof.Lookup("heap").WriteTo(io.Discard, 0)) }, // else none is kept
		"known":   func() string { text, _ := json.Marshal(known); return string(text) },
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if answer := answers[in.Text()]; answer != nil {
			fmt.Println(answer())
		}
	}
}
