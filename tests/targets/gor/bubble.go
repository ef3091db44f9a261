// SPDX-License-Identifier: Apache-2.0

//go:build go1.25

package main

import (
	"flag"
	"sync"
	"testing"
	"testing/synctest"
)

// Goroutines in a bubble, durably blocked, and one that is blocked and not durably, so that the bubble lives on.
func parkInBubble() {
	testing.Init()
	flag.CommandLine.Parse(nil)
	inside := func(*testing.T) {
		ch, wg, cond := make(chan int), new(sync.WaitGroup), sync.NewCond(new(sync.Mutex))
		wg.Add(1)
		go func() { <-ch }()
		go func() { wg.Wait() }()
		go func() {
			cond.L.Lock()
			cond.Wait()
		}()
		go func() {
			select {
			case <-ch:
			case <-make(chan int):
			}
		}()
		pipeRead()
	}
	all := func(string, string) (bool, error) { return true, nil }
	tests := []testing.InternalTest{{Name: "bubble", F: func(t *testing.T) { synctest.Test(t, inside) }}}
	go testing.Main(all, tests, nil, nil)
}
