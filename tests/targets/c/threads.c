/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads N ENDED - N threads that sleep, each with 100 kB of its stack written to, and as many as ENDED that did the same
 * and were joined, while they were among the others. Prints "ready".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 1000 };

static void *run(void *ends)
{
	char frame[100000];

	memset(frame, 1, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	while (!ends)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 4, ended = argc > 2 ? atoi(argv[2]) : 0;
	static pthread_t threads[THREADS_MAX];
	char line[64];

	if (n + ended > THREADS_MAX)
		return 2;
	for (int i = 0; i < n + ended; i++) {
		int ends = i % 2 ? i / 2 < ended : i / 2 >= n; /* in turn, as long as there are both */
		if (pthread_create(&threads[i], NULL, run, ends ? threads : NULL))
			return 1;
		if (!ends)
			threads[i] = 0;
	}
	for (int i = 0; i < n + ended; i++)
		if (threads[i])
			pthread_join(threads[i], NULL);
	usleep(200000); /* until every thread has touched its stack */
	printf("ready\n");
	fflush(stdout);
	while (read(0, line, sizeof(line)) > 0)
		;
	return 0;
}
