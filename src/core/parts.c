/* SPDX-License-Identifier: Apache-2.0 */
#include "core/parts.h"

#include <stdlib.h>

#include "base/num.h"

enum { PAGE = 4096, MAPS_MAX = 4 << 20 };

void core_parts_add(struct core *c, struct vma_vec *to, const struct vma *v)
{
	if (v->start >= v->end || v->start % PAGE || v->end % PAGE || to->n >= MAPS_MAX)
		return;
	struct vma *ret = vec_push(to);
	*ret = *v;
	ret->name = intern_str(&c->parts->names, v->name);
}

static int by_start(const void *a, const void *b)
{
	const struct vma *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* The first of those that overlap keeps its addresses. */
static void settle(struct vma_vec *maps)
{
	size_t n = 0;
	uint64_t end = 0;
	vec_sort(maps, by_start);
	for (size_t i = 0; i < maps->n; i++) {
		struct vma v = maps->v[i];
		if (v.end <= end)
			continue;
		if (v.start < end) {
			v.offset += end - v.start;
			v.start = end;
		}
		end = v.end;
		maps->v[n++] = v;
	}
	maps->n = n;
}

/* ---- mappings of a core that does not list them ---- */

/* What of the segment is in no listed mapping is anonymous; i is the first mapping that ends behind its start. */
static void add_between(struct core *c, const struct core_segment *s, size_t i)
{
	const struct vma_vec *listed = &c->parts->listed;
	for (uint64_t at = s->start; at < s->end; i++) {
		bool covered = i < listed->n && listed->v[i].start < s->end;
		uint64_t end = covered ? num_max(listed->v[i].start, at) : s->end;
		core_parts_add(c, &c->maps, &(struct vma){ .start = at, .end = end, .flags = s->flags, .name = "" });
		at = covered ? num_max(listed->v[i].end, at) : s->end;
	}
}

/* A mapping of which the core has no segment (gcore leaves out what a file has) can be read, at least. */
static void add_listed(struct core *c)
{
	size_t s = 0;
	for (size_t i = 0; i < c->parts->listed.n; i++) {
		struct vma v = c->parts->listed.v[i];
		while (s < c->segments.n && c->segments.v[s].end <= v.start)
			s++;
		bool has = s < c->segments.n && c->segments.v[s].start <= v.start;
		v.flags = has ? c->segments.v[s].flags : VMA_READ;
		*vec_push(&c->maps) = v;
	}
}

static void make_maps(struct core *c)
{
	size_t i = 0;
	settle(&c->parts->listed);
	for (size_t s = 0; s < c->segments.n; s++) {
		while (i < c->parts->listed.n && c->parts->listed.v[i].end <= c->segments.v[s].start)
			i++;
		add_between(c, &c->segments.v[s], i);
	}
	add_listed(c);
}

/* Names that the kernel would give, as far as the auxiliary vector tells. */
static void name_special(struct core *c)
{
	const struct {
		uint64_t addr;
		const char *name;
	} special[] = {
		{ c->auxv.random, "[stack]" },
		{ c->auxv.vdso, "[vdso]" },
		{ UINT64_C(0xffffffffff600000), "[vsyscall]" },
	};
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		const struct vma *v = special[i].addr ? vma_find(&c->maps, special[i].addr) : NULL;
		if (v && !*v->name)
			c->maps.v[v - c->maps.v].name = special[i].name;
	}
}

/* ---- files ---- */

static uint32_t file_at(struct core *c, const struct vma *v)
{
	bool fresh = false;
	uint64_t *number = hash_map_at(&c->parts->by_name, (uintptr_t)v->name, &fresh);
	if (fresh) {
		*vec_push(&c->files) = (struct core_file){
			.path = v->name,
			.inode = v->inode ? v->inode : c->files.n + 1,
			.dev_major = v->dev_major,
			.dev_minor = v->dev_minor,
			.fd = -1,
		};
		*number = c->files.n;
	}
	struct core_file *f = &c->files.v[*number - 1];
	if (!v->offset && !f->header)
		f->header = v->start;
	return (uint32_t)*number;
}

static void number_files(struct core *c, bool own)
{
	vec_reserve(&c->parts->file_of, c->maps.n);
	for (size_t i = 0; i < c->maps.n; i++) {
		struct vma *v = &c->maps.v[i];
		bool of_file = own ? v->inode != 0 : *v->name && *v->name != '[';
		uint32_t number = of_file ? file_at(c, v) : 0;
		*vec_push(&c->parts->file_of) = number;
		if (number && !own)
			v->inode = c->files.v[number - 1].inode;
	}
}

/* Has the core nothing of any writable anonymous memory, though there was some? */
static bool lacks_anon(const struct core *c)
{
	bool some = false;
	for (size_t i = 0; i < c->segments.n; i++) {
		const struct core_segment *s = &c->segments.v[i];
		const struct vma *v = s->flags & VMA_WRITE ? vma_find(&c->maps, s->start) : NULL;
		if (!v || v->inode || s->lost)
			continue;
		some = true;
		if (s->filled)
			return false;
	}
	return some;
}

void core_parts_finish(struct core *c)
{
	bool own = c->maps.n > 0;
	if (!own)
		make_maps(c);
	settle(&c->maps);
	if (!own)
		name_special(c);
	number_files(c, own);
	c->no_anon = lacks_anon(c);
}
