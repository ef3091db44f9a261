// SPDX-License-Identifier: Apache-2.0

package main

/*
#cgo LDFLAGS: -lz -lpthread
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static char *volatile kept;

static void make_buffer(long bytes)
{
	char *p = malloc((size_t)bytes);

	if (p)
		memset(p, 1, (size_t)bytes);
	kept = p;
}

static void *grown[64];

static void grow_buffer(long i, long bytes)
{
	void *p = realloc(grown[i], (size_t)bytes);

	if (p) {
		memset((char *)p + bytes / 2, 1, (size_t)(bytes - bytes / 2));
		grown[i] = p;
	}
}

static void start_stream(void)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z && deflateInit(z, 6) == Z_OK)
		kept = (char *)z;
}

static void use_many(long times, long bytes)
{
	for (long i = 0; i < times; i++) {
		char *p = malloc((size_t)(16 + i % 700));

		if (p)
			p[0] = 1;
		kept = p;
		free(p);
	}
	kept = malloc((size_t)bytes);
	if (kept)
		memset(kept, 1, (size_t)bytes);
}

static void map_region(long bytes, int touched)
{
	char *p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED && touched)
		memset(p, 1, (size_t)bytes);
}

// Every second page of it has other rights: no two mappings become one.
static void map_scattered(long bytes)
{
	char *p = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED)
		mprotect(p, 4096, PROT_READ);
}

static void raise_break(long bytes)
{
	char *p = sbrk(bytes);

	if (p != (char *)-1)
		memset(p, 1, (size_t)bytes);
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *end_at_once(void *arg)
{
	return arg;
}

static void start_thread_that_stays(void)
{
	pthread_t t;

	pthread_create(&t, NULL, wait_forever, NULL);
}

static void start_thread_that_ends(void)
{
	pthread_t t;

	pthread_create(&t, NULL, end_at_once, NULL);
}

struct connection {
	char *name, *buffer;
};

static struct connection *open_connection(void)
{
	struct connection *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	c->name = strdup("qemu:///system");
	c->buffer = calloc(1, 20000);
	if (c->buffer)
		memset(c->buffer, 1, 20000);
	return c;
}

static char *reserved, *top, *end;

static void take_reserved(long bytes)
{
	if (top + bytes > end)
		return;
	memset(top, 1, (size_t)bytes);
	top += bytes;
}

static void reserve(long bytes)
{
	reserved = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	top = reserved;
	end = reserved + bytes;
}
*/
import "C"

import (
	"os"
	"sync"
	"syscall"
)

// The leaks. Each call makes one step of it; the line that must be named ends in "// site: MODE".

//go:noinline
func leakMalloc() {
	C.make_buffer(C.long(*block)) // site: malloc
}

//go:noinline
func leakString() {
	_ = C.CString(string(name)) // site: string
}

var name = make([]byte, 5000)

//go:noinline
func leakZlib() {
	C.start_stream() // site: zlib
}

// Buffers that become larger and larger.
//
//go:noinline
func leakRealloc(step int) {
	C.grow_buffer(C.long(step%64), C.long(4096+step*200)) // site: realloc
}

// Ten thousand blocks that are freed, and one that is not.
//
//go:noinline
func leakFast() {
	C.use_many(10000, C.long(*block)) // site: fast
}

//go:noinline
func leakMmap() {
	b, err := syscall.Mmap(-1, 0, *block, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE) // site: mmap
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
}

//go:noinline
func leakMmapC() {
	C.map_region(C.long(*block), 1) // site: cmmap
}

//go:noinline
func leakUntouched() {
	C.map_scattered(C.long(*block)) // site: untouched
}

var self *os.File

//go:noinline
func leakFileMap() {
	if self == nil {
		self, _ = os.Open(os.Args[0])
	}
	b, err := syscall.Mmap(int(self.Fd()), 0, *block, syscall.PROT_READ, syscall.MAP_PRIVATE) // site: filemap
	if err != nil {
		panic(err)
	}
	sink = append(sink[:0], b[0])
}

//go:noinline
func leakBreak() {
	C.raise_break(C.long(*block)) // site: brk
}

//go:noinline
func leakThread() {
	C.start_thread_that_stays() // site: pthread
}

//go:noinline
func leakUnjoined() {
	C.start_thread_that_ends() // site: unjoined
}

// A connection as libvirt's: memory of C, and a goroutine that waits for its events.
type connection struct {
	c      *C.struct_connection
	events chan int
}

//go:noinline
func newConnection() *connection {
	conn := &connection{events: make(chan int)}
	conn.c = C.open_connection()
	go conn.loop() // site: virt
	return conn
}

func (c *connection) loop() {
	for range c.events {
	}
}

func leakConnection() {
	newConnection()
}

var once sync.Once

//go:noinline
func leakBump() {
	once.Do(func() { C.reserve(4 << 30) })
	C.take_reserved(C.long(*block)) // site: bump
}
