/* SPDX-License-Identifier: Apache-2.0 */
#include "account/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "glibc/stacks.h"

enum {
	PAGE = 4096,
	ARENA_BYTES = 64 << 20,	     /* HEAP_MAX_SIZE: malloc's arenas are aligned to it */
	MMAP_CHUNK_MIN = 128 * 1024, /* DEFAULT_MMAP_THRESHOLD */
	CHUNK_FLAGS = 7,
	CHUNK_MMAPPED = 2,
	LOOKS_MAX = 16384, /* pages looked at for a large block, ... */
	MISSES_MAX = 2048, /* ... and those without one in a row, before the mapping's rest is passed over */
};

static bool anon_rw(const struct vma *v, const struct role *r)
{
	return r->kind == ROLE_ANON && v->flags & VMA_WRITE && v->flags & VMA_READ;
}

/* ---- thread stacks ---- */

static uint32_t thread_owner(struct target *t, struct tally *tally, uint32_t tid)
{
	char comm[64] = "", name[128];
	target_thread_comm(t, (int)tid, comm, sizeof(comm));
	snprintf(name, sizeof(name), "thread %" PRIu32 " %s", tid, comm);
	return tally_owner(tally, CLASS_C_STACK, name);
}

static void stacks_of_runtime(struct target *t, const struct gort_thread_vec *threads, struct tally *tally,
			      struct claim_vec *claims)
{
	for (size_t i = 0; i < threads->n; i++) {
		const struct gort_thread *th = &threads->v[i];
		const struct vma *v = th->g0_hi > th->g0_lo ? vma_find(&t->maps, th->g0_lo) : NULL;
		if (v && !v->inode && !*v->name)
			claim_add(claims, th->g0_lo - th->g0_lo % PAGE, (th->g0_hi + PAGE - 1) / PAGE * PAGE,
				  CLASS_C_STACK, thread_owner(t, tally, (uint32_t)th->procid));
	}
}

/* What of a stack is anonymous memory: the descriptor is the target's word for it, its mappings are the kernel's. */
static void claim_stack(const struct target *t, const struct role *roles, const struct glibc_stack *stack,
			enum mem_class class, uint32_t owner, struct claim_vec *claims)
{
	for (const struct vma *v = vma_find(&t->maps, stack->descriptor); v >= t->maps.v && v->end > stack->start;
	     v--) {
		if (roles[v - t->maps.v].kind == ROLE_ANON)
			claim_add(claims, num_max(v->start, stack->start), num_min(v->end, stack->end), class, owner);
	}
}

void native_stacks(struct target *t, const struct role *roles, const struct gort_thread_vec *threads,
		   const struct c_heap *c, struct tally *tally, struct claim_vec *claims)
{
	const struct glibc_where where = { t->mem, &t->maps, c->kinds };
	struct glibc_stack_vec stacks = { 0 };
	glibc_stacks_find(&where, &stacks);
	for (size_t i = 0; i < stacks.n; i++) {
		const struct glibc_stack *s = &stacks.v[i];
		enum mem_class class = s->tid ? CLASS_C_STACK : CLASS_C_STACK_CACHED;
		claim_stack(t, roles, s, class,
			    s->tid ? thread_owner(t, tally, s->tid) : tally_owner(tally, class, "ended threads"),
			    claims);
	}
	vec_deinit(&stacks);
	stacks_of_runtime(t, threads, tally, claims);
}

/* ---- malloc ---- */

/* heap_info: ar_ptr, prev, size, mprotect_size at the start of each aligned piece of an arena. */
static bool is_arena(struct target *t, const struct vma *v)
{
	unsigned char head[32];
	if (v->start % ARENA_BYTES || vma_size(v) > ARENA_BYTES || !memsrc_read(t->mem, v->start, head, sizeof(head)))
		return false;
	uint64_t arena = load_u64(head), prev = load_u64(head + 8), size = load_u64(head + 16),
		 writable = load_u64(head + 24);
	uint64_t in_page = arena & (ARENA_BYTES - 1);
	return size && size % PAGE == 0 && size <= writable && writable == vma_size(v) && prev % ARENA_BYTES == 0 &&
	       in_page >= 0x20 && in_page <= 0x40;
}

/* A large block: {0, size | IS_MMAPPED}, size in pages. Returns its size, or 0. */
static uint64_t chunk_at(struct target *t, const struct vma *v, uint64_t at)
{
	unsigned char head[16];
	if (!memsrc_read(t->mem, at, head, sizeof(head)))
		return 0;
	uint64_t prev = load_u64(head), word = load_u64(head + 8), size = word & ~(uint64_t)CHUNK_FLAGS;
	bool fits = size >= MMAP_CHUNK_MIN && size % PAGE == 0 && size <= v->end - at;
	return !prev && (word & CHUNK_FLAGS) == CHUNK_MMAPPED && fits ? size : 0;
}

/*
 * Large blocks stand one after the other, but the kernel merges them with other anonymous memory (Go's metadata, for
 * one) into one mapping: so they are looked for page by page.
 */
static void claim_chunks(struct target *t, const struct vma *v, struct tally *tally, struct claim_vec *claims,
			 unsigned *looks)
{
	uint64_t size = 0;
	unsigned misses = 0;
	for (uint64_t at = v->start; at < v->end && *looks && misses < MISSES_MAX; at += size ? size : PAGE) {
		--*looks;
		size = chunk_at(t, v, at);
		misses = size ? 0 : misses + 1;
		if (size)
			claim_add(claims, at, at + size, CLASS_C_HEAP,
				  tally_owner(tally, CLASS_C_HEAP, "large blocks (mmap)"));
	}
}

static bool uses_libc(const struct target *t, const struct role *roles)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		if (roles[i].kind == ROLE_HEAP || (roles[i].kind == ROLE_ELF && strstr(roles[i].owner, "libc")))
			return true;
	}
	return false;
}

static void claim_read(const struct c_heap *c, struct tally *tally, struct claim_vec *claims)
{
	for (size_t i = 0; i < c->arenas.heaps.regions.n; i++) {
		const struct glibc_region *r = &c->arenas.heaps.regions.v[i];
		claim_add(claims, r->start, r->limit, CLASS_C_HEAP, 0);
	}
	for (size_t i = 0; i < c->arenas.blocks.n; i++) {
		const struct glibc_piece *p = &c->arenas.blocks.v[i];
		claim_add(claims, p->start, p->end, CLASS_C_HEAP_INUSE,
			  tally_owner(tally, CLASS_C_HEAP_INUSE, "large blocks (mmap)"));
	}
}

void native_heaps(struct target *t, const struct role *roles, const struct gort_heap *heap, const struct c_heap *c,
		  struct tally *tally, struct claim_vec *claims)
{
	unsigned looks = LOOKS_MAX;
	if (c->have)
		claim_read(c, tally, claims);
	if (c->have || !uses_libc(t, roles))
		return;
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (!anon_rw(v, &roles[i]) || (heap && gort_heap_arena(heap, v->start)))
			continue;
		if (is_arena(t, v))
			claim_add(claims, v->start, v->start + ARENA_BYTES, CLASS_C_HEAP,
				  tally_owner(tally, CLASS_C_HEAP, "arenas of threads"));
		else if (vma_size(v) >= MMAP_CHUNK_MIN)
			claim_chunks(t, v, tally, claims, &looks);
	}
}
