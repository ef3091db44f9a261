/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/goroutine_groups.h"

#include <string.h>

#include "base/alloc.h"

/* Packages that only carry a wait: who called them is what a reader wants to see. A "/" ends a whole tree. */
static const char *const carriers[] = {
	"bufio",
	"context",
	"crypto/",
	"internal/",
	"io",
	"net",
	"os",
	"os/",
	"reflect",
	"runtime",
	"runtime/",
	"sync",
	"syscall",
	"time",
	"golang.org/x/net/http2/hpack",
	"golang.org/x/sys/",
	"vendor/",
};

static bool carries(const char *function)
{
	size_t len = stack_package(function);
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		size_t n = strlen(carriers[i]);
		bool tree = carriers[i][n - 1] == '/';
		if ((tree ? len > n : len == n) && memcmp(function, carriers[i], n) == 0)
			return true;
	}
	return false;
}

uint32_t goroutine_blocked(const struct stacks *s, uint32_t id)
{
	uint32_t n = stacks_depth(s, id);
	for (uint32_t i = 0; i < n; i++) {
		const char *function = stacks_at(s, id, i)->function;
		if (function[0] && !carries(function))
			return i;
	}
	for (uint32_t i = n; i-- > 0;) { /* nothing but carriers: what it was started with tells most */
		if (!stack_is_runtime(stacks_at(s, id, i)->function))
			return i;
	}
	return 0;
}

/* ---- stacks without what differs by source ---- */

static uint32_t plain_stack(struct goroutine_groups *g, const struct stacks *from, uint32_t id)
{
	uint32_t frames[STACK_FRAMES_MAX], n = 0, depth = stacks_depth(from, id);
	for (int all = 0; all < 2 && !n; all++) { /* what is the runtime's only is shown as it is */
		for (uint32_t i = 0; i < depth; i++) {
			struct frame f = *stacks_at(from, id, i);
			f.addr = 0;
			if (all || !stack_is_runtime(f.function))
				frames[n++] = stacks_frame(&g->stacks, &f);
		}
	}
	return stacks_add(&g->stacks, frames, n);
}

static void plain_stacks(struct goroutine_groups *g, const struct stacks *from)
{
	for (uint32_t id = 0; id < from->v.n; id++)
		*vec_push(&g->stack_of) = plain_stack(g, from, id);
}

/* ---- keys ---- */

struct group_key {
	const char *state, *reason; /* interned */
	uint32_t created_by, stack; /* 0 where they do not count */
	uint32_t place;		    /* frame number + 1 */
	uint32_t leaked;
};

struct grouping {
	const struct goroutines *gs;
	enum goroutine_group_by by;
	struct goroutine_groups *to;
	VEC(struct group_key) keys; /* of each group */
	struct hash_index index;
	struct u32_vec group_of; /* of each goroutine; HASH_NONE: left out */
	uint32_t *place_of;	 /* of each plain stack: frame number + 1 where it is blocked; 0 not looked for yet */
};

static uint32_t place_of(struct grouping *g, uint32_t stack)
{
	const struct stacks *s = &g->to->stacks;
	if (!g->place_of[stack] && stacks_depth(s, stack))
		g->place_of[stack] = s->pool.v[s->v.v[stack].at + goroutine_blocked(s, stack)] + 1;
	return g->place_of[stack];
}

static struct group_key key_of(struct grouping *g, const struct goroutine *gr)
{
	struct intern *strings = &g->to->stacks.strings;
	uint32_t stack = g->to->stack_of.v[gr->stack];
	struct group_key key = {
		.state = intern_str(strings, gr->state),
		.reason = intern_str(strings, gr->wait_reason),
		.leaked = (gr->flags & GOROUTINE_LEAKED) != 0,
	};
	if (g->by == GOROUTINE_BY_STATE)
		return key;
	key.created_by = g->to->stack_of.v[gr->created_by];
	if (g->by == GOROUTINE_BY_STACK)
		key.stack = stack;
	else
		key.place = place_of(g, stack);
	return key;
}

struct wanted {
	const struct grouping *g;
	const struct group_key *key;
};

static bool same_key(const void *ctx, uint32_t id)
{
	const struct wanted *w = ctx;
	return memcmp(&w->g->keys.v[id], w->key, sizeof(*w->key)) == 0;
}

static uint32_t group_number(struct grouping *g, const struct goroutine *gr)
{
	struct group_key key = key_of(g, gr);
	struct wanted w = { g, &key };
	uint64_t hash = hash_bytes(&key, sizeof(key));
	uint32_t id = g->by == GOROUTINE_BY_NONE ? HASH_NONE : hash_index_find(&g->index, hash, same_key, &w);
	if (id != HASH_NONE)
		return id;
	id = (uint32_t)g->keys.n;
	if (g->by != GOROUTINE_BY_NONE)
		hash_index_add(&g->index, hash, id);
	*vec_push(&g->keys) = key;
	*vec_push(&g->to->v) = (struct goroutine_group){
		.state = key.state,
		.wait_reason = key.reason[0] ? key.reason : NULL,
		.stack_bytes = ACCOUNT_UNKNOWN,
	};
	return id;
}

