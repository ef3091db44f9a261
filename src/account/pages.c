/* SPDX-License-Identifier: Apache-2.0 */
#include "account/pages.h"

#include <stdio.h>

#include "account/image.h"
#include "base/num.h"
#include "gort/split.h"

/* Of malloc's heaps, what one colour may cover. */
static const uint64_t C_HEAP_PICTURED = UINT64_C(256) * 1024;

/* The vsyscall page lies in the kernel's half of the address space. */
static const uint64_t USER_END = UINT64_C(1) << 63;

/* Pages asked for ahead: one question to the kernel covers many small mappings. */
struct window {
	uint64_t start, end;
	struct page_vec runs;
	size_t at; /* first run not wholly below the mapping last asked for */
};

/* Ask about `start` and what follows: a piece of a large mapping, or several small ones. */
static struct err *window_fill(struct page_walk *w, struct window *win, size_t i, uint64_t start)
{
	const struct vma_vec *maps = &w->t->maps;
	win->start = start;
	win->end = num_min(maps->v[i].end, (start / GORT_ARENA_BYTES + 1) * GORT_ARENA_BYTES);
	if (win->end == maps->v[i].end) {
		for (i++; i < maps->n && maps->v[i].end - win->start <= PROC_PAGEMAP_STEP; i++)
			win->end = maps->v[i].end;
	}
	win->runs.n = 0;
	win->at = 0;
	return target_pages(w->t, win->start, win->end, &win->runs);
}

/* Anonymous mappings of one size are usually one cause. */
static uint32_t owner_by_size(struct page_walk *w, const struct vma *v, enum mem_class class)
{
	char size[NUM_SIZE_LEN], name[64];
	snprintf(name, sizeof(name), "anonymous mappings of %s", num_size(vma_size(v), size));
	return tally_owner(w->tally, class, name);
}

static void put(struct page_walk *w, const struct page_run *run, enum mem_class class, uint32_t owner)
{
	struct piece p = { run->start, run->end, run->end - run->start, class, owner, run };
	if (p.bytes)
		tally_piece(w->tally, &p);
}

/* What no arena and no claim covers belongs to the mapping's role. */
static void split_by_role(struct page_walk *w, size_t vma, const struct page_run *run)
{
	const struct role *r = &w->roles[vma];
	enum mem_class class = run->kind == PAGE_FILE ? r->clean : r->dirty;
	if (r->kind == ROLE_GO_IMAGE || r->kind == ROLE_GO_BSS) {
		if (w->owners)
			image_split(w->t, w->tally, run, run->start, run->end, class);
		else
			put(w, run, class, 0);
		return;
	}
	uint32_t owner = 0;
	if (w->owners)
		owner = r->owner ? tally_owner(w->tally, class, r->owner) : owner_by_size(w, &w->t->maps.v[vma], class);
	put(w, run, class, owner);
}

static struct page_run part_of(const struct page_run *run, uint64_t start, uint64_t end)
{
	struct page_run part = *run;
	part.start = start;
	part.end = num_min(run->end, end);
	return part;
}

static void put_part(struct page_walk *w, const struct page_run *run, enum mem_class class, const char *owner,
		     uint64_t bytes)
{
	struct piece p = { run->start, run->end, bytes, class, 0, run };
	if (!bytes)
		return;
	if (w->owners)
		p.owner = tally_owner(w->tally, class, owner);
	tally_piece(w->tally, &p);
}

/* Pages of one of malloc's heaps, by the bytes that its chunks have of each. */
static void split_c_heap(struct page_walk *w, const struct glibc_region *r, const struct page_run *run)
{
	const struct c_heap *c = w->c_heap;
	const char *owner = c->arenas.heaps.arenas.v[r->arena].main ? "main arena" : "arenas of threads";
	for (uint64_t at = run->start; at < run->end;) {
		/* for a picture, pieces that are not so long that all look alike */
		struct page_run part = part_of(run, at, w->tally->cells ? at + C_HEAP_PICTURED : run->end);
		struct glibc_pages_sum sum = glibc_pages_sum(&c->pages, r, part.start, part.end);
		put_part(w, &part, CLASS_C_HEAP_INUSE, owner, sum.used);
		put_part(w, &part, CLASS_C_HEAP_FREE, owner, sum.free);
		put_part(w, &part, CLASS_C_HEAP, owner, sum.unknown);
		at = part.end;
	}
}

static void split_run(struct page_walk *w, size_t vma, const struct page_run *run)
{
	for (uint64_t at = run->start; at < run->end;) {
		const struct gort_arena *a = w->heap ? gort_heap_arena(w->heap, at) : NULL;
		if (a) {
			struct page_run part = part_of(run, at, a->base + GORT_ARENA_BYTES);
			gort_heap_split(w->heap, w->stacks, &part, tally_piece, w->tally);
			at = part.end;
			continue;
		}
		const struct glibc_region *r = c_heap_after(w->c_heap, at);
		if (r && r->start <= at) {
			struct page_run part = part_of(run, at, r->limit);
			split_c_heap(w, r, &part);
			at = part.end;
			continue;
		}
		size_t i = claim_after(w->claims, at);
		const struct claim *c = i < w->claims->n ? &w->claims->v[i] : NULL;
		if (c && c->start <= at) {
			struct page_run part = part_of(run, at, r ? num_min(c->end, r->start) : c->end);
			put(w, &part, c->class, c->owner);
			at = part.end;
			continue;
		}
		/* an arena starts at a multiple of its size, so look no further than the next one */
		uint64_t to = w->heap ? (at / GORT_ARENA_BYTES + 1) * GORT_ARENA_BYTES : run->end;
		if (c)
			to = num_min(to, c->start);
		if (r)
			to = num_min(to, r->start);
		struct page_run part = part_of(run, at, to);
		split_by_role(w, vma, &part);
		at = part.end;
	}
}

/* The runs of the window that lie in mapping i. */
static void split_window(struct page_walk *w, struct window *win, size_t i)
{
	const struct vma *v = &w->t->maps.v[i];
	while (win->at < win->runs.n && win->runs.v[win->at].end <= v->start)
		win->at++;
	for (size_t r = win->at; r < win->runs.n && win->runs.v[r].start < v->end; r++) {
		struct page_run run = win->runs.v[r];
		run.start = num_max(run.start, v->start);
		run.end = num_min(run.end, v->end);
		if (run.start < run.end)
			split_run(w, i, &run);
	}
}

static struct err *walk_vma(struct page_walk *w, struct window *win, size_t i)
{
	const struct vma *v = &w->t->maps.v[i];
	tally_vma(w->tally, i);
	w->tally->a->vmas.v[i].label = w->roles[i].label;
	if (v->flags & VMA_HUGETLB || v->start >= USER_END) /* in no Rss */
		return NULL;
	for (uint64_t at = v->start; at < v->end; at = win->end) {
		if (at < win->start || at >= win->end)
			TRY(window_fill(w, win, i, at));
		split_window(w, win, i);
	}
	return NULL;
}

struct err *pages_walk(struct page_walk *w)
{
	struct window win = { 0 };
	struct err *err = NULL;
	for (size_t i = 0; i < w->t->maps.n && !err; i++) {
		if (w->interrupted && *w->interrupted) {
			account_note(w->tally->a, "interrupted: %zu of %zu mappings were read", i, w->t->maps.n);
			break;
		}
		err = walk_vma(w, &win, i);
	}
	vec_deinit(&win.runs);
	return err;
}
