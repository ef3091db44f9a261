/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/opener.h"

enum {
	STAT_TEXT_MAX = 4096,
	ENVIRON_MAX = 8 * 1024 * 1024, /* the kernel allows three quarters of the stack's limit, 6 MiB as a rule */
	LINK_MAX = 64 * 1024,
	PF_KTHREAD = 0x00200000,
};

static bool ended(char state)
{
	return state == 'Z' || state == 'X' || state == 'x';
}

struct err *proc_process_gone(const struct proc_process *p)
{
	/* Those two answer ESRCH where others have something to show. */
	if (p->kernel_thread)
		return err_new(ERR_UNSUPPORTED, "pid %d: it is a kernel thread and has no memory of its own", p->pid);
	if (ended(p->state))
		return err_new(ERR_UNSUPPORTED, "pid %d: it is a zombie and has no memory any more", p->pid);
	return err_wrap(err_gone(), "pid %d", p->pid);
}

/* Value of yama's ptrace_scope, or -1 where there is no yama. */
static int yama_scope(void)
{
	AUTO_CLOSE int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	char c = 0;
	if (fd < 0 || read(fd, &c, 1) != 1 || c < '0' || c > '9')
		return -1;
	return c - '0';
}

struct err *proc_process_denied(const struct proc_process *p, const char *doing, const char *caps)
{
	char yama[64] = "";
	int scope = yama_scope();
	if (scope > 0)
		snprintf(yama, sizeof(yama), " (yama ptrace_scope is %d)", scope);
	if (geteuid() == 0)
		return err_new(ERR_DENIED,
			       "pid %d: %s: permission denied; root lacks %s here, or a security module forbids it%s",
			       p->pid, doing, caps, yama);
	return err_new(ERR_DENIED, "pid %d: %s: permission denied; run as root or with %s%s", p->pid, doing, caps,
		       yama);
}

/* Which capability opens a file of another user's process. Files of mode 0400 need the file mode overridden, too. */
static const char *caps_for(const char *name)
{
	static const char *const by_mode[] = { "pagemap", "mem", "environ", "io", "fd", "syscall", "auxv" };
	if (!strncmp(name, "map_files", strlen("map_files")))
		return "CAP_SYS_PTRACE and CAP_SYS_ADMIN";
	const char *last = strrchr(name, '/');
	last = last ? last + 1 : name;
	for (size_t i = 0; i < sizeof(by_mode) / sizeof(by_mode[0]); i++) {
		if (!strcmp(last, by_mode[i]))
			return "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
	}
	return "CAP_SYS_PTRACE";
}

int proc_process_at(const struct proc_process *p, const char *name, int flags)
{
	int fd = openat(p->dir, name, flags | O_CLOEXEC);
	if (fd >= 0 || p->opener < 0 || (errno != EACCES && errno != EPERM))
		return fd;
	return proc_opener_ask(p->opener, p->pid, p->start_ticks, name);
}

/* All of a file of the process, at most max bytes; errno or 0. */
static int slurp(const struct proc_process *p, const char *name, size_t max, struct strbuf *out)
{
	AUTO_CLOSE int fd = proc_process_at(p, name, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return errno;
	char buf[4096];
	while (max > 0) {
		ssize_t n = read(fd, buf, num_min(max, sizeof(buf)));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		strbuf_add(out, buf, (size_t)n);
		max -= (size_t)n;
	}
	return 0;
}

/* errno, or 0; EBADMSG when the text is malformed. An empty file is what an exiting process may show: ESRCH. */
static int read_stat(const struct proc_process *p, struct proc_stat *ret)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	int os = slurp(p, "stat", STAT_TEXT_MAX, &text);
	if (os)
		return os;
	if (!text.len)
		return ESRCH;
	return proc_stat_parse(text.buf, text.len, ret) ? 0 : EBADMSG;
}

static struct err *no_such(pid_t pid)
{
	return err_new(ERR_NOT_FOUND, "pid %d: no such process", pid);
}

