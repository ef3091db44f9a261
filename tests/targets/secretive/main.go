// SPDX-License-Identifier: Apache-2.0

// Secretive keeps a word that it is told in every kind of memory that a Go program has.
//
// It reads the word from the first line of its input, so that the word is in no binary, prints "ready PID" and waits
// for the end of its input.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type session struct {
	id    string
	token []byte
	tags  map[string]string
	next  *session
}

type query struct {
	url    string
	header map[string][]string
}

type wordKey struct{ word string }

var (
	sessions *session
	byName   = map[string]*session{}
	sealed   = map[wordKey]error{}
	letters  = make(chan string, 16)
	anything []any
	pool     sync.Pool
	request  *query
)

// controlWalk must be found in a snapshot: it is where a goroutine waits.
func controlWalk(ctx context.Context, word string) {
	pprof.Do(ctx, pprof.Labels("tenant", "tenant-"+word, "key-"+word, "value-"+word), func(ctx context.Context) {
		<-ctx.Done()
		runtime.KeepAlive(word)
	})
}

func controlKeep(word string) {
	for i := 0; i < 1000; i++ {
		s := &session{id: fmt.Sprintf("id-%s-%d", word, i), next: sessions, tags: map[string]string{"t" + word: word}}
		s.token = []byte("token-" + word)
		sessions, byName[s.id] = s, s
		anything = append(anything, strings.Repeat(word, 20), &word, wordKey{word})
	}
	sealed[wordKey{word}] = errors.New("failed for " + word)
	letters <- "letter-" + word
	pool.Put(&session{id: "pooled-" + word})
	request = &query{url: "http://user:" + word + "@localhost/?q=" + word, header: map[string][]string{}}
	request.header["Authorization"] = []string{"Bearer " + word}
	time.AfterFunc(time.Hour, func() { fmt.Println(word) })
	panicked(word)
}

func panicked(word string) {
	defer func() { anything = append(anything, recover()) }()
	panic("panic-" + word)
}

func main() {
	runtime.MemProfileRate = 1
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		os.Exit(1)
	}
	word := strings.TrimSpace(line)
	controlKeep(word)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := 0; i < 3; i++ {
		go controlWalk(ctx, word)
	}
	time.Sleep(50 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	_ = pprof.Lookup("heap")
	fmt.Println("ready", os.Getpid())
	in.ReadString('\n')
	runtime.KeepAlive(word)
}
