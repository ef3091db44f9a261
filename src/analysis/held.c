/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/held.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/strbuf.h"

/* A longer path is followed while it has this much of the growth of the shorter one. */
static const double MOST = 0.5;
/* Objects of a step that became more by this share, and by two at least, are elements that were added. */
static const double MORE = 0.05;
/* And by no less than this share of the step that gained most: an element may have several parts of one sort. */
static const double MANY = 0.2;
/* Objects of a sync.Map for each entry that may go by no type: entry, key, interface, value, and its part of the nodes. */
static const double PARTS = 5;
/*
 * A container whose elements became more by this share without growing itself was made for more than they are. Of slices:
 * append leaves room for a quarter, but see after_append(); maps double.
 */
static const double FILLED_SLICE = 0.3, FILLED_MAP = 1.1, SAME_SIZE = 0.05;

bool held_believable(uint64_t reachable, uint64_t marked)
{
	static const double SEEN = 0.8;
	return marked == ACCOUNT_UNKNOWN || (double)reachable >= SEEN * (double)marked;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_root(const struct owners_root *a, const struct owners_root *b)
{
	return a->kind == b->kind && same_text(a->name, b->name) && same_text(a->blocked_at, b->blocked_at);
}

/* The root as it was, or NULL. */
static const struct owners_root *root_before(const struct owners *first, const struct owners_root *root)
{
	for (size_t i = 0; i < first->roots.n; i++) {
		if (same_root(&first->roots.v[i], root))
			return &first->roots.v[i];
	}
	return NULL;
}

/* ---- paths of both ends ---- */

static bool is_whole(const struct owners *o, const struct owners_path *p)
{
	return p->root < o->roots.n && p->step_at <= o->steps.n && p->step_n <= o->steps.n - p->step_at;
}

static uint64_t key_of(const struct owners *o, const struct owners_path *p, struct strbuf *text)
{
	const struct owners_root *root = &o->roots.v[p->root];
	strbuf_clear(text);
	strbuf_printf(text, "%d %s\n%s", (int)root->kind, root->name ? root->name : "",
		      root->blocked_at ? root->blocked_at : "");
	for (uint32_t i = 0; i < p->step_n; i++) {
		const struct owners_step *step = &o->steps.v[p->step_at + i];
		strbuf_printf(text, "\n%s\t%s", step->field ? step->field : "", step->type ? step->type : "");
	}
	return hash_bytes(text->buf, text->len);
}

struct pairing {
	const struct owners *first, *last;
	struct hash_map before;		/* key of a path: its number in first, and one */
	const struct owners_path **was; /* by path of last: the same at first, or NULL */
	double *grown;			/* by path of last; below 0 for what is no path */
};

static void pair(const struct owners *first, const struct owners *last, struct pairing *ret)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	*ret = (struct pairing){ .first = first, .last = last };
	ret->was = xcalloc(last->paths.n + 1, sizeof(*ret->was));
	ret->grown = xcalloc(last->paths.n + 1, sizeof(*ret->grown));
	for (size_t i = 0; i < first->paths.n; i++) {
		if (is_whole(first, &first->paths.v[i]))
			*hash_map_at(&ret->before, key_of(first, &first->paths.v[i], &text), NULL) = i + 1;
	}
	for (size_t i = 0; i < last->paths.n; i++) {
		const struct owners_path *now = &last->paths.v[i];
		bool whole = is_whole(last, now);
		const uint64_t *at = whole ? hash_map_get(&ret->before, key_of(last, now, &text)) : NULL;
		ret->was[i] = at ? &first->paths.v[*at - 1] : NULL;
		ret->grown[i] = !whole ? -1 : (double)now->retained - (at ? (double)ret->was[i]->retained : 0);
	}
}

static void unpair(struct pairing *p)
{
	hash_map_deinit(&p->before);
	free(p->was);
	free(p->grown);
}

/* ---- what grew most ---- */

static void find_root(struct pairing *p, struct held *ret)
{
	double sum = 0;
	for (size_t i = 0; i < p->last->roots.n; i++) {
		const struct owners_root *now = &p->last->roots.v[i], *was = root_before(p->first, now);
		double grown = (double)now->retained - (was ? (double)was->retained : 0);
		if (now->retained == ACCOUNT_UNKNOWN || (was && was->retained == ACCOUNT_UNKNOWN) || grown <= 0)
			continue;
		sum += grown;
		if (grown <= ret->bytes)
			continue;
		ret->root = now;
		ret->bytes = grown;
	}
	ret->all = sum;
}

