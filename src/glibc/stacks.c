/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/stacks.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	PAGE = 4096,
	TCB_SELF = 16,	   /* tcbhead_t.self; word 0 (tcb) points at the descriptor as well */
	TCB_LIST = 0x2c0,  /* struct pthread.list: next, prev; after a tcbhead_t of 704 bytes */
	TCB_TID = 0x2d0,   /* .tid */
	TCB_STACK = 0x690, /* .stackblock, .stackblock_size, .guardsize */
	TCB_BYTES = 0x6a8, /* as far as it is read */
	TCB_ALIGN = 16,	   /* of a descriptor, at least */
	HEADS = 3,	   /* of lists, one behind the other: stacks in use, stacks of the program's own, kept ones */
	HEAD_BYTES = 16,
	STEPS_MAX = 8 * GLIBC_STACKS_MAX, /* through lists, in all */
	UNGUARDED_MAX = 4096,		  /* mappings without a guard that are looked at */
	STACK_MIN = 16 * 1024,		  /* PTHREAD_STACK_MIN */
};

static const uint64_t USER_END = UINT64_C(1) << 47;

struct search {
	struct memsrc *src;
	struct hash_map known; /* descriptors */
	struct glibc_stack_vec *found;
	unsigned steps;
};

/* The descriptor at addr, if there is one. Its stack is empty when it says none: that of the main thread begins at 0. */
static bool read_descriptor(struct memsrc *src, uint64_t addr, struct glibc_stack *ret)
{
	unsigned char d[TCB_BYTES];
	if (addr % TCB_ALIGN || !memsrc_read(src, addr, d, sizeof(d)) || load_u64(d) != addr ||
	    load_u64(d + TCB_SELF) != addr)
		return false;
	uint64_t start = load_u64(d + TCB_STACK), size = load_u64(d + TCB_STACK + 8);
	uint32_t tid = load_u32(d + TCB_TID);
	*ret = (struct glibc_stack){ .descriptor = addr, .tid = tid > INT32_MAX ? 0 : tid };
	if (start && start % PAGE == 0 && start < addr && size < USER_END && addr - start < size) {
		ret->start = start;
		ret->end = start + size;
	}
	return true;
}

/* True when it is a new one. */
static bool add(struct search *s, uint64_t addr)
{
	struct glibc_stack stack;
	if (s->found->n == GLIBC_STACKS_MAX || hash_map_get(&s->known, addr) || !read_descriptor(s->src, addr, &stack))
		return false;
	hash_map_at(&s->known, addr, NULL);
	if (stack.end)
		*vec_push(s->found) = stack;
	return true;
}

/* Through a list that `node` is in, heads included, until nothing new comes. Returns its head, or 0. */
static uint64_t follow(struct search *s, uint64_t node)
{
	uint64_t head = 0, at = node;
	while (s->steps++ < STEPS_MAX) {
		at = memsrc_ptr(s->src, at);
		if (!at || at % 8 || at >= USER_END || at == node)
			break;
		bool known = hash_map_get(&s->known, at - TCB_LIST);
		if (!known && !add(s, at - TCB_LIST)) {
			if (head)
				break; /* a list has one head */
			head = at;
		}
	}
	return head;
}

/* Is that the head of a list? Its neighbours lead back to it. */
static bool is_head(struct memsrc *src, uint64_t at)
{
	uint64_t next = memsrc_ptr(src, at), prev = memsrc_ptr(src, at + 8);
	return next && prev && memsrc_ptr(src, next + 8) == at && memsrc_ptr(src, prev) == at;
}

/* A descriptor leads to those of its list, the head of that list to the heads beside it. */
static void follow_all(struct search *s, uint64_t descriptor)
{
	uint64_t head = follow(s, descriptor + TCB_LIST);
	if (!head || hash_map_get(&s->known, head))
		return;
	hash_map_at(&s->known, head, NULL);
	for (uint64_t i = 0; i < 2 * HEADS - 1; i++) {
		uint64_t at = head + i * HEAD_BYTES - HEAD_BYTES * (uint64_t)(HEADS - 1);
		if (at != head && is_head(s->src, at))
			follow(s, at);
	}
}

/* Does mapping i stand behind one that nobody may touch? */
static bool is_guarded(const struct glibc_where *w, size_t i)
{
	const struct vma *v = &w->maps->v[i], *guard = i ? v - 1 : NULL;
	return guard && guard->end == v->start && !guard->inode && !(guard->flags & (VMA_READ | VMA_WRITE | VMA_EXEC));
}

/* A stack that does not say where it is has a guarded mapping to itself. */
static void add_guarded(struct search *s, const struct glibc_where *w, size_t i, uint64_t descriptor)
{
	const struct vma *v = &w->maps->v[i];
	struct glibc_stack stack;
	if (!is_guarded(w, i) || !read_descriptor(s->src, descriptor, &stack) || stack.end)
		return;
	stack.start = v->start;
	stack.end = v->end;
	*vec_push(s->found) = stack;
}

static void look_in_last_page(struct search *s, const struct glibc_where *w, size_t i)
{
	const struct vma *v = &w->maps->v[i];
	unsigned char page[PAGE];
	uint64_t start = v->end - PAGE;
	if (!memsrc_read(s->src, start, page, PAGE))
		return;
	for (size_t at = 0; at + TCB_SELF + 8 <= PAGE; at += TCB_ALIGN) {
		if (load_u64(page + at) != start + at || load_u64(page + at + TCB_SELF) != start + at ||
		    !add(s, start + at))
			continue;
		add_guarded(s, w, i, start + at);
		follow_all(s, start + at);
	}
}

static int by_start(const void *x, const void *y)
{
	const struct glibc_stack *a = x, *b = y;
	return a->start < b->start ? -1 : a->start > b->start;
}

void glibc_stacks_find(const struct glibc_where *w, struct glibc_stack_vec *ret)
{
	struct memcache cache AUTO(memcache);
	memcache_init(&cache, w->src);
	struct search s = { .src = &cache.src, .found = ret };
	/* mappings without guards are looked at where those with one were no stacks: a program may have many */
	for (int pass = 0; pass < 2 && !ret->n; pass++) {
		unsigned looks = pass ? UNGUARDED_MAX : GLIBC_STACKS_MAX;
		for (size_t i = 0; i < w->maps->n && looks && ret->n < GLIBC_STACKS_MAX; i++) {
			if (w->kinds[i] != GLIBC_MAP_ANON || vma_size(&w->maps->v[i]) < STACK_MIN ||
			    is_guarded(w, i) != (pass == 0))
				continue;
			looks--;
			look_in_last_page(&s, w, i);
		}
	}
	hash_map_deinit(&s.known);
	vec_sort(ret, by_start);
}
