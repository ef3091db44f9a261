/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of each larger object is in use: the union of what all that points to it can reach. Slices use [start, start + len),
 * strings their bytes, a pointer into the middle the size of its type. Whatever else points to an object uses all of it:
 * pointers to its start (a struct may be found through its first field), interfaces, unsafe pointers, what has no type,
 * goroutine stacks, globals that are not a slice by their shape. So nothing is called unused that somebody may look at.
 */
#include "owners/holders.h"

#include <string.h>

#include "base/cursor.h"
#include "model/memsrc.h"
#include "owners/words.h"

enum {
	SLOT_MIN = 256, /* smaller objects waste little */
	BATCH = 16384,	/* references that are looked at together */
	HEADER = 24,	/* of a slice: start, length, capacity */
	LITTLE = 4,	/* named when less than the fourth part is used */
	ALL = 1u << 0,	/* all of it is used */
	SLICES = 1u << 1,
	STRINGS = 1u << 2,
	POINTERS = 1u << 3,
};

static const uint64_t SLOT_MAX = UINT32_MAX; /* bytes; extents are 32 bits */

struct extent {
	uint32_t lo, hi; /* used bytes of the slot; lo > hi: nobody points to it yet */
	uint32_t cap;	 /* slices could grow to here */
	uint32_t how;
};

/* A word that points to a candidate, to be read again. */
struct look {
	uint64_t addr;
	uint32_t target;
	struct holder_place place;
};

struct extents {
	struct holders *h;
	uint32_t *base; /* by index in heap.spans: index in `v` of the first slot's extent; UINT32_MAX: none */
	struct extent *v;
	struct look looks[BATCH];
	uint64_t addrs[BATCH];
	unsigned char bytes[BATCH][HEADER];
	bool ok[BATCH];
	size_t n;
};

/* ---- candidates ---- */

static struct err *candidates(struct extents *x)
{
	const struct goheap_objects *o = &x->h->w->objects;
	uint64_t n = 0;
	TRY(alloc_checked(o->heap->spans.n + 1, sizeof(*x->base), SIZE_MAX, &x->base));
	for (size_t s = 0; s < o->heap->spans.n; s++) {
		uint64_t size = gort_span_elemsize(&o->heap->spans.v[s]), slots = o->places[s].slots;
		bool fits = o->first[s] != GOHEAP_NONE && size >= SLOT_MIN && size < SLOT_MAX && n + slots < UINT32_MAX;
		x->base[s] = fits ? (uint32_t)n : UINT32_MAX;
		n += fits ? slots : 0;
	}
	TRY(alloc_checked(n + 1, sizeof(*x->v), SIZE_MAX, &x->v));
	for (uint64_t i = 0; i < n; i++)
		x->v[i].lo = UINT32_MAX;
	return NULL;
}

/* The extent of an object, NULL when it is no candidate. */
static struct extent *extent_of(struct extents *x, uint32_t object)
{
	const struct goheap_objects *o = &x->h->w->objects;
	uint32_t span = goheap_object_get(o, object).span;
	return x->base[span] == UINT32_MAX ? NULL : &x->v[x->base[span] + (object - o->first[span])];
}

static void use(struct extent *e, uint64_t lo, uint64_t hi, uint64_t cap, unsigned how)
{
	if (lo < e->lo)
		e->lo = (uint32_t)lo;
	if (hi > e->hi)
		e->hi = (uint32_t)hi;
	if (cap > e->cap)
		e->cap = (uint32_t)cap;
	e->how |= how;
}

/* ---- references ---- */

/* What a slice, string or pointer that was read again uses of its target; anything that does not fit uses all. */
static void judge(struct extents *x, const struct look *look, const unsigned char *at)
{
	struct extent *e = extent_of(x, look->target);
	struct goheap_object_at o = goheap_object_get(&x->h->w->objects, look->target);
	uint64_t start = load_u64(at), len = load_u64(at + 8), cap = load_u64(at + 16), unit = look->place.bytes;
	uint64_t offset = start - o.start;
	if (start < o.start || offset >= o.size || !unit) {
		x->h->moved++;
		e->how |= ALL;
		return;
	}
	uint64_t room = o.size - offset;
	if (look->place.what == PLACE_POINTER) {
		bool first = offset <= holder_header(x->h, o.span);
		use(e, offset, offset + (unit < room ? unit : room), 0, first ? ALL : POINTERS);
		return;
	}
	bool slice = look->place.what == PLACE_SLICE;
	if (!slice)
		cap = len;
	if (len > cap || cap > room / unit) {
		x->h->moved++;
		e->how |= ALL;
		return;
	}
	use(e, offset, offset + len * unit, offset + cap * unit, slice ? SLICES : STRINGS);
}

