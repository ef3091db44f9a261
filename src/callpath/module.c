/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <string.h>

#include "base/bisect.h"
#include "callpath/parts.h"

enum {
	MODULES_MAX = 16384,
	RANGES_MAX = 65536,
	BEFORE_MAX = 8, /* symbols looked at for one that holds an address: functions are rarely nested */
};

/* ---- the table of mappings ---- */

static bool same_file(const struct module *m, const struct vma *v)
{
	return m->inode == v->inode && m->dev_major == v->dev_major && m->dev_minor == v->dev_minor;
}

static uint32_t module_of(struct callpath *c, const struct vma *v)
{
	for (size_t i = c->modules.n; i-- > 0;) {
		if (same_file(&c->modules.v[i], v))
			return (uint32_t)i;
	}
	const char *slash = strrchr(v->name, '/');
	const char *path = arena_strdup(&c->arena, v->name);
	*vec_push(&c->modules) = (struct module){ .inode = v->inode,
						  .dev_major = v->dev_major,
						  .dev_minor = v->dev_minor,
						  .path = path,
						  .name = slash ? path + (slash + 1 - v->name) : path };
	return (uint32_t)(c->modules.n - 1);
}

static bool same_range(const struct range *r, const struct vma *v, const struct module *m)
{
	return r->vma.start == v->start && r->vma.end == v->end && r->vma.offset == v->offset && same_file(m, v);
}

static int by_address(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return x->vma.start < y->vma.start ? -1 : x->vma.start > y->vma.start;
}

/* The first range that ends above addr. */
static size_t range_above(const struct range_vec *ranges, uint64_t addr)
{
	size_t low = bisect(ranges->n, i, ranges->v[i].vma.end <= addr);
	return low;
}

/* What is no longer mapped stays where nothing else came: events of it may still wait to be read. */
static bool keep_old(struct callpath *c, struct range_vec *now)
{
	size_t fresh = now->n;
	bool replaced = false;
	for (size_t i = 0; i < c->ranges.n; i++) {
		const struct range *old = &c->ranges.v[i];
		size_t k = range_above(&(struct range_vec){ now->v, fresh, 0 }, old->vma.start);
		bool free = k >= fresh || now->v[k].vma.start >= old->vma.end;
		if (!free)
			replaced |= !same_range(old, &now->v[k].vma, &c->modules.v[now->v[k].module]);
		else if (now->n < RANGES_MAX)
			*vec_push(now) = *old;
	}
	return replaced;
}

bool modules_refresh(struct callpath *c)
{
	struct range_vec now = { 0 };
	for (size_t i = 0; i < c->target->maps.n && now.n < RANGES_MAX; i++) {
		const struct vma *v = &c->target->maps.v[i];
		if (v->flags & VMA_EXEC && v->inode && c->modules.n < MODULES_MAX)
			*vec_push(&now) = (struct range){ *v, module_of(c, v) };
	}
	bool replaced = keep_old(c, &now);
	vec_sort(&now, by_address);
	vec_deinit(&c->ranges);
	c->ranges = now;
	return replaced;
}

void modules_free(struct callpath *c)
{
	for (size_t i = 0; i < c->modules.n; i++) {
		struct module *m = &c->modules.v[i];
		sym_cfi_free(m->cfi);
		sym_lines_free(m->lines);
		vec_deinit(&m->functions);
		if (m->has_elf)
			sym_elf_close(&m->elf);
	}
	vec_deinit(&c->modules);
	vec_deinit(&c->ranges);
}

