/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/heap.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"
#include "jvm/container.h"
#include "jvm/plan.h"

enum {
	LOOK = 1 << 24,	       /* bytes of the file between two looks at memory */
	ROOM_SHAPES = 1 << 22, /* lengths of arrays: more than that cannot be of a file that is no attack */
};

/* ---- memory ---- */

/* What it takes now. */
static uint64_t heap_bytes(const struct jvm_heap *h)
{
	const struct hprof *f = &h->hprof;
	return jvm_ids_bytes(&h->ids) + h->edges.bytes + (uint64_t)h->ids.n * sizeof(*h->shape) + f->names.used +
	       f->name_index.cap * 17 + f->classes.cap * sizeof(*f->classes.v) + f->fields.cap * sizeof(*f->fields.v) +
	       h->roots.cap * sizeof(*h->roots.v) + h->shapes.cap * sizeof(*h->shapes.v) +
	       h->plan_refs.cap * sizeof(*h->plan_refs.v) + h->helds.cap * sizeof(*h->helds.v) + h->lengths.cap * 17;
}

struct err *jvm_heap_room(const struct jvm_heap *h, uint64_t more)
{
	char want[NUM_SIZE_LEN], may[NUM_SIZE_LEN];
	uint64_t all = heap_bytes(h) + more;
	if (!h->memory || all <= h->memory)
		return NULL;
	return err_new(ERR_LIMIT,
		       "%s: its objects and references take %s of memory or more, and %s may be used; --memory says "
		       "how much may be",
		       h->hprof.s->name, num_size(all, want), num_size(h->memory, may));
}

/* Now and then, while the file is read. */
static struct err *look(struct jvm_heap *h)
{
	if (h->hprof.s->offset - h->checked < LOOK)
		return NULL;
	h->checked = h->hprof.s->offset;
	return jvm_heap_room(h, 0);
}

/* ---- the first reading: numbers, classes, roots ---- */

/* May its instances refer to anything? Those of a class that may be unloaded refer to it. */
static bool may_refer(struct jvm_heap *h, uint32_t class)
{
	const struct hprof_class *c = &h->hprof.classes.v[class];
	bool whole = c->dumped, refs = c->loader != 0;
	for (unsigned depth = 0; c->dumped && !refs && depth < HPROF_SUPERS_MAX; depth++) {
		for (uint32_t i = 0; i < c->n_fields; i++)
			refs |= h->hprof.fields.v[c->fields + i].type == HPROF_REFERENCE;
		uint32_t super = hprof_class_number(&h->hprof, c->super);
		if (super == HASH_NONE) {
			whole = c->super == 0;
			break;
		}
		c = &h->hprof.classes.v[super];
		whole = c->dumped;
	}
	if (class >= h->n_may_refer) {
		size_t n = ((size_t) class + 1) * 2;
		h->may_refer = xrealloc(h->may_refer, n);
		memset(h->may_refer + h->n_may_refer, 0, n - h->n_may_refer);
		h->n_may_refer = n;
	}
	if (whole || refs)
		h->may_refer[class] = refs ? 2 : 1;
	return refs || !whole;
}

static HPROF_INLINE struct err *number(struct jvm_heap *h, const struct hprof_object *o)
{
	struct hprof *f = &h->hprof;
	uint32_t k = o->type;
	bool inner = o->tag == HPROF_OBJECTS && o->length;
	if (o->tag != HPROF_PRIMITIVES)
		TRY(hprof_class_of(f, o->class, &k));
	if (o->tag == HPROF_INSTANCE) {
		inner = k < h->n_may_refer && h->may_refer[k] ? h->may_refer[k] == 2 : may_refer(h, k);
		f->classes.v[k].body = o->length;
	}
	f->classes.v[k].objects++;
	h->duplicates += !jvm_ids_add(&h->ids, o->id, inner);
	if (f->last.array || (f->votes_left && o->tag != HPROF_INSTANCE))
		hprof_place(f, o->id, o->tag != HPROF_INSTANCE, o->length, hprof_type_size(o->type));
	return NULL;
}

static HPROF_INLINE struct err *number_all(struct jvm_heap *h, size_t w, const unsigned char *p, size_t n, size_t *used)
{
	size_t at = 0;
	while (at < n) {
		struct hprof_object o;
		uint64_t size = hprof_object_at(w, p + at, n - at, &o);
		if (!size || size > n - at)
			break;
		TRY(number(h, &o));
		at += size;
	}
	*used = at;
	return look(h);
}

