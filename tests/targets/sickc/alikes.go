// SPDX-License-Identifier: Apache-2.0

package main

/*
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char **held;
static long n_held;

// Many small blocks, and at last one that keeps the heap from being shortened.
static void hold_blocks(long bytes)
{
	n_held = bytes / 1000;
	held = calloc((size_t)n_held, sizeof(*held));
	for (long i = 0; held && i < n_held; i++) {
		held[i] = malloc(984);
		if (held[i])
			memset(held[i], 1, 984);
	}
}

static void free_blocks(void)
{
	for (long i = 0; held && i + 1 < n_held; i++)
		free(held[i]);
}

// A cache of a fixed number of entries: the oldest makes room for the newest.
static char **cache;
static long cached;

static void cache_add(long entries, long bytes)
{
	if (!cache)
		cache = calloc((size_t)entries, sizeof(*cache));
	if (!cache)
		return;
	free(cache[cached]);
	cache[cached] = malloc((size_t)bytes);
	if (cache[cached])
		memset(cache[cached], 1, (size_t)bytes);
	cached = (cached + 1) % entries;
}

static char *volatile last;

static void use_and_free(long times)
{
	for (long i = 0; i < times; i++) {
		last = malloc((size_t)(16 + i % 3000));
		if (last)
			last[0] = 1;
		free(last);
	}
}

static void *ring[4096];
static long ring_at;

static void ring_add(long entries, long bytes)
{
	if (ring[ring_at])
		munmap(ring[ring_at], (size_t)bytes);
	ring[ring_at] = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring[ring_at] != MAP_FAILED)
		memset(ring[ring_at], 1, (size_t)bytes);
	ring_at = (ring_at + 1) % entries;
}

static char *shared;

static void fill_shared(long at, long bytes, long size)
{
	if (!shared) {
		int fd = memfd_create("sickc", 0);

		if (ftruncate(fd, size))
			return;
		shared = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (shared != MAP_FAILED && at + bytes <= size)
		memset(shared + at, 1, (size_t)bytes);
}

static char *take(long bytes)
{
	char *p = malloc((size_t)bytes);

	if (p)
		memset(p, 1, (size_t)bytes);
	return p;
}

static void *worker(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void start_worker(void)
{
	pthread_t t;

	pthread_create(&t, NULL, worker, NULL);
}
*/
import "C"

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// What looks like a leak and is none. Each call makes one step.

// Much memory of C for a while, then none: the allocator keeps it.
func freeMuch(step int) {
	if step == 0 {
		C.hold_blocks(C.long(*size))
	}
	if step == *when {
		C.free_blocks()
	}
}

func fillCache() {
	C.cache_add(C.long(*size / *block), C.long(*block))
}

func freeAll() {
	C.use_and_free(10000)
}

// Mappings that replace each other.
func turnMappings() {
	C.ring_add(C.long(*size / *block), C.long(*block))
}

var (
	pages  []byte
	pageAt int
)

// A file that is read through a mapping.
func readFile() {
	if pages == nil {
		f, err := os.CreateTemp(".", "sickc-")
		if err != nil {
			panic(err)
		}
		for i := 0; i < *size/(1<<20); i++ {
			if _, err := f.Write(make([]byte, 1<<20)); err != nil {
				panic(err)
			}
		}
		pages, err = syscall.Mmap(int(f.Fd()), 0, *size, syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			panic(err)
		}
	}
	for end := pageAt + *block; pageAt < end && pageAt < len(pages); pageAt += 4096 {
		sink = append(sink[:0], pages[pageAt])
	}
}

var sharedAt int

func fillShared() {
	C.fill_shared(C.long(sharedAt), C.long(*block), C.long(*size))
	sharedAt += *block
}

// Address space, taken once and never touched.
func reserveOnce(step int) {
	if step == *when {
		_, err := syscall.Mmap(-1, 0, *size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
		if err != nil {
			panic(err)
		}
	}
}

var poolSize int

// Threads up to a number.
func growPool() {
	if poolSize < *size {
		poolSize++
		C.start_worker()
	}
}

type handle struct{ c *C.char }

// Objects that free their memory of C when they are collected.
func useHandle() {
	h := &handle{C.take(C.long(*block))}
	runtime.SetFinalizer(h, func(h *handle) { C.free(unsafe.Pointer(h.c)) })
}
