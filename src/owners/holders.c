/* SPDX-License-Identifier: Apache-2.0 */
#include "owners/holders.h"

#include <inttypes.h>
#include <string.h>

enum { ROWS_MAX = 1 << 16 /* of one part; what comes after is not told apart */ };

/*
 * What is worth a line: a waste must be this part of what is reachable, and not less than the least, so that small programs
 * are told nothing about noise and large ones only what matters. A buffer that is empty now may be there for its peak, so
 * those of channels must be much larger than what may be meant.
 */
static const struct waste_rule {
	const char *name, *text; /* follows how many there are */
	uint64_t least, part;
} rules[WASTE_MAX_] = {
	[WASTE_SLICE_CAPACITY] = { "slice-capacity", "arrays whose slices use little of their capacity", 64 << 10,
				   1000 },
	[WASTE_SLICE_PIN] = { "slice-pin", "arrays of which slices can reach only a part", 64 << 10, 1000 },
	[WASTE_STRING_PIN] = { "string-pin", "large strings kept by short pieces of them", 64 << 10, 1000 },
	[WASTE_INTERIOR_PIN] = { "interior-pin", "large objects kept by pointers into them", 64 << 10, 1000 },
	[WASTE_MAP_CAPACITY] = { "map-capacity", "maps larger than their entries need (a map does not shrink)",
				 64 << 10, 1000 },
	[WASTE_CHAN_BUFFER] = { "chan-buffer", "channels with buffers that are almost empty", 1 << 20, 20 },
};

/* Pools first: what waits in them is no waste. */
static void (*const parts[])(struct holders *h) = {
	holder_pools,	 holder_maps,  holder_chans, holder_extents,
	holder_contexts, holder_funcs, holder_lists, holder_sync_maps,
};

/* ---- rows ---- */

struct row_key {
	const struct holder_rows *rows;
	uint32_t kind, node, what;
};

static bool same_row(const void *ctx, uint32_t id)
{
	const struct row_key *k = ctx;
	const struct holder_row *r = &k->rows->list.v[id];
	return r->kind == k->kind && r->node == k->node && r->what == k->what;
}

static uint32_t node_of(const struct owners_work *w, uint32_t object)
{
	uint32_t order = w->dominators.order ? w->dominators.order[object] : GRAPH_NONE;
	return order < w->dominators.n && w->retain.path_of ? w->retain.path_of[order] : GRAPH_NONE;
}

static struct holder_row *row_of(struct holder_rows *rows, struct row_key key, uint32_t object)
{
	uint64_t hash = hash_u64((uint64_t)key.kind << 32 | key.node) ^ key.what;
	uint32_t id = hash_index_find(&rows->index, hash, same_row, &key);
	if (id == HASH_NONE && rows->list.n >= ROWS_MAX) { /* the rest together */
		key.kind = 0;
		key.node = GRAPH_NONE;
		hash = key.what;
		id = hash_index_find(&rows->index, hash, same_row, &key);
	}
	if (id == HASH_NONE) {
		id = (uint32_t)rows->list.n;
		*vec_push(&rows->list) = (struct holder_row){ key.kind, key.node, object, key.what, 0, 0, 0, 0, 0, 0 };
		hash_index_add(&rows->index, hash, id);
	}
	return &rows->list.v[id];
}

struct holder_row *holder_row(struct holders *h, struct holder_rows *rows, uint32_t object, uint32_t what)
{
	struct row_key key = { rows, h->alike[h->w->typing.kind[object]], node_of(h->w, object), what };
	return row_of(rows, key, object);
}

struct holder_row *holder_row_held(struct holders *h, struct holder_rows *rows, uint32_t object, uint32_t what)
{
	struct row_key key = { rows, 0, node_of(h->w, object), what };
	const struct retain_path_vec *paths = &h->w->retain.paths;
	if (key.node < paths->n && paths->v[key.node].parent != GRAPH_NONE)
		key.node = paths->v[key.node].parent;
	return row_of(rows, key, object);
}

