// SPDX-License-Identifier: Apache-2.0

// cheap THREADS - a Go program with a C heap that is known: each of its threads takes blocks of many sizes from malloc,
// writes to them and gives half of them back. Prints what malloc says of itself, and again for each line it reads:
// "ready ARENA ORDBLKS HBLKS HBLKHD UORDBLKS FORDBLKS FSMBLKS KEEPCOST LIVE".
package main

/*
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5000 };

static size_t fill(unsigned seed)
{
	static __thread void *blocks[N];
	size_t live = 0;
	for (int i = 0; i < N; i++) {
		seed = seed * 1103515245u + 12345u;
		size_t size = (seed >> 8) % ((seed >> 4) % 16 ? 2000 : 60000) + 1;
		blocks[i] = malloc(size);
		memset(blocks[i], 1, size);
	}
	for (int i = 0; i < N; i++) {
		seed = seed * 1103515245u + 12345u;
		if ((seed >> 8) % 2)
			live += malloc_usable_size(blocks[i]) + 8;
		else
			free(blocks[i]);
	}
	return live;
}

static void tell(unsigned long long live)
{
	struct mallinfo2 i = mallinfo2();
	printf("ready %zu %zu %zu %zu %zu %zu %zu %zu %llu\n", i.arena, i.ordblks, i.hblks, i.hblkhd, i.uordblks,
	       i.fordblks, i.fsmblks, i.keepcost, live);
	fflush(stdout);
}
*/
import "C"

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

func main() {
	threads, _ := strconv.Atoi(os.Args[1])
	var live uint64
	var filled sync.WaitGroup
	for i := 0; i < threads; i++ {
		filled.Add(1)
		go func(seed int) {
			runtime.LockOSThread()
			atomic.AddUint64(&live, uint64(C.fill(C.uint(seed))))
			filled.Done()
			select {}
		}(i + 1)
	}
	filled.Wait()
	C.tell(1) // its first call has a buffer of stdio made
	C.tell(C.ulonglong(live))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		C.tell(C.ulonglong(live))
	}
}
