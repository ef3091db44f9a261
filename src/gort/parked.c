/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/parked.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	BATCH = 4096,
	STACK_FIRST = 32 * 1024,      /* of a stack, with its neighbours */
	STACK_MAX = 16 * 1024 * 1024, /* of a stack, alone */
	RUN_MAX = 256 * 1024,	      /* longest read of neighbours */
	RUN_GAP = 4096,		      /* read over rather than starting another read */
	TRIES = 3,		      /* looks at one that moves */
	POLL_WORDS = 64,	      /* of the stack, to find the poll descriptor in: it is in the first frames */
	LOWEST = 4096,		      /* no pointer is below */
	REASONS_MAX = 256,
	REASON_LEN_MAX = 128,
	SUDOG_MAX = 256,
	POLL_MAX = 1024,
};

struct look {
	const struct gort *g;
	struct gort_unwinder *u;
	unsigned io_wait; /* the reason of that name */
	size_t rec_len;
	unsigned char *recs, *stack, *sudogs;
	uint64_t addrs[BATCH], channels[BATCH], types[BATCH];
	uint32_t order[BATCH], waiting[BATCH];
	bool ok[BATCH];
	bool again[BATCH];	 /* to be looked at alone */
	uint64_t sum[BATCH];	 /* of each first copy */
	struct hash_map poll_at; /* stack -> offset of the poll descriptor's address + 1 */
	struct memcache cache;	 /* of poll descriptors */
	struct gort_parked *sorting;
};

/* Zeros where the record is of a dead goroutine, or of none. */
static bool decode(const struct look *k, uint64_t g, const void *rec, struct gort_parked *ret)
{
	const struct gort_layout *l = k->g->layout;
	struct gort_goroutine base;
	memset(ret, 0, sizeof(*ret));
	if (!gort_goroutine_load(l, rec, &base) || base.status == GORT_G_DEAD || base.status == GORT_G_DEADEXTRA)
		return false;
	size_t len = k->rec_len;
	uint64_t syscall_sp = gort_load(l, rec, len, GORT_g_syscallsp);
	*ret = (struct gort_parked){
		.g = g,
		.id = base.id,
		.parent = gort_load(l, rec, len, GORT_g_parentGoid),
		.stack_lo = base.stack_lo,
		.stack_hi = base.stack_hi,
		.gopc = base.gopc,
		.startpc = base.startpc,
		.labels = gort_load(l, rec, len, GORT_g_labels),
		.pc = gort_load(l, rec, len, syscall_sp ? GORT_g_syscallpc : GORT_g_sched_pc),
		.sp = syscall_sp ? syscall_sp : gort_load(l, rec, len, GORT_g_sched_sp),
		.wait_since = (int64_t)gort_load(l, rec, len, GORT_g_waitsince),
		.sudog = gort_load(l, rec, len, GORT_g_waiting),
		.fd = -1,
		.status = base.status,
		.reason = (uint8_t)gort_load(l, rec, len, GORT_g_waitreason),
	};
	if (gort_load(l, rec, len, GORT_g_lockedm))
		ret->flags |= GORT_PARKED_LOCKED;
	if (gort_load(l, rec, len, GORT_g_syncGroup))
		ret->flags |= GORT_PARKED_BUBBLE;
	if (base.status == GORT_G_SYSCALL && !syscall_sp) /* on its way out of it */
		ret->sp = 0;
	return true;
}

/* Does its stack stand still, and is there one? */
static bool stands(const struct gort_parked *p)
{
	static const bool still[GORT_G_STATUS_MAX_] = {
		[GORT_G_RUNNABLE] = true,  [GORT_G_SYSCALL] = true, [GORT_G_WAITING] = true,
		[GORT_G_PREEMPTED] = true, [GORT_G_LEAKED] = true,
	};
	return still[p->status] && p->sp >= p->stack_lo && p->sp < p->stack_hi;
}

/* Nothing that a goroutine changes when it runs is different; the GC may have noted meanwhile that it waits. */
static bool unmoved(const struct gort_parked *a, const struct gort_parked *b)
{
	return a->id == b->id && a->status == b->status && a->pc == b->pc && a->sp == b->sp &&
	       a->stack_lo == b->stack_lo && a->stack_hi == b->stack_hi && a->sudog == b->sudog &&
	       a->reason == b->reason && (!a->wait_since || a->wait_since == b->wait_since);
}

/* what it waits for */

