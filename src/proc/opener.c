/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"
#include "base/pass.h"
#include "proc/process.h"

static const char prefix[] = "opener:";
enum { PREFIX = sizeof(prefix) - 1, FIELDS_BEFORE_INODE = 4 };

struct request {
	int32_t pid;
	uint32_t length; /* of the name */
	uint64_t start_ticks;
	char name[OPENER_NAME_MAX];
};
enum { REQUEST_HEAD = offsetof(struct request, name) };

/* ---- asking ---- */

int proc_opener_of(const char *procfs)
{
	uint64_t fd = 0;
	if (strncmp(procfs, prefix, PREFIX) != 0)
		return -1;
	size_t len = strcspn(procfs + PREFIX, ":");
	return num_dec(procfs + PREFIX, len, &fd) && fd <= INT32_MAX ? (int)fd : -1;
}

const char *proc_opener_dir(const char *procfs)
{
	const char *colon = proc_opener_of(procfs) >= 0 ? strchr(procfs + PREFIX, ':') : NULL;
	return colon ? colon + 1 : procfs;
}

/* The mark is a time limit for receiving, which nothing else uses: it belongs to the socket, whoever has it. */
static const struct timeval marked = { .tv_sec = 1 }, unmarked;

bool proc_opener_is_stuck(int opener)
{
	struct timeval is = { 0 };
	socklen_t len = sizeof(is);
	return getsockopt(opener, SOL_SOCKET, SO_RCVTIMEO, &is, &len) == 0 && (is.tv_sec || is.tv_usec);
}

void proc_opener_trust(int opener)
{
	(void)setsockopt(opener, SOL_SOCKET, SO_RCVTIMEO, &unmarked, sizeof(unmarked));
}

static int await(int socket)
{
	int32_t os = 0;
	int fd = -1;
	struct pollfd p = { .fd = socket, .events = POLLIN };
	int ready = 0;
	do {
		ready = poll(&p, 1, OPENER_WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		errno = ETIMEDOUT;
	if (ready <= 0)
		return -1;
	ssize_t n = pass_receive(socket, &os, sizeof(os), &fd);
	if (n == sizeof(os) && os == 0 && fd >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = n == sizeof(os) && os > 0 ? os : EIO;
	return -1;
}

/* Where the answer will come, given; or -1 with errno. */
static int post(int opener, const struct request *r, int wait_ms)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	AUTO_CLOSE int own = ends[0];
	AUTO_CLOSE int theirs = ends[1]; /* closed here, so that its end is an end, should nobody answer */
	struct pollfd p = { .fd = opener, .events = POLLOUT };
	int ready = poll(&p, 1, wait_ms);
	if (ready == 1 && pass_send(opener, r, REQUEST_HEAD + r->length, theirs))
		return take_fd(own);
	errno = ready == 0 ? ETIMEDOUT : EIO;
	return -1;
}

int proc_opener_ping(int opener)
{
	return post(opener, &(struct request){ .pid = 0 }, 0);
}

int proc_opener_ask(int opener, pid_t pid, uint64_t start_ticks, const char *name)
{
	struct request r = { .pid = pid, .length = (uint32_t)strlen(name), .start_ticks = start_ticks };
	if (r.length >= sizeof(r.name) || proc_opener_is_stuck(opener)) {
		errno = r.length >= sizeof(r.name) ? ENAMETOOLONG : EAGAIN;
		return -1;
	}
	memcpy(r.name, name, r.length);
	AUTO_CLOSE int own = post(opener, &r, OPENER_WAIT_MS);
	int fd = own < 0 ? -1 : await(own);
	int os = errno;
	if (fd < 0 && os == ETIMEDOUT)
		(void)setsockopt(opener, SOL_SOCKET, SO_RCVTIMEO, &marked, sizeof(marked));
	errno = os;
	return fd;
}

/* ---- answering ---- */

/* The inode of a line of maps for that path; 0: the line is of another. */
static uint64_t inode_of_line(const char *line, const char *path)
{
	uint64_t inode = 0;
	const char *s = line;
	for (unsigned i = 0; i < FIELDS_BEFORE_INODE; i++) {
		s += strcspn(s, " ");
		s += strspn(s, " ");
	}
	size_t len = strcspn(s, " ");
	const char *name = s + len + strspn(s + len, " ");
	return strcmp(name, path) == 0 && num_dec(s, len, &inode) ? inode : 0;
}

/* Does the process have the file of that path and inode mapped? */
static bool is_mapped(const struct proc_process *p, const char *path, uint64_t inode)
{
	AUTO_CLOSE int fd = openat(p->dir, "maps", O_RDONLY | O_CLOEXEC);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	char *line = NULL;
	size_t len = 0;
	bool found = false, more = fd >= 0;
	while (more && !found) {
		struct err *err AUTO(err) = lines_next(&l, &line, &len);
		more = !err && line;
		found = more && inode_of_line(line, path) == inode;
	}
	return found;
}

static int open_mapped(const struct proc_process *p, const char *path)
{
	char self[64];
	struct stat st;
	AUTO_CLOSE int fd = proc_process_open_path(p, path);
	if (fd < 0)
		return -1;
	/* Opening what is no regular file may have effects. */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !st.st_ino || !is_mapped(p, path, st.st_ino)) {
		errno = EPERM;
		return -1;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int open_asked(const struct proc_process *p, const char *name)
{
	static const char *const names[] = { "auxv", "exe", "maps", "mem", "pagemap", "smaps", "smaps_rollup" };
	if (*name == '/')
		return open_mapped(p, name);
	if (strcmp(name, "fd") == 0)
		return openat(p->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return openat(p->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	errno = EPERM;
	return -1;
}

/* A descriptor, or -1 with errno. */
static int open_for(const char *procfs, const struct request *r)
{
	AUTO(proc_process) struct proc_process p;
	struct err *err AUTO(err) = proc_process_open(procfs, r->pid, &p);
	if (err || p.start_ticks != r->start_ticks) {
		errno = ESRCH;
		return -1;
	}
	return open_asked(&p, r->name);
}

int proc_opener_serve(int socket, const char *procfs)
{
	struct request r;
	for (;;) {
		int to = -1;
		ssize_t n = pass_receive(socket, &r, sizeof(r) - 1, &to);
		AUTO_CLOSE int answer = to;
		if (n <= 0)
			return n < 0;
		if (n < REQUEST_HEAD || r.length != (size_t)n - REQUEST_HEAD || memchr(r.name, 0, r.length) ||
		    answer < 0)
			continue; /* no request: its socket closes, which is an answer, too */
		r.name[r.length] = 0;
		AUTO_CLOSE int fd = open_for(procfs, &r);
		int32_t os = fd < 0 ? errno : 0;
		if (!pass_send(answer, &os, sizeof(os), fd))
			continue; /* whoever asked did not wait */
	}
}
