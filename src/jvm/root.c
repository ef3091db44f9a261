/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/root.h"

#include <ctype.h>

#include "base/intern.h"
#include "base/strbuf.h"
#include "graph/reach.h"
#include "jvm/names.h"
#include "jvm/plan.h"

/* Kinds of roots that are one root each. */
enum single {
	CLASSES,
	JNI_GLOBAL,
	UNKNOWN,
	FINALIZER,
	MONITOR,
	SINGLES,
};

static const struct jvm_root singles[SINGLES] = {
	[CLASSES] = { OWNERS_OTHER, "(loaded classes)", 0, 0 },
	[JNI_GLOBAL] = { OWNERS_OTHER, "JNI global references", 0, 0 },
	[UNKNOWN] = { OWNERS_OTHER, "(roots of an unknown kind)", 0, 0 },
	[FINALIZER] = { OWNERS_FINALIZER, "objects that wait for their finalizer", 0, 0 },
	[MONITOR] = { OWNERS_OTHER, "monitors in use", 0, 0 },
};

struct pair {
	uint32_t root, object;
};

struct thread {
	uint32_t object; /* GRAPH_NONE: not told */
	uint32_t stack;	 /* in heap.stacks */
	uint32_t root;
};

struct maker {
	struct jvm_heap *h;
	struct arena *arena;
	struct jvm_root_vec *roots;
	VEC(struct pair) pairs;
	VEC(struct thread) threads;
	struct hash_map thread_of; /* serial number to its number in threads */
	uint32_t single[SINGLES];  /* GRAPH_NONE: not needed yet */
};

static uint32_t add_root(struct maker *m, struct jvm_root root)
{
	*vec_push(m->roots) = root;
	return (uint32_t)m->roots->n - 1;
}

static uint32_t single(struct maker *m, enum single which)
{
	if (m->single[which] == GRAPH_NONE)
		m->single[which] = add_root(m, singles[which]);
	return m->single[which];
}

static void add_pair(struct maker *m, uint32_t root, uint32_t object)
{
	*vec_push(&m->pairs) = (struct pair){ root, object };
}

/* Has it a root of its own, whoever else refers to it? */
static bool is_there_anyway(const struct jvm_heap *h, uint32_t object)
{
	const struct jvm_shape *s = jvm_shape_of(h, object);
	return s->runs || (s->mirror && h->permanent[s->mirror]);
}

/* ---- classes ---- */

static void add_statics(struct maker *m, uint32_t k)
{
	const struct jvm_heap *h = m->h;
	const struct hprof_class *c = &h->hprof.classes.v[k];
	for (uint32_t i = 0; i < c->n_statics; i++) {
		const struct hprof_field *f = &h->hprof.fields.v[c->statics + i];
		if (f->type != HPROF_REFERENCE || f->hidden || !f->value)
			continue;
		uint32_t object = jvm_ids_find(&h->ids, f->value);
		if (object == GRAPH_NONE || is_there_anyway(h, object))
			continue;
		const char *name = arena_printf(m->arena, "%s.%s", c->text, hprof_name(&h->hprof, f->name));
		add_pair(m, add_root(m, (struct jvm_root){ .kind = OWNERS_GLOBAL, .name = name }), object);
	}
}

static void add_classes(struct maker *m)
{
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < m->h->hprof.classes.n; k++) {
		if (!m->h->permanent[k])
			continue;
		add_pair(m, single(m, CLASSES), m->h->mirror[k]);
		add_statics(m, k);
	}
}

/* ---- threads ---- */

static struct thread *thread_of(struct maker *m, uint32_t serial)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(&m->thread_of, serial, &fresh);
	if (fresh) {
		*at = m->threads.n;
		*vec_push(&m->threads) = (struct thread){ .object = GRAPH_NONE };
	}
	return &m->threads.v[*at];
}

static bool is_of_thread(const struct hprof_root *r)
{
	return r->kind == HPROF_ROOT_THREAD || r->kind == HPROF_ROOT_JNI_LOCAL || r->kind == HPROF_ROOT_FRAME ||
	       r->kind == HPROF_ROOT_NATIVE || r->kind == HPROF_ROOT_BLOCK;
}

static void find_threads(struct maker *m)
{
	for (size_t i = 0; i < m->h->roots.n; i++) {
		const struct hprof_root *r = &m->h->roots.v[i];
		if (!is_of_thread(r))
			continue;
		struct thread *t = thread_of(m, r->thread);
		if (r->kind != HPROF_ROOT_THREAD)
			continue;
		const uint64_t *stack = hash_map_get(&m->h->traces, r->number);
		t->object = jvm_ids_find(&m->h->ids, r->id);
		t->stack = stack ? (uint32_t)*stack : 0;
	}
}

/* The name of a thread: since Java 8 a string, before it an array of characters; of virtual threads too. */
static struct err *name_threads(struct maker *m, struct stream *s, struct jvm_name_vec *names)
{
	for (size_t i = 0; i < m->threads.n; i++) {
		uint32_t object = m->threads.v[i].object;
		*vec_push(names) = (struct jvm_name){
			.string = object != GRAPH_NONE ? jvm_field_of(m->h, object, "name") : GRAPH_NONE,
		};
	}
	return jvm_names_read(m->h, s, names, m->arena);
}

