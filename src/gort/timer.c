/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/timer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/num.h"

enum {
	BATCH = 4096,
	PS_MAX = 1 << 16,
	TRIES = 3,
	WORD = 8,
	CHUNK = 256 * 1024, /* of the data that a variable is looked for in */
	NAME_MAX_LEN = 64,
	DEBUG_VAR = 32, /* runtime.dbgVar: a name, and addresses of a plain and of an atomic variable */
	DEBUG_ATOMIC = 24,

	/* states of a timer to 1.22 */
	STATUS_WAITING = 1,
	STATUS_RUNNING = 2,
	STATUS_MODIFYING = 6,
	STATUS_EARLIER = 7,
	STATUS_LATER = 8,
	STATUS_MOVING = 9,
	/* bits of it since */
	STATE_HEAPED = 1,
	STATE_ZOMBIE = 4,
};

static const uint64_t TIMERS_MAX = UINT64_C(1) << 26; /* of one P */
static const uint64_t DATA_MAX = UINT64_C(256) << 20;

/* What the functions of timers mean. */
enum arg { ARG_NONE, ARG_CHANNEL, ARG_CLOSURE, ARG_G };

static const struct {
	const char *func;
	enum timer_kind kind;
	enum arg arg; /* what the timer's argument is */
} known[] = {
	{ "time.sendTime", TIMER_TIMER, ARG_CHANNEL },
	{ "time.goFunc", TIMER_AFTERFUNC, ARG_CLOSURE },
	{ "runtime.goroutineReady", TIMER_OTHER, ARG_G },
	{ "runtime.netpollDeadline", TIMER_DEADLINE, ARG_NONE },
	{ "runtime.netpollReadDeadline", TIMER_DEADLINE, ARG_NONE },
	{ "runtime.netpollWriteDeadline", TIMER_DEADLINE, ARG_NONE },
};

struct reader {
	const struct gort *g;
	struct hash_map funcs; /* function value -> pc */
	struct hash_map kinds; /* pc -> index in known + 1; 0: none of them */
	unsigned char *recs;
	bool ok[BATCH];
	uint64_t args[BATCH], addrs[BATCH], words[BATCH];
	uint32_t which[BATCH];
	struct gort_timer_vec *out;
};

static const char *name_at(const struct gort *g, uint64_t pc)
{
	size_t f = 0;
	return g->pclntab && sym_pclntab_find(g->pclntab, pc, &f) ? sym_pclntab_name(g->pclntab, f) : "?";
}

static size_t kind_of(struct reader *r, uint64_t pc)
{
	bool fresh = false;
	uint64_t *kind = hash_map_at(&r->kinds, pc, &fresh);
	const char *name = fresh ? name_at(r->g, pc) : "";
	for (size_t i = 0; fresh && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].func) == 0)
			*kind = i + 1;
	}
	return (size_t)*kind;
}

/* The code that a function value stands for. */
static uint64_t func_at(struct reader *r, uint64_t value)
{
	bool fresh = false;
	uint64_t *pc = hash_map_at(&r->funcs, value, &fresh);
	if (fresh)
		*pc = memsrc_ptr(r->g->src, value);
	return *pc;
}

/* Is it in its heap, and was it not stopped? */
static bool counts(const struct gort_layout *l, const void *rec, size_t len)
{
	static const bool active[] = {
		[STATUS_WAITING] = true, [STATUS_RUNNING] = true, [STATUS_MODIFYING] = true,
		[STATUS_EARLIER] = true, [STATUS_LATER] = true,	  [STATUS_MOVING] = true,
	};
	if (gort_has(l, GORT_timer_state)) {
		uint64_t state = gort_load(l, rec, len, GORT_timer_state);
		return state & STATE_HEAPED && !(state & STATE_ZOMBIE);
	}
	uint64_t status = gort_load(l, rec, len, GORT_timer_status);
	return status < sizeof(active) && active[status];
}