static struct err *number_objects(void *ctx, const unsigned char *p, size_t n, size_t *used)
{
	struct jvm_heap *h = ctx;
	return h->hprof.id_size == 8 ? number_all(h, 8, p, n, used) : number_all(h, 4, p, n, used);
}

static struct err *number_large(void *ctx, const struct hprof_object *o)
{
	return number(ctx, o);
}

static struct err *keep_root(void *ctx, const struct hprof_root *r)
{
	struct jvm_heap *h = ctx;
	if (h->roots.n >= JVM_ROOTS_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d roots", h->hprof.s->name, JVM_ROOTS_MAX);
	*vec_push(&h->roots) = *r;
	return look(h);
}

/* Strings of the file; a name that is not there is "". */
static const char *text_of(const struct jvm_heap *h, uint64_t id)
{
	const char *text = hprof_name(&h->hprof, id);
	return text ? text : "";
}

/* STACK FRAME: identifier, method, signature, source file, serial number of the class, line. */
static void keep_frame(struct jvm_heap *h, const unsigned char *p, size_t n)
{
	const size_t w = h->hprof.id_size;
	if (n < 4 * w + 8 || h->stacks.frames.n >= JVM_ROOTS_MAX)
		return;
	uint32_t class = hprof_class_of_serial(&h->hprof, hprof_be32(p + 4 * w));
	int32_t line = (int32_t)hprof_be32(p + 4 * w + 4);
	struct arena scratch;
	arena_init(&scratch);
	const char *in = class != HASH_NONE ? hprof_class_text(&h->hprof, class, "", &scratch) : "(unknown)";
	const struct frame f = {
		.function = arena_printf(&scratch, "%s.%s", in, text_of(h, hprof_id(p + w, w))),
		.file = text_of(h, hprof_id(p + 3 * w, w)),
		.line = line > 0 ? (uint32_t)line : 0,
	};
	*hash_map_at(&h->frames, hprof_id(p, w), NULL) = stacks_frame(&h->stacks, &f);
	arena_deinit(&scratch);
}

/* STACK TRACE: serial number, thread, number of frames, frames from the innermost. */
static void keep_trace(struct jvm_heap *h, const unsigned char *p, size_t n)
{
	const size_t w = h->hprof.id_size;
	uint32_t frames[STACK_FRAMES_MAX], count = 0;
	if (n < 12 || h->traces.n >= JVM_ROOTS_MAX)
		return;
	for (uint32_t i = 0; i < num_min(hprof_be32(p + 8), (n - 12) / w) && count < STACK_FRAMES_MAX; i++) {
		const uint64_t *frame = hash_map_get(&h->frames, hprof_id(p + 12 + i * w, w));
		if (frame)
			frames[count++] = (uint32_t)*frame;
	}
	*hash_map_at(&h->traces, hprof_be32(p), NULL) = stacks_add(&h->stacks, frames, count);
}

static struct err *keep_record(void *ctx, unsigned char tag, const unsigned char *p, size_t n)
{
	struct jvm_heap *h = ctx;
	if (tag == 0x04)
		keep_frame(h, p, n);
	else if (tag == 0x05)
		keep_trace(h, p, n);
	return look(h);
}

static struct err *first_reading(struct jvm_heap *h, struct stream *s)
{
	const struct hprof_visitor v = {
		.ctx = h,
		.objects = number_objects,
		.large = number_large,
		.root = keep_root,
		.record = keep_record,
	};
	TRY(hprof_walk(&h->hprof, s, &v));
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < h->hprof.classes.n; k++) {
		if (h->hprof.classes.v[k].dumped)
			jvm_ids_add(&h->ids, h->hprof.classes.v[k].id, true);
	}
	return jvm_ids_number(&h->ids);
}

/* ---- between them: shapes ---- */

