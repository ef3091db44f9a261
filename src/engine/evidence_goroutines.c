/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "gort/labels.h"
#include "gort/parked.h"
#include "gort/stats.h"
#include "gort/type.h"
#include "model/memcache.h"
#include "target/target.h"

enum { REASONS = 256, CACHE_BLOCK = 8192, CACHE_BLOCKS = 512 };

static const int64_t MS = 1000000;
/* A GC is forced after two minutes; and it takes its time. */
static const int64_t FORCED_NS = INT64_C(180) * 1000000000;

/* Why goroutines wait, as the runtime words it. */
struct reason {
	const char *text; /* NULL: not read yet, or none */
	bool asked;
	bool durable; /* nothing outside of a synctest bubble can end it */
};

struct taker {
	const struct gort *g;
	struct gort cached; /* the same, read through `cache`: for labels, which never change */
	struct memcache cache;
	struct goroutines *out;
	struct gort_unwinder *unwinder;
	const struct fds *fds;
	struct reason reasons[REASONS];
	struct gort_types types;
	struct hash_map labels;	   /* address -> label_at << 16 | label_n, of those seen */
	struct hash_map creators;  /* pc -> stack + 1 */
	int64_t now;		   /* CLOCK_MONOTONIC; 0 unknown */
	int64_t ends[GORT_PAUSES]; /* when the last GCs ended, of the same clock, oldest first */
	size_t n_ends;
	bool forced; /* the runtime starts a GC after two minutes without one */
};

/* Cut a suffix that says the same as a flag. */
static bool cut_suffix(struct taker *t, struct reason *r, const char *suffix)
{
	size_t len = strlen(r->text), n = strlen(suffix);
	if (len <= n || strcmp(r->text + len - n, suffix) != 0)
		return false;
	r->text = intern_mem(&t->out->stacks.strings, r->text, len - n);
	return true;
}

static const struct reason *reason_of(struct taker *t, unsigned number)
{
	/* Those that have no wording of their own inside a bubble. */
	static const char *const durable[] = {
		"chan receive (nil chan)",
		"chan send (nil chan)",
		"select (no cases)",
		"sleep",
		"sync.Cond.Wait",
		"coroutine",
		"synctest.Run",
		"synctest.Wait",
	};
	struct reason *r = &t->reasons[number];
	if (r->asked)
		return r;
	r->asked = true;
	r->text = gort_wait_reason(t->g, number, &t->out->stacks.strings);
	if (!r->text)
		return r;
	r->durable = cut_suffix(t, r, " (durable)") || cut_suffix(t, r, " (synctest)");
	for (size_t i = 0; i < sizeof(durable) / sizeof(durable[0]); i++)
		r->durable = r->durable || strcmp(r->text, durable[i]) == 0;
	return r;
}

static void take_labels(struct taker *t, uint64_t labels, struct goroutine *ret)
{
	bool fresh = false;
	if (!labels)
		return;
	uint64_t *known = hash_map_at(&t->labels, labels, &fresh);
	if (fresh) {
		size_t at = t->out->labels.n;
		gort_labels_read(&t->cached, labels, &t->out->stacks.strings, &t->out->labels);
		*known = (uint64_t)at << 16 | (t->out->labels.n - at);
	}
	ret->label_at = (uint32_t)(*known >> 16);
	ret->label_n = (uint32_t)(*known & 0xffff);
}

static const char *type_of(struct taker *t, uint64_t type)
{
	const char *name = type ? gort_type_name(&t->types, type) : NULL;
	return name ? intern_str(&t->out->stacks.strings, name) : NULL;
}

static uint32_t created_by(struct taker *t, uint64_t gopc)
{
	bool fresh = false;
	uint64_t *known = hash_map_at(&t->creators, gopc, &fresh);
	if (fresh)
		*known = gort_unwind_place(t->unwinder, gopc);
	return (uint32_t)*known;
}

static int by_fd(const void *a, const void *b)
{
	return ((const struct fd_row *)a)->fd - ((const struct fd_row *)b)->fd;
}

/* The peer of a socket, "tcp 10.0.0.1:5432", from what the descriptors were found to be; of a listener its own address. */
static const char *peer_of(struct taker *t, int fd)
{
	const struct fd_row key = { .fd = fd }, *r = NULL;
	if (t->fds->rows.n)
		r = bsearch(&key, t->fds->rows.v, t->fds->rows.n, sizeof(key), by_fd);
	const char *address = r && r->what ? strchr(r->what, ' ') : NULL;
	const char *state = address ? strrchr(address + 1, ' ') : NULL; /* "tcp 10.0.0.1:5432 ESTAB" is of a socket */
	if (!state)
		return NULL;
	size_t len = strcmp(state, " LISTEN") == 0 ? strlen(r->what) : (size_t)(state - r->what);
	return intern_mem(&t->out->stacks.strings, r->what, len);
}

static unsigned flags_of(const struct gort_parked *p, const struct reason *reason)
{
	static const struct {
		unsigned from, to;
	} flags[] = {
		{ GORT_PARKED_SYSTEM, GOROUTINE_SYSTEM }, { GORT_PARKED_LOCKED, GOROUTINE_LOCKED },
		{ GORT_PARKED_MOVING, GOROUTINE_MOVING }, { GORT_PARKED_CUT, GOROUTINE_CUT },
		{ GORT_PARKED_SELECT, GOROUTINE_SELECT }, { GORT_PARKED_BUBBLE, GOROUTINE_BUBBLE },
	};
	unsigned ret = 0;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		ret |= p->flags & flags[i].from ? flags[i].to : 0;
	if (reason && reason->text && strncmp(reason->text, "select", 6) == 0)
		ret |= GOROUTINE_SELECT;
	if (reason && reason->durable && p->flags & GORT_PARKED_BUBBLE)
		ret |= GOROUTINE_DURABLE;
	if (p->status == GORT_G_LEAKED)
		ret |= GOROUTINE_LEAKED;
	if (p->fd >= 0)
		ret |= p->deadline ? GOROUTINE_DEADLINE : GOROUTINE_NO_DEADLINE;
	return ret;
}

