/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"
#include "core/note.h"
#include "core/parts.h"

enum { PAGE = 4096, ENVIRON_MAX = 1 << 20 };

/* Bytes read of [at, at + len) of the file: fewer at its end, or where it cannot be read. */
static size_t read_some(int fd, uint64_t at, void *buf, size_t len)
{
	size_t done = 0;
	while (done < len && at <= INT64_MAX - len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* ---- memory ---- */

size_t core_segment_after(const struct core *c, uint64_t addr)
{
	size_t lo = bisect(c->segments.n, i, c->segments.v[i].end <= addr);
	return lo;
}

static bool was_swapped(const struct core *c, uint64_t start, uint64_t end)
{
	size_t lo = bisect(c->swapped.n, i, c->swapped.v[i].end <= start);
	return lo < c->swapped.n && c->swapped.v[lo].start < end;
}

/* What is in no segment of the file: of a file that was mapped, or zeros. */
static bool read_outside(const struct core *c, uint64_t addr, void *buf, size_t len)
{
	const struct vma *v = vma_find(&c->maps, addr);
	uint32_t file = v ? c->parts->file_of.v[v - c->maps.v] : 0;
	if (!v || (file && c->files.v[file - 1].fd < 0))
		return false;
	size_t n = file ? read_some(c->files.v[file - 1].fd, v->offset + (addr - v->start), buf, len) : 0;
	memset((char *)buf + n, 0, len - n); /* past the end of a file, too */
	return true;
}

/* The longest piece from addr on that is read in one way, at most len: 0 when it cannot be read. */
static size_t read_piece(const struct core *c, uint64_t addr, void *buf, size_t len)
{
	size_t i = core_segment_after(c, addr);
	const struct core_segment *s = i < c->segments.n ? &c->segments.v[i] : NULL;
	uint64_t end = addr + len;
	if (s && addr >= s->start && addr - s->start < s->filled) {
		len = (size_t)num_min(len, s->filled - (addr - s->start));
		return read_some(c->fd, s->at + (addr - s->start), buf, len) == len ? len : 0;
	}
	if (s && addr >= s->start && addr - s->start < s->filled + s->lost)
		return 0;
	if (s)
		end = num_min(end, addr < s->start ? s->start : s->end);
	const struct vma *v = vma_find(&c->maps, addr);
	if (v)
		end = num_min(end, v->end);
	return read_outside(c, addr, buf, (size_t)(end - addr)) ? (size_t)(end - addr) : 0;
}

static bool core_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	/* src is the first member of a struct core. */
	const struct core *c = (const struct core *)(const void *)src;
	char *to = buf;
	if (addr > UINT64_MAX - len || was_swapped(c, addr, addr + len))
		return false;
	for (size_t n = 0; len; addr += n, to += n, len -= n) {
		n = read_piece(c, addr, to, len);
		if (!n)
			return false;
	}
	return true;
}

/* ---- headers ---- */

struct headers {
	Elf64_Ehdr e;
	Elf64_Phdr *v;
	size_t n;
};

static struct err *check_header(const struct core *c, const Elf64_Ehdr *e, size_t have)
{
	if (have < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_type != ET_CORE)
		return err_new(ERR_FORMAT, "%s: no ELF core begins at offset 0", c->name);
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB || e->e_machine != EM_X86_64)
		return err_new(ERR_UNSUPPORTED, "%s is a core of another machine; those of linux/amd64 are read",
			       c->name);
	if (e->e_phentsize != sizeof(Elf64_Phdr))
		return err_new(ERR_FORMAT, "%s: program headers of %u bytes at offset %zu", c->name, e->e_phentsize,
			       offsetof(Elf64_Ehdr, e_phentsize));
	return NULL;
}

/*
 * With more than 65534 segments their number is in the first section header, which the kernel writes last: a core that
 * was cut lacks it. The notes begin where the program headers end, so that tells as well.
 */
