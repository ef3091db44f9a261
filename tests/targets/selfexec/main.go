// SPDX-License-Identifier: Apache-2.0

// Selfexec becomes another program under the same pid: on "self" itself again, on "sleep" /bin/sleep.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

func main() {
	fmt.Printf("ready %d\n", os.Getpid())
	var b [64]byte
	for {
		n, err := syscall.Read(0, b[:])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			return
		}
		switch strings.TrimSpace(string(b[:n])) {
		case "self":
			err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
		case "sleep":
			err = syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, os.Environ())
		case "exit":
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "selfexec:", err)
			os.Exit(1)
		}
	}
}
