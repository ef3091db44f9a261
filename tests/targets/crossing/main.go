// SPDX-License-Identifier: Apache-2.0

// crossing has a thread for each way from Go into C and back, each waiting forever at the end of it. Its C code keeps no
// frame pointers.
package main

/*
#include "crossing.h"

static int __attribute__((noinline)) c_leaf(int fd) { return wait_here(fd) + 1; }
static int __attribute__((noinline)) c_middle(int fd) { volatile char room[200]; room[fd & 63] = 1; return c_leaf(fd) + room[0]; }
static int __attribute__((noinline)) c_outer(int fd) { return c_middle(fd) * 3; }

static int __attribute__((noinline)) c_scratch(int fd) { return scratch_wait(fd) + 1; }
*/
import "C"

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// What waits there gets nothing.
var pipe [2]int

func locked(f func()) {
	go func() {
		runtime.LockOSThread()
		f()
	}()
}

//go:noinline
func plainC() { C.c_outer(C.int(pipe[0])) }

func small() int { return int(C.c_outer(C.int(pipe[0]))) } // inlined

//go:noinline
func inlinedC() int { return small() + 1 }

//go:noinline
func scratchC() { C.c_scratch(C.int(pipe[0])) }

//go:noinline
func sortC() { C.sort_wait(C.int(pipe[0])) }

//go:noinline
func templates() { C.cxx_wait(C.int(pipe[0])) }

//go:noinline
func callback() { C.call_go(C.int(pipe[0]), 1) }

//go:noinline
func nested() { C.call_go(C.int(pipe[0]), 3) }

//go:noinline
func inSyscall() {
	var b [1]byte
	syscall.Syscall(syscall.SYS_READ, uintptr(pipe[0]), pointer(&b), 1)
}

func main() {
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	for _, f := range []func(){plainC, func() { inlinedC() }, scratchC, sortC, templates, callback, nested, inSyscall} {
		locked(f)
	}
	C.start_threads(C.int(pipe[0]))
	fmt.Println("ready", os.Getpid())
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
}
