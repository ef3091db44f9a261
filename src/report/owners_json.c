/* SPDX-License-Identifier: Apache-2.0 */
#include "report/owners.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "report/owners_words.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const double NS_PER_MS = 1e6;

static const struct field sum_fields[] = {
	FIELD(owners, reachable, FIELD_U64, "reachable_bytes"),
	FIELD(owners, reachable_objects, FIELD_U64, "reachable_objects"),
	FIELD(owners, floating, FIELD_U64, "floating_bytes"),
	FIELD(owners, floating_objects, FIELD_U64, "floating_objects"),
	FIELD(owners, heap_marked, FIELD_U64, "heap_marked_bytes"),
	FIELD(owners, typed_ratio, FIELD_DOUBLE, "typed_ratio"),
	FIELD(owners, copied, FIELD_U64, "copied_bytes"),
	FIELD(owners, inconsistencies, FIELD_U64, "inconsistencies"),
};

static const struct field type_fields[] = {
	FIELD(owners_type, type, FIELD_STR, "type"),
	FIELD(owners_type, objects, FIELD_U64, "objects"),
	FIELD(owners_type, bytes, FIELD_U64, "bytes"),
	FIELD(owners_type, retained, FIELD_U64, "retained_bytes"),
};

static const struct field step_fields[] = {
	FIELD(owners_step, type, FIELD_STR, "type"),
	FIELD(owners_step, field, FIELD_STR, "field"),
	FIELD(owners_step, objects, FIELD_U64, "objects"),
	FIELD(owners_step, bytes, FIELD_U64, "bytes"),
};

static const struct field map_fields[] = {
	FIELD(owners_map, type, FIELD_STR, "type"),
	FIELD(owners_map, owner, FIELD_STR, "owner"),
	FIELD(owners_map, maps, FIELD_U64, "maps"),
	FIELD(owners_map, entries, FIELD_U64, "entries"),
	FIELD(owners_map, capacity, FIELD_U64, "capacity"),
	FIELD(owners_map, bytes, FIELD_U64, "bytes"),
	FIELD(owners_map, recoverable, FIELD_U64, "recoverable_bytes"),
};

static const struct field waste_fields[] = {
	FIELD(owners_waste, rule, FIELD_STR, "rule"),	FIELD(owners_waste, owner, FIELD_STR, "owner"),
	FIELD(owners_waste, text, FIELD_STR, "text"),	FIELD(owners_waste, count, FIELD_U64, "count"),
	FIELD(owners_waste, bytes, FIELD_U64, "bytes"),
};

static const struct field holder_fields[] = {
	FIELD(owners_holder, kind, FIELD_STR, "kind"),
	FIELD(owners_holder, type, FIELD_STR, "type"),
	FIELD(owners_holder, owner, FIELD_STR, "owner"),
	FIELD(owners_holder, count, FIELD_U64, "count"),
	FIELD(owners_holder, elements, FIELD_U64, "elements"),
	FIELD(owners_holder, bytes, FIELD_U64, "bytes"),
	FIELD(owners_holder, retained, FIELD_U64, "retained_bytes"),
	FIELD(owners_holder, text, FIELD_STR, "text"),
};

static const struct field finalizer_fields[] = {
	FIELD(owners_finalizers, set, FIELD_U64, "set"),
	FIELD(owners_finalizers, cleanups, FIELD_U64, "cleanups"),
	FIELD(owners_finalizers, queued, FIELD_U64, "queued"),
	FIELD(owners_finalizers, blocked, FIELD_BOOL, "blocked"),
	FIELD(owners_finalizers, at, FIELD_STR, "at"),
	FIELD(owners_finalizers, cycles, FIELD_U64, "cycles"),
	FIELD(owners_finalizers, resurrected, FIELD_U64, "resurrected"),
};

static const struct owners *owners_of(const struct owners_report *r)
{
	return &r->snapshot->owners;
}

static size_t shown(const struct owners_report *r, size_t n)
{
	return r->top ? num_min(r->top, n) : n;
}

/* "<key>_total" and the rows of a vector, each by its table of fields. */
#define PUT_ROWS(j, r, key, vec, fields)                                                                               \
	do {                                                                                                           \
		json_u64(j, key "_total", (vec).n);                                                                    \
		json_array(j, key);                                                                                    \
		for (size_t at_ = 0; at_ < shown(r, (vec).n); at_++) {                                                 \
			json_object(j, NULL);                                                                          \
			fields_json(j, fields, LEN(fields), &(vec).v[at_]);                                            \
			json_object_end(j);                                                                            \
		}                                                                                                      \
		json_array_end(j);                                                                                     \
	} while (0)

/* ---- places in code ---- */

static void put_place_members(struct json *j, const struct frame *f)
{
	json_str(j, "function", f->function && *f->function ? f->function : NULL);
	json_str(j, "file", f->file && *f->file ? f->file : NULL);
	fields_u64(j, "line", f->line ? f->line : UINT64_MAX);
}

/* The innermost frame of a stack; null where there is none. */
static void put_place(struct json *j, const char *key, const struct stacks *s, uint32_t stack)
{
	if (stack >= s->v.n || !stacks_depth(s, stack)) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	put_place_members(j, stacks_at(s, stack, 0));
	json_object_end(j);
}

