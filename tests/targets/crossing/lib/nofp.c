/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "crossing.h"

#define NOINLINE __attribute__((noinline))

extern int goBack(int fd, int depth);

NOINLINE int wait_here(int fd)
{
	char c;
	return (int)read(fd, &c, 1) + 1;
}

NOINLINE int wait_below(int fd)
{
	volatile char room[64];
	room[fd & 31] = 1;
	return wait_here(fd) + room[3];
}

/* A callee that needs every register, the frame pointer's too. */
NOINLINE int scratch_wait(int fd)
{
	long r = fd, x = 0x1234567;
	__asm__ volatile("push %%rbp\n\t"
			 ".cfi_adjust_cfa_offset 8\n\t"
			 ".cfi_rel_offset rbp, 0\n\t"
			 "mov %1, %%rbp\n\t"
			 "mov %2, %%edi\n\t"
			 "sub $8, %%rsp\n\t"
			 ".cfi_adjust_cfa_offset 8\n\t"
			 "call wait_here@PLT\n\t"
			 "add $8, %%rsp\n\t"
			 ".cfi_adjust_cfa_offset -8\n\t"
			 "pop %%rbp\n\t"
			 ".cfi_adjust_cfa_offset -8\n\t"
			 ".cfi_restore rbp\n\t"
			 : "=a"(r)
			 : "r"(x), "r"(fd)
			 : "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	return (int)r;
}

static int sort_fd;

static int compare(const void *a, const void *b)
{
	return wait_here(sort_fd) + *(const int *)a - *(const int *)b;
}

int sort_wait(int fd)
{
	int v[] = { 3, 1, 2 };
	sort_fd = fd;
	qsort(v, 3, sizeof(v[0]), compare);
	return v[0];
}

NOINLINE static int before_go(int fd, int depth)
{
	volatile char room[128];
	room[depth & 7] = 1;
	return goBack(fd, depth) + room[2];
}

int call_go(int fd, int depth)
{
	return before_go(fd, depth) + 1;
}

static int fds[2];

static void *c_thread(void *arg)
{
	wait_below(*(int *)arg);
	return arg;
}

static void *c_thread_to_go(void *arg)
{
	call_go(*(int *)arg, 1);
	return arg;
}

void start_threads(int fd)
{
	pthread_t t;
	fds[0] = fd;
	pthread_create(&t, NULL, c_thread, fds);
	pthread_create(&t, NULL, c_thread_to_go, fds);
}
