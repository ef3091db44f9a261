/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/fds.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

enum {
	LINK_LEN = 4096 + 32, /* a path of one page, and what the kernel adds */
	LIMITS_MAX = 16 * 1024,
	BLOCK = 512, /* the unit of st_blocks, whatever the file system's own is */
};

static const char deleted[] = " (deleted)";

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);
	return n >= m && strcmp(s + n - m, with) == 0;
}

/* "KIND:[INODE]" */
static bool numbered(const char *link, size_t kind, uint64_t *ret)
{
	const char *s = link + kind;
	size_t n = strlen(s);
	return n > 3 && s[0] == ':' && s[1] == '[' && s[n - 1] == ']' && num_dec(s + 2, n - 3, ret);
}

/* [name, name + n), or what it is called here. */
static const char *called(const char *name, size_t n, struct arena *arena)
{
	static const char *const ours[][2] = {
		{ "eventpoll", "epoll" }, { "", "anonymous" },	  { "cgroup", "namespace" }, { "ipc", "namespace" },
		{ "mnt", "namespace" },	  { "net", "namespace" }, { "pid", "namespace" },    { "time", "namespace" },
		{ "user", "namespace" },  { "uts", "namespace" },
	};
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strlen(ours[i][0]) == n && memcmp(name, ours[i][0], n) == 0)
			return ours[i][1];
	}
	return arena_strndup(arena, name, n);
}

void proc_fd_parse(const char *link, struct arena *arena, struct proc_fd *ret)
{
	static const char anon[] = "anon_inode:", memfd[] = "/memfd:";
	ret->kind = "file";
	ret->inode = 0;
	if (*link == '/') {
		if (starts(link, memfd) && ends(link, deleted))
			ret->kind = "memfd";
	} else if (starts(link, anon)) {
		/* "[eventpoll]", "inotify", "kvm-vcpu:3" */
		const char *name = link + strlen(anon) + (link[strlen(anon)] == '[');
		ret->kind = called(name, strcspn(name, "]:"), arena);
	} else {
		/* "socket:[4711]", "pipe:[4712]", "pidfd:[81]", "net:[4026531840]" */
		size_t n = strcspn(link, ":");
		if (link[n] && n && numbered(link, n, &ret->inode))
			ret->kind = called(link, n, arena);
	}
}

/* ---- files ---- */

struct reader {
	const struct proc_process *p;
	int dir; /* /proc/PID/fd */
	struct arena *arena;
	struct proc_fds *out;
	struct hash_map nameless; /* (device, inode) of those that are counted */
};

static const char *kind_of_mode(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket-file"; /* only with O_PATH */
	case S_IFLNK:
		return "symlink"; /* likewise */
	default:
		return "file";
	}
}

/* A file that has no name any more is there as long as it is held; other descriptors may hold it, too. */
static void add_nameless(struct reader *r, const struct proc_fd *fd, const struct statx *st)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(&r->nameless, hash_u64(fd->dev) ^ fd->inode, &fresh);
	if (!fresh)
		return;
	*at = 1;
	bool memory = strcmp(fd->kind, "memfd") == 0;
	*(memory ? &r->out->memfds : &r->out->deleted_files) += 1;
	*(memory ? &r->out->memfd_bytes : &r->out->deleted_bytes) += st->stx_blocks * BLOCK;
}

static void stat_file(struct reader *r, const char *name, struct proc_fd *fd)
{
	struct statx st;
	if (statx(r->dir, name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) != 0)
		return;
	if (strcmp(fd->kind, "memfd") != 0)
		fd->kind = kind_of_mode(st.stx_mode);
	fd->inode = st.stx_ino;
	fd->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	/* A file may also be called "x (deleted)", and a removed name may be one of several. */
	if (st.stx_nlink == 0 && S_ISREG(st.stx_mode))
		add_nameless(r, fd, &st);
}

