/* SPDX-License-Identifier: Apache-2.0 */
#include "account/c_heap.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- which allocator ---- */

/* By what the path of a mapped library has in it, or by a function of the program. */
static const struct {
	const char *library, *function, *name;
} allocators[] = {
	{ "/libjemalloc", "je_malloc", "jemalloc" },
	{ "/libjemalloc", "mallctlnametomib", "jemalloc" },
	{ "/libtcmalloc", "tc_malloc", "tcmalloc" },
	{ "/libtcmalloc", "TCMallocInternalMalloc", "tcmalloc" },
	{ "/libmimalloc", "mi_malloc", "mimalloc" },
	{ "/libsnmalloc", "sn_malloc", "snmalloc" },
	{ "/libhoard", NULL, "Hoard" },
	{ "/libscudo", NULL, "Scudo" },
	{ "/ld-musl", "__malloc_donate", "musl" },
	{ "-linux-musl/libc.so", "__bin_chunk", "musl" },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static const char *find_library(const struct target *t, const char *part)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (v->inode && v->flags & VMA_EXEC && strstr(v->name, part))
			return base_name(v->name);
	}
	return NULL;
}

/* A program has many symbols, so they are gone through once. */
static const char *find_function(const struct target *t)
{
	for (size_t s = 0; s < t->symbols.n; s++) {
		const struct sym_symbol *symbol = &t->symbols.v[s];
		for (size_t i = 0; !symbol->object && i < LEN(allocators); i++) {
			const char *function = allocators[i].function;
			if (function && *function == *symbol->name && strcmp(function, symbol->name) == 0)
				return allocators[i].name;
		}
	}
	return NULL;
}

static const char *find_foreign(const struct target *t, struct arena *arena)
{
	for (size_t i = 0; i < LEN(allocators); i++) {
		const char *library = find_library(t, allocators[i].library);
		if (library)
			return arena_printf(arena, "%s (%s)", allocators[i].name, library);
	}
	const char *name = find_function(t);
	return name ? arena_printf(arena, "%s (linked into the program)", name) : NULL;
}

/* ---- where to look ---- */

static bool is_libc(const struct vma *v)
{
	const char *name = base_name(v->name);
	return v->inode && (starts(name, "libc.so.6") || starts(name, "libc-2."));
}

static bool has_libc(const struct target *t)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		if (is_libc(&t->maps.v[i]))
			return true;
	}
	return false;
}

static enum glibc_map kind_of(const struct target *t, size_t i, const struct role *r, const struct gort_heap *heap,
			      bool shared_libc)
{
	const struct vma *v = &t->maps.v[i];
	if (!(v->flags & VMA_READ) || !(v->flags & VMA_WRITE) || v->flags & (VMA_SHARED | VMA_HUGETLB))
		return GLIBC_MAP_OTHER;
	switch (r->kind) {
	case ROLE_HEAP:
		return GLIBC_MAP_BRK;
	case ROLE_ANON:
		return heap && gort_heap_arena(heap, v->start) ? GLIBC_MAP_OTHER : GLIBC_MAP_ANON;
	case ROLE_ELF:
	case ROLE_GO_IMAGE:
		return !shared_libc || is_libc(v) ? GLIBC_MAP_DATA : GLIBC_MAP_OTHER;
	case ROLE_NAMED:
	case ROLE_STACK:
	case ROLE_KERNEL:
	case ROLE_SHM:
	case ROLE_GO_BSS:
	case ROLE_ELF_BSS:
	case ROLE_FILE:
		break;
	}
	return GLIBC_MAP_OTHER;
}

static void find_kinds(const struct target *t, const struct role *roles, const struct gort_heap *heap,
		       unsigned char *kinds)
{
	bool shared_libc = has_libc(t);
	for (size_t i = 0; i < t->maps.n; i++)
		kinds[i] = (unsigned char)kind_of(t, i, &roles[i], heap, shared_libc);
}

