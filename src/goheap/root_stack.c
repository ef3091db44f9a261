/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/dynamic.h"
#include "goheap/root_parts.h"
#include "gort/goroutine.h"

enum {
	BATCH = 4096,
	WORD = 8,
	RUN_MAX = 1024 * 1024, /* longest read of neighbouring stacks; a longer stack is read in pieces */
	RUN_GAP = 4096,	       /* read over rather than starting another read */
	ITERATORS_MAX = 1 << 16,
};

static const uint64_t STACK_MAX = UINT64_C(1) << 30; /* what the runtime itself allows */
static const uint64_t STACKS_SLACK = 64 << 20;	     /* stacks that were made since the spans were read */

struct stacks {
	struct roots_reader *r;
	uint64_t budget; /* bytes that may still be read */
	size_t rec_len;
	unsigned char *recs, *bytes;
	struct roots_frames *frames;
	struct goheap_dynamic_ranges ranges;
	uint64_t live[RUN_MAX / WORD / 64 + 1]; /* of the stack at hand, a bit a word */
	uint32_t place[RUN_MAX / WORD];		/* and where in its frames it is */
	uint64_t addrs[BATCH], pc[BATCH];	/* pc: of the innermost frame; 0: its frames are not to be followed */
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

/*
 * Where its innermost frame is, if all that its frames hold is what their maps say: deferred calls and panics have records
 * on the stack that no map tells of. 0 else.
 */
static uint64_t find_pc(const struct gort *g, const void *rec, size_t len)
{
	const struct gort_layout *l = g->layout;
	if (g->unproven || gort_load(l, rec, len, GORT_g_defers) || gort_load(l, rec, len, GORT_g_panics))
		return 0;
	bool in_syscall = gort_load(l, rec, len, GORT_g_syscallsp);
	return gort_load(l, rec, len, in_syscall ? GORT_g_syscallpc : GORT_g_sched_pc);
}

/* A goroutine that has a stack, from a copy of its record. */
static bool decode(const struct stacks *k, uint64_t g, const void *rec, struct goheap_stack_copy *s, uint64_t *pc)
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
	*pc = s->running ? 0 : find_pc(k->r->g, rec, k->rec_len);
	return true;
}

/* live: a bit for each word that counts; NULL: all do. */
static void take_words(struct stacks *k, const struct goheap_stack_copy *s, uint64_t addr, const unsigned char *bytes,
		       size_t len, const uint64_t *live)
{
	for (size_t i = 0; i + WORD <= len; i += WORD) {
		if (live && !(live[i / WORD / 64] >> (i / WORD % 64) & 1))
			continue;
		const struct goheap_root root = {
			.at = addr + i,
			.value = load_u64(bytes + i),
			.owner = s->g,
			.place = live ? k->place[i / WORD] : 0,
			.kind = GOHEAP_ROOT_STACK,
		};
		roots_take_word(k->r, &root);
	}
	k->r->out->stack_bytes += len;
}

/* Words of an iterator. */
enum { ITER_KEY, ITER_ELEM, ITER_TYPE, ITER_MAP, ITER_FIXED, ITER_SWISS_FIXED, ITER_OLD_FIXED = 8, ITER_WORDS };

static bool is_type(const struct goheap_dynamic_ranges *r, uint64_t word)
{
	for (size_t i = 0; word - r->lo < r->len && i < r->types.n; i++) {
		if (word >= r->types.v[i].start && word < r->types.v[i].end)
			return true;
	}
	return false;
}

static uint64_t word_at(const unsigned char *bytes, size_t i)
{
	return load_u64(bytes + i * WORD);
}

