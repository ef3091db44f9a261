/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_gotext FILE [PEER] [ROUNDS] - reading a goroutine dump against only reading the bytes of the file, and against a
 * peer: a program that takes the file's name and parses it once. All in one run, one after the other; medians of CPU time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "codec/gotext.h"

enum { ROUNDS = 9, ROUNDS_MAX = 1000, BUF = 1 << 20 };

static double cpu_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static bool only_read(int fd, char *buf)
{
	ssize_t n = 0;
	lseek(fd, 0, SEEK_SET);
	do
		n = read(fd, buf, BUF);
	while (n > 0);
	return n == 0;
}

static bool parse(int fd, const char *path, uint64_t *goroutines, size_t *stacks)
{
	struct stream s;
	struct goroutines gs;
	goroutines_init(&gs);
	lseek(fd, 0, SEEK_SET);
	struct err *err AUTO(err) = stream_open(fd, path, UINT64_MAX, &s);
	if (!err)
		err = gotext_read(&s, 0, &gs);
	stream_close(&s);
	*goroutines = gs.total;
	*stacks = gs.stacks.v.n;
	goroutines_deinit(&gs);
	if (err)
		fprintf(stderr, "bench_gotext: %s\n", err_text(err));
	return !err;
}

/* CPU time of the peer, user and system, in ms; below 0 when it fails. */
static double run_peer(const char *peer, const char *path)
{
	struct rusage ru;
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		execl(peer, peer, path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &ru) != pid || status != 0)
		return -1;
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e3 +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e3;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static double print(const char *what, double *ms, size_t n, double mb)
{
	qsort(ms, n, sizeof(*ms), by_value);
	printf("%-8s cpu %8.2f ms (min %.2f, max %.2f)  %8.0f MB/s\n", what, ms[n / 2], ms[0], ms[n - 1],
	       mb / ms[n / 2] * 1e3);
	return ms[n / 2];
}

static bool measure(const char *path, const char *peer, size_t rounds)
{
	AUTO_FREE double *ours = xcalloc(rounds, sizeof(double)), *bytes = xcalloc(rounds, sizeof(double)),
			 *theirs = xcalloc(rounds, sizeof(double));
	AUTO_FREE char *buf = xmalloc(BUF);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct rusage ru;
	uint64_t goroutines = 0;
	size_t stacks = 0;
	if (fd < 0 || fstat(fd, &st) != 0 || !only_read(fd, buf)) {
		fprintf(stderr, "bench_gotext: %s: %s\n", path, strerrordesc_np(errno));
		return false;
	}
	for (size_t i = 0; i < rounds; i++) {
		double start = cpu_ms();
		only_read(fd, buf);
		bytes[i] = cpu_ms() - start;
		theirs[i] = peer ? run_peer(peer, path) : -1;
		start = cpu_ms();
		if (!parse(fd, path, &goroutines, &stacks))
			return false;
		ours[i] = cpu_ms() - start;
	}
	getrusage(RUSAGE_SELF, &ru);
	printf("%.1f MB, %llu goroutines, %zu stacks, peak %ld KiB\n", (double)st.st_size / 1e6,
	       (unsigned long long)goroutines, stacks, ru.ru_maxrss);
	double read = print("read", bytes, rounds, (double)st.st_size / 1e6);
	double own = print("ullage", ours, rounds, (double)st.st_size / 1e6);
	printf("ratio    to only reading %.2f\n", own / read);
	if (!peer)
		printf("peer     skipped: none is named\n");
	else if (theirs[0] < 0)
		printf("peer     skipped: %s does not run, or fails\n", peer);
	else
		printf("ratio    to the peer %.2f\n", print("peer", theirs, rounds, (double)st.st_size / 1e6) / own);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t rounds = ROUNDS;
	if (argc < 2 || argc > 4 || (argc > 3 && (!num_str(argv[3], &rounds) || !rounds || rounds > ROUNDS_MAX))) {
		fprintf(stderr, "usage: bench_gotext FILE [PEER] [ROUNDS]\n");
		return 2;
	}
	return !measure(argv[1], argc > 2 && argv[2][0] ? argv[2] : NULL, rounds);
}