/* Shapes of instances have the numbers of their classes, mirrors follow, then arrays as they come. */
static struct err *make_shapes(struct jvm_heap *h)
{
	const struct hprof *f = &h->hprof;
	const size_t n = f->classes.n;
	uint32_t class = 0;
	for (uint32_t k = 0; k < n; k++)
		*vec_push(&h->shapes) = (struct jvm_shape){ .class = k, .bytes = f->classes.v[k].size };
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < n && !class; k++)
		class = strcmp(f->classes.v[k].text, "java.lang.Class") == 0 ? k : 0;
	TRY(alloc_checked(n, sizeof(*h->mirror), SIZE_MAX, &h->mirror));
	TRY(alloc_checked(n, sizeof(*h->permanent), SIZE_MAX, &h->permanent));
	TRY(alloc_checked((size_t)h->ids.n + 1, sizeof(*h->shape), SIZE_MAX, &h->shape));
	for (uint32_t k = 0; k < n; k++) {
		const struct hprof_class *c = &f->classes.v[k];
		h->mirror[k] = c->dumped ? jvm_ids_find(&h->ids, c->id) : GRAPH_NONE;
		if (h->mirror[k] == GRAPH_NONE)
			continue;
		h->shape[h->mirror[k]] = (uint32_t)h->shapes.n;
		*vec_push(&h->shapes) = (struct jvm_shape){
			.class = class,
			.mirror = k,
			.bytes = f->classes.v[class].size + hprof_statics_size(f, c),
		};
	}
	return NULL;
}

static struct err *new_array_shape(struct jvm_heap *h, uint64_t key, uint32_t *ret)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(&h->lengths, key, &fresh);
	if (fresh) {
		if (h->shapes.n >= ROOM_SHAPES + 2 * (size_t)HPROF_CLASSES_MAX)
			return err_new(ERR_LIMIT, "%s: arrays of more than %d lengths", h->hprof.s->name, ROOM_SHAPES);
		uint32_t class = (uint32_t)(key >> 32), length = (uint32_t)key;
		*at = h->shapes.n;
		*vec_push(&h->shapes) = (struct jvm_shape){
			.class = class,
			.length = length,
			.bytes = hprof_array_size(&h->hprof, class, length),
		};
	}
	*ret = (uint32_t)*at;
	return NULL;
}

static HPROF_INLINE struct err *array_shape(struct jvm_heap *h, uint32_t class, uint32_t length, uint32_t *ret)
{
	const uint64_t key = (uint64_t) class << 32 | length;
	const size_t slot = (length ^ class * 61) % JVM_RECENT;
	if (h->recent[slot].key != key) {
		TRY(new_array_shape(h, key, &h->recent[slot].shape));
		h->recent[slot].key = key; /* a class is never 0, so neither is a key */
	}
	*ret = h->recent[slot].shape;
	return NULL;
}

/* ---- the second reading: references ---- */

static struct err *changed(const struct jvm_heap *h)
{
	return stream_bad(h->hprof.s, "the file changed while it was read");
}

static HPROF_INLINE struct err *put(struct jvm_heap *h, uint64_t id, uint64_t word)
{
	uint32_t target = jvm_ids_find(&h->ids, id);
	if (target == GRAPH_NONE) {
		h->dangling++;
		return NULL;
	}
	if (!jvm_edges_put(&h->edges, graph_edge_make(target, word, false)))
		return err_new(ERR_LIMIT, "%s: more references than can be numbered", h->hprof.s->name);
	return NULL;
}

static HPROF_INLINE struct err *put_instance(struct jvm_heap *h, const struct hprof_object *o, uint32_t class,
					     uint32_t object, size_t w)
{
	const struct jvm_plan *plan = &h->plans.v[class];
	if (!plan->made)
		TRY(jvm_plan_make(h, class));
	const struct jvm_plan_ref *refs = plan->n ? &h->plan_refs.v[plan->at] : NULL;
	for (uint32_t i = 0; i < plan->n; i++) {
		if (refs[i].offset + w > o->length) {
			h->damaged++;
			break;
		}
		uint64_t id = hprof_id(o->body + refs[i].offset, w);
		if (!id)
			continue;
		if (!refs[i].weak)
			TRY(put(h, id, i));
		else if (plan->final && jvm_ids_find(&h->ids, id) != GRAPH_NONE)
			*vec_push(&h->finals) = jvm_ids_find(&h->ids, id);
	}
	if (plan->container && plan->size_offset + plan->size_len <= o->length)
		*vec_push(&h->helds) = (struct jvm_held){
			.object = object,
			.entries = plan->size_len ? hprof_be32(o->body + plan->size_offset) : UINT32_MAX,
		};
	return NULL;
}