static int64_t when_of(const struct gort_layout *l, const void *rec, size_t len)
{
	uint64_t status = gort_load(l, rec, len, GORT_timer_status);
	bool moved = gort_has(l, GORT_timer_status) && (status == STATUS_EARLIER || status == STATUS_LATER);
	return (int64_t)gort_load(l, rec, len, moved ? GORT_timer_nextwhen : GORT_timer_when);
}

/* Timers of a batch that count; their arguments, a word of an interface, are in r->args. */
static size_t take_records(struct reader *r, size_t n)
{
	const struct gort_layout *l = r->g->layout;
	size_t len = gort_sizeof(l, GORT_timer_SIZEOF), m = 0;
	uint64_t arg = gort_at(l, 0, GORT_timer_arg) + WORD;
	memsrc_gather(r->g->src, r->addrs, n, len, r->recs, r->ok);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *rec = r->recs + i * len;
		if (!r->ok[i] || !counts(l, rec, len) || arg + WORD > len)
			continue;
		r->args[m++] = load_u64(rec + arg);
		*vec_push(r->out) = (struct gort_timer){
			.addr = r->addrs[i],
			.func = func_at(r, gort_load(l, rec, len, GORT_timer_f)),
			.when = when_of(l, rec, len),
			.period = (int64_t)gort_load(l, rec, len, GORT_timer_period),
			.kind = TIMER_OTHER,
			.channel = gort_load(l, rec, len, GORT_timer_isChan) != 0,
		};
	}
	return m;
}

/* Words at r->addrs[0..n) into r->words, zero where they cannot be read. */
static void read_words(struct reader *r, size_t n)
{
	memsrc_gather(r->g->src, r->addrs, n, WORD, r->words, NULL);
	for (size_t i = 0; i < n; i++)
		r->words[i] = load_u64(&r->words[i]);
}

/* Who waits for the channels: the first waiting record of each, and its goroutine. */
static void find_receivers(struct reader *r, struct gort_timer *v, size_t n)
{
	const struct gort_layout *l = r->g->layout;
	for (size_t i = 0; i < n; i++)
		r->addrs[i] = gort_at(l, r->args[r->which[i]], GORT_hchan_recvq_first);
	read_words(r, n);
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		r->which[m] = r->which[i];
		r->addrs[m] = gort_at(l, r->words[i], GORT_sudog_g);
		m += r->words[i] != 0;
	}
	read_words(r, m);
	for (size_t i = 0; i < m; i++)
		v[r->which[i]].holder = r->words[i];
}

static void judge(struct reader *r, struct gort_timer *v, size_t n)
{
	size_t channels = 0, closures = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = kind_of(r, v[i].func);
		enum arg arg = k ? known[k - 1].arg : ARG_NONE;
		v[i].kind = k ? known[k - 1].kind : TIMER_OTHER;
		if (v[i].kind == TIMER_TIMER && v[i].period)
			v[i].kind = TIMER_TICKER;
		if (arg == ARG_G)
			v[i].holder = r->args[i];
		if (arg == ARG_CHANNEL)
			r->which[channels++] = (uint32_t)i;
	}
	find_receivers(r, v, channels);
	for (size_t i = 0; i < n; i++) {
		if (v[i].kind == TIMER_AFTERFUNC) {
			r->which[closures] = (uint32_t)i;
			r->addrs[closures++] = r->args[i];
		}
	}
	read_words(r, closures);
	for (size_t i = 0; i < closures; i++) {
		struct gort_timer *t = &v[r->which[i]];
		t->func = r->words[i];
		if (strncmp(name_at(r->g, t->func), "context.", 8) == 0)
			t->kind = TIMER_DEADLINE;
	}
}

struct heap {
	uint64_t at, n;
	size_t step; /* bytes of an entry; the first word is the timer */
};

static struct heap heap_of(const struct gort *g, uint64_t p)
{
	const struct gort_layout *l = g->layout;
	uint64_t slice = gort_at(l, p, GORT_p_timers);
	if (!gort_has(l, GORT_timers_heap))
		return (struct heap){ memsrc_ptr(g->src, slice), memsrc_ptr(g->src, slice + WORD), WORD };
	slice = gort_at(l, slice, GORT_timers_heap);
	return (struct heap){ memsrc_ptr(g->src, slice), memsrc_ptr(g->src, slice + WORD),
			      gort_sizeof(l, GORT_timerWhen_SIZEOF) };
}

