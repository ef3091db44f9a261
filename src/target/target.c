/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target.h"

#include <string.h>

static const char *exe_path(struct target *t)
{
	char *path = NULL;
	struct err *err AUTO(err) = proc_process_link(&t->process, "exe", &t->arena, &path);
	if (err || !path)
		return NULL;
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path), cut = sizeof(deleted) - 1;
	if (len > cut && strcmp(path + len - cut, deleted) == 0)
		path[len - cut] = 0;
	return path;
}

static void open_memory(struct target *t)
{
	t->mem_err = proc_pagemap_open(&t->process, &t->pagemap);
	if (t->mem_err)
		return;
	t->has_pagemap = true;
	t->mem_err = proc_mem_init(&t->mem, &t->process, &t->maps, &t->pagemap);
	t->has_mem = !t->mem_err;
}

struct err *target_open(const char *procfs, int pid, struct target *ret)
{
	*ret = (struct target){ .procfs = procfs };
	arena_init(&ret->arena);
	struct err *err = proc_process_open(procfs, pid, &ret->process);
	if (err) {
		arena_deinit(&ret->arena);
		return err;
	}
	err = proc_maps_read(&ret->process, &ret->arena, &ret->maps);
	if (err) {
		target_close(ret);
		return err;
	}
	ret->exe_path = exe_path(ret);
	open_memory(ret);
	return NULL;
}

/* It had memory, or would have had when it was opened, and has none now. */
static bool lost_memory(const struct proc_process *p)
{
	enum { STATM_MAX = 256 };
	if (p->kernel_thread || p->state == 'Z' || p->state == 'X')
		return false;
	AUTO(strbuf) struct strbuf statm;
	strbuf_init(&statm);
	struct err *err AUTO(err) = proc_process_text(p, "statm", STATM_MAX, &statm);
	return !err && statm.len && strncmp(statm.buf, "0 ", 2) == 0;
}

struct err *target_outcome(const struct target *t, struct err *err)
{
	bool gone = err && err_code(err) == ERR_GONE;
	struct err *now = proc_process_check(&t->process);
	if (!now && (gone || t->mem.gone || lost_memory(&t->process)))
		now = err_wrap(err_gone(), "pid %d", t->process.pid);
	if (!now || (err && err_code(now) != ERR_GONE)) {
		err_free(now);
		return err;
	}
	err_free(err);
	return now;
}

void target_close(struct target *t)
{
	if (t->is_go)
		gort_detach(&t->gort);
	vec_deinit(&t->symbols);
	vec_deinit(&t->refs);
	vec_deinit(&t->image);
	if (t->has_elf)
		sym_elf_close(&t->elf);
	if (t->has_mem)
		proc_mem_deinit(&t->mem);
	if (t->has_pagemap)
		proc_pagemap_close(&t->pagemap);
	vec_deinit(&t->maps);
	proc_process_close(&t->process);
	err_free(t->mem_err);
	arena_deinit(&t->arena);
	*t = (struct target){ 0 };
}

struct err *target_remap(struct target *t)
{
	struct vma_vec maps = { 0 };
	struct err *err = proc_maps_read(&t->process, &t->arena, &maps);
	if (err) {
		vec_deinit(&maps);
		return err;
	}
	vec_deinit(&t->maps);
	t->maps = maps;
	if (t->has_mem)
		proc_mem_refresh(&t->mem, &t->maps);
	return NULL;
}

/* ---- the image ---- */

/* The Go image may be a library (-buildmode=c-shared) or a plugin in a program that is not Go. */
static bool of_library(const struct target *t, const struct vma *v)
{
	return v->inode && v->inode == t->library.inode && v->dev_major == t->library.dev_major &&
	       v->dev_minor == t->library.dev_minor;
}

static bool of_exe(const struct target *t, const struct vma *v)
{
	return v->inode && v->inode == t->process.exe_inode &&
	       (!t->exe_path || !*v->name || strcmp(v->name, t->exe_path) == 0 || v->flags & VMA_DELETED);
}

/* The file's mappings, and the anonymous ones that continue a writable one: bss. */
static void collect_image(struct target *t, bool (*is_of)(const struct target *, const struct vma *))
{
	bool continues = false;
	uint64_t end = 0;
	t->image.n = 0;
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		bool file = is_of(t, v);
		bool bss = continues && !v->inode && v->start == end && !*v->name && v->flags & VMA_WRITE;
		if (file || bss)
			*vec_push(&t->image) = *v;
		continues = file || bss;
		end = v->end;
	}
}

