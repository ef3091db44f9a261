/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target.h"

#include <elf.h>
#include <string.h>

#include "target/row.h"

struct err *target_outcome(const struct target *t, struct err *err)
{
	return t->row->outcome(t, err);
}

bool target_gone(const struct target *t)
{
	return t->row->gone(t);
}

uint64_t target_swapped(const struct target *t)
{
	return t->row->swapped(t);
}

struct err *target_pages(struct target *t, uint64_t start, uint64_t end, struct page_vec *ret)
{
	return t->row->pages(t, start, end, ret);
}

int target_file(struct target *t, const struct vma *v)
{
	return t->row->file(t, v);
}

struct target_clock target_clock(const struct target *t)
{
	return t->row->clock(t);
}

const char *target_environ(struct target *t, const char *name, struct arena *arena)
{
	return t->row->environ(t, name, arena);
}

void target_thread_comm(const struct target *t, int tid, char *buf, size_t len)
{
	t->row->thread_comm(t, tid, buf, len);
}

struct err *target_remap(struct target *t)
{
	return t->row->remap(t);
}

void target_close(struct target *t)
{
	if (!t->row) /* never opened, or closed before */
		return;
	if (t->is_go)
		gort_detach(&t->gort);
	vec_deinit(&t->symbols);
	vec_deinit(&t->declared);
	vec_deinit(&t->refs);
	vec_deinit(&t->image);
	if (t->has_elf)
		sym_elf_close(&t->elf);
	t->row->close(t);
	vec_deinit(&t->maps);
	vec_deinit(&t->notes);
	err_free(t->mem_err);
	arena_deinit(&t->arena);
	*t = (struct target){ 0 };
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
	return v->inode && v->inode == t->exe_inode &&
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

static void name_constants(struct target *t)
{
	for (size_t i = 0; t->live && t->mem && i < t->elf.segments.n; i++) {
		const struct sym_segment *s = &t->elf.segments.v[i];
		uint64_t start = s->vaddr + t->bias;
		if (!(s->flags & PF_W))
			proc_mem_constant(&t->live->mem,
					  &(struct proc_mem_constant){ start, start + s->filesz, s->offset, t->exe });
	}
}

static void read_elf(struct target *t)
{
	if (t->exe < 0)
		return;
	struct err *err AUTO(err) = sym_elf_open(t->exe, t->exe_path ? t->exe_path : "the executable", &t->elf);
	t->has_elf = !err;
	if (!t->has_elf)
		return;
	t->bias = load_bias(t);
	name_constants(t);
	if (t->elf.has_symtab && !t->no_symbols)
		err_free(sym_elf_symbols(t->exe, &t->elf, &t->symbols));
}

void target_identify(struct target *t)
{
	collect_image(t, of_exe);
	read_elf(t);
	if (!t->mem)
		return;
	t->gort = (struct gort){ .src = t->mem };
	struct err *err AUTO(err) = gort_module_find(t->mem, t->image.v, t->image.n, &t->gort.module);
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
	return gort_attach(t->mem, t->image.v, t->image.n, t->symbols.n ? symbol : NULL, t, &t->gort);
}

/* Look for a Go library in a program that is not Go. NOT_FOUND when there is none. */
static struct err *attach_library(struct target *t)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (!v->inode || !(v->flags & VMA_EXEC) || v->inode == t->exe_inode)
			continue;
		int fd = target_file(t, v);
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
	if (!t->mem)
		return NULL;
	struct err *err = attach_image(t);
	if (err && err_code(err) == ERR_NOT_FOUND && !target_gone(t)) {
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
	if (target_gone(t))
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

struct err *target_find_declared(struct target *t)
{
	if (t->declared_known || !t->is_go || t->library.inode || !t->has_elf || !t->elf.has_dwarf || t->exe < 0)
		return NULL;
	t->declared_known = true;
	return sym_dwarf_variables(t->exe, "the executable", &t->arena, &t->declared);
}
