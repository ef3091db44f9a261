/* SPDX-License-Identifier: Apache-2.0 */
#include "record/apply.h"

#include <sys/mman.h>

#include "base/num.h"
#include "proc/maps.h"
#include "record/process.h"

enum { PAGE = 4096 };

/* mmap's flags as the kernel has them, which headers may lack. */
enum { KERNEL_MAP_HUGETLB = 0x40000, KERNEL_HUGE_SHIFT = 26, KERNEL_DONTUNMAP = 4 };

static uint64_t pages(uint64_t len)
{
	return (len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* Bytes that a mapping of huge pages really has. */
static uint64_t mapped_length(uint64_t len, uint32_t flags)
{
	if (!(flags & KERNEL_MAP_HUGETLB) || !(flags & MAP_ANONYMOUS))
		return pages(len);
	unsigned shift = flags >> KERNEL_HUGE_SHIFT & 63;
	uint64_t huge = shift >= 12 && shift < 40 ? UINT64_C(1) << shift : RECORD_HUGE;
	return (len + huge - 1) / huge * huge;
}

static uint64_t end_of(uint64_t start, uint64_t len)
{
	return start + len < start ? UINT64_MAX : start + len;
}

/* ---- address space ---- */

static void map(struct record_target *t, const struct record_op *op, uint64_t start, uint64_t end, uint32_t flags)
{
	struct record_range range = { .start = start, .end = end, .time = op->time, .path = op->path, .flags = flags };
	record_ranges_map(&t->ranges, &range);
	record_faults_drop(&t->faults, start, end, op->time);
}

static void unmap(struct record_target *t, uint64_t start, uint64_t end, int64_t began)
{
	record_ranges_unmap(&t->ranges, start, end, began);
	record_faults_drop(&t->faults, start, end, began);
}

static void apply_mmap(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	uint32_t flags = (uint32_t)op->arg, prot = (uint32_t)(op->arg >> 32);
	map(t, op, op->addr, end_of(op->addr, mapped_length(op->len, flags)), flags);
	t->remap = t->remap || ((prot & PROT_EXEC) && !(flags & MAP_ANONYMOUS));
	(void)w;
}

static void apply_munmap(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	unmap(t, op->addr, end_of(op->addr, pages(op->len)), op->began);
}

static void apply_mremap(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	uint64_t old_len = pages(op->old_len), len = pages(op->len);
	bool keep = !old_len || (op->arg & KERNEL_DONTUNMAP);
	struct record_move move = { .old = op->old_addr, .old_len = old_len, .began = op->began, .keep = keep };
	move.to = (struct record_range){ .start = op->addr, .end = op->addr + len, .time = op->time, .path = op->path };
	const struct record_range *was = record_ranges_next(&t->ranges, op->old_addr);
	if (was && was->start <= op->old_addr)
		move.to.flags = was->flags;
	record_ranges_move(&t->ranges, &move);
	if (op->old_addr == op->addr && len < old_len)
		record_faults_drop(&t->faults, op->addr + len, op->old_addr + old_len, op->began);
	else if (op->old_addr != op->addr)
		record_faults_move(&t->faults, op->old_addr, num_min(old_len, len), op->addr, op->began);
}

static void apply_brk(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	uint64_t old = pages(op->old_addr), new = pages(op->addr);
	if (!old || old == new)
		return;
	if (new > old)
		map(t, op, old, new, MAP_PRIVATE | MAP_ANONYMOUS);
	else
		unmap(t, new, old, op->began);
}

/* What is given back of a mapping that stays. Pages of MADV_FREE go when the kernel wants them. */
static void apply_madvise(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	enum { DONTNEED = 4, FREE = 8, REMOVE = 9, DONTNEED_LOCKED = 24 };
	(void)w;
	if (op->arg == DONTNEED || op->arg == FREE || op->arg == REMOVE || op->arg == DONTNEED_LOCKED)
		record_faults_drop(&t->faults, op->addr, end_of(op->addr, pages(op->len)), op->began);
}

/* The system call does not say how long the segment is. */
static void apply_shmat(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	struct vma_vec maps = { 0 };
	struct err *err AUTO(err) = proc_maps_read(&t->t.live->process, &t->arena, &maps);
	const struct vma *v = err ? NULL : vma_find(&maps, op->addr);
	if (v && v->start == op->addr)
		map(t, op, v->start, v->end, MAP_SHARED);
	vec_deinit(&maps);
}

static void apply_shmdt(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	const struct record_range *at = record_ranges_next(&t->ranges, op->addr);
	if (!at || at->start != op->addr)
		return;
	uint32_t mapping = at->mapping;
	uint64_t end = at->end;
	while ((at = record_ranges_next(&t->ranges, end)) && at->mapping == mapping)
		end = at->end;
	unmap(t, op->addr, end, op->began);
}

static void apply_fault(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	record_faults_add(&t->faults, op->addr, op->weight, op->path, op->time);
}

/* ---- allocators ---- */

/* The word before a block, without glibc's flags; what it says of another allocator's block is not used. */
static uint64_t chunk_of(const struct record_target *t, uint64_t word)
{
	return t->foreign ? 0 : word & ~UINT64_C(7);
}

static void apply_alloc(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	struct record_alloc a = { .addr = op->addr,
				  .size = op->len,
				  .old = op->old_addr,
				  .old_chunk = chunk_of(t, op->old_len),
				  .path = op->path,
				  .time = op->time,
				  .began = op->began };
	record_blocks_alloc(&t->blocks, &a);
}

static void apply_free(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	record_blocks_free(&t->blocks, op->addr, chunk_of(t, op->old_len), op->began);
}

static void apply_goalloc(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)w;
	record_sums_take(&t->go, op->path, op->len, 1);
	t->go_first = t->go_first ? t->go_first : op->time;
	t->go_last = op->time;
}

/* ---- lives ---- */

static void apply_exec(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)op;
	t->over = true;
	w->r->processes.v[t->process].execed = true;
	w->r->partial = true;
	record_note(w->r, "pid %d became another program in the window: what is shown of it was outstanding until then",
		    t->pid);
}

