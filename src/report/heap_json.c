/* SPDX-License-Identifier: Apache-2.0 */
#include "report/heap.h"

#include "analysis/heap_groups.h"
#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *const value_keys[HEAP_VALUES] = {
	[HEAP_ALLOC_OBJECTS] = "alloc_objects",
	[HEAP_ALLOC_SPACE] = "alloc_bytes",
	[HEAP_INUSE_OBJECTS] = "inuse_objects",
	[HEAP_INUSE_SPACE] = "inuse_bytes",
};

static const struct field type_fields[] = {
	FIELD(heap_type, type, FIELD_STR, "type"),
	FIELD(heap_type, objects, FIELD_U64, "objects"),
	FIELD(heap_type, bytes, FIELD_U64, "bytes"),
};

static const struct field span_fields[] = {
	FIELD(heap_span, noscan, FIELD_BOOL, "noscan"),
	FIELD(heap_span, spans, FIELD_U64, "spans"),
	FIELD(heap_span, span_bytes, FIELD_U64, "span_bytes"),
	FIELD(heap_span, objects, FIELD_U64, "objects"),
	FIELD(heap_span, object_bytes, FIELD_U64, "object_bytes"),
	FIELD(heap_span, free_slots, FIELD_U64, "free_slots"),
	FIELD(heap_span, cached_in_mcache, FIELD_U64, "cached_in_mcache"),
	FIELD(heap_span, unswept, FIELD_U64, "unswept"),
	FIELD(heap_span, partial, FIELD_U64, "partial"),
	FIELD(heap_span, full, FIELD_U64, "full"),
	FIELD(heap_span, resident, FIELD_U64, "resident_bytes"),
};

static void put_values(struct json *j, const int64_t v[HEAP_VALUES])
{
	for (int i = 0; i < HEAP_VALUES; i++)
		json_i64(j, value_keys[i], v[i]);
}

static void put_frame(struct json *j, const struct frame *f)
{
	json_object(j, NULL);
	json_str(j, "function", *f->function ? f->function : NULL);
	json_str(j, "file", *f->file ? f->file : NULL);
	fields_u64(j, "line", f->line ? f->line : UINT64_MAX);
	json_bool(j, "inlined", f->inlined);
	json_object_end(j);
}

static void put_escapes(struct json *j, const struct escapes *e, const struct frame *f)
{
	size_t at = 0;
	json_array(j, "escapes");
	for (const struct escape *x = escapes_next(e, f->file, f->line, &at); x;
	     x = escapes_next(e, f->file, f->line, &at))
		json_str(j, NULL, x->text);
	json_array_end(j);
}

static void put_sites(struct json *j, const struct heap_report *r)
{
	const struct profile *p = &r->snapshot->heap.profile;
	struct heap_groups g;
	heap_groups_make(p, HEAP_BY_STACK, &g);
	json_object(j, "totals");
	put_values(j, g.total);
	json_object_end(j);
	json_u64(j, "sites_total", g.v.n);
	json_array(j, "sites");
	for (size_t i = 0; i < (r->top ? num_min(r->top, g.v.n) : g.v.n); i++) {
		uint32_t stack = g.v.v[i].stack, depth = stacks_depth(&p->stacks, stack);
		json_object(j, NULL);
		put_values(j, g.v.v[i].v);
		json_array(j, "stack");
		for (uint32_t k = 0; k < depth; k++)
			put_frame(j, stacks_at(&p->stacks, stack, k));
		json_array_end(j);
		if (r->escapes && depth)
			put_escapes(j, r->escapes, stacks_at(&p->stacks, stack, 0));
		json_object_end(j);
	}
	json_array_end(j);
	heap_groups_deinit(&g);
}

static void put_spans(struct json *j, const char *key, const struct heap_view *h, bool of_ps)
{
	struct heap_span_rows rows = { 0 };
	heap_spans(h, of_ps, &rows);
	json_array(j, key);
	for (size_t i = 0; i < rows.n; i++) {
		const struct heap_span *s = rows.v[i];
		json_object(j, NULL);
		if (of_ps)
			json_i64(j, "p", s->p);
		fields_u64(j, "class_bytes", s->class_bytes ? s->class_bytes : UINT64_MAX);
		fields_json(j, span_fields, LEN(span_fields), s);
		json_object_end(j);
	}
	json_array_end(j);
	vec_deinit(&rows);
}

static void put_census(struct json *j, const struct heap_report *r)
{
	const struct heap_view *h = &r->snapshot->heap;
	json_double(j, "typed_ratio", h->typed_ratio);
	json_u64(j, "types_total", h->types.n);
	json_array(j, "types");
	for (size_t i = 0; i < (r->top ? num_min(r->top, h->types.n) : h->types.n); i++) {
		json_object(j, NULL);
		fields_json(j, type_fields, LEN(type_fields), &h->types.v[i]);
		json_object_end(j);
	}
	json_array_end(j);
	put_spans(j, "spans", h, false);
	put_spans(j, "caches", h, true);
}

static void put_head(struct json *j, const struct heap_report *r)
{
	const struct snapshot *s = r->snapshot;
	char time[PARTS_TIME_LEN];
	int64_t when = s->clock.wall ? s->clock.wall : s->heap.profile.time_unix_ns;
	json_str(j, "schema", "ullage.heap/1");
	json_str(j, "source", s->source);
	if (s->id.pid)
		json_i64(j, "pid", s->id.pid);
	else
		json_null(j, "pid");
	json_str(j, "comm", s->id.comm);
	json_str(j, "go_version", s->id.go_version);
	json_str(j, "time", when ? parts_time(when, time) : NULL);
	fields_u64(j, "gc_count", s->clock.gc_count);
	json_object(j, "sampling");
	fields_u64(j, "rate_bytes", s->heap.rate);
	json_bool(j, "enabled", s->heap.enabled);
	json_str(j, "reason", s->heap.reason);
	json_u64(j, "buckets", s->heap.buckets);
	json_object_end(j);
	json_object(j, "cgroup");
	fields_u64(j, "limit_bytes", s->heap.cgroup_limit);
	fields_u64(j, "usage_bytes", s->heap.cgroup_usage);
	fields_u64(j, "working_set_bytes", s->heap.cgroup_working_set);
	json_object_end(j);
}

void heap_json_members(struct json *j, const struct heap_report *r)
{
	put_head(j, r);
	put_sites(j, r);
	put_census(j, r);
	parts_notes(j, r->snapshot, SNAPSHOT_HEAP | SNAPSHOT_CENSUS);
}

void heap_json(const struct heap_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	heap_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
