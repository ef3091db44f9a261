// SPDX-License-Identifier: Apache-2.0

package main

import "sync"

var (
	visited = map[string]*Item{}
	counted = map[int]int{}
	quit    = make(chan int)
)

//go:noinline
func visit(at *sync.WaitGroup) {
	for _, item := range visited {
		at.Done()
		item.Value[0] = int64(<-quit)
	}
}

// It left its loop: no iteration is under way.
//
//go:noinline
func leave(at *sync.WaitGroup) {
	sum := 0
	for _, n := range counted {
		sum += n
		if sum > 3 {
			break
		}
	}
	at.Done()
	counted[0] = sum + <-quit
}

// n goroutines in the middle of a map, and as many behind another.
func iterators(n int) {
	for i := 0; i < 100; i++ {
		visited[string(rune('a'+i))] = &Item{}
		counted[i] = i
	}
	var at sync.WaitGroup
	at.Add(2 * n)
	for i := 0; i < n; i++ {
		go visit(&at)
		go leave(&at)
	}
	at.Wait()
	known["iterators"] = map[string]int{"visit": n, "pull": pulls(n)}
}
