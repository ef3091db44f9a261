// SPDX-License-Identifier: Apache-2.0

// Leaky is the service of the demo: it logs users in and never out. Its session store grows by
// about 4 MB a second, a goroutine stays behind with every hundredth session, and a cache of fixed
// size turns over beside them.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"time"
)

// Session is kept for every login.
type Session struct {
	User    string
	Token   []byte
	History []byte
	Expired chan struct{}
}

// Store keeps sessions and forgets none: the leak.
type Store struct {
	sessions map[string]*Session
	bytes    int64
}

// Login opens a session; nothing ever calls a Logout.
func (s *Store) Login(user string) *Session {
	session := &Session{
		User:    user,
		Token:   newToken(),
		History: loadHistory(user),
		Expired: make(chan struct{}),
	}
	s.sessions[user] = session
	s.bytes += int64(len(session.Token) + len(session.History))
	return session
}

//go:noinline
func newToken() []byte {
	token := make([]byte, 256)
	for i := range token {
		token[i] = byte(i * 7)
	}
	return token
}

//go:noinline
func loadHistory(user string) []byte {
	history := make([]byte, 8<<10)
	for i := range history {
		history[i] = user[i%len(user)]
	}
	return history
}

// expire waits for a channel that nobody closes: the goroutine leak.
func expire(session *Session) {
	<-session.Expired
	session.History = nil
}

// Cache holds a fixed number of pages and replaces the oldest.
type Cache struct {
	pages [256][]byte
	next  int
}

// Put replaces the oldest page.
func (c *Cache) Put(content byte) {
	page := make([]byte, 32<<10)
	for i := range page {
		page[i] = content
	}
	c.pages[c.next] = page
	c.next = (c.next + 1) % len(c.pages)
}

func serve(store *Store, cache *Cache, rate, limit int64, end time.Time) {
	const tick = 20 * time.Millisecond
	perTick := rate / int64(time.Second/tick)
	for logins := 0; time.Now().Before(end); time.Sleep(tick) {
		for goal := store.bytes + perTick; store.bytes < goal && store.bytes < limit; logins++ {
			session := store.Login("user-" + strconv.Itoa(logins))
			if logins%100 == 0 {
				go expire(session)
			}
		}
		cache.Put(byte(logins))
	}
}

func main() {
	rate := flag.Int64("rate", 4<<20, "`bytes` leaked a second")
	limit := flag.Int64("limit", 256<<20, "`bytes` after which it stops growing")
	last := flag.Duration("for", 10*time.Minute, "how long it lives")
	profile := flag.String("profile", "", "write a heap profile to `file` at the end")
	flag.Parse()
	fmt.Printf("ready %d\n", os.Getpid())
	store := &Store{sessions: map[string]*Session{}}
	serve(store, &Cache{}, *rate, *limit, time.Now().Add(*last))
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.WriteHeapProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "leaky:", err)
			os.Exit(1)
		}
	}
}
