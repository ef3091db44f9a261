/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/typing.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/embed.h"
#include "goheap/kind.h"
#include "goheap/variables.h"
#include "gort/goroutine.h"

enum {
	WORD = 8,
	STACK_MAX = 1 << 20, /* objects to be walked; what comes on top is found again by its bit */
	BATCH = 4096,
	MS_MAX = 1 << 16,
	PASSES = 16, /* over all objects for what only inner pointers tell */
	TINY = 16,   /* small values without pointers share such slots */
	CLASS_MAX = 32768,
	NAMED_MAX = 1 << 20,
};

/* How well a kind says what fills a slot. */
enum rank { RANK_NONE, RANK_LOOSE, RANK_STRING, RANK_BYTES, RANK_ARRAY, RANK_VALUE, RANK_STRUCTURE };

struct slot {
	uint64_t start, size;
	bool noscan, header, large;
};

struct spread {
	struct goheap_typing *t;
	const struct goheap_objects *o;
	const struct graph *g;
	struct goheap_kinds k;
	struct goheap_variables variables;
	struct goheap_embed embed;
	VEC(uint32_t) stack;
	VEC(uint32_t) closures, chans; /* to be asked what they are */
	uint64_t *missed;	       /* one bit an inner object: it did not fit on the stack */
	bool any_missed, headers;
	uint32_t timer_shapes[2];
	uint16_t below[CLASS_MAX / WORD + 1]; /* the next smaller size class, by size in words */
};

static struct slot slot_of(const struct spread *s, uint32_t object)
{
	struct goheap_object_at at = goheap_object_get(s->o, object);
	const struct goheap_place *p = &s->o->places[at.span];
	return (struct slot){ .start = at.start,
			      .size = at.size,
			      .noscan = p->flags & GOHEAP_PLACE_NOSCAN,
			      .header = p->flags & GOHEAP_PLACE_HEADER,
			      .large = !p->size };
}

static uint64_t room(const struct slot *slot)
{
	return slot->size - (slot->header ? WORD : 0);
}

/* Would the allocator have chosen this slot for so many bytes? */
static bool fits(const struct spread *s, const struct slot *slot, uint64_t bytes)
{
	if (!bytes || bytes > room(slot))
		return false;
	uint64_t below = slot->large ? slot->size - num_min(slot->size, GORT_PAGE)
				     : s->below[num_min(slot->size, CLASS_MAX) / WORD];
	return bytes + (slot->header ? WORD : 0) > below;
}

/* ---- how well a kind fits ---- */

static bool fits_array(const struct spread *s, const struct slot *slot, uint64_t size)
{
	return size && fits(s, slot, room(slot) / size * size);
}

static enum rank rank_of(const struct spread *s, uint32_t kind, const struct slot *slot)
{
	const struct goheap_follow *f = &s->k.follow.v[kind];
	enum goheap_sort sort = (enum goheap_sort)f->sort;
	if (sort == GOHEAP_SORT_CHAN && f->noscan) /* with its buffer */
		return slot->noscan && slot->size >= f->size ? RANK_STRUCTURE : RANK_NONE;
	if (sort == GOHEAP_SORT_CHAN && slot->noscan) /* without a buffer */
		return fits(s, slot, f->size) ? RANK_STRUCTURE : RANK_NONE;
	if (sort == GOHEAP_SORT_CLOSURE)
		return RANK_VALUE;
	if (f->noscan != slot->noscan || (f->size && f->size > room(slot)))
		return RANK_NONE;
	bool fit = !f->size || (f->array ? fits_array(s, slot, f->size) : fits(s, slot, f->size));
	if (!fit)
		return RANK_LOOSE;
	switch (sort) {
	case GOHEAP_SORT_VALUE:
		return RANK_VALUE;
	case GOHEAP_SORT_ARRAY:
		return f->size == 1 ? RANK_BYTES : RANK_ARRAY;
	case GOHEAP_SORT_STRING:
		return RANK_STRING;
	default:
		return RANK_STRUCTURE;
	}
}