/* ---- files ---- */

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* Of several names of one function, the one that a program calls it by. */
static int by_address_and_name(const void *a, const void *b)
{
	const struct sym_symbol *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if ((x->size == 0) != (y->size == 0))
		return x->size == 0 ? 1 : -1;
	size_t p = underscores(x->name), q = underscores(y->name), m = strlen(x->name), n = strlen(y->name);
	if (p != q)
		return p < q ? -1 : 1;
	if (m != n)
		return m < n ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Functions that Go's own table does not know, one an address. */
static void keep_functions(struct callpath *c, struct module *m, bool is_go_image)
{
	struct sym_symbol_vec *s = &m->functions;
	size_t n = 0, ignored = 0;
	for (size_t i = 0; i < s->n; i++) {
		bool go = is_go_image && c->target->gort.pclntab &&
			  sym_pclntab_find(c->target->gort.pclntab, s->v[i].addr + c->target->bias, &ignored);
		if (!s->v[i].object && *s->v[i].name && !go)
			s->v[n++] = s->v[i];
	}
	s->n = n;
	vec_sort(s, by_address_and_name);
	for (size_t i = n = 0; i < s->n; i++) {
		if (!n || s->v[n - 1].addr != s->v[i].addr)
			s->v[n++] = s->v[i];
	}
	s->n = n;
}

static void read_functions(struct callpath *c, struct module *m, int fd, bool is_go_image)
{
	struct err *err = m->elf.symtab.size ? sym_elf_symbols(fd, &m->elf, &m->functions)
					     : sym_elf_dynamic_symbols(fd, &m->elf, &m->functions);
	if (err)
		m->functions.n = 0;
	err_free(err);
	keep_functions(c, m, is_go_image);
}

/* Where the code segment lies that this mapping is of. */
static void find_skew(struct module *m, const struct vma *v)
{
	for (size_t i = 0; i < m->elf.segments.n; i++) {
		const struct sym_segment *s = &m->elf.segments.v[i];
		if (!(s->flags & PF_X) || s->offset + s->filesz <= v->offset || s->offset >= v->offset + vma_size(v))
			continue;
		m->skew = s->vaddr - s->offset;
		m->placed = true;
		return;
	}
}

static uint64_t section_bytes(const struct module *m, const char *name)
{
	const struct sym_section *s = sym_elf_section(&m->elf, name);
	return s && !s->nobits ? s->size : 0;
}

/* Is there room for what will be kept of it? A function takes half as much again as its symbol, its frame as much again. */
static bool affordable(struct callpath *c, const struct module *m)
{
	const struct sym_table *t = m->elf.symtab.size ? &m->elf.symtab : &m->elf.dynsym;
	uint64_t frames = section_bytes(m, ".eh_frame") + section_bytes(m, ".debug_frame");
	uint64_t parts[] = { t->size, t->size, t->names_size, frames, frames };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i] > CALLPATH_FILES_BYTES - c->file_bytes)
			return false;
		c->file_bytes += parts[i];
	}
	return true;
}

static void open_module(struct callpath *c, struct module *m, const struct vma *v)
{
	m->opened = true;
	m->vma = *v;
	int fd = target_file(c->target, v);
	struct err *err = fd < 0 ? err_gone() : sym_elf_open(fd, m->path, &m->elf);
	m->has_elf = !err;
	if (!err && m->elf.machine == EM_X86_64) {
		find_skew(m, v);
		bool read = affordable(c, m);
		if (read)
			read_functions(c, m, fd, v->inode == c->target->exe_inode && c->target->is_go);
		err = read ? sym_cfi_open(fd, &m->elf, &m->cfi) : NULL;
	}
	err_free(err); /* without it there are offsets, and frame pointers */
}

struct sym_lines *module_lines(struct callpath *c, struct module *m)
{
	if (m->lined || !m->has_elf || !m->elf.has_dwarf)
		return m->lines;
	m->lined = true;
	if (c->n_lines++ >= CALLPATH_LINES_MAX)
		return NULL;
	int fd = target_file(c->target, &m->vma);
	if (fd >= 0)
		err_free(sym_lines_open(fd, m->path, &m->lines));
	return m->lines;
}

struct module *module_at(struct callpath *c, uint64_t pc, uint64_t *addr, uint32_t *index)
{
	size_t i = range_above(&c->ranges, pc);
	if (i == c->ranges.n || pc < c->ranges.v[i].vma.start)
		return NULL;
	const struct range *r = &c->ranges.v[i];
	struct module *m = &c->modules.v[r->module];
	*index = r->module;
	if (!m->opened)
		open_module(c, m, &r->vma);
	*addr = pc - r->vma.start + r->vma.offset + m->skew;
	return m;
}

bool module_code(struct callpath *c, uint64_t addr, void *buf, size_t len)
{
	if (c->target->mem && memsrc_read(c->target->mem, addr, buf, len))
		return true;
	size_t i = range_above(&c->ranges, addr);
	if (i == c->ranges.n || addr < c->ranges.v[i].vma.start || len > c->ranges.v[i].vma.end - addr)
		return false;
	const struct vma *v = &c->ranges.v[i].vma;
	int fd = target_file(c->target, v);
	return fd >= 0 && sym_elf_read(fd, v->offset + (addr - v->start), buf, len);
}

const struct sym_symbol *module_function(const struct module *m, uint64_t addr)
{
	size_t low = bisect(m->functions.n, i, m->functions.v[i].addr <= addr);
	uint64_t start = 0, end = 0;
	bool framed = m->cfi && sym_cfi_function(m->cfi, addr, &start, &end);
	for (size_t i = low, n = 0; i-- > 0 && n < BEFORE_MAX; n++) {
		const struct sym_symbol *s = &m->functions.v[i];
		if (addr - s->addr < s->size || (!s->size && framed && s->addr == start))
			return s;
	}
	return NULL;
}
