// SPDX-License-Identifier: Apache-2.0

// Hp holds nodes of a handful of objects each, half of them in a map and half in a linked list: the heap that speed is
// measured with. It prints "ready PID" and then answers lines: gc (a collection; GODEBUG=gctrace=1 shows its cost), exit.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
)

type meta struct {
	Created, Seen int64
	Owner         *node
}

type node struct {
	Key   string
	Meta  *meta
	Tags  []string
	Body  []byte
	Value interface{}
	Next  *node
}

var (
	byKey = map[string]*node{}
	list  *node
)

func makeNode(r *rand.Rand, i int) *node {
	key := fmt.Sprintf("key-%010d", i)
	n := &node{Key: key, Tags: []string{"a", "b"}, Body: make([]byte, 24+r.Intn(200)), Value: i + 1000}
	n.Meta = &meta{Created: int64(i), Owner: n}
	return n
}

func main() {
	nodes := flag.Int("nodes", 100000, "`number` of nodes")
	flag.Parse()
	debug.SetGCPercent(400)
	r := rand.New(rand.NewSource(7))
	for i := 0; i < *nodes; i++ {
		n := makeNode(r, i)
		if i%2 == 0 {
			byKey[n.Key] = n
		} else {
			n.Next, list = list, n
		}
	}
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)
	fmt.Println("ready", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && in.Text() != "exit" {
		runtime.GC()
		fmt.Println("done")
	}
	runtime.KeepAlive(list)
}
