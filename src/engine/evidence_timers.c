/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <string.h>

#include "account/fill.h"
#include "gort/parked.h"
#include "gort/timer.h"
#include "target/target.h"

enum { MINOR_COLLECTABLE = 23, MINOR_ALWAYS = 27 };

struct group_key {
	uint64_t func;
	int64_t period;
	const char *holder;
	unsigned kind, collectable;
};

struct grouper {
	struct timers *out;
	struct gort_unwinder *unwinder; /* of `out` */
	struct hash_index index;	/* of groups */
	VEC(struct group_key) keys;
	struct hash_map holders; /* g -> its name in `names`, + 1; 0: not known */
	VEC(const char *) names;
	int64_t now; /* CLOCK_MONOTONIC; 0 unknown */
	uint64_t timer_bytes;
};

/* what the GC does with timers */

static const char *setting(const struct account *a, const char *name)
{
	for (size_t i = 0; i < a->go.godebug.n; i++) {
		if (strcmp(a->go.godebug.v[i].name, name) == 0)
			return a->go.godebug.v[i].value;
	}
	return NULL;
}

static void read_semantics(struct target *t, struct timers *out)
{
	uint32_t async = 0;
	struct account a;
	int minor = t->gort.module.minor > 0 ? t->gort.module.minor : t->gort.layout->minor;
	if (minor < MINOR_COLLECTABLE || minor >= MINOR_ALWAYS) {
		out->semantics_123 = minor >= MINOR_ALWAYS;
		out->semantics_from = "the version";
		return;
	}
	if (gort_debug_value(&t->gort, "asynctimerchan", &async)) {
		out->semantics_123 = async != 1; /* with 2 only the channels are those of before */
		out->semantics_from = "the runtime's variable";
		return;
	}
	account_init(&a);
	fill_go(t, &a);
	const char *value = setting(&a, "asynctimerchan");
	out->semantics_123 = !value || strcmp(value, "1") != 0;
	out->semantics_from = value ? "GODEBUG, or its default of the build" : "the version";
	account_deinit(&a);
}

/* who waits */

/* The function of a goroutine that a reader knows: the innermost that is not of the package of timers. */
static const char *function_of(const struct stacks *stacks, uint32_t stack)
{
	for (uint32_t i = 0; i < stacks_depth(stacks, stack); i++) {
		const char *function = stacks_at(stacks, stack, i)->function;
		if (strncmp(function, "time.", 5) != 0 && strncmp(function, "runtime.", 8) != 0)
			return function;
	}
	return NULL;
}

static bool wanted(const struct gort_timer_vec *timers)
{
	for (size_t i = 0; i < timers->n; i++) {
		if (timers->v[i].holder)
			return true;
	}
	return false;
}

/* Names of all goroutines that timers are for. */
static struct err *find_holders(struct grouper *k, const struct gort *g, const struct gort_timer_vec *timers)
{
	struct stacks stacks;
	struct gort_parked_vec all = { 0 };
	if (!wanted(timers))
		return NULL;
	stacks_init(&stacks);
	struct gort_unwinder *u = gort_unwinder_new(g, &stacks);
	struct err *err = u ? gort_parked_read(g, u, &all) : NULL;
	for (size_t i = 0; i < all.n; i++) {
		const char *name = function_of(&stacks, all.v[i].stack);
		if (!name)
			continue;
		*vec_push(&k->names) = intern_str(&k->out->stacks.strings, name);
		*hash_map_at(&k->holders, all.v[i].g, NULL) = k->names.n;
	}
	vec_deinit(&all);
	gort_unwinder_free(u);
	stacks_deinit(&stacks);
	return err;
}

/* groups */

struct group_query {
	const struct grouper *k;
	const struct group_key *key;
};

static bool same_group(const void *ctx, uint32_t id)
{
	const struct group_query *q = ctx;
	return memcmp(&q->k->keys.v[id], q->key, sizeof(*q->key)) == 0;
}

static struct timer_group *group_at(struct grouper *k, const struct group_key *key)
{
	uint64_t hash = hash_bytes(key, sizeof(*key));
	uint32_t id = hash_index_find(&k->index, hash, same_group, &(struct group_query){ k, key });
	if (id != HASH_NONE)
		return &k->out->groups.v[id];
	hash_index_add(&k->index, hash, (uint32_t)k->keys.n);
	*vec_push(&k->keys) = *key;
	struct timer_group *ret = vec_push(&k->out->groups);
	*ret = (struct timer_group){
		.callback = gort_unwind_function(k->unwinder, key->func),
		.kind = (enum timer_kind)key->kind,
		.holder = key->holder,
		.collectable = key->collectable != 0,
		.period_ns = key->period,
		.next_ns = INT64_MAX,
	};
	return ret;
}