/* Sets *fresh when the object's own references are to be put. */
static HPROF_INLINE struct err *enter(struct jvm_heap *h, const struct hprof_object *o, uint32_t *class,
				      uint32_t *object, bool *fresh)
{
	uint32_t k = o->type, shape = 0;
	*object = jvm_ids_find(&h->ids, o->id);
	if (o->tag != HPROF_PRIMITIVES)
		TRY(hprof_class_of(&h->hprof, o->class, &k));
	if (*object == GRAPH_NONE || k >= h->plans.n)
		return changed(h);
	*class = shape = k;
	*fresh = false;
	if (h->shape[*object])
		return NULL;
	if (o->tag != HPROF_INSTANCE)
		TRY(array_shape(h, k, o->length, &shape));
	h->shape[*object] = shape;
	*fresh = *object < h->ids.n_inner && jvm_edges_begin(&h->edges, *object);
	return NULL;
}

static HPROF_INLINE struct err *refer(struct jvm_heap *h, const struct hprof_object *o, size_t w)
{
	uint32_t class = 0, object = 0;
	bool fresh = false;
	TRY(enter(h, o, &class, &object, &fresh));
	if (!fresh)
		return NULL;
	if (o->tag == HPROF_INSTANCE)
		return put_instance(h, o, class, object, w);
	for (uint32_t i = 0; i < o->length && o->tag == HPROF_OBJECTS; i++) {
		uint64_t id = hprof_id(o->body + i * w, w);
		if (id)
			TRY(put(h, id, i));
	}
	return NULL;
}

static HPROF_INLINE struct err *refer_all(struct jvm_heap *h, size_t w, const unsigned char *p, size_t n, size_t *used)
{
	size_t at = 0;
	while (at < n) {
		struct hprof_object o;
		uint64_t size = hprof_object_at(w, p + at, n - at, &o);
		if (!size || size > n - at)
			break;
		TRY(refer(h, &o, w));
		at += size;
	}
	*used = at;
	return look(h);
}

static struct err *refer_objects(void *ctx, const unsigned char *p, size_t n, size_t *used)
{
	struct jvm_heap *h = ctx;
	return h->hprof.id_size == 8 ? refer_all(h, 8, p, n, used) : refer_all(h, 4, p, n, used);
}

/* An instance as large as that cannot be one: its fields are left out. */
static struct err *refer_large(void *ctx, const struct hprof_object *o)
{
	struct jvm_heap *h = ctx;
	uint32_t class = 0, object = 0;
	h->damaged += o->tag == HPROF_INSTANCE;
	h->large = false;
	return enter(h, o, &class, &object, &h->large);
}

static struct err *refer_elements(void *ctx, uint64_t at, const unsigned char *p, size_t n)
{
	struct jvm_heap *h = ctx;
	const size_t w = h->hprof.id_size;
	for (size_t i = 0; i < n && h->large; i++) {
		uint64_t id = hprof_id(p + i * w, w);
		if (id)
			TRY(put(h, id, at + i));
	}
	return look(h);
}

static struct err *second_reading(struct jvm_heap *h, struct stream *s)
{
	const struct hprof_visitor v = {
		.ctx = h,
		.objects = refer_objects,
		.large = refer_large,
		.elements = refer_elements,
	};
	h->checked = 0;
	for (size_t k = 0; k < h->hprof.classes.n; k++)
		vec_push(&h->plans);
	TRY(stream_rewind(s));
	return hprof_walk(&h->hprof, s, &v);
}

/* ---- classes ---- */

/* Loaders that a JVM never gives up, and with them their classes. The boot loader is no object. */
static bool is_permanent(const struct jvm_heap *h, const struct hprof_class *c)
{
	static const char *const loaders[] = {
		"jdk.internal.loader.ClassLoaders$AppClassLoader",
		"jdk.internal.loader.ClassLoaders$PlatformClassLoader",
		"jdk.internal.loader.ClassLoaders$BootClassLoader",
		"sun.misc.Launcher$AppClassLoader",
		"sun.misc.Launcher$ExtClassLoader",
	};
	if (!c->loader)
		return true;
	uint32_t loader = jvm_ids_find(&h->ids, c->loader);
	const char *text = loader != GRAPH_NONE ? h->hprof.classes.v[jvm_shape_of(h, loader)->class].text : "";
	for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++) {
		if (strcmp(text, loaders[i]) == 0)
			return true;
	}
	return false;
}

