/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/root_parts.h"
#include "gort/goroutine.h"

enum {
	BATCH = 4096,
	WORD = 8,
	RUN_MAX = 1024 * 1024, /* longest read of neighbouring stacks; a longer stack is read in pieces */
	RUN_GAP = 4096,	       /* read over rather than starting another read */
};

static const uint64_t STACK_MAX = UINT64_C(1) << 30; /* what the runtime itself allows */
static const uint64_t STACKS_SLACK = 64 << 20;	     /* stacks that were made since the spans were read */

struct stacks {
	struct roots_reader *r;
	uint64_t budget; /* bytes that may still be read */
	size_t rec_len;
	unsigned char *recs, *bytes;
	uint64_t addrs[BATCH];
	bool ok[BATCH];
	uint32_t order[BATCH];
};

/* Where the used part begins; false where that is not known. */
static bool find_sp(const struct gort_layout *l, const void *rec, size_t len, struct goheap_stack_copy *s)
{
	static const bool rests[GORT_G_STATUS_MAX_] = {
		[GORT_G_RUNNABLE] = true,  [GORT_G_WAITING] = true,   [GORT_G_LEAKED] = true,
		[GORT_G_PREEMPTED] = true, [GORT_G_COPYSTACK] = true,
	};
	uint64_t syscall_sp = gort_load(l, rec, len, GORT_g_syscallsp);
	if (syscall_sp)
		s->sp = syscall_sp;
	else if (rests[s->status])
		s->sp = gort_load(l, rec, len, GORT_g_sched_sp);
	return s->sp >= s->lo && s->sp < s->hi && s->sp % WORD == 0;
}

/* A goroutine that has a stack, from a copy of its record. */
static bool decode(const struct stacks *k, uint64_t g, const void *rec, struct goheap_stack_copy *s)
{
	const struct gort_layout *l = k->r->g->layout;
	struct gort_goroutine base;
	if (!gort_goroutine_load(l, rec, &base) || base.status == GORT_G_DEAD || base.status == GORT_G_DEADEXTRA ||
	    base.stack_lo >= base.stack_hi || base.stack_hi - base.stack_lo > STACK_MAX || base.stack_lo % WORD)
		return false;
	*s = (struct goheap_stack_copy){
		.g = g,
		.goid = base.id,
		.lo = base.stack_lo,
		.hi = base.stack_hi,
		.gopc = base.gopc,
		.startpc = base.startpc,
		.waiting = gort_load(l, rec, k->rec_len, GORT_g_waiting),
		.status = base.status,
		.reason = (uint8_t)gort_load(l, rec, k->rec_len, GORT_g_waitreason),
	};
	s->running = !find_sp(l, rec, k->rec_len, s);
	if (s->running)
		s->sp = s->lo;
	return true;
}

static void take_words(struct stacks *k, const struct goheap_stack_copy *s, uint64_t addr, const unsigned char *bytes,
		       size_t len)
{
	for (size_t i = 0; i + WORD <= len; i += WORD) {
		const struct goheap_root root = {
			.at = addr + i,
			.value = load_u64(bytes + i),
			.owner = s->g,
			.kind = GOHEAP_ROOT_STACK,
		};
		roots_take_word(k->r, &root);
	}
	k->r->out->stack_bytes += len;
}