/* Two kinds of equal rank: the one that fills more, and the same one in every run. */
static bool better(const struct spread *s, uint32_t a, uint32_t b)
{
	const struct goheap_follow *x = &s->k.follow.v[a], *y = &s->k.follow.v[b];
	if (x->size != y->size)
		return x->size > y->size;
	return x->content < y->content;
}

/* ---- giving objects kinds ---- */

/* What was freed, or will be, may point to slots that something else has taken since. */
static bool tells(const struct spread *s, uint32_t object)
{
	return object < s->g->n_inner && goheap_object_allocated(s->o, object) && !goheap_object_dead(s->o, object);
}

static void push(struct spread *s, uint32_t object)
{
	if (!tells(s, object))
		return;
	if (s->stack.n < STACK_MAX) {
		*vec_push(&s->stack) = object;
		return;
	}
	s->missed[object >> 6] |= UINT64_C(1) << (object & 63);
	s->any_missed = true;
}

static void set(struct spread *s, uint32_t object, uint32_t kind)
{
	s->t->kind[object] = kind;
	push(s, object);
}

/* The heap itself says what the object is: only what the same bytes are part of can be said better. */
static bool told_by_heap(const struct spread *s, const struct slot *slot)
{
	return s->headers && (slot->header || (slot->large && !slot->noscan));
}

/* One of the runtime's own, by its lists and by its type. */
static bool same_name(const struct spread *s, uint32_t a, uint32_t b)
{
	return strcmp(s->t->kinds.v[a].name, s->t->kinds.v[b].name) == 0;
}

static void offer(struct spread *s, uint32_t object, uint32_t kind, const struct slot *slot, enum rank least)
{
	uint32_t now = s->t->kind[object];
	enum rank rank = kind ? rank_of(s, kind, slot) : RANK_NONE;
	if (rank < least || kind == now)
		return;
	if (!now) {
		set(s, object, kind);
		return;
	}
	const struct goheap_follow *f = &s->k.follow.v[kind], *old = &s->k.follow.v[now];
	enum rank other = rank_of(s, now, slot);
	bool same = (f->content == old->content && f->content) || same_name(s, kind, now);
	if (told_by_heap(s, slot) && !same)
		return;
	bool named_alike = same_name(s, kind, now);
	s->t->conflicts += !same && rank == other;
	if (named_alike ? f->content && !old->content : rank > other || (rank == other && better(s, kind, now)))
		set(s, object, kind);
}

/* ---- from a link to a kind ---- */

static bool starts_with_pointer(const struct spread *s, uint32_t object, const struct slot *slot)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(s->g, object, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (graph_word(e[i]) == (slot->header ? 1u : 0u))
			return true;
	}
	return false;
}

/* A small swiss map has one group, whose first word is no pointer; a directory begins with one. */
static enum goheap_sort directory_or_group(const struct spread *s, uint32_t object, const struct slot *slot)
{
	return !slot->noscan && starts_with_pointer(s, object, slot) ? GOHEAP_SORT_DIRECTORY : GOHEAP_SORT_GROUPS;
}

/* Timers of 1.23 on are larger than time.Timer says. */
static bool is_timer(const struct spread *s, uint32_t shape)
{
	return shape && (shape == s->timer_shapes[0] || shape == s->timer_shapes[1]);
}

