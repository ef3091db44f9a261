/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/opener.h"

enum { IDS_MAX = 4 * 1024 * 1024 }; /* the kernel's own PID_MAX_LIMIT */

static int by_id(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
	return x < y ? -1 : x > y;
}

/* Numeric names in a directory, sorted, without repeats (a directory read while it changes may repeat one). */
static int read_ids(int fd, struct tid_vec *ret)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		int os = errno;
		close(fd);
		return os;
	}
	int os = 0;
	while (ret->n < IDS_MAX) {
		errno = 0;
		struct dirent *e = readdir(d);
		if (!e) {
			os = errno;
			break;
		}
		uint64_t id = 0;
		if (num_str(e->d_name, &id) && id > 0 && id <= INT32_MAX)
			*vec_push(ret) = (pid_t)id;
	}
	closedir(d);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_id);
	size_t out = 0;
	for (size_t i = 0; i < ret->n; i++) {
		if (!out || ret->v[out - 1] != ret->v[i])
			ret->v[out++] = ret->v[i];
	}
	ret->n = out;
	return os;
}

struct err *proc_threads(const struct proc_process *p, struct tid_vec *ret)
{
	ret->n = 0;
	int fd = -1;
	TRY(proc_process_file(p, "task", O_RDONLY | O_DIRECTORY, &fd));
	int os = read_ids(fd, ret);
	/* An exited process shows an empty directory, or none. */
	if (os == ESRCH || os == ENOENT || (!os && !ret->n))
		return proc_process_gone(p);
	return os ? err_os(os, "pid %d: reading task", p->pid) : NULL;
}

struct err *proc_pids(const char *procfs, struct tid_vec *ret)
{
	procfs = proc_opener_dir(procfs);
	ret->n = 0;
	int fd = open(procfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_os(errno, "opening %s", procfs);
	int os = read_ids(fd, ret);
	return os ? err_os(os, "reading %s", procfs) : NULL;
}

/* The first bytes of task/TID/name as a string; false when it cannot be read. */
static bool thread_text(const struct proc_process *p, pid_t tid, const char *name, char *buf, size_t len)
{
	char path[64];
	snprintf(path, sizeof(path), "task/%d/%s", tid, name);
	buf[0] = 0;
	AUTO_CLOSE int fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);
	if (n < 0)
		return false;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return true;
}

void proc_thread_comm(const struct proc_process *p, pid_t tid, char *buf, size_t len)
{
	if (len && !thread_text(p, tid, "comm", buf, len))
		buf[0] = 0;
}

/* "NR 0xA0 .. 0xA5 0xSP 0xPC", "-1 0xSP 0xPC" outside of a system call, "running" on a CPU, "0" of a kernel thread. */
bool proc_thread_call(const struct proc_process *p, pid_t tid, struct proc_thread_call *ret)
{
	enum { WORDS = 9 };
	char text[512], *rest = text;
	uint64_t words[WORDS];
	size_t n = 0;
	*ret = (struct proc_thread_call){ .number = -1 };
	if (!thread_text(p, tid, "syscall", text, sizeof(text)))
		return false;
	const char *number = strsep(&rest, " ");
	for (const char *w = strsep(&rest, " "); w && n < WORDS; w = strsep(&rest, " ")) {
		if (strncmp(w, "0x", 2) != 0 || !num_hex(w + 2, strlen(w + 2), &words[n++]))
			return false;
	}
	if (!number || (n != 2 && n != 8))
		return false;
	uint64_t nr = 0;
	if (n == 8 && num_str(number, &nr)) {
		ret->number = (int64_t)nr;
		memcpy(ret->args, words, sizeof(ret->args));
	}
	ret->sp = words[n - 2];
	ret->pc = words[n - 1];
	return true;
}
