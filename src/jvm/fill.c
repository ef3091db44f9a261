/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/num.h"
#include "jvm/work.h"

enum { NOT_LOOKED = 0, NO_WORD = 1, FIRST_WORD = 2 };

/* Containers of one class that are held alike. */
struct sum {
	uint32_t class, node; /* node: in retain.paths */
	uint64_t containers, empty, entries, capacity, bytes, recoverable, empty_bytes;
};

VEC_TYPE(sum_vec, struct sum);

struct filler {
	struct jvm_work *w;
	struct hash_map sum_of; /* class and node to its number in sums */
	struct sum_vec sums;
	uint32_t *array_word; /* by class: FIRST_WORD + the word of its array */
	uint32_t *next_word;  /* by class of an entry: the same of the one behind it */
};

/* ---- what a field refers to ---- */

static uint32_t find_word(const struct jvm_heap *h, uint32_t class, const char *a, const char *b)
{
	const struct jvm_plan *p = &h->plans.v[class];
	for (uint32_t i = 0; p->made && i < p->n; i++) {
		const char *name = hprof_name(&h->hprof, h->hprof.fields.v[h->plan_refs.v[p->at + i].field].name);
		if (name && (strcmp(name, a) == 0 || strcmp(name, b) == 0))
			return FIRST_WORD + i;
	}
	return NO_WORD;
}

static uint32_t follow(const struct jvm_heap *h, uint32_t object, uint32_t word)
{
	uint32_t n = 0;
	const graph_edge *out = graph_out(&h->graph, object, &n);
	for (uint32_t i = 0; i < n && word != NO_WORD; i++) {
		if (graph_word(out[i]) == word - FIRST_WORD)
			return graph_target(out[i]);
	}
	return GRAPH_NONE;
}

static uint32_t array_of(struct filler *f, uint32_t object, uint32_t class, const struct jvm_container *c)
{
	if (f->array_word[class] == NOT_LOOKED)
		f->array_word[class] = find_word(f->w->heap, class, c->array, c->array);
	return follow(f->w->heap, object, f->array_word[class]);
}

static uint32_t entry_behind(struct filler *f, uint32_t entry, uint32_t class)
{
	if (f->next_word[class] == NOT_LOOKED)
		f->next_word[class] = find_word(f->w->heap, class, "next", "first");
	return follow(f->w->heap, entry, f->next_word[class]);
}

/* ---- one container ---- */

/* The entries of a table: how many there are and what they take. No more than `most`: a list may be a circle. */
static uint64_t count_entries(struct filler *f, uint32_t array, uint64_t most, uint64_t *bytes)
{
	const struct jvm_heap *h = f->w->heap;
	uint32_t n = 0;
	uint64_t count = 0;
	const graph_edge *out = graph_out(&h->graph, array, &n);
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t e = graph_target(out[i]); e != GRAPH_NONE && count < most;) {
			const struct jvm_shape *s = jvm_shape_of(h, e);
			if (s->mirror || !f->w->parts[s->class].part)
				break;
			*bytes += s->bytes;
			count++;
			e = entry_behind(f, e, s->class);
		}
	}
	return count;
}

/* Slots that so many entries need: maps have powers of two, in which at most `fill` of 100 are in use. */
static uint64_t slots_for(const struct jvm_container *c, uint64_t entries)
{
	if (!c->map || !entries)
		return entries;
	uint64_t slots = 1;
	while (slots * c->fill < entries * 100)
		slots *= 2;
	return slots;
}

static struct sum *sum_of(struct filler *f, uint32_t class, uint32_t node)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(&f->sum_of, (uint64_t) class << 32 | node, &fresh);
	if (fresh) {
		*at = f->sums.n;
		*vec_push(&f->sums) = (struct sum){ .class = class, .node = node };
	}
	return &f->sums.v[*at];
}

