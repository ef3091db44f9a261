/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/bisect.h"
#include "base/num.h"
#include "core/core.h"

enum { PAGE = 4096, BUFFER = 1 << 20 };

static void add_run(struct page_vec *ret, uint64_t start, uint64_t end, enum page_kind kind)
{
	if (ret->n && ret->v[ret->n - 1].end == start && ret->v[ret->n - 1].kind == kind && !ret->v[ret->n - 1].huge)
		ret->v[ret->n - 1].end = end;
	else
		*vec_push(ret) = (struct page_run){ .start = start, .end = end, .kind = kind };
}

/* Runs that the writer listed. */
static void listed(const struct core *c, uint64_t start, uint64_t end, struct page_vec *ret)
{
	size_t lo = bisect(c->pages.n, i, c->pages.v[i].end <= start);
	for (; lo < c->pages.n && c->pages.v[lo].start < end; lo++) {
		struct page_run run = c->pages.v[lo];
		run.start = num_max(run.start, start);
		run.end = num_min(run.end, end);
		*vec_push(ret) = run;
	}
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return !p[0] && memcmp(p, p + 1, len - 1) == 0;
}

struct asked {
	struct core *c;
	const struct core_segment *s;
	enum page_kind kind;
	struct page_vec *ret;
};

/* Pages of [at, end) that are not all zeros. */
static struct err *by_content(const struct asked *a, uint64_t at, uint64_t end, unsigned char *buf)
{
	for (uint64_t next = 0; at < end; at = next) {
		next = num_min(at + BUFFER, end);
		if (!memsrc_read(&a->c->src, at, buf, (size_t)(next - at)))
			return memsrc_fault(at, (size_t)(next - at), "the core");
		for (uint64_t page = at; page < next; page += PAGE) {
			if (!is_zero(buf + (page - at), PAGE))
				add_run(a->ret, page, page + PAGE, a->kind);
		}
	}
	return NULL;
}

/* Pages of [at, end) that are not in holes of the file. */
static struct err *by_holes(const struct asked *a, uint64_t at, uint64_t end)
{
	const struct core_segment *s = a->s;
	while (at < end) {
		off_t data = lseek(a->c->fd, (off_t)(s->at + (at - s->start)), SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t hole = data < 0 ? -1 : lseek(a->c->fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_os(errno, "%s", a->c->name);
		uint64_t from = num_max(s->start + num_sub((uint64_t)data, s->at), at);
		uint64_t to = num_min(s->start + num_sub((uint64_t)hole, s->at), end);
		from -= from % PAGE;
		to = num_min((to + PAGE - 1) / PAGE * PAGE, end);
		if (from >= end)
			break;
		if (from < to)
			add_run(a->ret, num_max(from, at), to, a->kind);
		at = num_max(to, at + PAGE);
	}
	return NULL;
}

struct err *core_pages(struct core *c, uint64_t start, uint64_t end, struct page_vec *ret)
{
	if (c->pages.n) {
		listed(c, start, end, ret);
		return NULL;
	}
	struct err *err = NULL;
	AUTO_FREE unsigned char *buf = c->sparse ? NULL : xmalloc(BUFFER);
	for (size_t i = core_segment_after(c, start); i < c->segments.n && c->segments.v[i].start < end && !err; i++) {
		const struct core_segment *s = &c->segments.v[i];
		uint64_t from = num_max(start, s->start), to = num_min(end, s->start + s->filled / PAGE * PAGE);
		const struct vma *v = vma_find(&c->maps, from);
		bool clean = v && v->inode && !(v->flags & VMA_WRITE);
		struct asked a = { c, s, clean ? PAGE_FILE : PAGE_ANON, ret };
		if (from < to)
			err = c->sparse ? by_holes(&a, from, to) : by_content(&a, from, to, buf);
	}
	return err;
}
