// SPDX-License-Identifier: Apache-2.0

// fds: a server and its clients in one process, for tests of descriptors.
//
// It listens on loopback, dials itself -n times, lets -forgotten of the clients close while the server's ends stay open
// (CLOSE-WAIT), and writes -unread bytes to the other ones, which nobody reads. "known" answers with what it holds.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	n := flag.Int("n", 5, "connections")
	forgotten := flag.Int("forgotten", 2, "of them, closed by the client only")
	unread := flag.Int("unread", 3000, "bytes that nobody reads, on each of the others")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	var clients, servers []net.Conn
	for i := 0; i < *n; i++ {
		client, err := net.Dial("tcp", listener.Addr().String())
		must(err)
		server, err := listener.Accept()
		must(err)
		servers = append(servers, server)
		if i < *forgotten {
			must(client.Close())
			continue
		}
		_, err = client.Write(make([]byte, *unread))
		must(err)
		clients = append(clients, client)
	}
	time.Sleep(50 * time.Millisecond)
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := json.Marshal(map[string]interface{}{
			"listener": listener.Addr().String(), "clients": len(clients), "servers": len(servers),
			"forgotten": *forgotten, "unread": *unread * len(clients),
		})
		must(err)
		fmt.Println(string(answer))
	}
	for _, conn := range append(clients, servers...) {
		conn.Close()
	}
}