static uint32_t kind_for(struct spread *s, struct goheap_link l, uint32_t object, const struct slot *slot)
{
	static const uint8_t sort_of[] = {
		[GOHEAP_TO_ONE] = GOHEAP_SORT_VALUE,	     [GOHEAP_TO_MANY] = GOHEAP_SORT_ARRAY,
		[GOHEAP_TO_MAP] = GOHEAP_SORT_MAP,	     [GOHEAP_TO_MAP_TABLE] = GOHEAP_SORT_TABLE,
		[GOHEAP_TO_MAP_GROUPS] = GOHEAP_SORT_GROUPS, [GOHEAP_TO_MAP_BUCKETS] = GOHEAP_SORT_BUCKETS,
		[GOHEAP_TO_MAP_EXTRA] = GOHEAP_SORT_EXTRA,   [GOHEAP_TO_MAP_OVERFLOW] = GOHEAP_SORT_OVERFLOW,
		[GOHEAP_TO_MAP_LIST] = GOHEAP_SORT_LIST,     [GOHEAP_TO_CHAN] = GOHEAP_SORT_CHAN,
		[GOHEAP_TO_CHAN_BUF] = GOHEAP_SORT_CHAN_BUF,
	};
	switch ((enum goheap_how)l.how) {
	case GOHEAP_TO_STRING:
		return goheap_kind_string(&s->k);
	case GOHEAP_TO_RUNTIME:
		return goheap_kind_runtime(&s->k, (enum goheap_runtime)l.type);
	case GOHEAP_TO_MAP_DIR:
		return goheap_kind_of(&s->k, directory_or_group(s, object, slot), l.type, slot->header);
	case GOHEAP_TO_ONE:
		if (is_timer(s, l.type))
			return goheap_kind_runtime(&s->k, GOHEAP_RUNTIME_TIMER);
		break;
	case GOHEAP_TO_FUNC:
	case GOHEAP_TO_CHAN_ANY:
	case GOHEAP_TO_NOTHING:
	case GOHEAP_TO_UNKNOWN:
	case GOHEAP_TO_IFACE:
		return 0;
	default:
		break;
	}
	return goheap_kind_of(&s->k, (enum goheap_sort)sort_of[l.how], l.type, slot->header);
}

/* What a link leads to, most often, is known already. */
static bool known(const struct spread *s, struct goheap_link l, uint32_t now)
{
	const struct goheap_follow *f = &s->k.follow.v[now];
	if (!now || f->shape != l.type)
		return false;
	switch ((enum goheap_how)l.how) {
	case GOHEAP_TO_ONE:
		return f->sort == GOHEAP_SORT_VALUE;
	case GOHEAP_TO_MANY:
		return f->sort == GOHEAP_SORT_ARRAY;
	case GOHEAP_TO_STRING:
		return f->sort == GOHEAP_SORT_STRING;
	case GOHEAP_TO_MAP:
		return f->sort == GOHEAP_SORT_MAP;
	case GOHEAP_TO_FUNC:
		return f->sort == GOHEAP_SORT_CLOSURE;
	default:
		return false;
	}
}

/* A pointer to the start of an object. */
static void apply(struct spread *s, struct goheap_link l, uint32_t object)
{
	uint32_t now = s->t->kind[object];
	if (known(s, l, now))
		return;
	if (l.how == GOHEAP_TO_FUNC || l.how == GOHEAP_TO_CHAN_ANY) {
		if (!now && l.how == GOHEAP_TO_FUNC)
			*vec_push(&s->closures) = object;
		else if (!now)
			*vec_push(&s->chans) = object;
		return;
	}
	if (l.how <= GOHEAP_TO_UNKNOWN || l.how == GOHEAP_TO_IFACE)
		return;
	struct slot slot = slot_of(s, object);
	offer(s, object, kind_for(s, l, object, &slot), &slot, RANK_LOOSE + 1);
}

/* ---- following pointers ---- */

/* All pointers of the object are where the kind has some. */
static bool agrees(const struct goheap_follow *f, const graph_edge *e, uint32_t n)
{
	if (f->loose)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		struct goheap_link l = goheap_follow_link(f, graph_word(e[i]));
		if (l.how == (unsigned)GOHEAP_TO_NOTHING)
			return false;
	}
	return true;
}

static void follow(struct spread *s, uint32_t object)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(s->g, object, &n);
	struct goheap_follow f = s->k.follow.v[s->t->kind[object]];
	if (!agrees(&f, e, n)) {
		s->t->kind[object] = 0;
		s->t->conflicts++;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!(e[i] & GRAPH_INTERIOR))
			apply(s, goheap_follow_link(&f, graph_word(e[i])), graph_target(e[i]));
	}
}

/* Those that the stack had no room for. */
static void take_missed(struct spread *s)
{
	s->any_missed = false;
	for (uint32_t w = 0; w <= s->g->n_inner >> 6; w++) {
		uint64_t bits = s->missed[w];
		s->missed[w] = 0;
		for (; bits; bits &= bits - 1)
			push(s, w << 6 | (uint32_t)__builtin_ctzll(bits));
	}
}