static void look_again(struct extents *x)
{
	memsrc_gather(x->h->w->in->g->src, x->addrs, x->n, HEADER, x->bytes, x->ok);
	for (size_t i = 0; i < x->n; i++) {
		if (x->ok[i])
			judge(x, &x->looks[i], x->bytes[i]);
		else
			extent_of(x, x->looks[i].target)->how |= ALL;
	}
	x->n = 0;
}

static void look_at(struct extents *x, uint64_t addr, uint32_t target, struct holder_place place)
{
	if (x->n == BATCH)
		look_again(x);
	x->addrs[x->n] = addr;
	x->looks[x->n++] = (struct look){ addr, target, place };
}

static void edges_of(struct extents *x, uint32_t object)
{
	struct owners_work *w = x->h->w;
	uint32_t n = 0;
	const graph_edge *edges = graph_out(&w->graph, object, &n);
	struct goheap_object_at at = { .span = UINT32_MAX };
	const struct holder_plan *plan = NULL;
	uint64_t header = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t target = graph_target(edges[i]);
		struct extent *e = target < w->graph.n ? extent_of(x, target) : NULL;
		if (!e || e->how & ALL)
			continue;
		if (!plan) {
			plan = holder_plan(x->h, w->typing.kind[object]);
			at = goheap_object_get(&w->objects, object);
			header = holder_header(x->h, at.span);
		}
		uint64_t in = graph_word(edges[i]) * UINT64_C(8);
		const struct holder_place *p = in >= header ? holder_place_at(x->h, plan, in - header) : NULL;
		bool known = p && graph_word(edges[i]) < GRAPH_WORD_MAX &&
			     (p->what == PLACE_SLICE || p->what == PLACE_STRING ||
			      (p->what == PLACE_POINTER && edges[i] & GRAPH_INTERIOR));
		if (known)
			look_at(x, at.start + in, target, *p);
		else
			e->how |= ALL;
	}
}

/*
 * A global slice is told by its shape, since globals have no types: three words, of which the third fits the slot as a
 * capacity that was asked for does.
 */
static bool global_slice(struct extents *x, const struct goheap_root *r, const struct goheap_object_at *o)
{
	const struct goheap_kind *k = holder_kind(x->h, o->number);
	const struct gort_type *t =
		k->form == GOHEAP_FORM_ARRAY ? gort_type_any(&x->h->w->typing.types, k->rtype) : NULL;
	unsigned char b[HEADER];
	if (!t || !t->size || t->size > UINT32_MAX || !memsrc_read(x->h->w->in->g->src, r->at, b, sizeof(b)))
		return false;
	uint64_t offset = r->value - o->start, len = load_u64(b + 8), cap = load_u64(b + 16);
	if (load_u64(b) != r->value || len > cap || !cap || cap > (o->size - offset) / t->size)
		return false;
	bool headers = holder_header(x->h, o->span) > 0;
	uint64_t asked = offset + cap * t->size - (headers ? 8 : 0);
	if (owners_slot_bytes(asked, headers, headers) != o->size)
		return false;
	look_at(x, r->at, o->number, (struct holder_place){ 0, (uint32_t)t->size, PLACE_SLICE });
	return true;
}

static void root(struct extents *x, const struct goheap_root *r)
{
	struct goheap_object_at o;
	if (!goheap_object_find(&x->h->w->objects, r->value, &o))
		return;
	struct extent *e = extent_of(x, o.number);
	if (e && !(e->how & ALL) && (r->kind != GOHEAP_ROOT_GLOBAL || !global_slice(x, r, &o)))
		e->how |= ALL;
}

/* ---- verdicts ---- */

struct verdict {
	enum holder_waste rule;
	uint64_t used;
};

