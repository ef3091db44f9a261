/* SPDX-License-Identifier: Apache-2.0 */
#include "owners/owners.h"

void owners_work_init(struct owners_work *w, const struct owners_input *in, struct snapshot *s)
{
	*w = (struct owners_work){ .in = in, .snapshot = s, .out = &s->owners };
}

void owners_work_deinit(struct owners_work *w)
{
	owners_words_free(w->words);
	retain_deinit(&w->retain);
	dominators_deinit(&w->dominators);
	if (w->reach.g)
		graph_reach_deinit(&w->reach);
	if (w->typing.objects)
		goheap_typing_deinit(&w->typing);
	goheap_pointers_deinit(&w->pointers);
	graph_deinit(&w->graph);
	goheap_roots_deinit(&w->raw_roots);
	goheap_objects_deinit(&w->objects);
	gort_heap_deinit(&w->heap);
	vec_deinit(&w->root_of);
	vec_deinit(&w->goroutines);
	vec_deinit(&w->g_edges);
	vec_deinit(&w->borrowed);
	vec_deinit(&w->finalizable);
	vec_deinit(&w->sync_maps);
}

/* What cannot be had of one part here becomes a note; the others are there. */
static struct err *or_note(struct owners_work *w, struct err *err)
{
	if (!err || err_code(err) != ERR_UNSUPPORTED)
		return err;
	snapshot_note(w->snapshot, "%s", err_text(err));
	err_free(err);
	return NULL;
}

/*
 * What the rest will need: a word of the graph and one for the type of each slot, and 24 bytes of the dominators for each
 * that may be reached; 8 bytes a pointer. All is known only after the pointers were read, most of it before.
 */
static struct err *check_memory(const struct owners_work *w, uint64_t pointers)
{
	enum { SLOT = 12, REACHED = 24, POINTER = 8 };
	uint64_t need = (uint64_t)w->objects.n * SLOT + w->objects.allocated_objects * REACHED + pointers * POINTER;
	if (!w->in->memory || need <= w->in->memory)
		return NULL;
	return err_new(ERR_LIMIT,
		       "%llu objects%s need about %llu MiB here, and %llu MiB may be used; --memory raises that",
		       (unsigned long long)w->objects.allocated_objects, pointers ? " with their pointers" : "",
		       (unsigned long long)(need >> 20), (unsigned long long)(w->in->memory >> 20));
}

/* What is compared with a copy must be older: a heap that grows is marked again while it is copied. */
static void read_marked(struct owners_work *w)
{
	uint64_t controller = gort_var(w->in->g, GORT_VAR_GCCONTROLLER);
	if (controller)
		w->out->heap_marked = gort_word(w->in->g, controller, GORT_gcController_heapMarked);
}

struct err *owners_copy_roots(struct owners_work *w, enum owners_still still)
{
	read_marked(w);
	if (still != OWNERS_STANDS)
		goheap_roots_early(w->in->g, &w->raw_roots);
	TRY(gort_heap_read(w->in->g, still == OWNERS_RUNS ? 2 : 1, &w->heap));
	TRY(goheap_objects_init(w->in->g, &w->heap, &w->objects));
	w->objects.moving = still != OWNERS_STANDS;
	return or_note(w, goheap_roots_read(&w->objects, &w->raw_roots));
}

struct err *owners_copy_heap(struct owners_work *w)
{
	TRY(check_memory(w, 0));
	TRY(graph_init(&w->graph, w->objects.n, w->objects.n_inner));
	TRY(or_note(w, goheap_pointers_read(&w->objects, &w->graph, &w->pointers)));
	return check_memory(w, w->pointers.edges);
}

/* What is reachable was allocated, be it since the spans were read, and be it in a slot that waited for the sweeper. */
static void take_new(struct owners_work *w, uint32_t object, uint64_t size)
{
	if (w->objects.dead)
		w->objects.dead[object / 64] &= ~(UINT64_C(1) << object % 64);
	if (goheap_object_allocated(&w->objects, object))
		return;
	w->objects.allocated[object / 64] |= UINT64_C(1) << object % 64;
	w->objects.allocated_objects++;
	w->objects.allocated_bytes += size;
}

/* What is allocated and what of it is reachable. */
static void count(struct owners_work *w)
{
	struct owners *out = w->out;
	for (size_t s = 0; s < w->objects.spans.n; s++) {
		const struct goheap_slots *slots = &w->objects.spans.v[s];
		const struct gort_span *span = &w->heap.spans.v[slots->span];
		uint64_t size = gort_span_elemsize(span);
		for (uint32_t i = 0; i < goheap_objects_slots(&w->objects, s); i++) {
			if (!graph_reached(&w->reach, slots->first + i))
				continue;
			take_new(w, slots->first + i, size);
			out->inconsistencies += goheap_pointers_torn(&w->objects, &w->pointers, slots->first + i);
			out->reachable_objects++;
			out->reachable += size;
		}
	}
	uint64_t objects = w->objects.allocated_objects, bytes = w->objects.allocated_bytes;
	out->floating_objects = objects > out->reachable_objects ? objects - out->reachable_objects : 0;
	out->floating = bytes > out->reachable ? bytes - out->reachable : 0;
	out->copied = w->pointers.copied;
}

static struct err *type_objects(struct owners_work *w)
{
	struct goheap_seed_vec seeds = { 0 };
	struct gort_types types;
	struct goheap_roots_view view;
	struct gort then = *w->in->g; /* a variable may point elsewhere by now, to what is in no graph */
	goheap_roots_view_init(&view, &w->raw_roots, then.src);
	then.src = &view.src;
	gort_types_init(&types, &then);
	goheap_seeds_sampled(&w->objects, &types, &seeds);
	if (w->in->declared)
		goheap_seeds_declared(&types, w->in->declared, w->in->bias, &seeds);
	goheap_seeds_code(&types, &w->raw_roots, &seeds, &w->sync_maps);
	goheap_seeds_below(&w->objects, &w->graph, &w->pointers.seen, &types, &seeds);
	struct err *err = goheap_typing_run(&w->objects, &w->graph, &w->pointers.seen, &seeds, &w->typing);
	gort_types_deinit(&types);
	vec_deinit(&seeds);
	return err;
}

static struct err *find_paths(struct owners_work *w)
{
	TRY(dominators_find(&w->graph, &w->dominators));
	return owners_paths_fill(w);
}

/* What there is to be told beside the sums, in this order: each may need those before. */
static struct err *(*const parts[])(struct owners_work *w) = {
	type_objects, find_paths, owners_stuck_fill, owners_finalizers_fill, owners_iterators_fill, owners_holders_fill,
};

struct err *owners_finish(struct owners_work *w)
{
	TRY(owners_roots_make(w));
	count(w);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !w->in->sums; i++) {
		if (parts[i] == owners_holders_fill && w->in->quick)
			continue;
		TRY(or_note(w, parts[i](w)));
	}
	return NULL;
}