static void drain(struct spread *s)
{
	while (s->stack.n || s->any_missed) {
		while (s->stack.n)
			follow(s, s->stack.v[--s->stack.n]);
		if (s->any_missed)
			take_missed(s);
	}
}

/* ---- what has to be asked: closures for their code, channels for their type ---- */

static void take_asked(struct spread *s, uint32_t object, uint64_t word, bool closure)
{
	struct slot slot = slot_of(s, object);
	if (s->t->kind[object])
		return;
	if (closure) {
		uint32_t kind = goheap_kind_closure(&s->k, word, slot.header);
		if (kind && rank_of(s, kind, &slot) == RANK_VALUE)
			set(s, object, kind);
		return;
	}
	uint32_t shape = goheap_shape_of(&s->k.shapes, word);
	offer(s, object, goheap_kind_of(&s->k, GOHEAP_SORT_CHAN, shape, false), &slot, RANK_STRUCTURE);
}

static void ask(struct spread *s, const uint32_t *objects, size_t n, bool closure)
{
	uint64_t at[BATCH], word[BATCH], field = gort_at(s->o->g->layout, 0, GORT_hchan_elemtype);
	bool ok[BATCH];
	for (size_t i = 0; i < n; i += BATCH) {
		size_t some = num_min(n - i, BATCH);
		for (size_t k = 0; k < some; k++) {
			struct slot slot = slot_of(s, objects[i + k]);
			at[k] = slot.start + (closure ? (slot.header ? WORD : 0) : field);
		}
		memsrc_gather(s->o->g->src, at, some, WORD, word, ok);
		for (size_t k = 0; k < some; k++) {
			if (ok[k])
				take_asked(s, objects[i + k], load_u64(&word[k]), closure);
		}
	}
}

static void spread_all(struct spread *s)
{
	drain(s);
	while (s->closures.n || s->chans.n) {
		VEC(uint32_t) closures = { s->closures.v, s->closures.n, s->closures.cap };
		VEC(uint32_t) chans = { s->chans.v, s->chans.n, s->chans.cap };
		memset(&s->closures, 0, sizeof(s->closures));
		memset(&s->chans, 0, sizeof(s->chans));
		ask(s, closures.v, closures.n, true);
		ask(s, chans.v, chans.n, false);
		vec_deinit(&closures);
		vec_deinit(&chans);
		drain(s);
	}
}

/* ---- what only pointers into objects tell ---- */

/* Pointers of the object that agree with an array of the kind, in how many of its elements: 0 when one disagrees. */
static unsigned elements_seen(const struct spread *s, uint32_t object, const struct goheap_follow *f)
{
	uint32_t n = 0, last = UINT32_MAX;
	const graph_edge *e = graph_out(s->g, object, &n);
	unsigned seen = 0;
	if (!f->stride || f->loose || !agrees(f, e, n))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t element = (graph_word(e[i]) - f->header) / f->stride;
		seen += element != last;
		last = element;
	}
	return seen;
}

/* The one struct that begins with the type, fills the slot and agrees with the object's pointers; 0 when none or several. */
static uint32_t outer_of(struct spread *s, uint32_t type, uint32_t object, const struct slot *slot)
{
	enum { OUTER_MAX = 64 }; /* begin with a sync.Mutex, or the like: that tells nothing */
	uint32_t n = 0, found = 0;
	size_t outers = 0;
	const graph_edge *e = graph_out(s->g, object, &n);
	const struct goheap_outer *outer =
		goheap_embed_outer(&s->embed, &s->t->types, s->k.shapes.list.v[type].rtype, &outers);
	for (size_t i = 0; outers <= OUTER_MAX && i < outers; i++) {
		uint32_t shape = goheap_shape_of(&s->k.shapes, outer[i].rtype);
		uint32_t kind = goheap_kind_of(&s->k, GOHEAP_SORT_VALUE, shape, slot->header);
		struct goheap_follow f = s->k.follow.v[kind];
		if (!kind || rank_of(s, kind, slot) != RANK_VALUE || !agrees(&f, e, n))
			continue;
		if (found)
			return 0;
		found = kind;
	}
	return found;
}