/* ---- figures of a group ---- */

static int by_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* The number that stands most often in the upper half of the words, weighted by the lower half; and how many there are. */
static uint32_t most_frequent(struct u64_vec *words, uint32_t *different)
{
	uint64_t best = 0, sum = 0;
	uint32_t ret = 0, n = 0;
	vec_sort(words, by_u64);
	for (size_t i = 0; i < words->n; i++) {
		bool first = !i || words->v[i] >> 32 != words->v[i - 1] >> 32;
		sum = (first ? 0 : sum) + (uint32_t)words->v[i];
		n += first;
		if (sum > best) {
			best = sum;
			ret = (uint32_t)(words->v[i] >> 32);
		}
	}
	*different = n;
	return ret;
}

static void measure_waits(const struct grouping *g, struct goroutine_group *group, struct u64_vec *words)
{
	words->n = 0;
	for (size_t i = 0; i < group->n; i++) {
		int64_t wait = g->gs->v.v[g->to->members.v[group->at + i]].wait_ns;
		if (wait >= 0)
			*vec_push(words) = (uint64_t)wait;
	}
	vec_sort(words, by_u64);
	group->wait_min = words->n ? (int64_t)words->v[0] : -1;
	group->wait_median = words->n ? (int64_t)words->v[words->n / 2] : -1;
	group->wait_max = words->n ? (int64_t)words->v[words->n - 1] : -1;
}

static void measure(const struct grouping *g, struct goroutine_group *group, struct u64_vec *words)
{
	struct u64_vec creators = { 0 };
	uint32_t different = 0;
	words->n = 0;
	for (size_t i = 0; i < group->n; i++) {
		const struct goroutine *gr = &g->gs->v.v[g->to->members.v[group->at + i]];
		group->flags |= gr->flags;
		if (gr->stack_bytes != ACCOUNT_UNKNOWN)
			group->stack_bytes =
				(group->stack_bytes == ACCOUNT_UNKNOWN ? 0 : group->stack_bytes) + gr->stack_bytes;
		*vec_push(words) = (uint64_t)g->to->stack_of.v[gr->stack] << 32 | gr->count;
		*vec_push(&creators) = (uint64_t)g->to->stack_of.v[gr->created_by] << 32 | gr->count;
	}
	group->created_by = most_frequent(&creators, &different);
	group->stack = most_frequent(words, &group->n_stacks);
	group->blocked = goroutine_blocked(&g->to->stacks, group->stack);
	vec_deinit(&creators);
	measure_waits(g, group, words);
}

/* ---- all together ---- */

static void assign(struct grouping *g, bool system)
{
	for (size_t i = 0; i < g->gs->v.n; i++) {
		const struct goroutine *gr = &g->gs->v.v[i];
		bool out = !system && gr->flags & GOROUTINE_SYSTEM;
		uint32_t id = out ? HASH_NONE : group_number(g, gr);
		*vec_push(&g->group_of) = id;
		if (out)
			continue;
		g->to->v.v[id].count += gr->count;
		g->to->v.v[id].n++;
	}
}

static void collect_members(struct grouping *g)
{
	size_t at = 0;
	for (size_t i = 0; i < g->to->v.n; i++) {
		g->to->v.v[i].at = at;
		at += g->to->v.v[i].n;
		g->to->v.v[i].n = 0;
	}
	vec_reserve(&g->to->members, at);
	g->to->members.n = at;
	for (size_t i = 0; i < g->group_of.n; i++) {
		if (g->group_of.v[i] == HASH_NONE)
			continue;
		struct goroutine_group *group = &g->to->v.v[g->group_of.v[i]];
		g->to->members.v[group->at + group->n++] = (uint32_t)i;
	}
}

static int by_count(const void *a, const void *b)
{
	const struct goroutine_group *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->wait_max != y->wait_max)
		return x->wait_max > y->wait_max ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

void goroutine_groups_make(const struct goroutines *gs, enum goroutine_group_by by, bool system,
			   struct goroutine_groups *ret)
{
	struct grouping g = { .gs = gs, .by = by, .to = ret };
	struct u64_vec words = { 0 };
	*ret = (struct goroutine_groups){ 0 };
	stacks_init(&ret->stacks);
	plain_stacks(ret, &gs->stacks);
	g.place_of = xcalloc(ret->stacks.v.n, sizeof(*g.place_of));
	assign(&g, system);
	collect_members(&g);
	for (size_t i = 0; i < ret->v.n; i++)
		measure(&g, &ret->v.v[i], &words);
	if (by != GOROUTINE_BY_NONE)
		vec_sort(&ret->v, by_count);
	vec_deinit(&words);
	vec_deinit(&g.keys);
	vec_deinit(&g.group_of);
	free(g.place_of);
	hash_index_deinit(&g.index);
}

void goroutine_groups_deinit(struct goroutine_groups *g)
{
	stacks_deinit(&g->stacks);
	vec_deinit(&g->v);
	vec_deinit(&g->members);
	vec_deinit(&g->stack_of);
}