/* A live word with a type and the next with a map; the word of the key is zero once it has come to its end. */
static void find_iterators(struct stacks *k, const struct goheap_stack_copy *s, const unsigned char *bytes, size_t len)
{
	struct goheap_iterator_vec *found = &k->r->out->iterators;
	size_t fixed = gort_has(k->r->g->layout, GORT_map_used) ? ITER_SWISS_FIXED : ITER_OLD_FIXED;
	for (size_t i = 0; i + ITER_WORDS <= len / WORD && found->n < ITERATORS_MAX; i++) {
		size_t at = i + ITER_TYPE;
		uint64_t map = word_at(bytes, i + ITER_MAP), type = word_at(bytes, at);
		if (!(k->live[at / 64] >> (at % 64) & 1) || map < k->r->lo || map >= k->r->hi ||
		    !word_at(bytes, i + ITER_KEY) || !is_type(&k->ranges, type))
			continue;
		*vec_push(found) = (struct goheap_iterator){
			.goid = s->goid,
			.depth = s->hi - (s->sp + i * WORD),
			.map = map,
			.type = type,
			.mark = hash_u64(word_at(bytes, i + ITER_FIXED)) ^ word_at(bytes, i + fixed),
		};
	}
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
	if (!n)
		return;
	struct goheap_root *w = v->v + s->first;
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
			take_words(k, s, at, k->bytes, len, NULL);
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
		const unsigned char *bytes = k->bytes + (s->sp - start);
		size_t len = (size_t)(s->hi - s->sp);
		uint64_t pc = k->pc[k->order[i]];
		const struct roots_live ret = { k->live, k->place };
		s->exact = pc && roots_frames_live(k->frames, pc, s->sp, bytes, len, &ret);
		s->first = (uint32_t)out->v.n;
		take_words(k, s, s->sp, bytes, len, s->exact ? k->live : NULL);
		if (s->exact)
			find_iterators(k, s, bytes, len);
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

/* What moved while its stack was copied may have left its words above or below: all of its stack is taken. */
static void look_again(struct stacks *k, struct goheap_stack_copy *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		k->addrs[i] = v[i].g;
	memsrc_gather(k->r->g->src, k->addrs, n, k->rec_len, k->recs, k->ok);
	for (size_t i = 0; i < n; i++) {
		struct goheap_stack_copy after;
		uint64_t pc = 0;
		if (v[i].running || !k->ok[i])
			continue;
		bool there = decode(k, v[i].g, k->recs + i * k->rec_len, &after, &pc) && after.goid == v[i].goid;
		if (!there || (after.sp == v[i].sp && pc == k->pc[i] && after.lo == v[i].lo))
			continue;
		after.sp = after.lo;
		after.running = true;
		v[i] = after;
		read_alone(k, &v[i]);
	}
}

static void read_batch(struct stacks *k, size_t n)
{
	struct goheap_stack_copy_vec *stacks = &k->r->out->stacks;
	size_t at = stacks->n;
	memsrc_gather(k->r->g->src, k->addrs, n, k->rec_len, k->recs, k->ok);
	vec_reserve(stacks, num_max(at + n, stacks->cap));
	for (size_t i = 0; i < n; i++) {
		if (k->ok[i] &&
		    decode(k, k->addrs[i], k->recs + i * k->rec_len, &stacks->v[stacks->n], &k->pc[stacks->n - at]))
			stacks->n++;
	}
	read_stacks(k, stacks->v + at, stacks->n - at);
	look_again(k, stacks->v + at, stacks->n - at);
}

static struct err *read_list(struct stacks *k)
{
	uint64_t list = 0, n = 0;
	TRY(gort_goroutines_list(k->r->g, &list, &n));
	for (uint64_t at = 0; at < n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (!memsrc_read(k->r->g->src, list + at * WORD, k->addrs, some * WORD))
			return memsrc_fault(list + at * WORD, some * WORD, "the list of goroutines");
		read_batch(k, some);
	}
	return NULL;
}

struct err *roots_read_stacks(struct roots_reader *r)
{
	struct stacks *k = xcalloc(1, sizeof(*k));
	k->r = r;
	k->budget = 2 * r->o->heap->stack_bytes + STACKS_SLACK;
	k->rec_len = gort_sizeof(r->g->layout, GORT_g_SIZEOF);
	k->recs = xmalloc(BATCH * k->rec_len);
	k->bytes = xmalloc(RUN_MAX);
	k->frames = roots_frames_new(r->g);
	goheap_dynamic_ranges_init(&k->ranges, r->g);
	struct err *err = read_list(k);
	goheap_dynamic_ranges_deinit(&k->ranges);
	roots_frames_places(k->frames, &r->out->places);
	roots_frames_free(k->frames);
	free(k->recs);
	free(k->bytes);
	free(k);
	return err;
}