static int by_object(const void *a, const void *b)
{
	const struct goheap_root *x = a, *y = b;
	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Each object once: the words nearest to the innermost frame stay. */
static void join_words(struct goheap_root_vec *v, struct goheap_stack_copy *s)
{
	size_t n = v->n - s->first, kept = 0;
	struct goheap_root *w = v->v + s->first;
	if (n > 1)
		qsort(w, n, sizeof(*w), by_object);
	for (size_t i = 0; i < n; i++) {
		if (!kept || w[i].object != w[kept - 1].object)
			w[kept++] = w[i];
	}
	v->n = s->first + kept;
	s->n = (uint32_t)kept;
}

/* A stack that is longer than the buffer, or whose neighbours could not be read with it. */
static void read_alone(struct stacks *k, struct goheap_stack_copy *s)
{
	struct goheap_roots *out = k->r->out;
	s->first = (uint32_t)out->v.n;
	for (uint64_t at = s->sp; at < s->hi; at += RUN_MAX) {
		size_t len = (size_t)num_min(RUN_MAX, s->hi - at);
		if (memsrc_read(k->r->g->src, at, k->bytes, len))
			take_words(k, s, at, k->bytes, len);
		else
			out->unreadable += len;
	}
	join_words(&out->v, s);
}

static int by_sp(const void *a, const void *b, void *ctx)
{
	const struct goheap_stack_copy *v = ctx;
	uint64_t x = v[*(const uint32_t *)a].sp, y = v[*(const uint32_t *)b].sp;
	return x < y ? -1 : x > y;
}

/* Stacks v[order[from..to)], which lie near each other: in one read of [start, end). */
static void read_run(struct stacks *k, struct goheap_stack_copy *v, size_t from, size_t to, uint64_t end)
{
	struct goheap_roots *out = k->r->out;
	uint64_t start = v[k->order[from]].sp;
	bool read = end - start <= RUN_MAX && memsrc_read(k->r->g->src, start, k->bytes, (size_t)(end - start));
	for (size_t i = from; i < to; i++) {
		struct goheap_stack_copy *s = &v[k->order[i]];
		if (!read) {
			read_alone(k, s);
			continue;
		}
		s->first = (uint32_t)out->v.n;
		take_words(k, s, s->sp, k->bytes + (s->sp - start), (size_t)(s->hi - s->sp));
		join_words(&out->v, s);
	}
}

static void read_stacks(struct stacks *k, struct goheap_stack_copy *v, size_t n)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		if (v[i].hi - v[i].sp > k->budget) {
			k->r->out->damaged = true;
			continue;
		}
		k->budget -= v[i].hi - v[i].sp;
		k->order[m++] = (uint32_t)i;
	}
	qsort_r(k->order, m, sizeof(*k->order), by_sp, v);
	for (size_t i = 0, j = 0; i < m; i = j) {
		uint64_t start = v[k->order[i]].sp, end = v[k->order[i]].hi;
		for (j = i + 1; j < m; j++) {
			const struct goheap_stack_copy *s = &v[k->order[j]];
			if (num_max(end, s->hi) - start > RUN_MAX || num_sub(s->sp, end) > RUN_GAP)
				break;
			end = num_max(end, s->hi);
		}
		read_run(k, v, i, j, end);
	}
}

static void read_batch(struct stacks *k, size_t n)
{
	struct goheap_stack_copy_vec *stacks = &k->r->out->stacks;
	size_t at = stacks->n;
	memsrc_gather(k->r->g->src, k->addrs, n, k->rec_len, k->recs, k->ok);
	vec_reserve(stacks, num_max(at + n, stacks->cap));
	for (size_t i = 0; i < n; i++) {
		if (k->ok[i] && decode(k, k->addrs[i], k->recs + i * k->rec_len, &stacks->v[stacks->n]))
			stacks->n++;
	}
	read_stacks(k, stacks->v + at, stacks->n - at);
}

struct err *roots_read_stacks(struct roots_reader *r)
{
	uint64_t list = 0, n = 0;
	TRY(gort_goroutines_list(r->g, &list, &n));
	AUTO_FREE struct stacks *k = xcalloc(1, sizeof(*k));
	k->r = r;
	k->budget = 2 * r->o->heap->stack_bytes + STACKS_SLACK;
	k->rec_len = gort_sizeof(r->g->layout, GORT_g_SIZEOF);
	AUTO_FREE unsigned char *recs = xmalloc(BATCH * k->rec_len);
	AUTO_FREE unsigned char *bytes = xmalloc(RUN_MAX);
	k->recs = recs;
	k->bytes = bytes;
	for (uint64_t at = 0; at < n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (!memsrc_read(r->g->src, list + at * WORD, k->addrs, some * WORD))
			return memsrc_fault(list + at * WORD, some * WORD, "the list of goroutines");
		read_batch(k, some);
	}
	return NULL;
}
