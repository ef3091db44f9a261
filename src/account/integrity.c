/* SPDX-License-Identifier: Apache-2.0 */
#include "account/integrity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "proc/opener.h"

enum {
	PAGE = 4096,
	PAGES_MAX = 16384, /* changed text pages compared with the file; more are counted as modified */
	INT3 = 0xcc,
	NOP5_LEN = 5,
	TEXT_MAX = 64 * 1024,
};

/* ---- text pages ---- */

static const unsigned char nop5[NOP5_LEN] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

struct difference {
	uint64_t probes; /* breakpoints, and nops that a uprobe turned into calls */
	bool other;
};

static struct difference compare(const unsigned char *mem, const unsigned char *file)
{
	struct difference d = { 0 };
	for (size_t i = 0; i < PAGE; i++) {
		if (mem[i] == file[i])
			continue;
		if (i + NOP5_LEN <= PAGE && mem[i] == 0xe8 && memcmp(file + i, nop5, NOP5_LEN) == 0) {
			d.probes++;
			i += NOP5_LEN - 1;
		} else if (mem[i] == INT3) {
			d.probes++;
		} else {
			d.other = true;
		}
	}
	return d;
}

static void check_page(struct target *t, const struct vma *v, int file, uint64_t at, struct account *a)
{
	unsigned char mem[PAGE], disk[PAGE] = { 0 };
	if (pread(file, disk, PAGE, (off_t)(v->offset + (at - v->start))) < 0 || !memsrc_read(t->mem, at, mem, PAGE))
		return;
	struct difference d = compare(mem, disk);
	a->integrity.probes += d.probes;
	a->integrity.text_modified += d.other ? PAGE : 0;
}

static void check_text(struct target *t, const struct vma *v, struct account *a)
{
	struct page_vec runs = { 0 };
	struct err *err AUTO(err) = target_pages(t, v->start, v->end, &runs);
	int file = -1;
	size_t looked = 0;
	for (size_t i = 0; !err && i < runs.n; i++) {
		if (runs.v[i].kind != PAGE_ANON)
			continue;
		if (file < 0)
			file = target_file(t, v);
		for (uint64_t at = runs.v[i].start; at < runs.v[i].end; at += PAGE) {
			if (file < 0 || looked++ >= PAGES_MAX)
				a->integrity.text_modified += PAGE;
			else
				check_page(t, v, file, at, a);
		}
	}
	vec_deinit(&runs);
}

/* ---- preloads ---- */

static bool mapped(const struct target *t, const char *path)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const char *name = t->maps.v[i].name;
		size_t len = strlen(name), want = strlen(path);
		if (len >= want && strcmp(name + len - want, path) == 0)
			return true;
	}
	return false;
}

/* Names in a list separated by spaces, colons or newlines; "#" starts a comment in the file. */
static void add_preloads(struct target *t, struct account *a, const char *list)
{
	while (list && *list) {
		size_t len = strcspn(list, " :\t\n");
		if (*list == '#')
			len = strcspn(list, "\n");
		else if (len) {
			const char *path = arena_strndup(&a->arena, list, len);
			const char *slash = strrchr(path, '/');
			if (mapped(t, slash ? slash : path))
				*vec_push(&a->integrity.preloaded) = path;
		}
		list += len + (list[len] != 0);
	}
}

static void check_preloads(struct target *t, struct account *a)
{
	add_preloads(t, a, target_environ(t, "LD_PRELOAD", &a->arena));
	if (!t->live)
		return;
	AUTO_FREE char *path = xasprintf("%s/%d/root/etc/ld.so.preload", proc_opener_dir(t->live->procfs), t->pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	AUTO_FREE char *text = xcalloc(1, TEXT_MAX + 1);
	if (read(fd, text, TEXT_MAX) > 0)
		add_preloads(t, a, text);
}

/* What uprobes leave behind, `ullage record`'s own among them. */
static void note_uprobes(const struct target *t, struct account *a)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		if (strncmp(t->maps.v[i].name, "[uprobes", strlen("[uprobes")) != 0)
			continue;
		account_note(a,
			     "uprobes were used on this process: what the kernel mapped for them (%s) stays until it "
			     "ends, at most some pages, in class kernel",
			     t->maps.v[i].name);
		return;
	}
}

void integrity_check(struct target *t, const struct role *roles, struct account *a)
{
	a->integrity.exe_matches_disk = t->live ? proc_exe_on_disk(&t->live->process) : -1;
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (!(v->flags & VMA_EXEC) || roles[i].kind == ROLE_KERNEL)
			continue;
		bool file = roles[i].kind == ROLE_ELF || roles[i].kind == ROLE_GO_IMAGE || roles[i].kind == ROLE_FILE;
		if (!file)
			*vec_push(&a->integrity.foreign_exec) =
				arena_printf(&a->arena, "0x%llx-0x%llx %s", (unsigned long long)v->start,
					     (unsigned long long)v->end, *v->name ? v->name : "anonymous");
		else if (t->mem && !(v->flags & VMA_SHARED))
			check_text(t, v, a);
	}
	check_preloads(t, a);
	note_uprobes(t, a);
}