const char *holder_owner(struct holders *h, const struct holder_row *row)
{
	return row->node == GRAPH_NONE ? NULL : owners_path_text(h->w, row->object);
}

/* What all objects that are held alike retain. */
static uint64_t retained(const struct holders *h, const struct holder_row *row)
{
	const struct retain *r = &h->w->retain;
	return row->node < r->paths.n ? r->paths.v[row->node].sum.retained : ACCOUNT_UNKNOWN;
}

void holder_say(struct holders *h, const char *kind, const char *type, const struct holder_row *row, const char *text)
{
	struct arena *arena = &h->w->snapshot->arena;
	*vec_push(&h->w->out->holders) = (struct owners_holder){
		.kind = kind,
		.type = type ? arena_strdup(arena, type) : NULL,
		.owner = holder_owner(h, row),
		.count = row->count,
		.elements = row->elements,
		.bytes = row->bytes,
		.retained = retained(h, row),
		.text = text,
	};
}

void holder_in_pool(struct holders *h, uint32_t object)
{
	uint32_t node = node_of(h->w, object);
	if (node != GRAPH_NONE)
		*hash_map_at(&h->pooled, node, NULL) = 1;
}

/* What waits in a sync.Pool is there to be used again, and goes by itself. */
static bool is_pooled(const struct holders *h, uint32_t node)
{
	const struct retain_path_vec *paths = &h->w->retain.paths;
	for (; node < paths->n; node = paths->v[node].parent)
		if (hash_map_get(&h->pooled, node))
			return true;
	return false;
}

void holder_waste(struct holders *h, enum holder_waste rule, const struct holder_row *row, uint64_t held, uint64_t used)
{
	uint64_t bytes = held > used ? held - used : 0;
	if (bytes < rules[rule].least || bytes < h->w->out->reachable / rules[rule].part || is_pooled(h, row->node))
		return;
	*vec_push(&h->w->out->waste) = (struct owners_waste){
		.rule = rules[rule].name,
		.owner = holder_owner(h, row),
		.text = arena_printf(&h->w->snapshot->arena,
				     "%" PRIu64 " %s: %" PRIu64 " of %" PRIu64 " bytes are in use", row->count,
				     rules[rule].text, used, held),
		.count = row->count,
		.bytes = bytes,
	};
}

/* ---- what objects are ---- */

static const struct named {
	const char *name;
	enum holder_what what;
} named[] = {
	{ "context.cancelCtx", HOLDER_CONTEXT },
	{ "context.timerCtx", HOLDER_CONTEXT },
	{ "context.afterFuncCtx", HOLDER_CONTEXT },
	{ "context.valueCtx", HOLDER_VALUE_CTX },
	{ "time.Timer", HOLDER_TIMER },
	{ "time.Ticker", HOLDER_TIMER },
};

static enum holder_what what_of(struct holders *h, uint32_t kind)
{
	struct goheap_typing *typing = &h->w->typing;
	const struct goheap_kind *k = &typing->kinds.v[kind];
	switch (k->form) {
	case GOHEAP_FORM_MAP:
		return HOLDER_MAP;
	case GOHEAP_FORM_CHAN:
		return HOLDER_CHAN;
	case GOHEAP_FORM_CLOSURE:
		return HOLDER_CLOSURE;
	case GOHEAP_FORM_RUNTIME: /* timers of 1.23 on are more than their type says */
		return k->name && strcmp(k->name, "time.Timer") == 0 ? HOLDER_TIMER : HOLDER_NONE;
	case GOHEAP_FORM_ARRAY:
	case GOHEAP_FORM_VALUE:
		break;
	default:
		return HOLDER_NONE;
	}
	const struct gort_type *t = gort_type_any(&typing->types, k->rtype);
	if (!t)
		return HOLDER_NONE;
	if (k->form == GOHEAP_FORM_ARRAY && t->kind == GORT_KIND_FUNC)
		return HOLDER_FUNCS;
	if (k->form == GOHEAP_FORM_VALUE && strncmp(t->name, "struct { F uintptr", 18) == 0)
		return HOLDER_CLOSURE; /* as the compiler writes the type of what a function captures */
	for (size_t i = 0; k->form == GOHEAP_FORM_VALUE && i < sizeof(named) / sizeof(named[0]); i++)
		if (strcmp(t->name, named[i].name) == 0)
			return named[i].what;
	return holder_plan(h, kind)->inside_n ? HOLDER_INSIDE : HOLDER_NONE;
}

