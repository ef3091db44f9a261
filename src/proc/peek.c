/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/pagemap.h"

enum {
	PAGE = 4096,
	ENTRIES = 64,	      /* pages asked for at a time; ranges further apart are asked for apart */
	BATCH = 64,	      /* ranges a call */
	TOGETHER = 16 * 1024, /* bytes of ranges that are close to each other */
};

/* Entries of the pages last asked for. */
struct window {
	uint64_t first, n; /* pages */
	uint64_t e[ENTRIES];
};

/* False: the address space is gone, or that is no address. */
static bool ask(struct proc_peek *k, struct window *w, uint64_t first, uint64_t last)
{
	size_t want = (size_t)num_min(last - first + 1, ENTRIES) * sizeof(w->e[0]);
	ssize_t got = pread(k->pagemap, w->e, want, (off_t)(first * sizeof(w->e[0])));
	w->first = first;
	w->n = got > 0 ? (uint64_t)got / sizeof(w->e[0]) : 0;
	return w->n > 0;
}

/* How the pages of a range are to be read; -1: not at all. */
enum way { WAY_NONE = -1, WAY_ZERO, WAY_COPY };

/* The last page that is worth asking for together with `page`: what lies within one window. */
static uint64_t window_end(const struct memsrc_range *ranges, size_t n, uint64_t page)
{
	uint64_t end = page;
	for (size_t i = 0; i < n && ranges[i].len; i++) {
		uint64_t last = (ranges[i].addr + ranges[i].len - 1) / PAGE;
		if (ranges[i].addr / PAGE < page || last >= page + ENTRIES)
			break;
		end = num_max(end, last);
	}
	return end;
}

static enum way way_of(struct proc_peek *k, struct window *w, const struct memsrc_range *ranges, size_t n)
{
	uint64_t last = (ranges->addr + ranges->len - 1) / PAGE;
	bool any = false, all = true;
	for (uint64_t page = ranges->addr / PAGE; page <= last; page++) {
		if (page < w->first || page >= w->first + w->n) {
			if (!ask(k, w, page, num_max(last, window_end(ranges, n, page))))
				return WAY_NONE;
		}
		uint64_t e = w->e[page - w->first];
		bool present = e & PROC_PAGEMAP_PRESENT;
		if (!present && (e & (PROC_PAGEMAP_SWAP | PROC_PAGEMAP_GUARD)))
			return WAY_NONE;
		any = any || present;
		all = all && present;
	}
	return all ? WAY_COPY : any ? WAY_NONE : WAY_ZERO;
}

/* Ranges that follow each other without a page between them, which might be absent: how many, and bytes from end to end. */
static size_t close_ones(const struct iovec *from, size_t n, size_t *span)
{
	const uintptr_t start = (uintptr_t)from[0].iov_base;
	uintptr_t end = start + from[0].iov_len;
	size_t i = 1;
	for (; i < n; i++) {
		uintptr_t next = (uintptr_t)from[i].iov_base;
		if (next < end || next / PAGE > (end - 1) / PAGE + 1 || next + from[i].iov_len - start > TOGETHER)
			break;
		end = next + from[i].iov_len;
	}
	*span = end - start;
	return i;
}

/* A call takes as long as copying some kilobytes, so close ranges are copied with what lies between them. */
static bool copy_run(const struct proc_peek *k, const struct iovec *to, const struct iovec *from, size_t n, size_t span)
{
	char between[TOGETHER];
	const off_t at = (off_t)(uintptr_t)from[0].iov_base;
	if (n == 1)
		return pread(k->mem, to[0].iov_base, span, at) == (ssize_t)span;
	if (pread(k->mem, between, span, at) != (ssize_t)span)
		return false;
	for (size_t i = 0; i < n; i++)
		memcpy(to[i].iov_base, between + ((uintptr_t)from[i].iov_base - (uintptr_t)at), to[i].iov_len);
	return true;
}

/* Bytes that could be copied, in the order of the ranges. */
static ssize_t copy_by_descriptor(const struct proc_peek *k, const struct iovec *to, const struct iovec *from, size_t n)
{
	ssize_t sum = 0;
	for (size_t i = 0, run = 0; i < n; i += run) {
		size_t span = 0;
		run = close_ones(from + i, n - i, &span);
		if (!copy_run(k, to + i, from + i, run, span))
			return sum;
		for (size_t r = i; r < i + run; r++)
			sum += (ssize_t)to[r].iov_len;
	}
	return sum;
}