static void open_exe(struct proc_process *p)
{
	/* O_NONBLOCK for test trees only: what a kernel shows here is a regular file. */
	p->exe = proc_process_at(p, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	p->exe_errno = p->exe < 0 ? errno : 0;
	struct stat st; /* a file that may be run but not read can still be told from others */
	if ((p->exe >= 0 ? fstat(p->exe, &st) : fstatat(p->dir, "exe", &st, 0)) == 0) {
		p->exe_dev = st.st_dev;
		p->exe_inode = st.st_ino;
	}
}

struct err *proc_process_open(const char *procfs, pid_t pid, struct proc_process *ret)
{
	*ret = (struct proc_process){ .pid = pid, .dir = -1, .exe = -1, .opener = proc_opener_of(procfs) };
	procfs = proc_opener_dir(procfs);
	if (pid <= 0)
		return no_such(pid);
	AUTO_FREE char *path = xasprintf("%s/%d", procfs, pid);
	ret->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return errno == ENOENT || errno == ESRCH ? no_such(pid) : err_os(errno, "opening %s", path);
	struct proc_stat st;
	int os = read_stat(ret, &st);
	if (os)
		proc_process_close(ret);
	if (os == ENOENT || os == ESRCH)
		return no_such(pid);
	if (os == EBADMSG)
		return err_new(ERR_FORMAT, "pid %d: %s/stat is malformed", pid, path);
	if (os)
		return err_os(os, "pid %d: reading %s/stat", pid, path);
	memcpy(ret->comm, st.comm, sizeof(ret->comm));
	ret->state = st.state;
	ret->start_ticks = st.start_ticks;
	ret->start_stack = st.start_stack;
	ret->kernel_thread = st.flags & PF_KTHREAD;
	open_exe(ret);
	return NULL;
}

void proc_process_close(struct proc_process *p)
{
	if (p->dir >= 0)
		close(p->dir);
	if (p->exe >= 0)
		close(p->exe);
	p->dir = p->exe = -1;
}

/* Of what is run now. */
static bool stat_exe(const struct proc_process *p, struct stat *st)
{
	if (fstatat(p->dir, "exe", st, 0) == 0)
		return true;
	AUTO_CLOSE int fd = p->opener >= 0 ? proc_process_at(p, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY) : -1;
	return fd >= 0 && fstat(fd, st) == 0;
}

static struct err *execed(const struct proc_process *p)
{
	return err_new(ERR_GONE, "pid %d: the process has started another program (exec)", p->pid);
}

struct err *proc_process_check(const struct proc_process *p)
{
	struct proc_stat now;
	int os = read_stat(p, &now);
	if (os == ENOENT || os == ESRCH)
		return err_wrap(err_gone(), "pid %d", p->pid);
	if (os == EBADMSG)
		return err_new(ERR_FORMAT, "pid %d: stat is malformed", p->pid);
	if (os)
		return err_os(os, "pid %d: reading stat", p->pid);
	if (now.start_ticks != p->start_ticks || (ended(now.state) && !ended(p->state)))
		return err_wrap(err_gone(), "pid %d", p->pid);
	/* 0 and 1 stand for "not shown" and for a process in the middle of an exec. */
	if (p->start_stack > 1 && now.start_stack > 1 && p->start_stack != now.start_stack)
		return execed(p);
	struct stat st;
	if (p->exe_inode && stat_exe(p, &st) && (st.st_dev != p->exe_dev || st.st_ino != p->exe_inode))
		return execed(p);
	return NULL;
}

struct err *proc_process_file(const struct proc_process *p, const char *name, int flags, int *ret)
{
	/* The entries of a directory cannot be read by who only was given it. */
	*ret = flags & O_DIRECTORY ? openat(p->dir, name, flags | O_CLOEXEC) : proc_process_at(p, name, flags);
	if (*ret >= 0)
		return NULL;
	int os = errno;
	if (os == EACCES || os == EPERM) {
		AUTO_FREE char *doing = xasprintf("opening %s", name);
		return proc_process_denied(p, doing, caps_for(name));
	}
	if (os == ESRCH)
		return proc_process_gone(p);
	if (os == ENOENT) {
		TRY(proc_process_check(p));
		return err_new(ERR_UNSUPPORTED, "pid %d: there is no %s of it here", p->pid, name);
	}
	return err_os(os, "pid %d: opening %s", p->pid, name);
}

struct err *proc_process_text(const struct proc_process *p, const char *name, size_t max, struct strbuf *out)
{
	int os = slurp(p, name, max, out);
	if (!os)
		return NULL;
	if (os == EACCES || os == EPERM) {
		AUTO_FREE char *doing = xasprintf("reading %s", name);
		return proc_process_denied(p, doing, caps_for(name));
	}
	if (os == ENOENT) {
		TRY(proc_process_check(p));
		return err_new(ERR_UNSUPPORTED, "pid %d: there is no %s of it here", p->pid, name);
	}
	return os == ESRCH ? proc_process_gone(p) : err_os(os, "pid %d: reading %s", p->pid, name);
}

/* The link to the executable of a process that only the opener may look at is that of its descriptor. */
static ssize_t read_link(const struct proc_process *p, const char *name, char *buf, size_t size)
{
	char own[64];
	ssize_t n = readlinkat(p->dir, name, buf, size);
	if (n >= 0 || p->opener < 0 || strcmp(name, "exe") != 0 || (errno != EACCES && errno != EPERM))
		return n;
	AUTO_CLOSE int fd = proc_process_at(p, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : readlink(own, buf, size);
}

struct err *proc_process_link(const struct proc_process *p, const char *name, struct arena *arena, char **ret)
{
	*ret = NULL;
	for (size_t size = 256; size <= LINK_MAX; size *= 4) {
		AUTO_FREE char *buf = xmalloc(size);
		ssize_t n = read_link(p, name, buf, size);
		if (n >= 0 && (size_t)n < size) {
			*ret = arena_strndup(arena, buf, (size_t)n);
			return NULL;
		}
		if (n >= 0)
			continue;
		int os = errno;
		if (os == EACCES || os == EPERM) {
			AUTO_FREE char *doing = xasprintf("reading link %s", name);
			return proc_process_denied(p, doing, "CAP_SYS_PTRACE");
		}
		if (os == ESRCH)
			return proc_process_gone(p);
		if (os == ENOENT) {
			TRY(proc_process_check(p));
			return err_new(ERR_NOT_FOUND, "pid %d: it has no %s", p->pid, name);
		}
		return err_os(os, "pid %d: reading link %s", p->pid, name);
	}
	return err_new(ERR_LIMIT, "pid %d: link %s is longer than %d bytes", p->pid, name, LINK_MAX);
}

int proc_process_open_path(const struct proc_process *p, const char *path)
{
	AUTO_CLOSE int root = openat(p->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && p->opener >= 0 && (errno == EACCES || errno == EPERM))
		return proc_opener_ask(p->opener, p->pid, p->start_ticks, path);
	if (root < 0)
		return -1;
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* 1 same, 0 another file, -1 nothing there. Takes fd. */
static int same_file(const struct proc_process *p, int fd)
{
	struct stat st;
	AUTO_CLOSE int owned = fd;
	if (owned < 0 || fstat(owned, &st) != 0)
		return -1;
	return st.st_dev == p->exe_dev && st.st_ino == p->exe_inode;
}

int proc_exe_on_disk(const struct proc_process *p)
{
	struct arena arena;
	arena_init(&arena);
	char *path = NULL;
	struct err *err = p->exe < 0 ? err_gone() : proc_process_link(p, "exe", &arena, &path);
	int ret = -1;
	if (!err && path) {
		/*
		 * The kernel writes the path as seen from our root when that leads to the file (a target in a mere
		 * chroot), else from the root of the target's mount namespace. So two places to look, and when neither
		 * has the file only the kernel's own " (deleted)" says that it is gone.
		 */
		static const char deleted[] = " (deleted)";
		size_t n = strlen(path), d = sizeof(deleted) - 1;
		int in_target = same_file(p, proc_process_open_path(p, path));
		int in_ours = same_file(p, open(path, O_PATH | O_CLOEXEC));
		if (in_target == 1 || in_ours == 1)
			ret = 1;
		else if (in_target == 0 || (n > d && !strcmp(path + n - d, deleted)))
			ret = 0;
	}
	err_free(err);
	arena_deinit(&arena);
	return ret;
}

struct err *proc_environ_get(const struct proc_process *p, const char *name, struct arena *arena, char **ret)
{
	*ret = NULL;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	TRY(proc_process_text(p, "environ", ENVIRON_MAX, &text));
	size_t want = strlen(name);
	const char *end = text.buf + text.len;
	for (const char *s = text.buf; s < end;) {
		size_t n = strnlen(s, (size_t)(end - s));
		if (n > want && s[want] == '=' && !memcmp(s, name, want)) {
			*ret = arena_strndup(arena, s + want + 1, n - want - 1);
			return NULL;
		}
		s += n + 1;
	}
	return NULL;
}
