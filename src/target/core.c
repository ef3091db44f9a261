/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "target/row.h"

enum {
	PAGE = 4096,
	FILES_OPEN = 256, /* files behind mappings that are held open */
	HEADERS_MAX = 64, /* program headers of a mapped file that are looked at for its notes */
	NOTE_MAX = 64 << 10,
};

/* A core, opened. */
struct target_core {
	struct core core;
	int own; /* the executable that was named, or -1 */
	int fds[FILES_OPEN];
	size_t n;
};

static void note(struct target *t, const char *fmt, ...) ERR_PRINTF(2, 3);

static void note(struct target *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*vec_push(&t->notes) = arena_strdup(&t->arena, text);
}

/* ---- is a file on disk the one that was mapped ---- */

struct build_ids {
	const char *gnu, *go;
};

/* As the core's own copy of the file's first page has them: notes stand there in the files that linkers make. */
static struct build_ids ids_in_core(struct core *c, uint64_t base, struct arena *arena)
{
	struct build_ids ret = { 0 };
	Elf64_Ehdr e;
	if (!base || !memsrc_read(&c->src, base, &e, sizeof(e)) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
		return ret;
	for (size_t i = 0; i < num_min(e.e_phnum, HEADERS_MAX); i++) {
		Elf64_Phdr p;
		if (!memsrc_read(&c->src, base + e.e_phoff + i * sizeof(p), &p, sizeof(p)))
			break;
		if (p.p_type != PT_NOTE || p.p_filesz > NOTE_MAX)
			continue;
		AUTO_FREE unsigned char *notes = xmalloc(p.p_filesz + 1);
		if (!memsrc_read(&c->src, base + p.p_offset, notes, p.p_filesz))
			continue;
		if (!ret.gnu)
			ret.gnu = sym_note_build_id(notes, p.p_filesz, arena);
		if (!ret.go)
			ret.go = sym_note_go_build_id(notes, p.p_filesz, arena);
	}
	return ret;
}

enum sameness { SAME, OTHER, UNKNOWN };

static enum sameness compare_ids(const char *a, const char *b)
{
	return !a || !b ? UNKNOWN : strcmp(a, b) == 0 ? SAME : OTHER;
}

/* By the first page, byte for byte. */
static enum sameness compare_page(struct core *c, uint64_t base, int fd)
{
	unsigned char mem[PAGE], disk[PAGE];
	if (!base || !memsrc_read(&c->src, base, mem, PAGE) || pread(fd, disk, PAGE, 0) != PAGE)
		return UNKNOWN;
	return memcmp(mem, disk, PAGE) == 0 ? SAME : OTHER;
}

/* The build ids decide where there are any: a file that was stripped since, or never, is the same program. */
static enum sameness is_same(struct core *c, const struct core_file *f, int fd, const struct sym_elf *elf,
			     struct arena *arena)
{
	struct build_ids ids = ids_in_core(c, f->header, arena);
	enum sameness gnu = compare_ids(ids.gnu, elf->build_id), go = compare_ids(ids.go, elf->go_build_id);
	if (gnu == OTHER || go == OTHER)
		return OTHER;
	return gnu == SAME || go == SAME ? SAME : compare_page(c, f->header, fd);
}

/* ---- files behind mappings ---- */

/* A path in a core is hostile: only what is known to be a regular file is opened. */
static int open_regular(const char *path)
{
	char name[64];
	struct stat st;
	AUTO_CLOSE int path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0 || fstat(path_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	return open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static bool has_segment(const struct core *c, const struct vma *v)
{
	size_t i = core_segment_after(c, v->start);
	return i < c->segments.n && c->segments.v[i].start <= v->start;
}

/* What may be done with a mapping that the core only lists stands in the file. */
static void take_flags(struct target *t, const struct core *c, const struct core_file *f, const struct sym_elf *elf)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		struct vma *v = &t->maps.v[i];
		if (core_file_of(c, v) != f || has_segment(c, v))
			continue;
		for (size_t s = 0; s < elf->segments.n; s++) {
			const struct sym_segment *seg = &elf->segments.v[s];
			if (v->offset + vma_size(v) <= seg->offset || v->offset >= seg->offset + seg->filesz)
				continue;
			v->flags |= seg->flags & PF_X ? VMA_EXEC : 0;
			v->flags |= seg->flags & PF_W ? VMA_WRITE : 0;
		}
	}
}

/* Takes the descriptor if it is of the very file, or, being named by the user, may be. */
static enum sameness back(struct target *t, size_t i, int fd, bool trusted)
{
	struct core *c = &t->core->core;
	struct sym_elf elf;
	struct err *err AUTO(err) = sym_elf_open(fd, c->files.v[i].path, &elf);
	if (err)
		return trusted ? OTHER : UNKNOWN;
	enum sameness same = is_same(c, &c->files.v[i], fd, &elf, &t->arena);
	if (same == SAME || (same == UNKNOWN && trusted)) {
		take_flags(t, c, &c->files.v[i], &elf);
		core_back(c, i, fd);
	}
	sym_elf_close(&elf);
	return same;
}

static void back_libraries(struct target *t, size_t exe)
{
	struct target_core *tc = t->core;
	for (size_t i = 0; i < tc->core.files.n && tc->n < FILES_OPEN; i++) {
		int fd = i == exe ? -1 : open_regular(tc->core.files.v[i].path);
		if (fd < 0)
			continue;
		if (back(t, i, fd, false) == SAME)
			tc->fds[tc->n++] = fd;
		else
			close(fd);
	}
}

/* ---- the executable ---- */

/* Number of the file that the auxiliary vector points into, or files.n. */
static size_t find_exe(const struct core *c)
{
	const uint64_t hints[] = { c->auxv.phdr, c->auxv.entry };
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		const struct vma *v = hints[i] ? vma_find(&c->maps, hints[i]) : NULL;
		const struct core_file *f = v ? core_file_of(c, v) : NULL;
		if (f)
			return (size_t)(f - c->files.v);
	}
	return c->files.n ? 0 : c->files.n;
}