/* The nearest longer path with most of the growth; of a path whose start is missing at the first look none is more than its start. */
static const struct owners_path *step_down(struct pairing *p, const struct held *h, double *grown)
{
	const struct owners *o = p->last;
	const struct owners_path *best = NULL;
	double most = *grown * MOST;
	for (size_t i = 0; i < o->paths.n; i++) {
		const struct owners_path *path = &o->paths.v[i];
		if (p->grown[i] < most || &o->roots.v[path->root] != h->root ||
		    (h->path ? !owners_path_extends(o, path, h->path) : !path->step_n))
			continue;
		double g = p->grown[i] < *grown ? p->grown[i] : *grown;
		if (g > most || (best && g >= most && path->step_n < best->step_n)) {
			best = path;
			most = g;
		}
	}
	if (best)
		*grown = most;
	return best;
}

static void follow(struct pairing *p, struct held *ret)
{
	enum { DEEPEST = 64 };
	double grown = ret->bytes;
	for (int i = 0; i < DEEPEST; i++) {
		const struct owners_path *next = step_down(p, ret, &grown);
		if (!next)
			return;
		ret->path = next;
		ret->bytes = grown;
	}
}

/* ---- what holds the objects that became more ---- */

/*
 * The first so many steps of a path of the end, as they were: by the whole path where it was there, else by its start. NULL:
 * neither was, or held less than what is listed.
 */
static const struct owners_step *steps_before(struct pairing *p, const struct owners_path *path, uint32_t n)
{
	const struct owners_path *was = p->was[path - p->last->paths.v];
	if (!was) {
		AUTO(strbuf) struct strbuf text;
		struct owners_path start = *path;
		strbuf_init(&text);
		start.step_n = n;
		const uint64_t *at = hash_map_get(&p->before, key_of(p->last, &start, &text));
		was = at ? &p->first->paths.v[*at - 1] : NULL;
	}
	return was ? &p->first->steps.v[was->step_at] : NULL;
}

static double objects_before(struct pairing *p, const struct owners_path *path, uint32_t step)
{
	const struct owners_step *then = steps_before(p, path, step + 1);
	return then ? (double)then[step].objects : 0;
}

/* The path with the first so many steps of another, in the list of last; NULL: it has no row. */
static const struct owners_path *start_of(const struct owners *o, const struct owners_path *path, uint32_t n)
{
	for (size_t i = 0; i < o->paths.n; i++) {
		const struct owners_path *start = &o->paths.v[i];
		if (start == path && n == path->step_n)
			return start;
		if (start->root == path->root && start->step_n == n && owners_path_extends(o, path, start))
			return start;
	}
	return NULL;
}

/* ---- containers with a bound ---- */

static bool begins(const char *text, const char *start)
{
	return text && strncmp(text, start, strlen(start)) == 0;
}

