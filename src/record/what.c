/* SPDX-License-Identifier: Apache-2.0 */
#include "record/what.h"

#include <string.h>

#include "proc/maps.h"

enum { KERNEL_MAP_STACK = 0x20000 };

static bool may_be_dirty(const struct vma *v)
{
	return v->inode && (v->flags & VMA_SHARED) && (v->flags & VMA_WRITE);
}

void record_what_init(struct record_what_source *s, struct record_target *t)
{
	*s = (struct record_what_source){ .t = t, .dirty = xcalloc(t->t.maps.n + 1, sizeof(bool)) };
	bool any = false;
	for (size_t i = 0; i < t->t.maps.n; i++)
		any = any || may_be_dirty(&t->t.maps.v[i]);
	struct proc_smap_vec smaps = { 0 };
	if (any && t->t.live)
		err_free(proc_smaps_read(&t->t.live->process, &smaps));
	for (size_t i = 0, at = 0; i < t->t.maps.n && at < smaps.n; i++) {
		while (at < smaps.n && smaps.v[at].start < t->t.maps.v[i].start)
			at++;
		if (at < smaps.n && smaps.v[at].start == t->t.maps.v[i].start)
			s->dirty[i] = smaps.v[at].dirty > 0;
	}
	vec_deinit(&smaps);
}

void record_what_deinit(struct record_what_source *s)
{
	free(s->dirty);
}

static bool starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool is_shared_memory(const struct vma *v)
{
	return starts(v->name, "/memfd:") || starts(v->name, "/SYSV") || starts(v->name, "/dev/shm/") ||
	       starts(v->name, "/dev/zero") || !v->inode || v->name[0] != '/';
}

enum record_what record_what_at(const struct record_what_source *s, uint64_t addr, uint32_t flags, bool page,
				enum page_kind kind)
{
	const struct vma *v = vma_find(&s->t->t.maps, addr);
	if (!v)
		return RECORD_WHAT_UNKNOWN;
	if ((flags & KERNEL_MAP_STACK) || starts(v->name, "[stack"))
		return RECORD_WHAT_STACK;
	if (starts(v->name, "[anon: Go"))
		return RECORD_WHAT_GO;
	if ((v->flags & VMA_SHARED) && is_shared_memory(v))
		return RECORD_WHAT_SHARED;
	if (!v->inode || (page && kind == PAGE_ANON))
		return RECORD_WHAT_ANON;
	if (v->flags & VMA_DELETED)
		return RECORD_WHAT_FILE_DIRTY;
	return s->dirty[v - s->t->t.maps.v] ? RECORD_WHAT_FILE_DIRTY : RECORD_WHAT_FILE_CLEAN;
}