static void apply_exit(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)op;
	t->over = true;
	w->r->processes.v[t->process].exited = true;
	w->r->partial = true;
	record_note(w->r, "pid %d exited in the window: what is shown of it was outstanding until then", t->pid);
}

static void apply_fork(struct record_watch *w, struct record_target *t, const struct record_op *op)
{
	(void)t;
	if (!w->opt->cgroup || op->arg) /* one that shares memory is about to exec */
		return;
	err_free(record_process_add(w, (int)op->addr));
}

typedef void (*apply_fn)(struct record_watch *w, struct record_target *t, const struct record_op *op);

static const struct {
	apply_fn apply;
	enum record_event event;
	bool counted;
} kinds[EBPF_KIND_MAX_] = {
	[EBPF_MMAP] = { apply_mmap, RECORD_EVENT_MMAP, true },
	[EBPF_MUNMAP] = { apply_munmap, RECORD_EVENT_MUNMAP, true },
	[EBPF_MREMAP] = { apply_mremap, RECORD_EVENT_MREMAP, true },
	[EBPF_BRK] = { apply_brk, RECORD_EVENT_BRK, true },
	[EBPF_MADVISE] = { apply_madvise, RECORD_EVENT_MADVISE, true },
	[EBPF_SHMAT] = { apply_shmat, RECORD_EVENT_MMAP, true },
	[EBPF_SHMDT] = { apply_shmdt, RECORD_EVENT_MUNMAP, true },
	[EBPF_FAULT] = { apply_fault, RECORD_EVENT_FAULT, true },
	[EBPF_ALLOC] = { apply_alloc, RECORD_EVENT_MALLOC, true },
	[EBPF_FREE] = { apply_free, RECORD_EVENT_FREE, true },
	[EBPF_REALLOC] = { apply_alloc, RECORD_EVENT_MALLOC, true },
	[EBPF_GOALLOC] = { apply_goalloc, RECORD_EVENT_GO, true },
	[EBPF_EXEC] = { apply_exec, 0, false },
	[EBPF_EXIT] = { apply_exit, 0, false },
	[EBPF_FORK] = { apply_fork, 0, false },
};