static bool try_poll(struct look *k, struct gort_parked *p, uint64_t desc)
{
	const struct gort_layout *l = k->g->layout;
	unsigned char rec[POLL_MAX];
	size_t len = gort_sizeof(l, GORT_pollDesc_SIZEOF);
	if (desc % 8 || desc < LOWEST || (desc >= p->stack_lo && desc < p->stack_hi) || len > sizeof(rec) ||
	    !memsrc_read(&k->cache.src, desc, rec, len))
		return false;
	bool reads = gort_load(l, rec, len, GORT_pollDesc_rg) == p->g;
	uint64_t fd = gort_load(l, rec, len, GORT_pollDesc_fd);
	if ((!reads && gort_load(l, rec, len, GORT_pollDesc_wg) != p->g) || fd > INT32_MAX)
		return false;
	p->fd = (int)fd;
	p->deadline = (int64_t)gort_load(l, rec, len, reads ? GORT_pollDesc_rd : GORT_pollDesc_wd);
	return true;
}

/* The poll descriptor is an argument of the frames that wait: at the same place in every stack of the same calls. */
static void find_poll(struct look *k, struct gort_parked *p, const struct gort_stack_bytes *mem)
{
	uint64_t *known = hash_map_get(&k->poll_at, p->stack);
	size_t n = (size_t)num_min(mem->len / 8, POLL_WORDS);
	if (known && *known <= n && try_poll(k, p, load_u64(mem->bytes + (*known - 1) * 8)))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!try_poll(k, p, load_u64(mem->bytes + i * 8)))
			continue;
		*hash_map_at(&k->poll_at, p->stack, NULL) = i + 1;
		return;
	}
}

static void take_sudog(const struct look *k, const void *rec, struct gort_parked *p, uint64_t *channel)
{
	const struct gort_layout *l = k->g->layout;
	size_t len = gort_sizeof(l, GORT_sudog_SIZEOF);
	*channel = 0;
	if (gort_load(l, rec, len, GORT_sudog_g) != p->g)
		return;
	if (gort_load(l, rec, len, GORT_sudog_isSelect))
		p->flags |= GORT_PARKED_SELECT;
	if (gort_load(l, rec, len, GORT_sudog_waitlink))
		return; /* one of several */
	*channel = gort_load(l, rec, len, GORT_sudog_c);
	p->wait_on = *channel ? *channel : gort_load(l, rec, len, GORT_sudog_elem);
}

/* The channels of `n` goroutines, by their sudogs. */
static void find_channels(struct look *k, struct gort_parked *v, size_t n)
{
	const struct gort_layout *l = k->g->layout;
	size_t len = gort_sizeof(l, GORT_sudog_SIZEOF), m = 0, channels = 0;
	if (len > SUDOG_MAX)
		return;
	for (size_t i = 0; i < n; i++) {
		if (v[i].sudog && (v[i].status == GORT_G_WAITING || v[i].status == GORT_G_LEAKED)) {
			k->waiting[m] = (uint32_t)i;
			k->addrs[m++] = v[i].sudog;
		}
	}
	memsrc_gather(k->g->src, k->addrs, m, len, k->sudogs, NULL);
	for (size_t i = 0; i < m; i++) {
		uint64_t channel = 0;
		take_sudog(k, k->sudogs + i * len, &v[k->waiting[i]], &channel);
		k->waiting[channels] = k->waiting[i];
		k->channels[channels] = gort_at(l, channel, GORT_hchan_elemtype);
		channels += channel != 0;
	}
	memsrc_gather(k->g->src, k->channels, channels, sizeof(*k->types), k->types, NULL);
	for (size_t i = 0; i < channels; i++)
		v[k->waiting[i]].elem_type = load_u64(&k->types[i]);
}

/* stacks */

/* Walk a copy of the stack; false when it does not lead to the end. */
static bool take_stack(struct look *k, struct gort_parked *p, const unsigned char *bytes, size_t len)
{
	struct gort_stack_bytes mem = { p->sp, bytes, len };
	enum gort_unwound end = gort_unwind(k->u, p->pc, p->sp, &mem, &p->stack);
	if (p->reason == k->io_wait && p->status == GORT_G_WAITING)
		find_poll(k, p, &mem);
	return end == GORT_UNWOUND_WHOLE;
}

static size_t first_len(const struct gort_parked *p)
{
	return (size_t)num_min(p->stack_hi - p->sp, STACK_FIRST);
}

static int by_sp(const void *a, const void *b, void *ctx)
{
	const struct gort_parked *v = ctx;
	uint64_t x = v[*(const uint32_t *)a].sp, y = v[*(const uint32_t *)b].sp;
	return x < y ? -1 : x > y;
}