static void look_at(struct filler *f, const struct jvm_held *held)
{
	const struct jvm_heap *h = f->w->heap;
	const struct dominators *d = &f->w->dominators;
	uint32_t order = d->order[held->object], class = jvm_shape_of(h, held->object)->class;
	if (order == GRAPH_NONE || !h->plans.v[class].made || !h->plans.v[class].container)
		return;
	const struct jvm_container *c = &jvm_containers[h->plans.v[class].container];
	uint32_t array = array_of(f, held->object, class, c);
	struct sum *s = sum_of(f, class, f->w->retain.path_of[order]);
	uint64_t bytes = jvm_shape_of(h, held->object)->bytes, entries = held->entries, counted = 0;
	/* an array that several containers share is given back by none of them */
	bool own = array != GRAPH_NONE && d->order[array] != GRAPH_NONE && d->idom[d->order[array]] == order;
	const struct jvm_shape *a = own ? jvm_shape_of(h, array) : NULL;
	if (a && c->map)
		counted = count_entries(f, array, num_min(entries, UINT32_MAX), &bytes);
	if (entries == UINT32_MAX)
		entries = counted;
	s->containers++;
	s->entries += entries;
	if (a) {
		uint64_t needed = hprof_array_size(&h->hprof, a->class, slots_for(c, entries));
		bytes += a->bytes;
		s->capacity += a->length;
		s->recoverable += num_sub(a->bytes, needed);
	}
	s->bytes += bytes;
	s->empty += !entries;
	s->empty_bytes += entries ? 0 : bytes;
}

/* ---- all of them ---- */

static int more_recoverable(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	if (x->recoverable != y->recoverable)
		return x->recoverable < y->recoverable ? 1 : -1;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->class != y->class ? (x->class < y->class ? -1 : 1) : x->node < y->node ? -1 : x->node > y->node;
}

static void put_waste(struct filler *f, const struct sum *s, const char *type, const char *owner)
{
	bool map = jvm_containers[f->w->heap->plans.v[s->class].container].map;
	if (!map && s->recoverable)
		*vec_push(&f->w->out->waste) = (struct owners_waste){
			.rule = "list-capacity",
			.owner = owner,
			.text = arena_printf(f->w->arena, "%s with room for more than they hold", type),
			.count = s->containers,
			.bytes = s->recoverable,
		};
	if (s->empty)
		*vec_push(&f->w->out->waste) = (struct owners_waste){
			.rule = "empty-collection",
			.owner = owner,
			.text = arena_printf(f->w->arena, "%s without an entry", type),
			.count = s->empty,
			.bytes = s->empty_bytes,
		};
}

static void put_sum(struct filler *f, const struct sum *s)
{
	struct jvm_work *w = f->w;
	const char *type = jvm_kind_text(w, s->class);
	const char *owner = jvm_node_text(w, s->node);
	if (jvm_containers[w->heap->plans.v[s->class].container].map)
		*vec_push(&w->out->maps) = (struct owners_map){
			.type = type,
			.owner = owner,
			.maps = s->containers,
			.entries = s->entries,
			.capacity = s->capacity,
			.bytes = s->bytes,
			.recoverable = s->recoverable,
		};
	put_waste(f, s, type, owner);
}

static int more_waste(const void *a, const void *b)
{
	const struct owners_waste *x = a, *y = b;
	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->rule, y->rule);
}

void jvm_containers_fill(struct jvm_work *w)
{
	struct filler f = { .w = w };
	f.array_word = xcalloc(w->n_classes, sizeof(*f.array_word));
	f.next_word = xcalloc(w->n_classes, sizeof(*f.next_word));
	for (size_t i = 0; i < w->heap->helds.n; i++)
		look_at(&f, &w->heap->helds.v[i]);
	vec_sort(&f.sums, more_recoverable);
	for (size_t i = 0; i < f.sums.n && i < JVM_CONTAINERS_MAX; i++)
		put_sum(&f, &f.sums.v[i]);
	vec_sort(&w->out->waste, more_waste);
	hash_map_deinit(&f.sum_of);
	vec_deinit(&f.sums);
	free(f.array_word);
	free(f.next_word);
}