void c_heap_find(struct target *t, const struct role *roles, const struct gort_heap *heap, struct arena *arena,
		 struct c_heap *ret)
{
	AUTO_FREE struct role *own = NULL;
	*ret = (struct c_heap){ .kinds = xcalloc(t->maps.n + 1, 1) };
	if (t->is_go && !target_uses_cgo(t) && !has_libc(t))
		return; /* there is no C in it */
	if (!roles) {
		own = xcalloc(t->maps.n + 1, sizeof(*own));
		role_assign(t, own);
		roles = own;
	}
	ret->allocator = ret->foreign = find_foreign(t, arena);
	find_kinds(t, roles, heap, ret->kinds);
	const struct glibc_where where = { t->mem, &t->maps, ret->kinds };
	struct err *err = glibc_find(&where, &ret->g);
	ret->found = !err;
	err_free(err);
	if (ret->found && !ret->foreign)
		ret->allocator = *ret->g.version ? arena_printf(arena, "glibc %s", ret->g.version) : "glibc";
}

/* ---- reading ---- */

struct err *c_heap_read(struct c_heap *h)
{
	if (!h->found)
		return NULL;
	struct err *err = glibc_arenas_read(&h->g, &h->pages, &h->arenas);
	h->have = !err;
	if (err) {
		glibc_pages_deinit(&h->pages);
		glibc_arenas_deinit(&h->arenas);
	}
	return err;
}

void c_heap_deinit(struct c_heap *h)
{
	glibc_pages_deinit(&h->pages);
	glibc_arenas_deinit(&h->arenas);
	free(h->kinds);
	*h = (struct c_heap){ 0 };
}

const struct glibc_region *c_heap_after(const struct c_heap *h, uint64_t addr)
{
	return h->have ? glibc_region_after(&h->arenas.heaps, addr) : NULL;
}

/* ---- into the account ---- */

static struct account_c_arena arena_row(const struct glibc_arena *a, const struct glibc_sums *s)
{
	struct account_c_arena row = {
		.addr = a->addr,
		.main = a->main,
		.threads = a->threads,
		.inuse = s->bytes[GLIBC_USED] + s->bytes[GLIBC_RECORD],
		.thread_cache = s->bytes[GLIBC_CACHED],
		.top = s->bytes[GLIBC_TOP],
		.unknown = s->bytes[GLIBC_UNKNOWN],
	};
	row.free = row.thread_cache + row.top + s->bytes[GLIBC_FREE] + s->bytes[GLIBC_FAST];
	row.system = row.inuse + row.free + row.unknown;
	return row;
}

static int by_system(const void *x, const void *y)
{
	const struct account_c_arena *a = x, *b = y;
	if (a->system != b->system)
		return a->system < b->system ? 1 : -1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void note(const struct c_heap *h, struct account *a)
{
	if (h->foreign)
		account_note(a,
			     "the C allocator is %s, which is not read: what of its memory is in use is not known, and "
			     "most of it is in class mmap.anon%s",
			     h->foreign,
			     h->have ? "; glibc's malloc was used beside it, its heaps are told apart" : "");
	if (h->have && !h->arenas.whole)
		account_note(a,
			     "the C heap changed while it was read: some of what is kept for reuse counts as in use");
	if (h->have && a->c_heap.unknown != ACCOUNT_UNKNOWN && a->c_heap.unknown)
		account_note(a,
			     "%" PRIu64 " kB of the C heap fit no chunk (changed while they were read, in swap, or not "
			     "malloc's): they are in class c.heap",
			     (a->c_heap.unknown + 1023) / 1024);
}

void c_heap_fill(const struct c_heap *h, struct account *a)
{
	struct account_c_heap *c = &a->c_heap;
	c->allocator = h->allocator;
	if (h->have && !h->foreign) {
		const struct glibc_arenas *from = &h->arenas;
		uint64_t large = from->mmapped == ACCOUNT_UNKNOWN ? from->blocks_bytes : from->mmapped;
		c->mmapped = from->mmapped;
		c->mmapped_blocks = from->mmapped_blocks;
		c->system = c->inuse = large;
		c->free = c->unknown = c->thread_cache = c->top = 0;
		for (size_t i = 0; i < from->heaps.arenas.n; i++) {
			struct account_c_arena row = arena_row(&from->heaps.arenas.v[i], &from->sums[i]);
			c->system += row.system;
			c->inuse += row.inuse;
			c->free += row.free;
			c->unknown += row.unknown;
			c->thread_cache += row.thread_cache;
			c->top += row.top;
			*vec_push(&c->arenas) = row;
		}
		vec_sort(&c->arenas, by_system);
	}
	note(h, a);
}