/* False when enough of it is used, or nothing. Bytes that no slice can reach count more than capacity, which may be used later. */
static bool judge_extent(const struct extent *e, uint64_t size, struct verdict *ret)
{
	if (e->how & ALL || !e->how || e->lo > e->hi)
		return false;
	uint64_t used = e->hi - e->lo, end = e->cap > e->hi ? e->cap : e->hi, reach = end - e->lo;
	if (used >= size / LITTLE || !used) /* empty: a buffer that waits, which may well be meant */
		return false;
	if (e->how & POINTERS)
		*ret = (struct verdict){ WASTE_INTERIOR_PIN, used };
	else if (e->how == STRINGS)
		*ret = (struct verdict){ WASTE_STRING_PIN, used };
	else if (reach < size / LITTLE)
		*ret = (struct verdict){ WASTE_SLICE_PIN, used };
	else
		*ret = (struct verdict){ WASTE_SLICE_CAPACITY, used };
	return true;
}

static void sum(struct extents *x, struct holder_rows *rows)
{
	const struct goheap_objects *o = &x->h->w->objects;
	for (size_t s = 0; s < o->heap->spans.n; s++) {
		uint64_t size = gort_span_elemsize(&o->heap->spans.v[s]);
		for (uint32_t i = 0; x->base[s] != UINT32_MAX && i < o->places[s].slots; i++) {
			struct verdict v;
			uint32_t object = o->first[s] + i;
			if (!judge_extent(&x->v[x->base[s] + i], size, &v) || !graph_reached(&x->h->w->reach, object))
				continue;
			struct holder_row *row = holder_row_held(x->h, rows, object, v.rule);
			row->count++;
			row->bytes += size;
			row->a += v.used;
		}
	}
}

/* ---- lengths ---- */

/* An array that something else than slices uses may have elements beyond all lengths. */
static void add_length(struct extents *x, uint32_t object, const struct extent *e, struct hash_map *sums)
{
	const struct owners_work *w = x->h->w;
	uint32_t order = w->dominators.order[object], kind = w->typing.kind[object];
	uint64_t stride = holder_plan(x->h, kind)->stride;
	if (w->typing.kinds.v[kind].form != GOHEAP_FORM_ARRAY || order == GRAPH_NONE)
		return;
	uint64_t *sum = hash_map_at(sums, w->retain.path_of[order], NULL);
	if (e->how != SLICES || e->lo > e->hi || !stride)
		*sum = UINT64_MAX;
	else if (*sum != UINT64_MAX)
		*sum += (e->hi - e->lo) / stride;
}

static void fill_lengths(struct extents *x)
{
	const struct goheap_objects *o = &x->h->w->objects;
	const struct u32_vec *nodes = &x->h->w->words->nodes;
	struct owners_path_vec *paths = &x->h->w->out->paths;
	struct hash_map sums = { 0 };
	for (size_t s = 0; s < o->heap->spans.n; s++) {
		for (uint32_t i = 0; x->base[s] != UINT32_MAX && i < o->places[s].slots; i++) {
			if (graph_reached(&x->h->w->reach, o->first[s] + i))
				add_length(x, o->first[s] + i, &x->v[x->base[s] + i], &sums);
		}
	}
	for (size_t i = 0; i < paths->n && i < nodes->n; i++) {
		const uint64_t *sum = hash_map_get(&sums, nodes->v[i]);
		paths->v[i].length = sum && *sum != UINT64_MAX ? *sum : 0;
	}
	hash_map_deinit(&sums);
}

void holder_extents(struct holders *h)
{
	struct extents *x = xcalloc(1, sizeof(*x));
	struct owners_work *w = h->w;
	struct holder_rows rows = { 0 };
	x->h = h;
	struct err *err = candidates(x);
	if (!err) {
		for (size_t i = 0; i < w->raw_roots.v.n; i++)
			root(x, &w->raw_roots.v.v[i]);
		for (uint32_t o = 0; o < w->graph.n_inner; o++)
			if (graph_reached(&w->reach, o))
				edges_of(x, o);
		look_again(x);
		sum(x, &rows);
		if (w->words && w->retain.path_of)
			fill_lengths(x);
		for (size_t i = 0; i < rows.list.n; i++)
			holder_waste(h, rows.list.v[i].what, &rows.list.v[i], rows.list.v[i].bytes, rows.list.v[i].a);
	}
	if (err)
		snapshot_note(w->snapshot, "slices and strings were not looked at: %s", err_text(err));
	err_free(err);
	holder_rows_deinit(&rows);
	free(x->base);
	free(x->v);
	free(x);
}