/*
 * A pointer that does not say where the object begins, or not how large it is: bytes are bytes; else what the object's own
 * pointers bear out is an array.
 */
static void apply_loosely(struct spread *s, struct goheap_link l, uint32_t object, bool interior)
{
	if (s->t->kind[object])
		return;
	struct slot slot = slot_of(s, object);
	if (l.how == GOHEAP_TO_STRING) {
		offer(s, object, goheap_kind_string(&s->k), &slot, RANK_STRING);
		return;
	}
	if (l.how != GOHEAP_TO_ONE && l.how != GOHEAP_TO_MANY)
		return;
	uint32_t array = goheap_kind_of(&s->k, GOHEAP_SORT_ARRAY, l.type, slot.header);
	struct goheap_follow f = s->k.follow.v[array];
	if (l.how == GOHEAP_TO_ONE && !interior && !slot.noscan && elements_seen(s, object, &f) < 2) {
		offer(s, object, outer_of(s, l.type, object, &slot), &slot, RANK_VALUE);
		return;
	}
	if (f.noscan != slot.noscan || !f.size)
		return;
	if (slot.noscan) {
		if (l.how == GOHEAP_TO_MANY)
			offer(s, object, array, &slot, RANK_BYTES);
		else if (slot.size == TINY && f.size < TINY)
			offer(s, object, goheap_kind_of(&s->k, GOHEAP_SORT_VALUE, l.type, false), &slot, RANK_LOOSE);
		return;
	}
	if (elements_seen(s, object, &f) >= (l.how == GOHEAP_TO_MANY && interior ? 1u : 2u))
		offer(s, object, array, &slot, RANK_BYTES);
}

static void follow_loosely(struct spread *s, uint32_t object)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(s->g, object, &n);
	struct goheap_follow f = s->k.follow.v[s->t->kind[object]];
	for (uint32_t i = 0; i < n; i++) {
		if (!s->t->kind[graph_target(e[i])])
			apply_loosely(s, goheap_follow_link(&f, graph_word(e[i])), graph_target(e[i]),
				      e[i] & GRAPH_INTERIOR);
	}
}

/* What is boxed in interfaces, and shares its slot. */
static void apply_seen_loosely(struct spread *s, const struct goheap_seen_vec *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		const struct goheap_seen *v = &seen->v[i];
		if (v->how == GOHEAP_SEEN_IFACE && v->object < s->o->n && !s->t->kind[v->object])
			apply_loosely(s, goheap_link_of_dynamic(&s->k.shapes, v->rtype), v->object, false);
	}
}

static void spread_loosely(struct spread *s, const struct goheap_seen_vec *seen)
{
	apply_seen_loosely(s, seen);
	for (unsigned pass = 0; pass < PASSES; pass++) {
		for (uint32_t i = 0; i < s->g->n_inner; i++) {
			if (s->t->kind[i] && tells(s, i))
				follow_loosely(s, i);
		}
		if (!s->stack.n && !s->any_missed)
			break;
		spread_all(s);
	}
}

/* ---- seeds ---- */

/* Of a header, or of the span of a large object: of one value or of several. */
static void seed_header(struct spread *s, const struct goheap_seen *seen)
{
	struct slot slot = slot_of(s, seen->object);
	uint32_t shape = goheap_shape_of(&s->k.shapes, seen->rtype);
	uint64_t size = s->k.shapes.list.v[shape].size;
	if (!shape || !size || size > room(&slot))
		return;
	bool many = room(&slot) / size > 1 && !fits(s, &slot, size);
	uint32_t kind = goheap_kind_of(&s->k, many ? GOHEAP_SORT_ARRAY : GOHEAP_SORT_VALUE, shape, slot.header);
	s->t->kind[seen->object] = kind;
	push(s, seen->object);
}

static void seed_seen(struct spread *s, const struct goheap_seen_vec *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->v[i].object < s->o->n && seen->v[i].how != GOHEAP_SEEN_IFACE)
			seed_header(s, &seen->v[i]);
	}
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->v[i].object < s->o->n && seen->v[i].how == GOHEAP_SEEN_IFACE)
			apply(s, goheap_link_of_dynamic(&s->k.shapes, seen->v[i].rtype), seen->v[i].object);
	}
}

