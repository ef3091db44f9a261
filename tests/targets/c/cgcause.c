// SPDX-License-Identifier: Apache-2.0
/*
 * cgcause KIND BYTES [FILE] - charges about BYTES to its cgroup in a way that no Go process's RSS
 * shows. Prints "ready PID" and holds them until the end of its input. It leaves nothing behind.
 *
 * Kinds: anon (another process), tmpfs, file (page cache: reads FILE, or writes an unlinked file in
 * the working directory), slab (inodes and dentries), sock (TCP, charged as sockets by cgroup v2),
 * unix (local sockets), pipe, pgtable (page tables).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[1 << 16];

static void check(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

static void write_all(int fd, long bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, block, sizeof(block));

		check(n, "write");
		bytes -= n;
	}
}

static void use_anon(long bytes)
{
	char *p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	memset(p, 1, (size_t)bytes);
}

/* A mount namespace of our own: the tmpfs ends with the process, however that ends. */
static void private_tmpfs(void)
{
	check(unshare(CLONE_NEWNS), "unshare (root is needed)");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount /");
	check(mount("cgcause", "/dev/shm", "tmpfs", 0, "size=16g,nr_inodes=0"), "mount tmpfs");
	check(chdir("/dev/shm"), "chdir");
}

static void use_tmpfs(long bytes)
{
	int fd;

	private_tmpfs();
	fd = open("cause", O_RDWR | O_CREAT, 0600);
	check(fd, "open");
	write_all(fd, bytes);
}

static void use_file(long bytes, const char *path)
{
	int fd;

	if (!path) {
		fd = open(".", O_RDWR | O_TMPFILE, 0600);
		check(fd, "open");
		write_all(fd, bytes);
		check(fsync(fd), "fsync");
		return;
	}
	fd = open(path, O_RDONLY);
	check(fd, path);
	while (bytes > 0) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n <= 0)
			errx(1, "%s is too short", path);
		bytes -= n;
	}
}

/* An empty file on tmpfs takes about a kilobyte: an inode and a dentry. */
static void use_slab(long bytes)
{
	char name[32];

	private_tmpfs();
	for (long i = 0; i < bytes / 1024; i++) {
		snprintf(name, sizeof(name), "%ld", i);
		check(mknod(name, S_IFREG | 0600, 0), "mknod");
	}
}

static long fill(int fd)
{
	long total = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	return total;
}

static void enlarge(int fd)
{
	int size = 8 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void use_unix(long bytes)
{
	int fd[2];

	while (bytes > 0) {
		check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), "socketpair");
		enlarge(fd[0]);
		bytes -= fill(fd[0]);
	}
}

static void use_sock(long bytes)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(to);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	check(server, "socket");
	check(bind(server, (struct sockaddr *)&to, sizeof(to)), "bind");
	check(listen(server, 16), "listen");
	check(getsockname(server, (struct sockaddr *)&to, &length), "getsockname");
	while (bytes > 0) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		check(client, "socket");
		enlarge(client);
		check(connect(client, (struct sockaddr *)&to, sizeof(to)), "connect");
		check(accept(server, NULL, NULL), "accept");
		bytes -= fill(client);
	}
}

static void use_pipe(long bytes)
{
	int fd[2];

	while (bytes > 0) {
		check(pipe(fd), "pipe");
		fcntl(fd[1], F_SETPIPE_SZ, 1 << 20);
		bytes -= fill(fd[1]);
	}
}

/* A page in every 2 MiB takes a page of page table, which stays when the page itself is given back. */
static void use_pgtable(long bytes)
{
	size_t step = 2 << 20, size = (size_t)(bytes / 4096) * step;
	volatile char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise((void *)p, size, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < size; at += step) {
		p[at] = 1;
		madvise((char *)p + at, 4096, MADV_DONTNEED);
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	long bytes = argc > 2 ? atol(argv[2]) : 0;
	struct rlimit files = { 65536, 65536 };
	char line[64];

	memset(block, 1, sizeof(block));
	setrlimit(RLIMIT_NOFILE, &files);
	if (!strcmp(kind, "anon"))
		use_anon(bytes);
	else if (!strcmp(kind, "tmpfs"))
		use_tmpfs(bytes);
	else if (!strcmp(kind, "file"))
		use_file(bytes, argv[3]);
	else if (!strcmp(kind, "slab"))
		use_slab(bytes);
	else if (!strcmp(kind, "sock"))
		use_sock(bytes);
	else if (!strcmp(kind, "unix"))
		use_unix(bytes);
	else if (!strcmp(kind, "pipe"))
		use_pipe(bytes);
	else if (!strcmp(kind, "pgtable"))
		use_pgtable(bytes);
	else
		errx(2, "usage: cgcause anon|tmpfs|file|slab|sock|unix|pipe|pgtable BYTES [FILE]");
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (read(0, line, sizeof(line)) > 0)
		;
	return 0;
}
