/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dump_structure.h"

#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "gort/goroutine.h"
#include "gort/meta.h"
#include "gort/parked.h"
#include "gort/profile.h"
#include "gort/stats.h"
#include "gort/timer.h"

enum { PAGE = 4096, RECORDS_MAX = 64 << 20, WALKS = 2 };

static const uint64_t USER_END = UINT64_C(1) << 47;

/* ---- what of the heap the runtime keeps its own affairs in ---- */

/*
 * Nobody lists those objects; but whoever reads goroutines and timers reads them. So the readers are run once, and what
 * they read of objects with pointers is kept.
 */
struct recorder {
	struct memsrc src; /* first */
	struct memsrc *under;
	struct dump_structure *s;
};

static const struct gort_span *span_at(const struct gort_heap *h, uint64_t addr)
{
	const struct gort_arena *a = gort_heap_arena(h, addr);
	uint32_t owner = a && a->owner ? a->owner[(addr - a->base) / GORT_PAGE] : 0;
	return owner ? &h->spans.v[owner - 1] : NULL;
}

static bool has_pointers(const struct gort_span *s)
{
	return s->state == GORT_SPAN_HEAP && !(s->spanclass & 1);
}

static bool record(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct recorder *r = (struct recorder *)(void *)src;
	uint64_t end = len > UINT64_MAX - addr ? addr : addr + len;
	for (uint64_t at = addr, next = 0; at < end && r->s->keep.n < RECORDS_MAX; at = next) {
		const struct gort_span *s = span_at(&r->s->heap, at);
		next = num_min(end, at - at % GORT_PAGE + GORT_PAGE);
		if (s && has_pointers(s))
			claim_add(&r->s->keep, at, next, CLASS_GO_META_OTHER, 0);
	}
	return memsrc_read(r->under, addr, buf, len);
}

static void record_goroutines(const struct gort *g)
{
	struct gort_goroutines gs = { 0 };
	struct gort_thread_vec threads = { 0 };
	struct gort_parked_vec parked = { 0 };
	struct stacks stacks;
	stacks_init(&stacks);
	struct gort_unwinder *u = gort_unwinder_new(g, &stacks);
	err_free(gort_goroutines_read(g, &gs));
	err_free(gort_threads_read(g, &threads));
	if (u)
		err_free(gort_parked_read(g, u, &parked));
	gort_unwinder_free(u);
	stacks_deinit(&stacks);
	gort_goroutines_deinit(&gs);
	vec_deinit(&threads);
	vec_deinit(&parked);
}

static void record_rest(const struct gort *g, const struct gort_heap *h, struct claim_vec *claims)
{
	struct gort_timer_vec timers = { 0 };
	struct gort_profile p AUTO(gort_profile);
	struct gort_stats stats;
	bool complete = false;
	err_free(gort_timers_read(g, &timers, &complete));
	gort_profile_read(g, GORT_PROFILE_FRESHEST, &p);
	(void)gort_stats_read(g, &stats);
	gort_meta_claims(g, h, claims);
	vec_deinit(&timers);
}

static void record_all(struct dump_structure *s, const struct gort *g)
{
	static const struct memsrc_ops ops = { .read = record };
	struct recorder r = { .src = { &ops }, .under = g->src, .s = s };
	struct gort recorded = *g;
	struct claim_vec claims = { 0 };
	recorded.src = &r.src;
	record_goroutines(&recorded);
	record_rest(&recorded, &s->heap, &claims);
	for (size_t i = 0; i < claims.n; i++)
		claim_add(&s->keep, claims.v[i].start, claims.v[i].end, claims.v[i].class, 0);
	vec_deinit(&claims);
}

/* Data and bss of the Go program. */
static void keep_globals(struct dump_structure *s)
{
	for (size_t i = 0; i < s->t->image.n; i++) {
		const struct vma *v = &s->t->image.v[i];
		claim_add(&s->keep, v->start, v->end, CLASS_GO_DATA, 0);
	}
}