static uint64_t count_headers(const struct core *c, const Elf64_Ehdr *e)
{
	Elf64_Shdr s;
	Elf64_Phdr first;
	if (e->e_phnum != PN_XNUM)
		return e->e_phnum;
	if (e->e_shoff && read_some(c->fd, e->e_shoff, &s, sizeof(s)) == sizeof(s) && s.sh_info)
		return s.sh_info;
	if (read_some(c->fd, e->e_phoff, &first, sizeof(first)) != sizeof(first) || first.p_offset <= e->e_phoff)
		return 0;
	return (first.p_offset - e->e_phoff) / sizeof(first);
}

static struct err *read_headers(struct core *c, struct headers *ret)
{
	TRY(check_header(c, &ret->e, read_some(c->fd, 0, &ret->e, sizeof(ret->e))));
	uint64_t n = count_headers(c, &ret->e);
	if (!n)
		return err_new(ERR_FORMAT, "%s: a core without segments at offset %zu", c->name,
			       offsetof(Elf64_Ehdr, e_phnum));
	if (n > CORE_SEGMENTS_MAX)
		return err_new(ERR_LIMIT, "%s: %llu segments, more than the %d that are read", c->name,
			       (unsigned long long)n, CORE_SEGMENTS_MAX);
	TRY(alloc_checked((size_t)n, sizeof(*ret->v), (size_t)CORE_SEGMENTS_MAX * sizeof(*ret->v), &ret->v));
	size_t have = read_some(c->fd, ret->e.e_phoff, ret->v, (size_t)n * sizeof(*ret->v));
	ret->n = have / sizeof(*ret->v);
	c->cut = ret->n < n;
	return NULL;
}

static unsigned flags_of(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? VMA_READ : 0) | (p->p_flags & PF_W ? VMA_WRITE : 0) |
	       (p->p_flags & PF_X ? VMA_EXEC : 0);
}

static void add_segment(struct core *c, const Elf64_Phdr *p)
{
	uint64_t end = 0, size = num_min(p->p_filesz, p->p_memsz);
	if (p->p_type != PT_LOAD || p->p_vaddr % PAGE || __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) ||
	    end % PAGE || p->p_vaddr >= end || p->p_offset > INT64_MAX - size)
		return;
	uint64_t have = num_min(size, num_sub(c->size, p->p_offset));
	/* An honest core has each byte once: one that says more stands for endless work. */
	have = num_min(have, num_sub(c->size, c->taken));
	c->taken += have;
	*vec_push(&c->segments) = (struct core_segment){
		.start = p->p_vaddr,
		.end = end,
		.at = p->p_offset,
		.filled = have,
		.lost = size - have,
		.flags = flags_of(p),
	};
}