/* Is every byte of its mappings in the core? Then nobody needs the file. */
static bool is_whole(const struct target *t, const struct core_file *f)
{
	const struct core *c = &t->core->core;
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (core_file_of(c, v) != f)
			continue;
		for (uint64_t at = v->start; at < v->end;) {
			size_t s = core_segment_after(c, at);
			if (s == c->segments.n || c->segments.v[s].start > at ||
			    c->segments.v[s].start + c->segments.v[s].filled <= at)
				return false;
			at = c->segments.v[s].start + c->segments.v[s].filled;
		}
	}
	return true;
}

static struct err *open_named(struct target *t, size_t exe, const char *path)
{
	struct target_core *tc = t->core;
	tc->own = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (tc->own < 0)
		return err_os(errno, "%s", path);
	if (exe == tc->core.files.n)
		return err_new(ERR_UNSUPPORTED, "%s does not say where its executable was mapped, so %s is of no use",
			       t->name, path);
	enum sameness same = back(t, exe, tc->own, true);
	if (same == OTHER)
		return err_new(ERR_ARG, "%s is not the program that %s is a core of: its build id is another one", path,
			       t->name);
	if (same == UNKNOWN)
		note(t,
		     "the core does not have the first page of its executable: that %s is the right one cannot be "
		     "told",
		     path);
	t->exe = tc->own;
	return NULL;
}

/* The sentence for whoever cannot go on without it. */
static void lack_exe(struct target *t, const struct core_file *f, bool other)
{
	const struct core *c = &t->core->core;
	struct build_ids ids = ids_in_core(&t->core->core, f->header, &t->arena);
	if (is_whole(t, f))
		return;
	t->lack = arena_printf(&t->arena,
			       "%s leaves out code and data of its executable %s, and %s%s%s: give the right file with "
			       "--exe FILE",
			       c->name, f->path,
			       other ? "that file is of another build"
				     : "that file is not here or cannot be told to be the one",
			       ids.gnu || ids.go ? "; wanted is build id " : "",
			       ids.gnu	? ids.gnu
			       : ids.go ? ids.go
					: "");
	note(t, "%s", t->lack);
}

