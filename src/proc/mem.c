/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "base/parallel.h"

enum {
	PAGE = 4096,
	CHUNK = 512,	  /* pages asked for at a time: 4 KiB of entries, 2 MiB of memory */
	IOV_BATCH = 64,	  /* ranges a call; the kernel's ceiling is 1024 */
	FILES_MAX = 1024, /* files remembered */
	FILES_OPEN = 256, /* ... and held open */
};

struct mem_file {
	uint64_t inode;
	uint32_t major, minor;
	int fd;
};

struct proc_mem_files {
	struct parallel_lock lock;
	VEC(struct mem_file) known;
	size_t last, open;
};

/* --- files behind mappings --- */

static bool is_regular(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

/*
 * Readable descriptor for a path descriptor known to be a regular file. A device must never be opened: opening alone may
 * have effects. Takes nothing.
 */
static int reopen(int path_fd)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	return open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/*
 * map_files/ leads to the very file. Its inode number may differ from the one in maps on an overlay that has copied
 * the file up; then the link's text must be the mapping's name, for the range may have been mapped anew meanwhile.
 */
static int open_map_file(const struct proc_process *p, const struct vma *v)
{
	char name[64], link[4200];
	snprintf(name, sizeof(name), "map_files/%lx-%lx", (unsigned long)v->start, (unsigned long)v->end);
	AUTO_CLOSE int path_fd = openat(p->dir, name, O_PATH | O_CLOEXEC);
	struct stat st;
	if (path_fd < 0 || !is_regular(path_fd, &st))
		return -1;
	if (st.st_ino != v->inode) {
		ssize_t n = readlinkat(p->dir, name, link, sizeof(link));
		if (n < 0 || (size_t)n != strlen(v->name) || memcmp(link, v->name, (size_t)n) != 0)
			return -1;
	}
	return reopen(path_fd);
}

/*
 * st_dev and the device in maps agree on plain file systems. On btrfs the one is the subvolume's and the other the
 * superblock's, on overlays the layer's: then the inode number alone has to do, and the path.
 */
static bool same_inode(const struct stat *st, const struct vma *v, bool *same_dev)
{
	*same_dev = major(st->st_dev) == v->dev_major && minor(st->st_dev) == v->dev_minor;
	return st->st_ino == v->inode;
}

static int open_exe_file(const struct proc_process *p, const struct vma *v, bool any_dev)
{
	struct stat st;
	bool same_dev = false;
	if (p->exe < 0 || !is_regular(p->exe, &st) || !same_inode(&st, v, &same_dev))
		return -1;
	if (!same_dev) {
		struct arena arena;
		arena_init(&arena);
		char *path = NULL;
		struct err *err = any_dev ? proc_process_link(p, "exe", &arena, &path) : NULL;
		bool named = path && !strncmp(path, v->name, strlen(v->name));
		err_free(err);
		arena_deinit(&arena);
		if (!named)
			return -1;
	}
	return fcntl(p->exe, F_DUPFD_CLOEXEC, 0);
}

static int open_by_path(const struct proc_process *p, const struct vma *v)
{
	if (v->name[0] != '/' || v->flags & VMA_DELETED)
		return -1;
	AUTO_CLOSE int path_fd = proc_process_open_path(p, v->name);
	struct stat st;
	bool same_dev = false;
	if (path_fd < 0 || !is_regular(path_fd, &st) || !same_inode(&st, v, &same_dev))
		return -1;
	/* What the opener gave is open for reading already, which we may not be allowed to do again. */
	return fcntl(path_fd, F_GETFL) & O_PATH ? reopen(path_fd) : take_fd(path_fd);
}

static int open_file(const struct proc_process *p, const struct vma *v)
{
	int fd = open_exe_file(p, v, false);
	if (fd < 0)
		fd = open_map_file(p, v);
	if (fd < 0)
		fd = open_exe_file(p, v, true);
	if (fd < 0)
		fd = open_by_path(p, v);
	return fd;
}

static int known_file(struct proc_mem *m, const struct vma *v)
{
	struct proc_mem_files *files = m->files;
	for (size_t i = 0; i < files->known.n; i++) {
		size_t k = (files->last + i) % files->known.n;
		const struct mem_file *f = &files->known.v[k];
		if (f->inode == v->inode && f->major == v->dev_major && f->minor == v->dev_minor) {
			files->last = k;
			return f->fd;
		}
	}
	if (files->known.n >= FILES_MAX || files->open >= FILES_OPEN)
		return -1;
	int fd = open_file(m->process, v);
	files->open += fd >= 0;
	files->last = files->known.n;
	*vec_push(&files->known) = (struct mem_file){ v->inode, v->dev_major, v->dev_minor, fd };
	return fd;
}

int proc_mem_file(struct proc_mem *m, const struct vma *v)
{
	if (!v->inode)
		return -1;
	parallel_lock(&m->files->lock);
	int fd = known_file(m, v);
	parallel_unlock(&m->files->lock);
	return fd;
}

/* Zeros past the end of the file. */
static bool read_at(int fd, uint64_t offset, unsigned char *buf, size_t len)
{
	if (offset > INT64_MAX - len)
		return false;
	while (len > 0) {
		ssize_t n = pread(fd, buf, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		buf += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	memset(buf, 0, len);
	return true;
}

/* File content of [addr, addr + len) of a mapping; zeros past the end of the file, where the target would see SIGBUS. */
static bool read_file(int fd, const struct vma *v, uint64_t addr, unsigned char *buf, size_t len)
{
	uint64_t offset = v->offset + (addr - v->start);
	return offset >= v->offset && read_at(fd, offset, buf, len);
}

static bool read_constant(const struct proc_mem *m, const struct memsrc_range *range)
{
	for (size_t i = 0; i < m->n_constants; i++) {
		const struct proc_mem_constant *c = &m->constants[i];
		if (range->addr >= c->start && range->addr < c->end && range->len <= c->end - range->addr)
			return read_at(c->fd, c->offset + (range->addr - c->start), range->buf, range->len);
	}
	return false;
}

/* --- memory of pages that are there --- */

enum page_way { WAY_FAIL, WAY_SWAP, WAY_PROCESS, WAY_ZERO, WAY_FILE };

/* Neighbouring bytes that are read in one way. */
struct piece {
	const struct vma *vma; /* NULL: none known */
	int fd;
	enum page_way way;
	uint64_t start, end;
};

struct batch {
	struct iovec local[IOV_BATCH], remote[IOV_BATCH];
	size_t n, bytes;
	bool maybe_device;
};

static void note_errno(struct proc_mem *m, int os)
{
	if (os == ESRCH)
		m->gone = true;
	else if (os == EPERM || os == EACCES)
		m->denied = os;
}

/*
 * /proc/PID/mem reads through PROT_NONE; and through mappings of device registers, where a read may have effects, so it
 * is not for mappings that may be of a device (process_vm_readv() refuses those by itself). It is tied to the address
 * space that was opened: 0 bytes mean that is gone.
 */
static bool read_mem(struct proc_mem *m, const struct iovec *local, const struct iovec *remote, size_t skip)
{
	char *to = (char *)local->iov_base + skip;
	uint64_t from = (uintptr_t)remote->iov_base + skip;
	size_t left = local->iov_len - skip;
	while (left > 0 && m->mem >= 0) {
		ssize_t n = pread(m->mem, to, left, (off_t)from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			note_errno(m, n < 0 ? errno : ESRCH);
			return false;
		}
		to += n;
		from += (size_t)n;
		left -= (size_t)n;
	}
	return left == 0;
}

static bool batch_flush(struct proc_mem *m, struct batch *b)
{
	size_t done = 0, i = 0;
	bool ok = true;
	if (!b->n)
		return true;
	if (!m->only_mem) {
		ssize_t n = process_vm_readv(m->process->pid, b->local, b->n, b->remote, b->n, 0);
		if (n < 0)
			note_errno(m, errno);
		done = n > 0 ? (size_t)n : 0;
	}
	if (done < b->bytes) {
		/* The rest range by range: the first that could not be read lies beyond `done`. */
		for (; i < b->n && done >= b->local[i].iov_len; i++)
			done -= b->local[i].iov_len;
		for (; ok && i < b->n; i++, done = 0)
			ok = !b->maybe_device && read_mem(m, &b->local[i], &b->remote[i], done);
	}
	b->n = b->bytes = 0;
	return ok;
}

static bool batch_add(struct proc_mem *m, struct batch *b, const struct piece *pc, unsigned char *buf)
{
	const uint64_t addr = pc->start;
	const size_t len = (size_t)(pc->end - addr);
	const bool maybe_device = !pc->vma || (pc->vma->inode && pc->fd < 0);
	if (maybe_device != b->maybe_device && !batch_flush(m, b))
		return false;
	b->maybe_device = maybe_device;
	if (b->n && (uintptr_t)b->remote[b->n - 1].iov_base + b->remote[b->n - 1].iov_len == addr) {
		b->local[b->n - 1].iov_len += len;
		b->remote[b->n - 1].iov_len += len;
	} else {
		if (b->n == IOV_BATCH && !batch_flush(m, b))
			return false;
		b->local[b->n] = (struct iovec){ buf, len };
		/* An address of the target; it is never followed here. */
		b->remote[b->n++] = (struct iovec){ (void *)(uintptr_t)addr, len };
	}
	b->bytes += len;
	return true;
}

/* --- one read --- */

/* How to read a page with this entry of a mapping (NULL: of none that we know). */
static enum page_way way_of(uint64_t entry, const struct vma *v, int fd)
{
	if (entry & PROC_PAGEMAP_PRESENT)
		return entry & PROC_PAGEMAP_FILE && fd >= 0 ? WAY_FILE : WAY_PROCESS;
	if (entry & PROC_PAGEMAP_GUARD)
		return WAY_FAIL;
	if (entry & PROC_PAGEMAP_SWAP)
		return WAY_SWAP;
	if (!v)
		return WAY_FAIL;
	if (v->inode)
		return fd >= 0 ? WAY_FILE : WAY_FAIL;
	/* Pages of the kernel's own mappings have content though they are absent here. */
	return v->name[0] == '[' && v->name[1] == 'v' ? WAY_FAIL : WAY_ZERO;
}

static const struct vma *vma_at(struct proc_mem *m, uint64_t addr, uint64_t *end)
{
	const struct vma *v = m->hint;
	if (!v || addr < v->start || addr >= v->end) {
		v = vma_find(m->vmas, addr);
		if (v)
			m->hint = v;
	}
	*end = v ? v->end : addr - addr % PAGE + PAGE;
	return v;
}

/* The longest piece from addr on, before `end`, that is read in one way. e[0] is the entry of addr's page. */
static struct piece next_piece(struct proc_mem *m, uint64_t addr, uint64_t end, const uint64_t *e)
{
	struct piece pc = { .start = addr, .fd = -1 };
	uint64_t vma_end = 0;
	pc.vma = vma_at(m, addr, &vma_end);
	pc.fd = pc.vma && pc.vma->inode ? proc_mem_file(m, pc.vma) : -1;
	pc.way = way_of(*e, pc.vma, pc.fd);
	end = num_min(end, vma_end);
	pc.end = num_min(addr - addr % PAGE + PAGE, end);
	while (pc.end < end && way_of(*++e, pc.vma, pc.fd) == pc.way)
		pc.end = num_min(pc.end + PAGE, end);
	return pc;
}

static bool read_piece(struct proc_mem *m, const struct piece *pc, struct batch *b, unsigned char *buf, bool *absent)
{
	size_t len = (size_t)(pc->end - pc->start);
	switch (pc->way) {
	case WAY_PROCESS:
		return batch_add(m, b, pc, buf);
	case WAY_FILE:
		assert(pc->vma); /* there is no file without one */
		*absent = true;
		return read_file(pc->fd, pc->vma, pc->start, buf, len);
	case WAY_ZERO:
		*absent = true;
		memset(buf, 0, len);
		return true;
	case WAY_SWAP:
		m->swapped_bytes += len;
		return false;
	case WAY_FAIL:
		break;
	}
	*absent = true;
	return false;
}

static bool any_swapped(const uint64_t *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (e[i] & PROC_PAGEMAP_SWAP && !(e[i] & PROC_PAGEMAP_GUARD))
			return true;
	}
	return false;
}

/* Entries of the pages of [addr, end), at most CHUNK. */
static bool ask(struct proc_mem *m, uint64_t addr, uint64_t end, uint64_t *e)
{
	size_t n = (size_t)((end - 1) / PAGE - addr / PAGE + 1);
	if (!proc_pagemap_entries(m->pagemap, addr, n, e))
		return false;
	if (!any_swapped(e, n))
		return true;
	/* A page on the move (compaction, NUMA balancing) looks swapped for a moment: ask once more. */
	sched_yield();
	return proc_pagemap_entries(m->pagemap, addr, n, e);
}

/* Ranges that lie within CHUNK pages of each other: one question, and as few copies as can be. All of them, or false. */
static bool read_group(struct proc_mem *m, const struct memsrc_range *ranges, size_t n)
{
	uint64_t e[CHUNK + 1];
	struct batch b;
	b.n = b.bytes = 0;
	b.maybe_device = false;
	const uint64_t first = ranges[0].addr / PAGE;
	bool absent = false, ok = ask(m, ranges[0].addr, ranges[n - 1].addr + ranges[n - 1].len, e);
	if (!ok) {
		m->gone = m->gone || !proc_pagemap_alive(m->pagemap);
		return false;
	}
	for (size_t i = 0; ok && i < n; i++) {
		unsigned char *buf = ranges[i].buf;
		const uint64_t addr = ranges[i].addr, end = addr + ranges[i].len;
		for (uint64_t at = addr; ok && at < end;) {
			struct piece pc = next_piece(m, at, end, &e[at / PAGE - first]);
			ok = read_piece(m, &pc, &b, buf + (at - addr), &absent);
			at = pc.end;
		}
	}
	ok = ok && batch_flush(m, &b);
	/* Of a process that exited, or exec'ed, every page is absent: what was told absent counts only if it lives. */
	if ((absent || !ok) && !proc_pagemap_alive(m->pagemap)) {
		m->gone = true;
		return false;
	}
	return ok;
}

static bool mem_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	/* src is the first member of a struct proc_mem. */
	struct proc_mem *m = (struct proc_mem *)(void *)src;
	if (addr > UINT64_MAX - len)
		return false;
	unsigned char *to = buf;
	for (uint64_t end = addr + len, next = 0; addr < end; addr = next) {
		next = num_min((addr | (CHUNK * PAGE - 1)) + 1, end);
		struct memsrc_range range = { .addr = addr, .len = (size_t)(next - addr), .buf = to };
		if (!read_group(m, &range, 1) && !(m->gone && read_constant(m, &range)))
			return false;
		to += next - addr;
	}
	return true;
}

/* How many of the ranges, from the first on, make a group; 1 also where that is one for mem_read(). */
static size_t group_of(const struct memsrc_range *ranges, size_t n)
{
	const uint64_t start = ranges[0].addr - ranges[0].addr % PAGE, most = (uint64_t)CHUNK * PAGE;
	size_t k = 1;
	while (k < n && ranges[k].addr >= ranges[k - 1].addr + ranges[k - 1].len && ranges[k].addr - start < most &&
	       ranges[k].len <= most - (ranges[k].addr - start))
		k++;
	return k;
}

static void mem_read_ranges(struct memsrc *src, struct memsrc_range *ranges, size_t n)
{
	struct proc_mem *m = (struct proc_mem *)(void *)src;
	for (size_t i = 0, k = 0; i < n; i += k) {
		k = group_of(ranges + i, n - i);
		bool ok = k > 1 && read_group(m, ranges + i, k);
		for (size_t j = i; j < i + k; j++)
			ranges[j].ok = ok || mem_read(src, ranges[j].addr, ranges[j].buf, ranges[j].len);
	}
}

/* Asks for a byte that cannot be there: EFAULT says that we may, and nothing is touched. */
static int vm_readv_allowed(pid_t pid)
{
	char c = 0;
	struct iovec local = { &c, 1 }, remote = { NULL, 1 };
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return 0;
	return errno;
}

struct err *proc_mem_init(struct proc_mem *m, const struct proc_process *p, const struct vma_vec *vmas,
			  struct proc_pagemap *pagemap)
{
	static const struct memsrc_ops ops = { mem_read, mem_read_ranges, true };
	*m = (struct proc_mem){ .src = { &ops }, .process = p, .vmas = vmas, .pagemap = pagemap, .mem = -1 };
	struct err *err = proc_process_file(p, "mem", O_RDONLY, &m->mem);
	int os = vm_readv_allowed(p->pid);
	m->only_mem = os != 0;
	if (err && !os) {
		err_free(err);
		err = NULL;
	}
	if (err)
		return err;
	m->files = xcalloc(1, sizeof(*m->files));
	parallel_lock_init(&m->files->lock);
	return NULL;
}

void proc_mem_constant(struct proc_mem *m, const struct proc_mem_constant *c)
{
	if (m->n_constants < PROC_MEM_CONSTANTS)
		m->constants[m->n_constants++] = *c;
}

void proc_mem_refresh(struct proc_mem *m, const struct vma_vec *vmas)
{
	m->vmas = vmas;
	m->hint = NULL;
}

void proc_mem_deinit(struct proc_mem *m)
{
	if (m->mem >= 0)
		close(m->mem);
	m->mem = -1;
	if (!m->files)
		return;
	for (size_t i = 0; i < m->files->known.n; i++) {
		if (m->files->known.v[i].fd >= 0)
			close(m->files->known.v[i].fd);
	}
	vec_deinit(&m->files->known);
	parallel_lock_deinit(&m->files->lock);
	free(m->files);
	m->files = NULL;
}
