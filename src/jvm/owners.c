/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/owners.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"
#include "graph/paths.h"
#include "jvm/work.h"

/* Of the memory that dominators and paths take: for each object, and for each reference that is not its object's only one. */
enum { BYTES_VERTEX = 20, BYTES_FURTHER = 16 };

/* HotSpot itself leaves some references to classes of its archive that it never loaded: less than this part is no news. */
enum { DANGLING_SHARE = 100 };

/* ---- what graph/retain asks ---- */

static uint64_t bytes_of(void *ctx, uint32_t object)
{
	const struct jvm_work *w = ctx;
	return jvm_shape_of(w->heap, object)->bytes;
}

uint32_t jvm_kind_of(const struct jvm_work *w, uint32_t object)
{
	const struct jvm_shape *s = jvm_shape_of(w->heap, object);
	return s->mirror && !w->heap->permanent[s->mirror] ? w->n_classes + s->mirror : s->class;
}

static uint32_t kind_of(void *ctx, uint32_t object)
{
	return jvm_kind_of(ctx, object);
}

struct retain_step jvm_step_of(const struct jvm_work *w, uint32_t holder, uint32_t kind, uint32_t word)
{
	struct retain_step step = { 0 };
	if (kind < w->n_classes && holder < w->n_classes)
		step.part = jvm_is_part(w->parts[kind], w->parts[holder]);
	uint32_t field = holder < w->n_classes ? jvm_field_at(w->heap, holder, false, word)
					       : jvm_field_at(w->heap, holder - w->n_classes, true, word);
	step.field = field == HASH_NONE ? 0 : field + 1;
	return step;
}

static struct retain_step step_of(void *ctx, uint32_t holder, uint32_t kind, uint32_t word)
{
	return jvm_step_of(ctx, holder, kind, word);
}

/* ---- words ---- */

const char *jvm_kind_text(void *ctx, uint32_t kind)
{
	struct jvm_work *w = ctx;
	const struct hprof_class *classes = w->heap->hprof.classes.v;
	if (!w->text[kind])
		w->text[kind] = kind < w->n_classes
					? arena_strdup(w->arena, classes[kind].text)
					: arena_printf(w->arena, "class %s", classes[kind - w->n_classes].text);
	return w->text[kind];
}

static const char *field_text(void *ctx, uint32_t field)
{
	struct jvm_work *w = ctx;
	const struct hprof *f = &w->heap->hprof;
	const char *name = field && field <= f->fields.n ? hprof_name(f, f->fields.v[field - 1].name) : NULL;
	return name ? arena_strdup(w->arena, name) : NULL;
}

static const char *root_text(struct jvm_work *w, const struct owners_root *r)
{
	const char *about = r->kind == OWNERS_GLOBAL ? " (static)" : "";
	if (r->goroutines > 1)
		return arena_printf(w->arena, "%s (%" PRIu64 " threads)", r->name, r->goroutines);
	return arena_printf(w->arena, "%s%s", r->name, about);
}

struct paths_words jvm_words(struct jvm_work *w)
{
	return (struct paths_words){
		.ctx = w,
		.kind = jvm_kind_text,
		.field = field_text,
		.root_of = w->root_of,
		.root = w->root_text,
		.n_kinds = w->n_kinds,
		.alike = w->alike,
	};
}

const char *jvm_node_text(struct jvm_work *w, uint32_t node)
{
	struct paths_words words = jvm_words(w);
	return node < w->retain.paths.n ? paths_node_text(&w->retain, &words, node, w->arena) : NULL;
}

/* ---- roots ---- */

/* The innermost frame, and the outermost that is not the JDK's own start of a thread. */
static void place_thread(struct jvm_work *w, uint32_t stack, struct owners_root *to)
{
	const struct stacks *s = &w->heap->stacks;
	uint32_t n = stacks_depth(s, stack);
	if (!n)
		return;
	to->blocked_at = arena_strdup(w->arena, stacks_at(s, stack, 0)->function);
	while (n > 1 && strncmp(stacks_at(s, stack, n - 1)->function, "java.", 5) == 0)
		n--;
	to->site = *stacks_at(s, stack, n - 1);
	to->site.function = arena_strdup(w->arena, to->site.function);
	to->site.file = arena_strdup(w->arena, to->site.file);
}