/* What happened while the end was read: there the kernel's list of mappings and the book need not agree. */
static void remember_late(struct record_target *t, const struct record_op *op)
{
	struct record_range range = { .start = op->addr, .end = op->addr, .time = 1 };
	switch (op->kind) {
	case EBPF_MREMAP:
		range.end = end_of(op->old_addr, pages(op->old_len));
		range.start = op->old_addr;
		record_ranges_map(&t->late, &range);
		range.start = op->addr;
		range.end = end_of(op->addr, pages(op->len));
		break;
	case EBPF_MMAP:
	case EBPF_MUNMAP:
		range.end = end_of(op->addr, pages(op->len));
		break;
	case EBPF_BRK:
		range.start = num_min(pages(op->old_addr), pages(op->addr));
		range.end = num_max(pages(op->old_addr), pages(op->addr));
		break;
	default:
		return;
	}
	record_ranges_map(&t->late, &range);
}

static void apply_phase(struct record_watch *w, const struct record_op *op)
{
	for (size_t i = 0; i < w->targets.n; i++) {
		struct record_target *t = w->targets.v[i];
		record_blocks_phase(&t->blocks, op->kind == RECORD_OP_ON, op->time);
		if (op->kind == RECORD_OP_OFF && op->time < w->end && !t->over)
			t->blocks.paused = true;
	}
}

void record_apply_op(void *watch, const struct record_op *op)
{
	struct record_watch *w = watch;
	if (op->kind == RECORD_OP_ON || op->kind == RECORD_OP_OFF)
		apply_phase(w, op);
	struct record_target *t = record_process_find(w, op->pid);
	if (!t || op->kind >= EBPF_KIND_MAX_ || !kinds[op->kind].apply || op->time < w->began)
		return;
	if (op->time > w->end) {
		remember_late(t, op);
		return;
	}
	if (kinds[op->kind].counted)
		w->r->events[kinds[op->kind].event]++;
	kinds[op->kind].apply(w, t, op);
}

static bool has_path(unsigned kind)
{
	return kind == EBPF_MMAP || kind == EBPF_MREMAP || kind == EBPF_BRK || kind == EBPF_SHMAT ||
	       kind == EBPF_FAULT || kind == EBPF_ALLOC || kind == EBPF_REALLOC || kind == EBPF_GOALLOC;
}

static uint32_t path_of(struct record_watch *w, struct record_target *t, const struct ebpf_event *ev)
{
	struct callpath_raw raw = { .ip = ev->ip,
				    .sp = ev->sp,
				    .bp = ev->bp,
				    .regs = { ev->regs[0], ev->regs[1], ev->regs[2] },
				    .user = ebpf_event_user(ev),
				    .go = ebpf_event_go(ev),
				    .n_user = ev->n_user,
				    .n_go = ev->n_go,
				    .bytes = ebpf_event_bytes(ev),
				    .n_bytes = ev->n_bytes,
				    .flags = ev->flags };
	bool whole = true;
	uint32_t path = callpath_resolve(t->paths, &raw, &whole);
	w->r->unwound_short += !whole;
	return path;
}

void record_apply_event(void *watch, const struct ebpf_event *ev)
{
	struct record_watch *w = watch;
	struct record_target *t = record_process_find(w, ev->pid);
	if (!t)
		return;
	struct record_op op = { .time = (int64_t)ev->time,
				.began = (int64_t)ev->began,
				.addr = ev->addr,
				.len = ev->len,
				.old_addr = ev->old_addr,
				.old_len = ev->old_len,
				.arg = ev->arg,
				.pid = ev->pid,
				.tid = ev->tid,
				.weight = ev->weight,
				.kind = ev->kind };
	if (has_path(ev->kind) && op.time >= w->began && op.time <= w->end)
		op.path = path_of(w, t, ev);
	record_order_add(&w->order, &op, record_apply_op, w);
}
