/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/plan.h"

#include "jvm/container.h"

bool jvm_class_is(const struct jvm_heap *h, uint32_t class, const char *name)
{
	for (unsigned depth = 0; class != HASH_NONE && depth < HPROF_SUPERS_MAX; depth++) {
		const struct hprof_class *c = &h->hprof.classes.v[class];
		if (strcmp(c->text, name) == 0)
			return true;
		class = hprof_class_number(&h->hprof, c->super);
	}
	return false;
}

/* Which kind of reference object: its referent is not kept alive. */
static bool is_weak(const struct jvm_heap *h, uint32_t class)
{
	return jvm_class_is(h, class, "java.lang.ref.WeakReference") ||
	       jvm_class_is(h, class, "java.lang.ref.PhantomReference") ||
	       jvm_class_is(h, class, "java.lang.ref.FinalReference");
}

static const struct jvm_container *container_of(const struct jvm_heap *h, uint32_t class, struct jvm_plan *p)
{
	for (uint32_t i = 1; i < jvm_container_n; i++) {
		if (jvm_class_is(h, class, jvm_containers[i].class)) {
			p->container = i;
			return &jvm_containers[i];
		}
	}
	return NULL;
}

/* One field, `offset` bytes behind the head of the record. */
static void plan_field(struct jvm_heap *h, struct jvm_plan *p, uint32_t number, uint32_t offset, bool weak,
		       const struct jvm_container *container)
{
	const struct hprof_field *f = &h->hprof.fields.v[number];
	const char *name = hprof_name(&h->hprof, f->name);
	if (f->type == HPROF_REFERENCE) {
		*vec_push(&h->plan_refs) = (struct jvm_plan_ref){
			.offset = offset,
			.field = number,
			.weak = weak && name && strcmp(name, "referent") == 0,
		};
		p->n++;
	} else if (container && container->size && name && hprof_type_size(f->type) == 4 &&
		   strcmp(name, container->size) == 0) {
		p->size_offset = offset;
		p->size_len = 4;
	}
}

struct err *jvm_plan_make(struct jvm_heap *h, uint32_t class)
{
	struct jvm_plan p = { .made = true, .at = (uint32_t)h->plan_refs.n };
	bool weak = is_weak(h, class);
	const struct jvm_container *container = container_of(h, class, &p);
	uint64_t offset = 0;
	p.final = weak && jvm_class_is(h, class, "java.lang.ref.FinalReference");
	uint32_t k = class;
	for (unsigned depth = 0; k != HASH_NONE && depth < HPROF_SUPERS_MAX; depth++) {
		const struct hprof_class *c = &h->hprof.classes.v[k];
		if (h->plan_refs.n + c->n_fields > JVM_PLANS_MAX)
			return err_new(ERR_LIMIT, "%s: classes with more than %d references", h->hprof.s->name,
				       JVM_PLANS_MAX);
		for (uint32_t i = 0; i < c->n_fields; i++) {
			uint8_t type = h->hprof.fields.v[c->fields + i].type;
			plan_field(h, &p, c->fields + i, (uint32_t)offset, weak, container);
			offset += type == HPROF_REFERENCE ? h->hprof.id_size : hprof_type_size(type);
		}
		k = hprof_class_number(&h->hprof, c->super);
	}
	if (container && container->size && !p.size_len)
		p.container = 0;
	h->plans.v[class] = p;
	return NULL;
}

uint32_t jvm_field_at(const struct jvm_heap *h, uint32_t class, bool mirror, uint32_t word)
{
	const struct hprof_class *c = &h->hprof.classes.v[class];
	const struct jvm_plan *p = &h->plans.v[class];
	if (mirror)
		return word < c->n_statics ? c->statics + word : HASH_NONE;
	return p->made && word < p->n ? h->plan_refs.v[p->at + word].field : HASH_NONE;
}

uint32_t jvm_field_of(const struct jvm_heap *h, uint32_t object, const char *name)
{
	const struct jvm_shape *s = jvm_shape_of(h, object);
	uint32_t n = 0;
	const graph_edge *out = graph_out(&h->graph, object, &n);
	for (uint32_t i = 0; i < n && !s->mirror; i++) {
		uint32_t field = jvm_field_at(h, s->class, false, graph_word(out[i]));
		const char *text = field != HASH_NONE ? hprof_name(&h->hprof, h->hprof.fields.v[field].name) : NULL;
		if (text && strcmp(text, name) == 0)
			return graph_target(out[i]);
	}
	return GRAPH_NONE;
}

uint64_t jvm_field_offset(const struct jvm_heap *h, uint32_t class, const char *name)
{
	uint64_t offset = 0;
	for (unsigned depth = 0; class != HASH_NONE && depth < HPROF_SUPERS_MAX; depth++) {
		const struct hprof_class *c = &h->hprof.classes.v[class];
		for (uint32_t i = 0; i < c->n_fields; i++) {
			const struct hprof_field *f = &h->hprof.fields.v[c->fields + i];
			const char *text = hprof_name(&h->hprof, f->name);
			if (text && strcmp(text, name) == 0)
				return offset;
			offset += f->type == HPROF_REFERENCE ? h->hprof.id_size : hprof_type_size(f->type);
		}
		class = hprof_class_number(&h->hprof, c->super);
	}
	return UINT64_MAX;
}
