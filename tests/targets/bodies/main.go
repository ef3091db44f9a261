// SPDX-License-Identifier: Apache-2.0

// bodies is an HTTP server and client in one: it prints "ready PID", then answers lines: "open N" does N requests and leaves
// their bodies open, "read N" reads N to the end and closes them, "idle N" does the same with a Transport each ("ok").
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
)

var kept []*http.Response

func get(client *http.Client, url string) *http.Response {
	r, err := client.Get(url)
	if err != nil {
		panic(err)
	}
	return r
}

func leaveOpen(url string, n int) {
	for i := 0; i < n; i++ {
		kept = append(kept, get(http.DefaultClient, url))
	}
}

func readAll(client *http.Client, url string) {
	r := get(client, url)
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
}

func main() {
	text := strings.Repeat("x", 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }))
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var word string
		var n int
		fmt.Sscan(lines.Text(), &word, &n)
		switch word {
		case "open":
			leaveOpen(server.URL, n)
		case "read", "idle":
			for i := 0; i < n; i++ {
				client := http.DefaultClient
				if word == "idle" {
					client = &http.Client{Transport: &http.Transport{}}
				}
				readAll(client, server.URL)
			}
		}
		fmt.Println("ok")
	}
}
