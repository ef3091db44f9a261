// SPDX-License-Identifier: Apache-2.0
/*
 * notgo [BYTES [THREADS]] - a program that is not Go: malloc'd memory and sleeping threads.
 * Prints "ready PID" and waits for the end of its input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *sleeper(void *arg)
{
	char frame[64 << 10];

	memset(frame, 1, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	for (;;)
		pause();
	return arg;
}

static void hold(long bytes)
{
	static const long sizes[] = { 24, 500, 4000, 100000, 2 << 20 };

	for (int i = 0; bytes > 0; i++) {
		long n = sizes[i % 5];
		char *p = malloc((size_t)n);

		if (!p)
			exit(1);
		memset(p, 1, (size_t)n);
		__asm__ volatile("" : : "r"(p) : "memory");
		bytes -= n;
	}
}

int main(int argc, char **argv)
{
	long bytes = argc > 1 ? atol(argv[1]) : 16 << 20;
	int threads = argc > 2 ? atoi(argv[2]) : 4;
	char line[64];

	hold(bytes);
	for (int i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, sleeper, NULL))
			return 1;
	}
	usleep(100000); /* until every thread has touched its stack */
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (read(0, line, sizeof(line)) > 0)
		if (!strncmp(line, "exit\n", 5))
			break;
	return 0;
}