/* errno, or 0. A descriptor that was closed meanwhile is not there. */
static int read_fd(struct reader *r, const char *name, int no)
{
	char link[LINK_LEN];
	ssize_t n = readlinkat(r->dir, name, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : errno;
	link[n] = 0;
	r->out->total++;
	if (r->out->v.n >= PROC_FDS_MAX)
		return 0;
	struct proc_fd *fd = vec_push(&r->out->v);
	fd->fd = no;
	fd->link = arena_strndup(r->arena, link, (size_t)n);
	proc_fd_parse(link, r->arena, fd);
	if (*link == '/')
		stat_file(r, name, fd);
	return 0;
}

static int read_dir(struct reader *r, DIR *d)
{
	for (;;) {
		errno = 0;
		struct dirent *e = readdir(d);
		if (!e)
			return errno;
		uint64_t no = 0;
		if (!num_str(e->d_name, &no) || no > INT32_MAX)
			continue;
		int os = read_fd(r, e->d_name, (int)no);
		if (os)
			return os;
	}
}

struct err *proc_fds_read(const struct proc_process *p, struct arena *arena, struct proc_fds *ret)
{
	*ret = (struct proc_fds){ 0 };
	int fd = -1;
	TRY(proc_process_file(p, "fd", O_RDONLY | O_DIRECTORY, &fd));
	DIR *d = fdopendir(fd);
	if (!d) {
		int os = errno;
		close(fd);
		return err_os(os, "pid %d: reading fd", p->pid);
	}
	struct reader r = { .p = p, .dir = fd, .arena = arena, .out = ret };
	int os = read_dir(&r, d);
	closedir(d);
	hash_map_deinit(&r.nameless);
	if (os == EACCES || os == EPERM)
		return proc_process_denied(p, "reading fd", "CAP_SYS_PTRACE");
	if (os == ESRCH)
		return proc_process_gone(p);
	if (os)
		return err_os(os, "pid %d: reading fd", p->pid);
	return NULL;
}

/* ---- epoll ---- */

struct err *proc_epoll_parse(int info, uint64_t *ret)
{
	*ret = 0;
	AUTO(lines) struct lines l;
	lines_init(&l, info);
	for (;;) {
		char *line = NULL;
		TRY(lines_next(&l, &line, NULL));
		if (!line)
			return NULL;
		*ret += starts(line, "tfd:");
	}
}

struct err *proc_epoll_watched(const struct proc_process *p, int fd, uint64_t *ret)
{
	char name[32];
	AUTO_CLOSE int info = -1;
	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	TRY(proc_process_file(p, name, O_RDONLY, &info));
	return proc_epoll_parse(info, ret);
}

/* ---- sockets ---- */

/* "TCP", "UDPv6", "UNIX-STREAM", "NETLINK": in small letters, without "v", up to what is no letter or digit. */
static void put_protocol(const char *name, char buf[PROC_PROTOCOL_LEN])
{
	size_t n = 0;
	for (; isalnum((unsigned char)*name) && n < PROC_PROTOCOL_LEN - 1; name++) {
		if (*name != 'v')
			buf[n++] = (char)tolower((unsigned char)*name);
	}
	buf[n] = 0;
}

void proc_socket_protocol(const struct proc_process *p, int fd, char buf[PROC_PROTOCOL_LEN])
{
	/* There is no such call that takes a directory before Linux 6.13. */
	char path[64], name[PROC_PROTOCOL_LEN];
	snprintf(path, sizeof(path), "/proc/self/fd/%d/fd/%d", p->dir, fd);
	ssize_t n = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = 0;
	put_protocol(*name ? name : "socket", buf);
}

/* ---- limits ---- */

struct err *proc_limit_files(const struct proc_process *p, uint64_t *ret)
{
	static const char key[] = "\nMax open files";
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	*ret = UINT64_MAX;
	TRY(proc_process_text(p, "limits", LIMITS_MAX, &text));
	const char *at = strstr(text.buf, key);
	if (!at)
		return err_new(ERR_FORMAT, "pid %d: limits has no line of open files", p->pid);
	at += strlen(key);
	at += strspn(at, " ");
	if (!num_dec(at, strspn(at, "0123456789"), ret))
		*ret = UINT64_MAX; /* "unlimited" */
	return NULL;
}