/* Stacks v[order[from..to)], out of the copy of a stretch of memory that begins with the first; NULL: it could not be read. */
typedef void (*run_fn)(struct look *k, struct gort_parked *v, size_t from, size_t to, const unsigned char *bytes);

static void take_run(struct look *k, struct gort_parked *v, size_t from, size_t to, const unsigned char *bytes)
{
	for (size_t i = from; i < to; i++) {
		uint32_t id = k->order[i];
		const unsigned char *at = bytes ? bytes + (v[id].sp - v[k->order[from]].sp) : NULL;
		k->sum[id] = at ? hash_bytes(at, first_len(&v[id])) : 0;
		k->again[id] = !at || !take_stack(k, &v[id], at, first_len(&v[id]));
	}
}

static void compare_run(struct look *k, struct gort_parked *v, size_t from, size_t to, const unsigned char *bytes)
{
	for (size_t i = from; i < to; i++) {
		uint32_t id = k->order[i];
		const unsigned char *at = bytes ? bytes + (v[id].sp - v[k->order[from]].sp) : NULL;
		k->again[id] = k->again[id] || !at || hash_bytes(at, first_len(&v[id])) != k->sum[id];
	}
}

/* Copy the stacks that stand still; those that lie near each other in one go. */
static void copy_stacks(struct look *k, struct gort_parked *v, size_t n, run_fn each)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		if (stands(&v[i]))
			k->order[m++] = (uint32_t)i;
	}
	qsort_r(k->order, m, sizeof(*k->order), by_sp, v);
	for (size_t i = 0, j = 0; i < m; i = j) {
		uint64_t start = v[k->order[i]].sp, end = start;
		for (j = i; j < m; j++) {
			const struct gort_parked *p = &v[k->order[j]];
			uint64_t to = num_max(end, p->sp + first_len(p));
			if (to - start > RUN_MAX || num_sub(p->sp, end) > RUN_GAP)
				break;
			end = to;
		}
		bool read = memsrc_read(k->g->src, start, k->stack, (size_t)(end - start));
		each(k, v, i, j, read ? k->stack : NULL);
	}
}

/*
 * One stack alone, as much of it as it takes. Whether it leads to the end; *len: how much was copied, 0 where it cannot be
 * read, with its sum.
 */
static bool take_alone(struct look *k, struct gort_parked *p, size_t *len, uint64_t *sum)
{
	size_t max = (size_t)num_min(p->stack_hi - p->sp, STACK_MAX);
	for (*len = first_len(p);; *len = (size_t)num_min(*len * 8, max)) {
		AUTO_FREE unsigned char *bytes = xmalloc(*len);
		if (!memsrc_read(k->g->src, p->sp, bytes, *len)) {
			*len = 0;
			return false;
		}
		*sum = hash_bytes(bytes, *len);
		bool whole = take_stack(k, p, bytes, *len);
		if (whole || p->stack || *len >= max)
			return whole;
	}
}

static bool same_again(struct look *k, const struct gort_parked *p, size_t len, uint64_t sum)
{
	AUTO_FREE unsigned char *bytes = xmalloc(len ? len : 1);
	return !len || (memsrc_read(k->g->src, p->sp, bytes, len) && hash_bytes(bytes, len) == sum);
}

static bool read_one(struct look *k, uint64_t g, struct gort_parked *ret)
{
	return memsrc_read(k->g->src, g, k->recs, k->rec_len) && decode(k, g, k->recs, ret);
}

/* Look at one again, with as little time as can be between the looks. False: it is gone. */
static bool look_alone(struct look *k, struct gort_parked *p)
{
	struct gort_parked after;
	for (int i = 0; i < TRIES; i++) {
		if (!read_one(k, p->g, p))
			return false;
		if (!stands(p)) {
			p->flags |= GORT_PARKED_MOVING;
			return true;
		}
		find_channels(k, p, 1);
		size_t len = 0;
		uint64_t sum = 0;
		bool whole = take_alone(k, p, &len, &sum);
		if (!read_one(k, p->g, &after))
			return false;
		bool same = same_again(k, p, len, sum);
		if (!same || !unmoved(p, &after))
			continue;
		if (!whole)
			p->flags |= GORT_PARKED_CUT;
		return true;
	}
	after.flags |= GORT_PARKED_MOVING;
	*p = after;
	return true;
}

/*
 * The second look at a batch; what moved is looked at alone, what is gone leaves. Returns how many stay.
 * A record that is the same before and after a copy proves nothing: meanwhile it may have rested elsewhere, and come back.
 * Copies that are the same before and after a record do: the stack was that when the record was.
 */