struct err *dump_structure_init(struct dump_structure *s, struct target *t, struct dump *out)
{
	*s = (struct dump_structure){ .t = t, .out = out };
	if (!t->is_go || !t->gort.layout)
		return err_new(ERR_UNSUPPORTED,
			       "%s: without a Go runtime that can be read, structure and contents cannot be told "
			       "apart; without --structure-only it can be dumped",
			       t->name);
	TRY(gort_heap_read(&t->gort, WALKS, &s->heap));
	record_all(s, &t->gort);
	keep_globals(s);
	claim_settle(&s->keep);
	return NULL;
}

void dump_structure_deinit(struct dump_structure *s)
{
	gort_heap_deinit(&s->heap);
	vec_deinit(&s->keep);
	vec_deinit(&s->stacks);
}

void dump_structure_stack(struct dump_structure *s, uint64_t sp)
{
	const struct vma *v = vma_find(&s->t->maps, sp);
	if (v && !v->inode && !gort_heap_arena(&s->heap, sp)) {
		claim_add(&s->stacks, v->start, v->end, CLASS_C_STACK, 0);
		claim_settle(&s->stacks);
	}
}

/* ---- blanking ---- */

static bool is_address(struct dump_structure *s, uint64_t word)
{
	if (word < PAGE || word >= USER_END)
		return false;
	if (!s->hint || word < s->hint->start || word >= s->hint->end) {
		const struct vma *v = vma_find(&s->t->maps, word);
		if (!v)
			return false;
		s->hint = v;
	}
	return true;
}

static void keep_pointers(struct dump_structure *s, unsigned char *buf, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = load_u64(buf + i);
		if (word && !is_address(s, word))
			memset(buf + i, 0, 8);
	}
	s->out->pointers += len;
}

static void blank(struct dump_structure *s, unsigned char *buf, size_t len)
{
	memset(buf, 0, len);
	s->out->blank += len;
}

/* Where the objects of a span end; behind them are its bitmaps. */
static uint64_t end_of_objects(const struct gort_span *sp)
{
	uint64_t bytes = gort_span_bytes(sp);
	if (sp->flags & GORT_SPAN_LARGE)
		return sp->start + bytes;
	return sp->start + num_min(bytes, (uint64_t)sp->nelems * gort_span_elemsize(sp));
}

/* [addr, addr + len) within one page of the heap. */
static void blank_heap(struct dump_structure *s, const struct gort_span *sp, uint64_t addr, unsigned char *buf,
		       size_t len)
{
	bool by_words = sp && (has_pointers(sp) || (sp->state == GORT_SPAN_MANUAL && sp->flags & GORT_SPAN_STACK));
	if (!by_words) {
		blank(s, buf, len);
		return;
	}
	uint64_t end = sp->state == GORT_SPAN_HEAP ? end_of_objects(sp) : addr + len;
	size_t objects = (size_t)num_min(len, num_sub(end, addr));
	keep_pointers(s, buf, objects);
	s->out->kept += len - objects;
}

static bool in_stack(const struct dump_structure *s, uint64_t addr)
{
	size_t i = claim_after(&s->stacks, addr);
	return i < s->stacks.n && s->stacks.v[i].start <= addr;
}

/* What no claim keeps. */
static void blank_part(struct dump_structure *s, uint64_t addr, unsigned char *buf, size_t len)
{
	while (len) {
		size_t n = (size_t)num_min(len, GORT_PAGE - addr % GORT_PAGE);
		if (gort_heap_arena(&s->heap, addr))
			blank_heap(s, span_at(&s->heap, addr), addr, buf, n);
		else if (in_stack(s, addr))
			keep_pointers(s, buf, n);
		else
			blank(s, buf, n);
		addr += n;
		buf += n;
		len -= n;
	}
}

void dump_structure_registers(struct dump_structure *s, uint64_t *regs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_address(s, regs[i]))
			regs[i] = 0;
	}
}

void dump_structure_blank(struct dump_structure *s, uint64_t addr, unsigned char *buf, size_t len)
{
	uint64_t end = addr + len;
	for (uint64_t at = addr, next = 0; at < end; at = next) {
		size_t i = claim_after(&s->keep, at);
		const struct claim *c = i < s->keep.n ? &s->keep.v[i] : NULL;
		if (c && c->start <= at) {
			next = num_min(c->end, end);
			s->out->kept += next - at;
			continue;
		}
		next = c ? num_min(c->start, end) : end;
		blank_part(s, at, buf + (at - addr), (size_t)(next - at));
	}
}