/* A pointer of the target that is not in the heap. */
static void apply_address(void *ctx, struct goheap_link l, uint64_t addr)
{
	struct spread *s = ctx;
	struct goheap_object_at at;
	if (goheap_object_find(s->o, addr, &at) && at.offset == goheap_object_header(s->o, at.span))
		apply(s, l, at.number);
}

/* An object of a map or channel of the type: which of their parts, its slot tells. */
static void seed_part(struct spread *s, uint32_t shape, uint64_t addr)
{
	static const enum goheap_how of_map[] = { GOHEAP_TO_MAP, GOHEAP_TO_MAP_TABLE, GOHEAP_TO_MAP_GROUPS,
						  GOHEAP_TO_MAP_BUCKETS };
	const struct gort_type *t = gort_type_any(&s->t->types, s->k.shapes.list.v[shape].rtype);
	struct goheap_object_at at;
	if (!t || !goheap_object_find(s->o, addr, &at))
		return;
	uint32_t now = s->t->kind[at.number];
	bool map = t->kind == GORT_KIND_MAP, swiss = gort_sizeof(s->o->g->layout, GORT_map_SIZEOF);
	uint32_t type = map ? shape : goheap_shape_of(&s->k.shapes, t->elem);
	if (t->kind == GORT_KIND_CHAN)
		apply(s, (struct goheap_link){ GOHEAP_TO_CHAN, type & GOHEAP_TYPES_MAX }, at.number);
	for (size_t i = 0; map && !now && i < sizeof(of_map) / sizeof(of_map[0]); i++) {
		bool old = of_map[i] == GOHEAP_TO_MAP_BUCKETS;
		if (i && old == swiss)
			continue;
		apply(s, (struct goheap_link){ of_map[i] & 63, type & GOHEAP_TYPES_MAX }, at.number);
		now = s->t->kind[at.number];
	}
}

static void seed_object(struct spread *s, const struct goheap_seed *seed, uint32_t shape)
{
	const struct gort_type *t = gort_type_any(&s->t->types, seed->rtype);
	enum goheap_how how = seed->array ? GOHEAP_TO_MANY : GOHEAP_TO_ONE;
	struct goheap_link l = { how & 63, shape & GOHEAP_TYPES_MAX };
	if (seed->part) {
		seed_part(s, shape, seed->addr);
		return;
	}
	if (!seed->array && t && (t->kind == GORT_KIND_MAP || t->kind == GORT_KIND_CHAN))
		l = goheap_shape_link(goheap_shape_get(&s->k.shapes, shape), 0);
	goheap_variables_point(&s->variables, l, seed->addr, 1);
}

static void seed_given(struct spread *s, const struct goheap_seed_vec *seeds)
{
	for (size_t i = 0; i < seeds->n; i++) {
		const struct goheap_seed *seed = &seeds->v[i];
		uint32_t shape = goheap_shape_of(&s->k.shapes, seed->rtype);
		if (!shape || seed->closure)
			continue;
		if (seed->object)
			seed_object(s, seed, shape);
		else
			goheap_variables_add(&s->variables, shape, seed->addr, 1);
	}
	goheap_variables_interfaces(&s->variables);
	goheap_variables_run(&s->variables);
}

/* All goroutines: what the list points to is told by it alone, its edges are those of roots by now. */
static void seed_goroutines(struct spread *s)
{
	const struct gort *g = s->o->g;
	uint64_t list = 0, n = 0, addrs[BATCH];
	struct err *err = gort_goroutines_list(g, &list, &n);
	for (uint64_t at = 0; !err && at < n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (!memsrc_read(g->src, list + at * WORD, addrs, some * WORD))
			break;
		for (size_t i = 0; i < some; i++)
			apply_address(s, (struct goheap_link){ GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G },
				      load_u64(&addrs[i]));
	}
	err_free(err);
}

