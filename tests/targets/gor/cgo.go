// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

/*
#include <unistd.h>
extern void goCallback(void);
static inline void sleepInC(void) { for (;;) sleep(1000); }
static inline void callBack(void) { goCallback(); }
*/
import "C"

var callback chan int

//export goCallback
func goCallback() { <-callback }

func parkNative(ch chan int) {
	callback = ch
	go C.sleepInC()
	go C.callBack()
	go func() { C.sleepInC() }()
}