static void open_by_path(struct target *t, size_t exe)
{
	struct target_core *tc = t->core;
	const struct core_file *f = &tc->core.files.v[exe];
	int fd = open_regular(f->path);
	enum sameness same = fd < 0 ? UNKNOWN : back(t, exe, fd, false);
	if (same == SAME) {
		tc->own = t->exe = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
	lack_exe(t, f, same == OTHER);
}

static struct err *open_exe(struct target *t, const char *named)
{
	const struct core *c = &t->core->core;
	size_t exe = find_exe(c);
	if (exe < c->files.n) {
		t->exe_path = c->files.v[exe].path;
		t->exe_inode = c->files.v[exe].inode;
	}
	if (named)
		TRY(open_named(t, exe, named));
	else if (exe < c->files.n)
		open_by_path(t, exe);
	back_libraries(t, exe);
	return NULL;
}

/* ---- the row ---- */

static struct err *core_outcome(const struct target *t, struct err *err)
{
	return err;
}

static bool core_gone(const struct target *t)
{
	return false;
}

static uint64_t core_swapped(const struct target *t)
{
	return 0;
}

static struct err *core_row_pages(struct target *t, uint64_t start, uint64_t end, struct page_vec *ret)
{
	return core_pages(&t->core->core, start, end, ret);
}

static int core_row_file(struct target *t, const struct vma *v)
{
	const struct core_file *f = core_file_of(&t->core->core, v);
	return f ? f->fd : -1;
}

static struct target_clock core_clock(const struct target *t)
{
	const struct core *c = &t->core->core;
	struct stat st;
	if (c->origin.ullage)
		return (struct target_clock){ c->origin.wall, c->origin.monotonic, c->origin.boot };
	if (fstat(c->fd, &st) < 0)
		return (struct target_clock){ 0 };
	return (struct target_clock){ .wall = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
}

static const char *core_row_environ(struct target *t, const char *name, struct arena *arena)
{
	return core_environ(&t->core->core, name, arena);
}

static void core_thread_comm(const struct target *t, int tid, char *buf, size_t len)
{
	if (len)
		buf[0] = 0;
}

static struct err *core_remap(struct target *t)
{
	return NULL;
}

static void core_row_close(struct target *t)
{
	for (size_t i = 0; i < t->core->n; i++)
		close(t->core->fds[i]);
	if (t->core->own >= 0)
		close(t->core->own);
	core_close(&t->core->core);
	free(t->core);
}

static const struct target_row row_core = {
	.outcome = core_outcome,
	.gone = core_gone,
	.swapped = core_swapped,
	.pages = core_row_pages,
	.file = core_row_file,
	.clock = core_clock,
	.environ = core_row_environ,
	.thread_comm = core_thread_comm,
	.remap = core_remap,
	.close = core_row_close,
};

static void note_lacks(struct target *t)
{
	const struct core *c = &t->core->core;
	char size[NUM_SIZE_LEN];
	if (c->lost) {
		t->lack =
			arena_printf(&t->arena, "%s is cut: %s (%llu bytes) of memory that it should have are missing",
				     t->name, num_size(c->lost, size), (unsigned long long)c->lost);
		note(t, "%s", t->lack);
	}
	if (c->cut && !c->lost)
		note(t, "the core is cut: some of what it says of threads and files is missing");
	if (c->no_anon)
		note(t, "the core has no anonymous memory, where the heap is: it was left out (coredump_filter)");
	t->blank = c->origin.structure_only;
	if (t->blank)
		note(t, "contents were left blank when this core was written (--structure-only)");
}

struct err *target_open_core(const struct target_source *source, struct target *ret)
{
	*ret = (struct target){ .row = &row_core, .exe = -1, .name = source->name };
	ret->core = xcalloc(1, sizeof(*ret->core));
	ret->core->own = -1;
	arena_init(&ret->arena);
	struct core *c = &ret->core->core;
	struct err *err = core_open(source->fd, source->name, c);
	if (!err) {
		ret->pid = c->pid;
		ret->comm = c->comm;
		ret->threads = c->threads.n;
		ret->mem = &c->src;
		ret->has_pages = true;
		ret->has_page_list = c->pages.n > 0;
		ret->start_ticks = c->origin.start_ticks;
		ret->boot_id = c->origin.boot_id;
		vec_reserve(&ret->maps, c->maps.n + 1);
		for (size_t i = 0; i < c->maps.n; i++)
			*vec_push(&ret->maps) = c->maps.v[i];
		note_lacks(ret);
		err = open_exe(ret, source->exe);
	}
	if (err)
		target_close(ret);
	return err;
}