/* Goroutines, Ps and Ms, by the runtime's own lists. */
static void seed_runtime(struct spread *s)
{
	static const struct {
		enum gort_global var;
		enum goheap_runtime list, one;
	} lists[] = {
		{ GORT_VAR_ALLGS, GOHEAP_RUNTIME_GS, GOHEAP_RUNTIME_G },
		{ GORT_VAR_ALLP, GOHEAP_RUNTIME_PS, GOHEAP_RUNTIME_P },
	};
	const struct gort *g = s->o->g;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		uint64_t var = gort_var(g, lists[i].var);
		if (var)
			apply_address(s, (struct goheap_link){ GOHEAP_TO_RUNTIME, lists[i].list & GOHEAP_TYPES_MAX },
				      memsrc_ptr(g->src, var));
	}
	seed_goroutines(s);
	uint64_t m = gort_var(g, GORT_VAR_ALLM) ? memsrc_ptr(g->src, gort_var(g, GORT_VAR_ALLM)) : 0;
	for (unsigned i = 0; m && i < MS_MAX; i++, m = gort_word(g, m, GORT_m_alllink))
		apply_address(s, (struct goheap_link){ GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_M }, m);
}

/* ---- the whole ---- */

static void note_timers(struct spread *s)
{
	static const char *const names[] = { "time.Timer", "time.Ticker" };
	if (!gort_sizeof(s->o->g->layout, GORT_timeTimer_SIZEOF))
		return;
	for (uint32_t i = 1; i < s->k.shapes.list.n; i++) {
		const char *name = gort_type_name(&s->t->types, s->k.shapes.list.v[i].rtype);
		for (size_t k = 0; name && k < 2; k++) {
			if (strcmp(name, names[k]) == 0)
				s->timer_shapes[k] = i;
		}
	}
}

/* What closures of a function look like: before the first of them is met. */
static void note_closures(struct spread *s, const struct goheap_seed_vec *seeds)
{
	for (size_t i = 0; i < seeds->n; i++) {
		if (seeds->v[i].closure)
			*hash_map_at(&s->k.captures, seeds->v[i].addr, NULL) = seeds->v[i].rtype;
	}
}

static void spread_init(struct spread *s, struct goheap_typing *t, const struct goheap_objects *o,
			const struct graph *g)
{
	*s = (struct spread){ .t = t, .o = o, .g = g };
	s->missed = xcalloc((g->n_inner >> 6) + 1, sizeof(*s->missed));
	s->headers =
		gort_has(o->g->layout, GORT_mspan_largeType) && strcmp(o->g->layout->experiment, "noallocheaders") != 0;
	for (unsigned c = 1; c < GORT_SIZE_CLASSES; c++)
		s->below[gort_class_sizes[c] / WORD] = gort_class_sizes[c - 1];
}

struct err *goheap_typing_run(const struct goheap_objects *o, const struct graph *g, const struct goheap_seen_vec *seen,
			      const struct goheap_seed_vec *seeds, struct goheap_typing *ret)
{
	*ret = (struct goheap_typing){ .objects = o, .graph = g };
	gort_types_init(&ret->types, o->g);
	ret->kind = xcalloc((size_t)o->n + 1, sizeof(*ret->kind));
	AUTO_FREE struct spread *s = xmalloc(sizeof(*s));
	spread_init(s, ret, o, g);
	goheap_kinds_init(&s->k, ret);
	goheap_variables_init(&s->variables, &s->k.shapes, apply_address, s);
	note_closures(s, seeds);
	seed_runtime(s);
	seed_seen(s, seen);
	seed_given(s, seeds);
	note_timers(s);
	spread_all(s);
	spread_loosely(s, seen);
	goheap_variables_deinit(&s->variables);
	goheap_embed_deinit(&s->embed);
	goheap_kinds_deinit(&s->k);
	vec_deinit(&s->stack);
	vec_deinit(&s->closures);
	vec_deinit(&s->chans);
	free(s->missed);
	return NULL;
}

void goheap_typing_deinit(struct goheap_typing *t)
{
	gort_types_deinit(&t->types);
	vec_deinit(&t->kinds);
	hash_map_deinit(&t->fields);
	free(t->kind);
}