static int by_start(const void *a, const void *b)
{
	const struct core_segment *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* The first of those that overlap keeps its addresses. */
static void settle(struct core *c)
{
	size_t n = 0;
	uint64_t end = 0;
	vec_sort(&c->segments, by_start);
	for (size_t i = 0; i < c->segments.n; i++) {
		struct core_segment s = c->segments.v[i];
		if (s.end <= end)
			continue;
		if (s.start < end) {
			uint64_t cut = end - s.start;
			s.lost = num_sub(s.lost, num_sub(cut, s.filled));
			s.filled = num_sub(s.filled, cut);
			s.at += cut;
			s.start = end;
		}
		end = s.end;
		c->lost += s.lost;
		c->segments.v[n++] = s;
	}
	c->segments.n = n;
}

static struct err *read_notes(struct core *c, const struct headers *h)
{
	size_t left = CORE_NOTES_MAX;
	for (size_t i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->v[i];
		if (p->p_type != PT_NOTE)
			continue;
		AUTO_FREE unsigned char *notes = NULL;
		size_t len = (size_t)num_min(p->p_filesz, num_sub(c->size, p->p_offset));
		TRY(err_wrap(alloc_checked(len + 1, 1, left, &notes), "%s: its notes", c->name));
		left -= len + 1;
		len = read_some(c->fd, p->p_offset, notes, len);
		bool whole = core_notes_take(c, notes, len);
		c->cut |= !whole || len < p->p_filesz;
	}
	return NULL;
}

/* Does the file tell what is absent, by holes among its segments? */
static bool has_holes(const struct core *c)
{
	for (size_t i = 0; i < c->segments.n; i++) {
		const struct core_segment *s = &c->segments.v[i];
		off_t hole = s->filled ? lseek(c->fd, (off_t)s->at, SEEK_HOLE) : -1;
		if (hole >= 0 && (uint64_t)hole < s->at + s->filled)
			return true;
	}
	return false;
}

static struct err *read_core(struct core *c)
{
	struct stat st;
	struct headers h = { 0 };
	if (fstat(c->fd, &st) < 0)
		return err_os(errno, "%s", c->name);
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_ARG, "%s is no regular file; a core cannot be read from a pipe", c->name);
	c->size = (uint64_t)st.st_size;
	struct err *err = read_headers(c, &h);
	if (!err)
		err = read_notes(c, &h);
	for (size_t i = 0; i < h.n && !err; i++)
		add_segment(c, &h.v[i]);
	free(h.v);
	if (err)
		return err;
	settle(c);
	core_parts_finish(c);
	c->sparse = has_holes(c);
	if (!c->segments.n && !c->maps.n)
		return err_new(ERR_FORMAT, "%s: no memory is in this core%s", c->name, c->cut ? ": it is cut" : "");
	return NULL;
}

struct err *core_open(int fd, const char *name, struct core *ret)
{
	static const struct memsrc_ops ops = { .read = core_read, .shared = true };
	*ret = (struct core){ .src = { &ops }, .fd = fd, .name = name, .comm = "" };
	arena_init(&ret->arena);
	ret->parts = xcalloc(1, sizeof(*ret->parts));
	intern_init(&ret->parts->names);
	struct err *err = read_core(ret);
	if (err)
		core_close(ret);
	return err;
}

void core_close(struct core *c)
{
	if (c->parts) {
		intern_deinit(&c->parts->names);
		vec_deinit(&c->parts->listed);
		vec_deinit(&c->parts->file_of);
		hash_map_deinit(&c->parts->by_name);
		free(c->parts);
	}
	vec_deinit(&c->segments);
	vec_deinit(&c->maps);
	vec_deinit(&c->files);
	vec_deinit(&c->threads);
	vec_deinit(&c->pages);
	vec_deinit(&c->swapped);
	arena_deinit(&c->arena);
	*c = (struct core){ .fd = -1 };
}

void core_back(struct core *c, size_t i, int fd)
{
	c->files.v[i].fd = fd;
}

const struct core_file *core_file_of(const struct core *c, const struct vma *v)
{
	const struct vma *own = vma_find(&c->maps, v->start);
	uint32_t file = own ? c->parts->file_of.v[own - c->maps.v] : 0;
	return file ? &c->files.v[file - 1] : NULL;
}

/* ---- the environment ---- */

/* The strings of arguments and environment lie right below the name of the executable, at the end of the stack. */
const char *core_environ(struct core *c, const char *name, struct arena *arena)
{
	const struct vma *v = c->auxv.execfn ? vma_find(&c->maps, c->auxv.execfn) : NULL;
	if (!v || v->inode)
		return NULL;
	size_t len = (size_t)num_min(c->auxv.execfn - v->start, ENVIRON_MAX), want = strlen(name);
	AUTO_FREE char *text = xcalloc(1, len + 1);
	if (!memsrc_read(&c->src, c->auxv.execfn - len, text, len))
		return NULL;
	for (const char *end = text + len, *at = end; at > text;) {
		const char *begin = at - 1; /* on the NUL before it, of the string that ends there */
		while (begin > text && begin[-1])
			begin--;
		if ((size_t)(at - begin) > want && memcmp(begin, name, want) == 0 && begin[want] == '=')
			return arena_strdup(arena, begin + want + 1);
		at = begin;
	}
	return NULL;
}