static int by_retained(const void *a, const void *b)
{
	const struct jvm_ranked_root *x = a, *y = b;
	if (x->root.retained != y->root.retained)
		return x->root.retained < y->root.retained ? 1 : -1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Rows by what they retain; root_of says where each root of the graph went. */
static void fill_roots(struct jvm_work *w)
{
	const size_t n = w->roots.n + 1;
	AUTO_FREE struct jvm_ranked_root *ranked = xcalloc(n, sizeof(*ranked));
	for (uint32_t i = 0; i < n; i++) {
		const struct jvm_root *from = i < w->roots.n ? &w->roots.v[i] : NULL;
		struct owners_root *to = &ranked[i].root;
		ranked[i].number = i;
		*to = (struct owners_root){
			.kind = from ? from->kind : OWNERS_OTHER,
			.name = from ? from->name : OWNERS_SEVERAL,
			.site = { .function = "", .file = "" },
			.goroutines = from ? from->threads : 0,
			.retained = w->retain.roots[i].retained,
			.retained_objects = w->retain.roots[i].retained_objects,
		};
		if (from)
			place_thread(w, from->stack, to);
	}
	qsort(ranked, n, sizeof(*ranked), by_retained);
	w->root_of = xcalloc(n, sizeof(*w->root_of));
	w->root_text = xcalloc(n, sizeof(*w->root_text));
	for (uint32_t i = 0; i < n; i++) {
		w->root_of[ranked[i].number] = i;
		*vec_push(&w->out->roots) = ranked[i].root;
		w->root_text[i] = root_text(w, &ranked[i].root);
	}
}

/* Those that retain nothing are no news, unless a shortest way begins there. */
static void forget_empty_roots(struct owners *out)
{
	size_t n = 0;
	for (size_t i = 0; i < out->paths.n; i++)
		n = num_max(n, out->paths.v[i].root + (size_t)1);
	while (out->roots.n > n && !out->roots.v[out->roots.n - 1].retained)
		out->roots.n--;
}

/* ---- sums ---- */

static void count(struct jvm_work *w)
{
	struct owners *out = w->out;
	for (uint32_t i = 0; i < w->heap->ids.n; i++) {
		uint64_t bytes = jvm_shape_of(w->heap, i)->bytes;
		bool reached = w->dominators.order[i] != GRAPH_NONE;
		*(reached ? &out->reachable : &out->floating) += bytes;
		*(reached ? &out->reachable_objects : &out->floating_objects) += 1;
	}
	out->jvm = true;
	out->heap_marked = ACCOUNT_UNKNOWN;
	out->typed_ratio = 1;
	out->inconsistencies = w->heap->damaged + w->heap->duplicates;
}

static void notes(struct jvm_work *w)
{
	const struct jvm_heap *h = w->heap;
	if (!h->sizes_told)
		snapshot_note(w->snapshot, "nothing in the dump tells how large references and headers were; "
					   "bytes assume compressed references");
	if (h->duplicates)
		snapshot_note(w->snapshot, "%" PRIu64 " objects stand in the dump more than once; the first counts",
			      h->duplicates);
	if (h->dangling > h->edges_kept / DANGLING_SHARE)
		snapshot_note(w->snapshot, "%" PRIu64 " references lead to what is no object of the dump", h->dangling);
	if (h->damaged)
		snapshot_note(w->snapshot, "%" PRIu64 " objects have fewer bytes than their class has fields",
			      h->damaged);
	if (w->retain.cut)
		snapshot_note(w->snapshot,
			      "there are more than %d paths: what is behind some of them is counted into "
			      "the step above",
			      RETAIN_PATHS_MAX);
}

/* ---- the steps ---- */

static void prepare_words(struct jvm_work *w)
{
	const struct hprof *f = &w->heap->hprof;
	uint32_t class = 0;
	w->n_classes = (uint32_t)f->classes.n;
	w->n_kinds = 2 * w->n_classes;
	w->text = xcalloc(w->n_kinds, sizeof(*w->text));
	w->alike = xcalloc(w->n_kinds, sizeof(*w->alike));
	w->parts = xcalloc(w->n_classes, sizeof(*w->parts));
	for (uint32_t k = 0; k < w->n_classes; k++) {
		w->parts[k] = jvm_part_of(f->classes.v[k].text);
		if (strcmp(f->classes.v[k].text, "java.lang.Class") == 0)
			class = k;
	}
	for (uint32_t k = 0; k < w->n_kinds; k++)
		w->alike[k] = k < w->n_classes ? k : class;
}

static struct err *find_paths(struct jvm_work *w)
{
	const struct retain_input in = {
		.graph = &w->heap->graph,
		.dominators = &w->dominators,
		.ctx = w,
		.bytes = bytes_of,
		.kind = kind_of,
		.step = step_of,
		.n_kinds = w->n_kinds,
		.alike = w->alike,
	};
	TRY(retain_find(&in, &w->retain));
	fill_roots(w);
	const struct paths_words words = jvm_words(w);
	paths_types_fill(&w->retain, &words, w->out);
	paths_fill(&w->retain, &words, w->arena, w->out);
	return NULL;
}

static struct err *fill(struct jvm_work *w, struct stream *s, const struct jvm_owners_options *opt)
{
	struct jvm_heap *h = w->heap;
	TRY(jvm_heap_read(s, opt->memory, h));
	w->out->copied = s->offset;
	TRY(jvm_roots_make(h, s, w->arena, &w->roots));
	uint64_t further = num_sub(h->edges_kept, h->ids.n);
	TRY(jvm_heap_room(h, (uint64_t)h->ids.n * BYTES_VERTEX + further * BYTES_FURTHER));
	TRY(dominators_find(&h->graph, &w->dominators));
	count(w);
	prepare_words(w);
	TRY(find_paths(w));
	if (!opt->quick)
		jvm_containers_fill(w);
	if (opt->type)
		TRY(jvm_reach_fill(w, opt->type));
	forget_empty_roots(w->out);
	notes(w);
	return NULL;
}

static void work_deinit(struct jvm_work *w)
{
	retain_deinit(&w->retain);
	dominators_deinit(&w->dominators);
	jvm_heap_deinit(w->heap);
	vec_deinit(&w->roots);
	free(w->text);
	free(w->alike);
	free(w->parts);
	free(w->root_of);
	free(w->root_text);
}

struct err *jvm_owners_read(struct stream *s, const struct jvm_owners_options *opt, struct snapshot *ret)
{
	AUTO_FREE struct jvm_heap *heap = xcalloc(1, sizeof(*heap)); /* with its tables: too large for the stack */
	struct jvm_work w = { .heap = heap, .snapshot = ret, .arena = &ret->arena, .out = &ret->owners };
	unsigned noting = ret->noting;
	ret->noting = SNAPSHOT_OWNERS;
	struct err *err = fill(&w, s, opt);
	ret->noting = noting;
	work_deinit(&w);
	if (err)
		return err;
	ret->clock.wall = heap->hprof.wall;
	ret->parts |= SNAPSHOT_OWNERS;
	return NULL;
}