/* Bytes of an element of a slice, by how its type is written; 0: of a type with a name. */
static double slot_of(const char *slice)
{
	static const struct {
		const char *element;
		double bytes;
	} table[] = {
		{ "*", 8 },	  { "map[", 8 },	 { "chan ", 8 },  { "func(", 8 },
		{ "string", 16 }, { "interface {", 16 }, { "error", 16 }, { "[]", 24 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (begins(slice + 2, table[i].element))
			return table[i].bytes;
	}
	return 0;
}

/* The least part of a slice that can be in use after append made it larger: it doubles up to 256, then adds a quarter and 192. */
static double after_append(double slots)
{
	static const double DOUBLES = 512, ROUNDING = 0.9; /* to the sizes there are */
	return ROUNDING * (slots <= DOUBLES ? 0.5 : (slots - 192) / (1.25 * slots));
}

/* The length of the slices of the arrays that the first so many steps of a path lead to; 0 unknown. */
static double length_of(const struct owners *o, const struct owners_path *path, uint32_t n)
{
	const struct owners_path *start = start_of(o, path, n);
	return start ? (double)start->length : 0;
}

/* What append adds to is in use to its length: a slice that is not was made with that length. */
static bool slice_is_fixed(const struct pairing *p, const struct owners_path *path, uint32_t elements, double then)
{
	static const double IN_USE = 0.98; /* of one that only grows: few elements are nil, or the same as others */
	const struct owners_step *c = &p->last->steps.v[path->step_at + elements - 1];
	double now = (double)c[1].objects, slot = slot_of(c->type), slots = slot > 0 ? (double)c->bytes / slot : 0;
	return then < slots * after_append(slots / (double)c->objects) || now >= (1 + FILLED_SLICE) * then ||
	       now < IN_USE * length_of(p->last, path, elements);
}

/*
 * Does what holds the elements have a bound? Arrays and channels have one. Slices and maps that got more elements, and no
 * larger, by more than what growing leaves room for, were made with room for all of them.
 */
static bool is_fixed(struct pairing *p, const struct owners_path *path, uint32_t elements)
{
	const struct owners_step *c = &p->last->steps.v[path->step_at + elements - 1];
	const struct owners_step *was = steps_before(p, path, elements);
	double then = objects_before(p, path, elements), now = (double)c[1].objects;
	if (!was || !c->type || !c->objects || was[elements - 1].objects != c->objects)
		return false;
	uint64_t before = was[elements - 1].bytes;
	bool same = (double)c->bytes <= (1 + SAME_SIZE) * (double)before;
	if (begins(c->type, "map[") || begins(c->type, "*map["))
		return same && now >= (1 + FILLED_MAP) * then;
	if (begins(c->type, "[]"))
		return before == c->bytes && slice_is_fixed(p, path, elements, then);
	return same && (begins(c->type, "chan ") || (begins(c->type, "*[") && c->type[2] != ']'));
}

/* ---- what holds the objects that became more ---- */

/* How many objects of a step were added; 0: no more than comes and goes. */
static double added(struct pairing *p, const struct owners_path *path, uint32_t at)
{
	double now = (double)p->last->steps.v[path->step_at + at].objects, more = now - objects_before(p, path, at);
	return more < 2 || more < MORE * now ? 0 : more;
}

/*
 * What became more may have many parts, and the path leads on to the largest of them. All that there is more of is below
 * what holds the first on the path that became more.
 */
static void sum_container(struct pairing *p, struct held *ret)
{
	uint32_t at = 0;
	while (at < ret->path->step_n && added(p, ret->path, at) <= 0)
		at++;
	const struct owners_path *path = at < ret->path->step_n ? start_of(p->last, ret->path, at ? at : 1) : NULL;
	double grown = path ? p->grown[path - p->last->paths.v] : 0;
	ret->kept = fmax(ret->bytes, fmin(grown, ret->all));
}

/* Steps above may gain a few objects too, of another sort that is held alike: the elements are those of the many. */
static void find_container(struct pairing *p, struct held *ret)
{
	const struct owners_path *path = ret->path;
	uint32_t at = 0, container = 0;
	for (; at < path->step_n; at++) {
		double more = added(p, path, at);
		if (more <= ret->more)
			continue;
		ret->elements = (double)p->last->steps.v[path->step_at + at].objects;
		ret->more = more;
	}
	while (container < path->step_n && (ret->more <= 0 || added(p, path, container) < MANY * ret->more))
		container++;
	at = container;
	ret->container = at && at < path->step_n ? at - 1 : at ? path->step_n - 1 : HELD_BY_ROOT;
	if (at && at < path->step_n)
		ret->fixed = is_fixed(p, path, at);
}

/* ---- of which kind it is ---- */

static bool has(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static bool of_context(const char *type)
{
	return begins(type, "context.") || begins(type, "*context.") || begins(type, "map[context.canceler]");
}

static bool of_map(const char *type)
{
	return begins(type, "map[") || begins(type, "*map[");
}

/* What time.NewTimer and time.NewTicker return; since 1.23 both are one type inside. */
static bool of_timer(const char *type)
{
	static const char *const types[] = { "time.Timer", "time.Ticker", "time.timeTimer", "runtime.timeTimer" };
	type += type && *type == '*';
	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

/* The inside of a sync.Map, old and new. */
static bool of_sync_map(const char *type)
{
	return has(type, "sync.Map") || has(type, "sync.HashTrieMap") || has(type, "sync.readOnly") ||
	       has(type, "sync.indirect[") || has(type, "sync.entry");
}

static const struct owners_step *step_of(const struct owners *o, const struct owners_path *p, uint32_t at)
{
	return p && at < p->step_n ? &o->steps.v[p->step_at + at] : NULL;
}

/*
 * Are the objects that became more the entries of a sync.Map that the path leads through? Its inside has a type only where
 * the profile happens to have sampled it; the list of holders knows it by its shape.
 */
static bool in_sync_map(const struct owners *o, const struct held *h)
{
	const char *text = h->path && h->more > 0 ? h->path->text : NULL;
	const struct owners_step *of = step_of(o, h->path, h->container == HELD_BY_ROOT ? 0 : h->container + 1);
	double least = h->elements * (of && begins(of->type, "(no type)") ? 1 / PARTS : MANY);
	for (size_t i = 0; text && i < o->holders.n; i++) {
		const struct owners_holder *m = &o->holders.v[i];
		size_t len = m->owner ? strlen(m->owner) : 0;
		if (!len || !m->kind || strcmp(m->kind, "sync.Map") != 0 || strncmp(text, m->owner, len) != 0)
			continue;
		if ((!text[len] || begins(text + len, " -> ")) && m->elements != ACCOUNT_UNKNOWN &&
		    (double)m->elements >= least)
			return true;
	}
	return false;
}

static bool of_pool(const char *name)
{
	return has(name, "sync.Pool") || has(name, "sync.poolLocal") || has(name, "sync.poolChain") ||
	       has(name, "sync.allPools") || has(name, "sync.oldPools");
}

/* A type whose name says that it forgets: "*lru.Cache", "*simplelru.LRU[...]", "*main.sessionLRU". */
static const char *find_bound(const struct owners *o, const struct owners_path *p)
{
	static const char *const words[] = { "lru", "LRU", "Lru", "ristretto", "freecache", "bigcache" };
	for (uint32_t i = 0; p && i < p->step_n; i++) {
		const char *type = o->steps.v[p->step_at + i].type;
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			if (has(type, words[k]))
				return type;
		}
	}
	return NULL;
}

/* A pool anywhere above, timers in whatever, contexts below a context, a map that got entries; else the kind of its root. */
static const char *kind_of(const struct owners *o, const struct held *h)
{
	static const char *const of_roots[OWNERS_ROOT_MAX_] = {
		[OWNERS_GLOBAL] = "heap", [OWNERS_STACK] = "goroutine", [OWNERS_FINALIZER] = "finalizer",
		[OWNERS_TIMER] = "timer", [OWNERS_OTHER] = "heap",
	};
	uint32_t at = h->container == HELD_BY_ROOT ? 0 : h->container;
	bool pool = of_pool(h->root->name);
	for (uint32_t i = 0; h->path && i <= at && i < h->path->step_n; i++)
		pool |= of_pool(step_of(o, h->path, i)->type);
	if (pool)
		return "pool";
	const struct owners_step *holds = h->container == HELD_BY_ROOT ? NULL : step_of(o, h->path, at);
	const struct owners_step *added = step_of(o, h->path, h->container == HELD_BY_ROOT ? 0 : at + 1);
	if (added && of_timer(added->type))
		return "timer";
	if (holds && of_context(holds->type))
		return "context";
	if (added && of_context(added->type) && (!holds || of_map(holds->type)))
		return "context";
	if ((holds && of_map(holds->type)) || (holds && of_sync_map(holds->type)) ||
	    (added && of_sync_map(added->type)) || in_sync_map(o, h))
		return "map";
	/* One goroutine that fills something of its own is not a goroutine too many. */
	if (h->root->kind == OWNERS_STACK && (h->container != HELD_BY_ROOT || h->root->goroutines < 2))
		return "heap";
	return of_roots[h->root->kind < OWNERS_ROOT_MAX_ ? h->root->kind : OWNERS_OTHER];
}

void held_compare(const struct snapshot *first, const struct snapshot *last, struct held *ret)
{
	*ret = (struct held){ .container = HELD_BY_ROOT };
	if (!first || !last || !(first->parts & last->parts & SNAPSHOT_OWNERS) ||
	    !held_believable(first->owners.reachable, first->owners.heap_marked) ||
	    !held_believable(last->owners.reachable, last->owners.heap_marked))
		return;
	const struct owners *a = &first->owners, *b = &last->owners;
	ret->known = true;
	ret->reachable = (double)b->reachable - (double)a->reachable;
	ret->floating = (double)b->floating - (double)a->floating;
	struct pairing p;
	pair(a, b, &p);
	find_root(&p, ret);
	if (ret->root)
		follow(&p, ret);
	ret->kept = ret->bytes;
	if (ret->path) {
		find_container(&p, ret);
		sum_container(&p, ret);
	}
	if (ret->root) {
		ret->kind = kind_of(b, ret);
		ret->bounded = find_bound(b, ret->path);
	}
	unpair(&p);
}