static void put_stack(struct json *j, const char *key, const struct stacks *s, uint32_t stack)
{
	json_array(j, key);
	for (uint32_t i = 0; stack < s->v.n && i < stacks_depth(s, stack); i++) {
		json_object(j, NULL);
		put_place_members(j, stacks_at(s, stack, i));
		json_bool(j, "inlined", stacks_at(s, stack, i)->inlined);
		json_object_end(j);
	}
	json_array_end(j);
}

/* ---- lists with more than fields ---- */

static void put_root(struct json *j, const struct owners_root *root)
{
	json_object(j, NULL);
	json_str(j, "kind", owners_root_kinds[root->kind]);
	json_str(j, "name", root->name);
	json_str(j, "used_by", root->used_by);
	put_place_members(j, &root->site);
	json_str(j, "blocked_at", root->blocked_at);
	json_u64(j, "goroutines", root->goroutines);
	fields_u64(j, "retained_bytes", root->retained);
	fields_u64(j, "retained_objects", root->retained_objects);
	json_object_end(j);
}

static void put_roots(struct json *j, const struct owners_report *r)
{
	const struct owners_root_vec *roots = &owners_of(r)->roots;
	json_u64(j, "roots_total", roots->n);
	json_array(j, "roots");
	for (size_t i = 0; i < shown(r, roots->n); i++)
		put_root(j, &roots->v[i]);
	json_array_end(j);
}

static void put_path(struct json *j, const struct owners *o, const struct owners_path *p)
{
	json_object(j, NULL);
	fields_u64(j, "retained_bytes", p->retained);
	fields_u64(j, "objects", p->objects);
	json_str(j, "root", o->roots.v[p->root].name);
	json_str(j, "root_kind", owners_root_kinds[o->roots.v[p->root].kind]);
	json_array(j, "steps");
	for (uint32_t i = 0; i < p->step_n; i++) {
		json_object(j, NULL);
		fields_json(j, step_fields, LEN(step_fields), &o->steps.v[p->step_at + i]);
		json_object_end(j);
	}
	json_array_end(j);
	json_str(j, "text", p->text);
	json_str(j, "held_by", p->held_by);
	put_place(j, "allocated_in", &o->stacks, p->site);
	json_double(j, "allocated_share", p->site ? p->site_share : (double)NAN);
	json_object_end(j);
}

static void put_paths(struct json *j, const struct owners_report *r)
{
	const struct owners *o = owners_of(r);
	size_t n = 0;
	json_array(j, "paths");
	for (size_t i = 0; i < o->paths.n; i++) {
		if (owners_path_wanted(r, &o->paths.v[i]) && (!r->top || n < r->top))
			put_path(j, o, &o->paths.v[i]);
		n += owners_path_wanted(r, &o->paths.v[i]);
	}
	json_array_end(j);
	json_u64(j, "paths_total", n);
}

static void put_stuck(struct json *j, const struct owners_report *r)
{
	const struct owners *o = owners_of(r);
	json_u64(j, "stuck_total", o->stuck.n);
	json_array(j, "stuck");
	for (size_t i = 0; i < shown(r, o->stuck.n); i++) {
		const struct owners_stuck *s = &o->stuck.v[i];
		json_object(j, NULL);
		json_u64(j, "count", s->count);
		json_str(j, "reason", s->reason);
		fields_u64(j, "retained_bytes", s->retained);
		put_place(j, "created_by", &o->stacks, s->created_by);
		put_stack(j, "stack", &o->stacks, s->stack);
		json_object_end(j);
	}
	json_array_end(j);
}

/* ---- the whole ---- */

static void put_head(struct json *j, const struct snapshot *s)
{
	char time[PARTS_TIME_LEN];
	json_str(j, "schema", "ullage.owners/1");
	json_str(j, "source", s->source);
	if (s->id.pid)
		json_i64(j, "pid", s->id.pid);
	else
		json_null(j, "pid");
	json_str(j, "comm", s->id.comm);
	json_str(j, "go_version", s->id.go_version);
	json_str(j, "module", s->id.module);
	json_str(j, "language", s->owners.jvm ? "java" : "go");
	json_str(j, "time", s->clock.wall ? parts_time(s->clock.wall, time) : NULL);
	json_double(j, "elapsed_ms", (double)s->owners.elapsed_ns / NS_PER_MS);
	json_double(j, "stopped_ms", (double)s->owners.stopped_ns / NS_PER_MS);
	fields_u64(j, "gc_count", s->clock.gc_count);
}

void owners_json_members(struct json *j, const struct owners_report *r)
{
	const struct owners *o = owners_of(r);
	put_head(j, r->snapshot);
	json_u64(j, "total_bytes", o->reachable + o->floating);
	fields_json(j, sum_fields, LEN(sum_fields), o);
	put_roots(j, r);
	PUT_ROWS(j, r, "types", o->types, type_fields);
	put_paths(j, r);
	PUT_ROWS(j, r, "maps", o->maps, map_fields);
	PUT_ROWS(j, r, "waste", o->waste, waste_fields);
	PUT_ROWS(j, r, "holders", o->holders, holder_fields);
	put_stuck(j, r);
	json_object(j, "finalizers");
	fields_json(j, finalizer_fields, LEN(finalizer_fields), &o->finalizers);
	json_object_end(j);
	parts_notes(j, r->snapshot, SNAPSHOT_OWNERS);
}

void owners_json(const struct owners_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	owners_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