/*
 * How long a goroutine waits at least. A GC that finds it waiting writes down when the GC before ended its marking, so
 * what counts is the GC after that time: it saw the goroutine waiting before it ended itself.
 */
static int64_t wait_at_least(const struct taker *t, int64_t since)
{
	if (since <= 0 || since > t->now) /* also when there is no clock */
		return -1;
	size_t i = 0;
	while (i < t->n_ends && t->ends[i] < since - 10 * MS)
		i++;
	bool lost = i == 0 && t->n_ends == GORT_PAUSES && t->ends[0] > since + 1000 * MS;
	size_t seen = lost ? 0 : i + 1; /* the GC before is ends[i], unless it is no longer remembered */
	int64_t least = seen < t->n_ends ? t->now - t->ends[seen] : 0;
	if (t->forced && t->now - since - FORCED_NS > least)
		least = t->now - since - FORCED_NS;
	return least > 0 ? least : 0;
}

static void take(struct taker *t, const struct gort_parked *p)
{
	bool waits = p->status == GORT_G_WAITING || p->status == GORT_G_LEAKED;
	const struct reason *reason = waits ? reason_of(t, p->reason) : NULL;
	struct goroutine *ret = vec_push(&t->out->v);
	*ret = (struct goroutine){
		.id = p->id,
		.parent = p->parent,
		.state = gort_g_status_names[p->status],
		.wait_reason = reason ? reason->text : NULL,
		.wait_ns = -1,
		.stack_bytes = p->stack_hi - p->stack_lo,
		.stack = p->flags & GORT_PARKED_MOVING ? 0 : p->stack,
		.count = 1,
		.fd = p->fd,
		.peer = p->fd >= 0 ? peer_of(t, p->fd) : NULL,
		.wait_on = p->wait_on,
		.wait_type = type_of(t, p->elem_type),
		.flags = flags_of(p, reason),
	};
	if (waits || p->status == GORT_G_SYSCALL)
		ret->wait_ns = wait_at_least(t, p->wait_since);
	if (p->id != 1) /* the main goroutine was created by no statement */
		ret->created_by = created_by(t, p->gopc);
	take_labels(t, p->labels, ret);
	t->out->total += !(p->flags & GORT_PARKED_SYSTEM);
}

static void note_moving(struct snapshot *s)
{
	uint64_t moving = 0, cut = 0;
	for (size_t i = 0; i < s->goroutines.v.n; i++) {
		moving += !!(s->goroutines.v.v[i].flags & GOROUTINE_MOVING);
		cut += !!(s->goroutines.v.v[i].flags & GOROUTINE_CUT);
	}
	if (moving)
		snapshot_note(s, "%llu goroutine%s ran while being looked at: no stack is shown for %s",
			      (unsigned long long)moving, moving == 1 ? "" : "s", moving == 1 ? "it" : "them");
	if (cut)
		snapshot_note(s, "%llu stack%s could not be followed to the end", (unsigned long long)cut,
			      cut == 1 ? "" : "s");
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* When GCs ended, on the clock of waits. */
static void read_gcs(const struct target *target, struct taker *t)
{
	struct gort_stats stats;
	const struct target_clock clock = target_clock(target);
	t->now = clock.monotonic;
	int64_t ahead = clock.wall - t->now;
	t->out->since_gc_ns = -1;
	if (!t->now)
		return;
	if (!gort_stats_read(t->g, &stats))
		return;
	t->forced = stats.gc_percent >= 0;
	for (size_t i = 0; i < GORT_PAUSES; i++) {
		if (stats.pause_end[i])
			t->ends[t->n_ends++] = (int64_t)stats.pause_end[i] - ahead;
	}
	qsort(t->ends, t->n_ends, sizeof(*t->ends), by_time);
	if (t->n_ends)
		t->out->since_gc_ns = t->ends[t->n_ends - 1] < t->now ? t->now - t->ends[t->n_ends - 1] : 0;
}

struct err *evidence_goroutines(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	struct taker k = { .g = &t->gort, .cached = t->gort, .out = &s->goroutines, .fds = &s->fds };
	struct gort_parked_vec all = { 0 };
	k.unwinder = gort_unwinder_new(k.g, &k.out->stacks);
	if (!k.unwinder)
		return err_new(ERR_UNSUPPORTED, "the table of functions cannot be read, so stacks cannot be followed");
	gort_types_init(&k.types, k.g);
	memcache_init_sized(&k.cache, k.g->src, CACHE_BLOCK, CACHE_BLOCKS);
	k.cached.src = &k.cache.src;
	struct err *err = gort_parked_read(k.g, k.unwinder, &all);
	if (!err) {
		read_gcs(t, &k);
		k.out->live = true;
		vec_reserve(&k.out->v, all.n);
		for (size_t i = 0; i < all.n; i++)
			take(&k, &all.v[i]);
		if (!k.now)
			snapshot_note(s, "for how long goroutines wait is unknown: this core does not tell when it was "
					 "written");
		note_moving(s);
	}
	memcache_deinit(&k.cache);
	gort_types_deinit(&k.types);
	hash_map_deinit(&k.labels);
	hash_map_deinit(&k.creators);
	vec_deinit(&all);
	gort_unwinder_free(k.unwinder);
	return err;
}
