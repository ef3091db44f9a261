/* SPDX-License-Identifier: Apache-2.0 */
#include "account/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"

enum {
	PAGE = 4096,
	STACK_MIN = 16 * 1024,	     /* PTHREAD_STACK_MIN */
	STACKS_MAX = 65536,	     /* descriptors looked for */
	TCB_SELF = 16,		     /* tcbhead_t.self; word 0 (tcb) points at the descriptor as well */
	TCB_TID = 0x2d0,	     /* struct pthread.tid, after a tcbhead_t of 704 bytes and a list node */
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

/* The thread descriptor in the last page of a stack: its first and third word hold its own address. */
static bool find_descriptor(struct target *t, const struct vma *v, uint32_t *tid)
{
	unsigned char page[PAGE];
	if (!memsrc_read(t->mem, v->end - PAGE, page, PAGE))
		return false;
	for (size_t at = 0; at + TCB_TID + 4 <= PAGE; at += 16) {
		uint64_t self = v->end - PAGE + at;
		if (load_u64(page + at) == self && load_u64(page + at + TCB_SELF) == self) {
			*tid = load_u32(page + at + TCB_TID);
			return true;
		}
	}
	return false;
}

static uint32_t thread_owner(struct target *t, struct tally *tally, uint32_t tid)
{
	char comm[64] = "", name[128];
	target_thread_comm(t, (int)tid, comm, sizeof(comm));
	snprintf(name, sizeof(name), "thread %" PRIu32 " %s", tid, comm);
	return tally_owner(tally, CLASS_C_STACK, name);
}

static bool behind_guard(const struct target *t, size_t i)
{
	const struct vma *v = &t->maps.v[i], *guard = i ? v - 1 : NULL;
	return guard && guard->end == v->start && !guard->inode &&
	       !(guard->flags & (VMA_READ | VMA_WRITE | VMA_EXEC)) && vma_size(v) + vma_size(guard) >= STACK_MIN;
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

void native_stacks(struct target *t, const struct role *roles, const struct gort_thread_vec *threads,
		   struct tally *tally, struct claim_vec *claims)
{
	size_t looked = 0;
	for (size_t i = 0; i < t->maps.n && looked < STACKS_MAX; i++) {
		const struct vma *v = &t->maps.v[i];
		uint32_t tid = 0;
		if (!anon_rw(v, &roles[i]) || vma_size(v) < PAGE || !behind_guard(t, i))
			continue;
		looked++;
		if (!find_descriptor(t, v, &tid))
			continue;
		/* the kernel clears tid when the thread ends; glibc keeps the stack for the next one */
		if (tid)
			claim_add(claims, v->start, v->end, CLASS_C_STACK, thread_owner(t, tally, tid));
		else
			claim_add(claims, v->start, v->end, CLASS_C_STACK_CACHED,
				  tally_owner(tally, CLASS_C_STACK_CACHED, "ended threads"));
	}
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