/* What a class holds. Of one that is never unloaded the static fields are roots, and no part of it. */
static struct err *refer_class(struct jvm_heap *h, uint32_t k)
{
	const struct hprof_class *c = &h->hprof.classes.v[k];
	uint32_t super = hprof_class_number(&h->hprof, c->super);
	for (uint32_t i = 0; i < c->n_statics; i++) {
		const struct hprof_field *f = &h->hprof.fields.v[c->statics + i];
		if (f->type == HPROF_REFERENCE && f->value && (f->hidden || !h->permanent[k]))
			TRY(put(h, f->value, i));
	}
	const uint64_t others[] = { c->signers, c->domain, h->permanent[k] ? 0 : c->loader,
				    super != HASH_NONE && !h->permanent[super] ? c->super : 0 };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i])
			TRY(put(h, others[i], JVM_WORD_CLASS));
	}
	return NULL;
}

static struct err *refer_classes(struct jvm_heap *h)
{
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < h->hprof.classes.n; k++)
		h->permanent[k] = h->mirror[k] != GRAPH_NONE && is_permanent(h, &h->hprof.classes.v[k]);
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < h->hprof.classes.n; k++) {
		if (h->mirror[k] < h->ids.n_inner && jvm_edges_begin(&h->edges, h->mirror[k]))
			TRY(refer_class(h, k));
	}
	return NULL;
}

static void mark_threads(struct jvm_heap *h)
{
	for (size_t i = 0; i < h->roots.n; i++) {
		const struct hprof_root *r = &h->roots.v[i];
		uint32_t object = r->kind == HPROF_ROOT_THREAD ? jvm_ids_find(&h->ids, r->id) : GRAPH_NONE;
		if (object == GRAPH_NONE || jvm_shape_of(h, object)->mirror)
			continue;
		struct jvm_shape own = *jvm_shape_of(h, object);
		own.runs = true;
		h->shape[object] = (uint32_t)h->shapes.n;
		*vec_push(&h->shapes) = own;
	}
}

/* Leaves out references to what is there anyway, and adds that to the class. */
static void choose(void *ctx, uint32_t object, graph_edge *edges, uint32_t *n)
{
	struct jvm_heap *h = ctx;
	const struct jvm_shape *s = jvm_shape_of(h, object);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < *n; i++) {
		const struct jvm_shape *to = jvm_shape_of(h, graph_target(edges[i]));
		if (!to->runs && (!to->mirror || !h->permanent[to->mirror]))
			edges[kept++] = edges[i];
	}
	if (!s->mirror && h->mirror[s->class] != GRAPH_NONE && !h->permanent[s->class])
		edges[kept++] = graph_edge_make(h->mirror[s->class], JVM_WORD_CLASS, false);
	*n = kept;
	h->edges_kept += kept;
}

/* ---- all of it ---- */

static struct err *read_all(struct jvm_heap *h, struct stream *s)
{
	TRY(first_reading(h, s));
	h->sizes_told = hprof_sizes_find(&h->hprof);
	TRY(jvm_heap_room(h, (uint64_t)h->ids.n * sizeof(*h->shape) + (uint64_t)h->ids.n_inner * 8));
	TRY(make_shapes(h));
	TRY(jvm_edges_init(h->ids.n_inner, &h->edges));
	TRY(second_reading(h, s));
	TRY(refer_classes(h));
	mark_threads(h);
	TRY(graph_init(&h->graph, h->ids.n, h->ids.n_inner));
	TRY(jvm_edges_finish(&h->edges, &h->graph, choose, h));
	h->edges.bytes = h->edges_kept * sizeof(graph_edge) + (uint64_t)h->ids.n_inner * sizeof(uint32_t);
	return NULL;
}

struct err *jvm_heap_read(struct stream *s, uint64_t memory, struct jvm_heap *ret)
{
	*ret = (struct jvm_heap){ .memory = memory };
	hprof_init(&ret->hprof);
	jvm_ids_init(&ret->ids);
	stacks_init(&ret->stacks);
	return read_all(ret, s);
}

void jvm_heap_deinit(struct jvm_heap *h)
{
	hprof_deinit(&h->hprof);
	jvm_ids_deinit(&h->ids);
	graph_deinit(&h->graph);
	jvm_edges_deinit(&h->edges);
	stacks_deinit(&h->stacks);
	free(h->shape);
	free(h->mirror);
	free(h->permanent);
	free(h->may_refer);
	vec_deinit(&h->shapes);
	vec_deinit(&h->plans);
	vec_deinit(&h->plan_refs);
	vec_deinit(&h->roots);
	vec_deinit(&h->finals);
	vec_deinit(&h->helds);
	hash_map_deinit(&h->traces);
	hash_map_deinit(&h->frames);
	hash_map_deinit(&h->lengths);
}