struct kind_name {
	const struct goheap_kind *kinds;
	const char *name;
};

static bool same_name(const void *ctx, uint32_t id)
{
	const struct kind_name *k = ctx;
	return strcmp(k->kinds[id].name, k->name) == 0;
}

/* Kinds of one name are told as one: the same type with a header in front and without, a value and a boxed value. */
static void join_alike(struct holders *h)
{
	struct hash_index names = { 0 };
	const struct goheap_kind_vec *kinds = &h->w->typing.kinds;
	for (uint32_t k = 0; k < kinds->n; k++) {
		struct kind_name key = { kinds->v, kinds->v[k].name };
		h->alike[k] = k;
		if (!key.name)
			continue;
		uint64_t hash = hash_bytes(key.name, strlen(key.name));
		uint32_t first = hash_index_find(&names, hash, same_name, &key);
		if (first == HASH_NONE)
			hash_index_add(&names, hash, k);
		else
			h->alike[k] = first;
	}
	hash_index_deinit(&names);
}

/* Reachable objects by what they are, in order of number, which is almost that of addresses. */
static void sort_out(struct holders *h)
{
	struct owners_work *w = h->w;
	for (uint32_t k = 0; k < w->typing.kinds.n; k++)
		h->what[k] = (uint8_t)what_of(h, k);
	for (uint32_t o = 0; o < w->graph.n; o++) {
		enum holder_what what = h->what[w->typing.kind[o]];
		if (what != HOLDER_NONE && graph_reached(&w->reach, o))
			*vec_push(&h->of[what]) = o;
	}
}

/* ---- results ---- */

static int by_bytes(const void *a, const void *b)
{
	const struct owners_map *x = a, *y = b;
	return x->bytes < y->bytes ? 1 : -(x->bytes > y->bytes);
}

static int by_waste(const void *a, const void *b)
{
	const struct owners_waste *x = a, *y = b;
	return x->bytes < y->bytes ? 1 : -(x->bytes > y->bytes);
}

static uint64_t weight(const struct owners_holder *h)
{
	return h->retained == ACCOUNT_UNKNOWN ? h->bytes : h->retained;
}

static int by_retained(const void *a, const void *b)
{
	uint64_t x = weight(a), y = weight(b);
	return x < y ? 1 : -(x > y);
}

static void sort_results(struct owners *out)
{
	vec_sort(&out->maps, by_bytes);
	vec_sort(&out->waste, by_waste);
	vec_sort(&out->holders, by_retained);
}

struct err *owners_holders_fill(struct owners_work *w)
{
	struct holders h = { .w = w };
	uint64_t n = w->graph.n;
	h.plans = xcalloc(w->typing.kinds.n + 1, sizeof(*h.plans));
	h.what = xcalloc(w->typing.kinds.n + 1, sizeof(*h.what));
	h.alike = xcalloc(w->typing.kinds.n + 1, sizeof(*h.alike));
	struct err *err = alloc_checked(n / 64 + 1, 8, SIZE_MAX, &h.seen);
	if (!err && w->typing.kinds.n) {
		join_alike(&h);
		sort_out(&h);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			parts[i](&h);
		sort_results(w->out);
		w->out->inconsistencies += h.moved;
	}
	for (size_t i = 0; i < HOLDER_WHAT_MAX_; i++)
		vec_deinit(&h.of[i]);
	vec_deinit(&h.places);
	hash_map_deinit(&h.pooled);
	free(h.plans);
	free(h.what);
	free(h.alike);
	free(h.seen);
	return err;
}