static void add(struct grouper *k, const struct gort_timer *t)
{
	const uint64_t *name = t->holder ? hash_map_get(&k->holders, t->holder) : NULL;
	struct group_key key;
	memset(&key, 0, sizeof(key));
	key.func = t->func;
	key.period = t->period;
	key.holder = name && *name && k->names.v ? k->names.v[*name - 1] : NULL;
	key.kind = t->kind;
	key.collectable = t->channel && k->out->semantics_123;
	struct timer_group *group = group_at(k, &key);
	int64_t next = !k->now ? INT64_MAX : t->when > k->now ? t->when - k->now : 0;
	group->count++;
	group->bytes += k->timer_bytes;
	if (next < group->next_ns)
		group->next_ns = next;
	k->out->total++;
}

/*
 * A method value is called through a wrapper that the compiler made, "main.(*session).expire-fm", in no file: say where
 * the method itself is, if it has code of its own.
 */
static void name_methods(struct grouper *k, struct sym_pclntab *tab)
{
	const char *names[SYM_PCLNTAB_FIND_MAX];
	struct timer_group *groups[SYM_PCLNTAB_FIND_MAX];
	size_t index[SYM_PCLNTAB_FIND_MAX], n = 0;
	struct intern *strings = &k->out->stacks.strings;
	for (size_t i = 0; i < k->out->groups.n && n < SYM_PCLNTAB_FIND_MAX; i++) {
		struct timer_group *g = &k->out->groups.v[i];
		const char *name = g->callback ? stacks_at(&k->out->stacks, g->callback, 0)->function : "";
		size_t len = strlen(name);
		if (len < 3 || strcmp(name + len - 3, "-fm") != 0)
			continue;
		groups[n] = g;
		names[n++] = intern_mem(strings, name, len - 3);
	}
	if (!n)
		return;
	sym_pclntab_find_names(tab, names, n, index);
	for (size_t i = 0; i < n; i++) {
		if (index[i] != SYM_PCLNTAB_NONE)
			groups[i]->callback = gort_unwind_function(k->unwinder, sym_pclntab_entry(tab, index[i]));
	}
}

static int by_count(const void *a, const void *b, void *ctx)
{
	const struct timer_group *x = a, *y = b;
	const struct stacks *s = ctx;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	int order = x->callback && y->callback
			    ? strcmp(stacks_at(s, x->callback, 0)->function, stacks_at(s, y->callback, 0)->function)
			    : (y->callback != 0) - (x->callback != 0);
	if (order)
		return order;
	return x->period_ns < y->period_ns ? -1 : x->period_ns > y->period_ns;
}

static void note_limits(const struct timers *t, struct snapshot *s)
{
	if (!t->complete)
		snapshot_note(
			s, "timers were started and stopped while they were counted: the numbers may be off by some");
	if (t->semantics_123)
		snapshot_note(s,
			      "timers with a channel that no goroutine waits for are in no list since Go 1.23, and not "
			      "counted; the garbage collector takes them when nothing refers to them");
}

struct err *evidence_timers(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	struct grouper k = { .out = &s->timers, .timer_bytes = gort_sizeof(t->gort.layout, GORT_timer_SIZEOF) };
	struct gort_timer_vec all = { 0 };
	k.unwinder = gort_unwinder_new(&t->gort, &k.out->stacks);
	if (!k.unwinder)
		return err_new(ERR_UNSUPPORTED, "the table of functions cannot be read, so callbacks have no names");
	read_semantics(t, k.out);
	struct err *err = gort_timers_read(&t->gort, &all, &k.out->complete);
	k.now = target_clock(t).monotonic;
	if (!err)
		err = find_holders(&k, &t->gort, &all);
	for (size_t i = 0; !err && i < all.n; i++)
		add(&k, &all.v[i]);
	name_methods(&k, t->gort.pclntab);
	if (k.out->groups.n > 1)
		qsort_r(k.out->groups.v, k.out->groups.n, sizeof(*k.out->groups.v), by_count, &k.out->stacks);
	if (!err)
		note_limits(k.out, s);
	hash_index_deinit(&k.index);
	hash_map_deinit(&k.holders);
	vec_deinit(&k.keys);
	vec_deinit(&k.names);
	vec_deinit(&all);
	gort_unwinder_free(k.unwinder);
	return err;
}
