// SPDX-License-Identifier: Apache-2.0

// Answering is an HTTP server on loopback: each request makes some garbage, sorts it and gets 1 KiB. It prints
// "ready PID PORT" and ends with its input.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sort"
)

var kept [][]byte

func answer(w http.ResponseWriter, _ *http.Request) {
	numbers := make([]int, 512)
	for i := range numbers {
		numbers[i] = rand.Int()
	}
	sort.Ints(numbers)
	body := make([]byte, 1024)
	for i := range body {
		body[i] = 'a' + byte(numbers[i%len(numbers)]&15)
	}
	_, _ = w.Write(body)
}

func main() {
	heap := flag.Int64("heap", 32<<20, "`bytes` to hold")
	flag.Parse()
	for held := int64(0); held < *heap; held += 4096 {
		kept = append(kept, make([]byte, 4096))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "answering:", err)
		os.Exit(1)
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(answer)) }()
	fmt.Printf("ready %d %d\n", os.Getpid(), listener.Addr().(*net.TCPAddr).Port)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