/* What threads that do the same have in common: their name without numbers, and where they are. */
static void thread_key(const struct maker *m, const struct thread *t, const char *name, struct strbuf *key)
{
	for (const char *p = name; *p; p++) {
		if (!isdigit((unsigned char)*p))
			strbuf_putc(key, *p);
		else if (p == name || !isdigit((unsigned char)p[-1]))
			strbuf_putc(key, '#');
	}
	strbuf_printf(key, "\n%u", stacks_depth(&m->h->stacks, t->stack) ? t->stack : 0);
}

static void group_threads(struct maker *m, const struct jvm_name_vec *names)
{
	struct intern keys;
	struct hash_map root_of = { 0 }; /* address of the key */
	AUTO(strbuf) struct strbuf key;
	intern_init(&keys);
	strbuf_init(&key);
	for (size_t i = 0; i < m->threads.n; i++) {
		struct thread *t = &m->threads.v[i];
		const char *name = names->v[i].text ? names->v[i].text : "(unnamed)";
		bool fresh = false;
		strbuf_clear(&key);
		thread_key(m, t, name, &key);
		uint64_t *at = hash_map_at(&root_of, (uint64_t)(uintptr_t)intern_str(&keys, key.buf), &fresh);
		if (fresh)
			*at = add_root(m, (struct jvm_root){ OWNERS_STACK, NULL, 0, t->stack });
		struct jvm_root *root = &m->roots->v[*at];
		t->root = (uint32_t)*at;
		root->name = ++root->threads == 1
				     ? arena_printf(m->arena, "thread \"%s\"", name)
				     : arena_printf(m->arena, "threads \"%.*s\"", (int)strcspn(key.buf, "\n"), key.buf);
	}
	hash_map_deinit(&root_of);
	intern_deinit(&keys);
}

/* ---- the roots of the dump ---- */

static void add_records(struct maker *m)
{
	for (size_t i = 0; i < m->h->roots.n; i++) {
		const struct hprof_root *r = &m->h->roots.v[i];
		uint32_t object = jvm_ids_find(&m->h->ids, r->id);
		if (object == GRAPH_NONE || r->kind == HPROF_ROOT_MONITOR ||
		    (is_there_anyway(m->h, object) && r->kind != HPROF_ROOT_THREAD))
			continue;
		if (is_of_thread(r))
			add_pair(m, thread_of(m, r->thread)->root, object);
		else if (r->kind == HPROF_ROOT_JNI_GLOBAL)
			add_pair(m, single(m, JNI_GLOBAL), object);
		else
			add_pair(m, single(m, r->kind == HPROF_ROOT_CLASS ? CLASSES : UNKNOWN), object);
	}
}

static void add_unless_reached(struct maker *m, struct graph_reach *reach, uint32_t object, enum single root)
{
	if (object != GRAPH_NONE && !graph_reached(reach, object))
		add_pair(m, single(m, root), object);
}

static void reach_pairs(const struct maker *m, struct graph_reach *reach, size_t from)
{
	for (size_t i = from; i < m->pairs.n; i++)
		graph_reach_from(reach, m->pairs.v[i].object);
}

/* Roots only of what nothing else reaches: what only a finalizer keeps, then monitors. */
static void add_last(struct maker *m)
{
	struct graph_reach reach;
	graph_reach_init(&reach, &m->h->graph);
	reach_pairs(m, &reach, 0);
	size_t before = m->pairs.n;
	for (size_t i = 0; i < m->h->finals.n; i++)
		add_unless_reached(m, &reach, m->h->finals.v[i], FINALIZER);
	reach_pairs(m, &reach, before);
	for (size_t i = 0; i < m->h->roots.n; i++) {
		const struct hprof_root *r = &m->h->roots.v[i];
		if (r->kind == HPROF_ROOT_MONITOR)
			add_unless_reached(m, &reach, jvm_ids_find(&m->h->ids, r->id), MONITOR);
	}
	graph_reach_deinit(&reach);
}

/* ---- into the graph ---- */

static struct err *give_roots(struct maker *m)
{
	const size_t n = m->roots->n;
	AUTO_FREE uint32_t *first = xcalloc(n + 2, sizeof(*first));
	AUTO_FREE graph_edge *edges = NULL;
	TRY(alloc_checked(m->pairs.n + 1, sizeof(*edges), SIZE_MAX, &edges));
	for (size_t i = 0; i < m->pairs.n; i++)
		first[m->pairs.v[i].root + 2]++;
	for (size_t i = 2; i < n + 2; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < m->pairs.n; i++)
		edges[first[m->pairs.v[i].root + 1]++] = graph_edge_make(m->pairs.v[i].object, 0, false);
	return graph_roots_take(&m->h->graph, (uint32_t)n, take_ptr(first), take_ptr(edges));
}

static struct err *make(struct maker *m, struct stream *s, struct jvm_name_vec *names)
{
	add_classes(m);
	find_threads(m);
	TRY(name_threads(m, s, names));
	group_threads(m, names);
	add_records(m);
	add_last(m);
	return give_roots(m);
}

struct err *jvm_roots_make(struct jvm_heap *h, struct stream *s, struct arena *arena, struct jvm_root_vec *ret)
{
	struct maker m = { .h = h, .arena = arena, .roots = ret };
	struct jvm_name_vec names = { 0 };
	for (int i = 0; i < SINGLES; i++)
		m.single[i] = GRAPH_NONE;
	struct err *err = make(&m, s, &names);
	vec_deinit(&names);
	vec_deinit(&m.pairs);
	vec_deinit(&m.threads);
	hash_map_deinit(&m.thread_of);
	return err;
}