/* Live address minus ELF address, by the first mapping of the file and the segment at its offset. */
static uint64_t load_bias(const struct target *t)
{
	for (size_t i = 0; i < t->image.n; i++) {
		const struct vma *v = &t->image.v[i];
		for (size_t s = 0; v->inode && s < t->elf.segments.n; s++) {
			const struct sym_segment *seg = &t->elf.segments.v[s];
			uint64_t page = seg->offset - seg->offset % 4096;
			if (v->offset == page)
				return v->start - (seg->vaddr - (seg->offset - page));
		}
	}
	return 0;
}

static uint64_t symbol(void *ctx, const char *name)
{
	const struct target *t = ctx;
	for (size_t i = 0; i < t->symbols.n; i++) {
		if (strcmp(t->symbols.v[i].name, name) == 0)
			return t->symbols.v[i].addr + t->bias;
	}
	return 0;
}

static void read_elf(struct target *t)
{
	if (t->process.exe < 0)
		return;
	struct err *err AUTO(err) = sym_elf_open(t->process.exe, t->exe_path ? t->exe_path : "the executable", &t->elf);
	t->has_elf = !err;
	if (!t->has_elf)
		return;
	t->bias = load_bias(t);
	if (t->elf.has_symtab)
		err_free(sym_elf_symbols(t->process.exe, &t->elf, &t->symbols));
}

void target_identify(struct target *t)
{
	collect_image(t, of_exe);
	read_elf(t);
	if (!t->has_mem)
		return;
	t->gort = (struct gort){ .src = &t->mem.src };
	struct err *err AUTO(err) = gort_module_find(&t->mem.src, t->image.v, t->image.n, &t->gort.module);
	t->is_go = !err;
}

bool target_uses_cgo(const struct target *t)
{
	size_t f = 0;
	if (t->gort.pclntab)
		return sym_pclntab_find_name(t->gort.pclntab, "crosscall2", &f) ||
		       sym_pclntab_find_name(t->gort.pclntab, "crosscall2.abi0", &f);
	const struct gort_module *m = &t->gort.module;
	for (size_t i = 0; i < m->settings.n; i++) {
		if (strcmp(m->settings.v[i].name, "CGO_ENABLED") == 0)
			return strcmp(m->settings.v[i].value, "1") == 0 && t->has_elf && t->elf.dynamic;
	}
	return t->has_elf && t->elf.dynamic;
}

static struct err *attach_image(struct target *t)
{
	return gort_attach(&t->mem.src, t->image.v, t->image.n, t->symbols.n ? symbol : NULL, t, &t->gort);
}

/* Look for a Go library in a program that is not Go. NOT_FOUND when there is none. */
static struct err *attach_library(struct target *t)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (!v->inode || !(v->flags & VMA_EXEC) || v->inode == t->process.exe_inode)
			continue;
		int fd = proc_mem_file(&t->mem, v);
		struct sym_elf elf;
		struct err *bad AUTO(err) = fd < 0 ? err_gone() : sym_elf_open(fd, v->name, &elf);
		if (bad)
			continue;
		bool go = sym_elf_is_go(&elf) == 1;
		sym_elf_close(&elf);
		if (!go)
			continue;
		t->library = *v;
		t->symbols.n = 0; /* the program's, not the library's */
		collect_image(t, of_library);
		return attach_image(t);
	}
	return err_new(ERR_NOT_FOUND, "no Go image is mapped");
}

struct err *target_attach(struct target *t, struct account *a)
{
	collect_image(t, of_exe);
	read_elf(t);
	if (!t->has_mem)
		return NULL;
	struct err *err = attach_image(t);
	if (err && err_code(err) == ERR_NOT_FOUND && !t->mem.gone) {
		err_free(err);
		err = attach_library(t);
	}
	t->is_go = !err;
	if (!err) {
		if (a && t->gort.refusal)
			account_note(a, "%s; what does not need the runtime's layout is shown", t->gort.refusal);
		if (a && t->gort.unproven)
			account_note(a,
				     "the layout of go1.%d is used for %s: it passed the self-checks, but no table was "
				     "made from this version",
				     t->gort.layout->minor, t->gort.module.version);
		return NULL;
	}
	if (t->mem.gone)
		return err_recode(err, ERR_GONE);
	if (err_code(err) != ERR_NOT_FOUND && a)
		account_note(a, "%s", err_text(err));
	err_free(err);
	return NULL;
}

void target_find_refs(struct target *t)
{
	if (t->is_go && !t->symbols.n)
		gort_refs_read(&t->gort, &t->refs);
}