static size_t look_again(struct look *k, struct gort_parked *v, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		k->addrs[i] = v[i].g;
	memsrc_gather(k->g->src, k->addrs, n, k->rec_len, k->recs, k->ok);
	for (size_t i = 0; i < n; i++) {
		struct gort_parked after;
		bool same = k->ok[i] && decode(k, v[i].g, k->recs + i * k->rec_len, &after) && unmoved(&v[i], &after);
		k->again[i] = k->again[i] || !same || !stands(&v[i]);
	}
	copy_stacks(k, v, n, compare_run);
	for (size_t i = 0; i < n; i++) {
		if (k->again[i] && !look_alone(k, &v[i]))
			continue;
		v[kept++] = v[i];
	}
	return kept;
}

static void look_batch(struct look *k, size_t n, struct gort_parked_vec *ret)
{
	size_t at = ret->n, m = 0;
	memsrc_gather(k->g->src, k->addrs, n, k->rec_len, k->recs, k->ok);
	vec_reserve(ret, num_max(at + n, ret->cap));
	struct gort_parked *v = ret->v + at;
	for (size_t i = 0; i < n; i++)
		m += k->ok[i] && decode(k, k->addrs[i], k->recs + i * k->rec_len, &v[m]);
	memcache_forget(&k->cache); /* what it remembers is older than these */
	memset(k->again, 0, m * sizeof(*k->again));
	copy_stacks(k, v, m, take_run);
	find_channels(k, v, m);
	ret->n = at + look_again(k, v, m);
}

static void judge(const struct gort *g, struct gort_parked_vec *v)
{
	uint64_t pc = 0;
	bool system = false;
	for (size_t i = 0; i < v->n; i++) {
		if (v->v[i].startpc != pc) { /* neighbours are often of one kind */
			pc = v->v[i].startpc;
			system = gort_goroutine_system(g, pc);
		}
		if (system)
			v->v[i].flags |= GORT_PARKED_SYSTEM;
	}
}

const char *gort_wait_reason(const struct gort *g, unsigned reason, struct intern *strings)
{
	char text[REASON_LEN_MAX];
	uint64_t header = gort_var(g, GORT_VAR_WAITREASONS) + UINT64_C(16) * reason;
	uint64_t at = memsrc_ptr(g->src, header), len = memsrc_ptr(g->src, header + 8);
	if (!gort_var(g, GORT_VAR_WAITREASONS) || !at || !len || len > sizeof(text) ||
	    !memsrc_read(g->src, at, text, (size_t)len))
		return NULL;
	return intern_mem(strings, text, (size_t)len);
}

/* The number of the reason "IO wait". */
static unsigned find_io_wait(const struct gort *g)
{
	unsigned i = 0;
	struct intern strings;
	intern_init(&strings);
	for (; i < REASONS_MAX; i++) {
		const char *text = gort_wait_reason(g, i, &strings);
		if (text && strcmp(text, "IO wait") == 0)
			break;
	}
	intern_deinit(&strings);
	return i;
}

static struct look *look_new(const struct gort *g, struct gort_unwinder *u)
{
	struct look *k = xcalloc(1, sizeof(*k));
	k->g = g;
	k->u = u;
	k->io_wait = find_io_wait(g);
	k->rec_len = gort_sizeof(g->layout, GORT_g_SIZEOF);
	k->recs = xmalloc(BATCH * k->rec_len);
	k->stack = xmalloc(RUN_MAX);
	k->sudogs = xmalloc((size_t)BATCH * SUDOG_MAX);
	memcache_init(&k->cache, g->src);
	return k;
}

static void look_free(struct look *k)
{
	memcache_deinit(&k->cache);
	hash_map_deinit(&k->poll_at);
	free(k->sudogs);
	free(k->stack);
	free(k->recs);
	free(k);
}

struct err *gort_parked_read(const struct gort *g, struct gort_unwinder *u, struct gort_parked_vec *ret)
{
	uint64_t list = 0, n = 0;
	TRY(gort_goroutines_list(g, &list, &n));
	if (n > GORT_PARKED_MAX)
		return err_new(ERR_LIMIT, "the list of goroutines has %llu entries, more than %d",
			       (unsigned long long)n, GORT_PARKED_MAX);
	struct look *k = look_new(g, u);
	struct err *err = NULL;
	for (uint64_t at = 0; at < n && !err; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (memsrc_read(g->src, list + at * 8, k->addrs, some * 8))
			look_batch(k, some, ret);
		else
			err = memsrc_fault(list + at * 8, some * 8, "the list of goroutines");
	}
	look_free(k);
	judge(g, ret);
	return err;
}