/* The call is what we may not make when a filter forbids it, or when another opens files for us. */
static ssize_t copy_ranges(struct proc_peek *k, const struct iovec *to, const struct iovec *from, size_t n)
{
	if (n == 0)
		return 0;
	ssize_t got = k->mem < 0 ? process_vm_readv(k->process->pid, to, n, from, n, 0) : -1;
	if (k->mem < 0 && got < 0 && (errno == EPERM || errno == EACCES))
		err_free(proc_process_file(k->process, "mem", O_RDONLY, &k->mem));
	return k->mem >= 0 ? copy_by_descriptor(k, to, from, n) : got;
}

/* Ranges that lie partly on absent pages are read page by page. */
static bool read_pages(struct proc_peek *k, struct window *w, const struct memsrc_range *range)
{
	for (size_t at = 0, step = 0; at < range->len; at += step) {
		uint64_t addr = range->addr + at;
		step = (size_t)num_min(range->len - at, PAGE - addr % PAGE);
		struct memsrc_range one = { .addr = addr, .len = step, .buf = (char *)range->buf + at };
		enum way way = way_of(k, w, &one, 1);
		struct iovec to = { one.buf, step }, from = { (void *)(uintptr_t)addr, step };
		if (way == WAY_NONE)
			return false;
		if (way == WAY_ZERO)
			memset(one.buf, 0, step);
		else if (copy_ranges(k, &to, &from, 1) != (ssize_t)step)
			return false;
	}
	return true;
}

/* Copies what `copied` lists; in one call, unless something vanished meanwhile. */
static void copy(struct proc_peek *k, struct memsrc_range *const *copied, size_t n)
{
	struct iovec to[BATCH], from[BATCH];
	for (size_t i = 0; i < n; i++) {
		to[i] = (struct iovec){ copied[i]->buf, copied[i]->len };
		/* An address of the target; it is never followed here. */
		from[i] = (struct iovec){ (void *)(uintptr_t)copied[i]->addr, copied[i]->len };
	}
	ssize_t got = copy_ranges(k, to, from, n);
	size_t left = got > 0 ? (size_t)got : 0;
	for (size_t i = 0; i < n; i++) {
		copied[i]->ok = left >= copied[i]->len;
		left = copied[i]->ok ? left - copied[i]->len : 0;
	}
}

static bool alive(struct proc_peek *k)
{
	uint64_t entry = 0;
	return pread(k->pagemap, &entry, sizeof(entry), 0) == sizeof(entry);
}

static void peek_ranges(struct memsrc *src, struct memsrc_range *ranges, size_t n)
{
	/* src is the first member of a struct proc_peek. */
	struct proc_peek *k = (struct proc_peek *)(void *)src;
	struct memsrc_range *copied[BATCH] = { NULL };
	struct window w = { 0 };
	/* A number may be another process's by now; a descriptor is of one address space, as the page map is. */
	bool doubt = k->mem < 0;
	size_t ncopied = 0;
	for (size_t i = 0; i < n; i++) {
		struct memsrc_range *r = &ranges[i];
		r->ok = false;
		if (k->gone || !r->len || r->addr > UINT64_MAX - r->len)
			continue;
		enum way way = way_of(k, &w, r, n - i);
		if (way == WAY_COPY)
			copied[ncopied++] = r;
		else
			r->ok = read_pages(k, &w, r);
		if (ncopied == BATCH) {
			copy(k, copied, ncopied);
			ncopied = 0;
		}
	}
	copy(k, copied, ncopied);
	for (size_t i = 0; i < n; i++)
		doubt = doubt || !ranges[i].ok;
	k->gone = k->gone || (doubt && !alive(k));
	for (size_t i = 0; k->gone && i < n; i++)
		ranges[i].ok = false;
}

static bool peek_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memsrc_range range = { .addr = addr, .len = len, .buf = buf };
	peek_ranges(src, &range, 1);
	return range.ok;
}

static const struct memsrc_ops peek_ops = { .read = peek_read, .read_ranges = peek_ranges };

struct err *proc_peek_open(const struct proc_process *p, struct proc_peek *ret)
{
	*ret = (struct proc_peek){ .src = { &peek_ops }, .process = p, .pagemap = -1, .mem = -1 };
	TRY(proc_process_file(p, "pagemap", O_RDONLY, &ret->pagemap));
	/* The right to open the page map is the one to copy memory, but for what a filter or a security module thinks. */
	return NULL;
}

void proc_peek_close(struct proc_peek *k)
{
	if (k->pagemap >= 0)
		close(k->pagemap);
	if (k->mem >= 0)
		close(k->mem);
	k->pagemap = k->mem = -1;
}