static bool read_heap(struct reader *r, const struct heap *h)
{
	AUTO_FREE unsigned char *entries = xmalloc(BATCH * h->step);
	for (uint64_t at = 0; at < h->n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, h->n - at), first = r->out->n;
		if (!memsrc_read(r->g->src, h->at + at * h->step, entries, some * h->step))
			return false;
		for (size_t i = 0; i < some; i++)
			r->addrs[i] = load_u64(entries + i * h->step);
		size_t n = take_records(r, some);
		if (n)
			judge(r, r->out->v + first, n);
	}
	return true;
}

/* One P; false when its heap did not stand still, or cannot be read. */
static bool read_p(struct reader *r, uint64_t p)
{
	size_t first = r->out->n;
	for (int i = 0; i < TRIES; i++) {
		struct heap h = heap_of(r->g, p);
		r->out->n = first;
		if (!h.n)
			return true;
		if (h.n > TIMERS_MAX || h.step < WORD)
			return false;
		bool read = read_heap(r, &h);
		struct heap after = heap_of(r->g, p);
		if (read && after.at == h.at && after.n == h.n)
			return true;
	}
	return false;
}

struct err *gort_timers_read(const struct gort *g, struct gort_timer_vec *ret, bool *complete)
{
	uint64_t var = gort_var(g, GORT_VAR_ALLP);
	uint64_t list = memsrc_ptr(g->src, var), n = memsrc_ptr(g->src, var + WORD);
	*complete = true;
	if (!var || !list || n > PS_MAX)
		return err_new(ERR_FORMAT, "the list of Ps is damaged (%llu entries)", (unsigned long long)n);
	struct reader *r = xcalloc(1, sizeof(*r));
	r->g = g;
	r->out = ret;
	r->recs = xmalloc((size_t)BATCH * gort_sizeof(g->layout, GORT_timer_SIZEOF));
	for (uint64_t i = 0; i < n; i++) {
		uint64_t p = memsrc_ptr(g->src, list + i * WORD);
		if (p && !read_p(r, p))
			*complete = false;
	}
	hash_map_deinit(&r->funcs);
	hash_map_deinit(&r->kinds);
	free(r->recs);
	free(r);
	return NULL;
}

static bool in_data(const struct gort_module *m, uint64_t addr)
{
	const struct gort_range *const ranges[] = { &m->noptrdata, &m->data, &m->bss, &m->noptrbss };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (addr >= ranges[i]->start && addr < ranges[i]->end)
			return true;
	}
	return false;
}

/* Is there a runtime.dbgVar of that name, for an atomic variable? Its address, or 0. */
static uint64_t debug_var(const struct gort *g, const unsigned char *rec, const char *name)
{
	char text[NAME_MAX_LEN];
	size_t len = strlen(name);
	uint64_t var = load_u64(rec + DEBUG_ATOMIC);
	if (load_u64(rec + WORD) != len || load_u64(rec + 2 * (size_t)WORD) || !in_data(&g->module, var) ||
	    len > sizeof(text) || !memsrc_read(g->src, load_u64(rec), text, len) || memcmp(text, name, len) != 0)
		return 0;
	return var;
}

bool gort_debug_value(const struct gort *g, const char *name, uint32_t *ret)
{
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	const struct gort_range *data = &g->module.data;
	uint64_t end = num_min(data->end, data->start + DATA_MAX);
	for (uint64_t at = (data->start + WORD - 1) & ~UINT64_C(7); at + DEBUG_VAR <= end;
	     at += CHUNK - DEBUG_VAR + WORD) {
		size_t len = (size_t)num_min(CHUNK, end - at);
		if (!memsrc_read(g->src, at, buf, len))
			continue;
		for (size_t i = 0; i + DEBUG_VAR <= len; i += WORD) {
			uint64_t var = debug_var(g, buf + i, name);
			if (var)
				return memsrc_u32(g->src, var, ret);
		}
	}
	return false;
}
