/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "format/fields.h"
#include "format/parts.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const double MS = 1e6; /* nanoseconds */

static const struct field go_fields[] = {
	FIELD(account_go, version, FIELD_STR, "version"),
	FIELD(account_go, module, FIELD_STR, "module"),
	FIELD(account_go, vcs_revision, FIELD_STR, "vcs_revision"),
	FIELD(account_go, build_id, FIELD_STR, "build_id"),
	FIELD(account_go, gnu_build_id, FIELD_STR, "gnu_build_id"),
	FIELD(account_go, layout, FIELD_STR, "layout"),
	FIELD(account_go, layout_known, FIELD_BOOL, "layout_known"),
	FIELD(account_go, stripped, FIELD_BOOL, "stripped"),
	FIELD(account_go, pie, FIELD_BOOL, "pie"),
	FIELD(account_go, cgo, FIELD_BOOL, "cgo"),
};

static const struct field runtime_fields[] = {
	FIELD(account_runtime, heap_alloc, FIELD_U64, "heap_alloc_bytes"),
	FIELD(account_runtime, heap_inuse, FIELD_U64, "heap_inuse_bytes"),
	FIELD(account_runtime, heap_idle, FIELD_U64, "heap_idle_bytes"),
	FIELD(account_runtime, heap_released, FIELD_U64, "heap_released_bytes"),
	FIELD(account_runtime, heap_objects, FIELD_U64, "heap_objects"),
	FIELD(account_runtime, heap_inuse_counter, FIELD_U64, "heap_inuse_counter_bytes"),
	FIELD(account_runtime, spans, FIELD_U64, "spans"),
	FIELD(account_runtime, stack_inuse, FIELD_U64, "stack_inuse_bytes"),
	FIELD(account_runtime, stack_inuse_counter, FIELD_U64, "stack_inuse_counter_bytes"),
	FIELD(account_runtime, total_alloc, FIELD_U64, "total_alloc_bytes"),
	FIELD(account_runtime, mallocs, FIELD_U64, "mallocs"),
	FIELD(account_runtime, frees, FIELD_U64, "frees"),
	FIELD(account_runtime, gc_percent, FIELD_I64, "gc_percent"),
	FIELD(account_runtime, memory_limit, FIELD_U64, "memory_limit_bytes"),
	FIELD(account_runtime, gomaxprocs, FIELD_U64, "gomaxprocs"),
	FIELD(account_runtime, goroutines, FIELD_U64, "goroutines"),
	FIELD(account_runtime, threads, FIELD_U64, "threads"),
};

static const struct field gc_fields[] = {
	FIELD(account_gc, count, FIELD_U64, "count"),
	FIELD(account_gc, forced, FIELD_U64, "forced"),
	FIELD(account_gc, phase, FIELD_STR, "phase"),
	FIELD(account_gc, interval_seconds, FIELD_DOUBLE, "interval_seconds"),
	FIELD(account_gc, pause_p50_ms, FIELD_DOUBLE, "pause_p50_ms"),
	FIELD(account_gc, pause_p99_ms, FIELD_DOUBLE, "pause_p99_ms"),
	FIELD(account_gc, pause_total_ms, FIELD_DOUBLE, "pause_total_ms"),
	FIELD(account_gc, cpu_fraction, FIELD_DOUBLE, "cpu_fraction"),
	FIELD(account_gc, heap_goal, FIELD_U64, "heap_goal_bytes"),
	FIELD(account_gc, heap_marked, FIELD_U64, "heap_marked_bytes"),
};

static const struct field cgroup_fields[] = {
	FIELD(account_cgroup, path, FIELD_STR, "path"),
	FIELD(account_cgroup, limit, FIELD_U64, "limit_bytes"),
	FIELD(account_cgroup, limit_path, FIELD_STR, "limit_path"),
	FIELD(account_cgroup, high, FIELD_U64, "high_bytes"),
	FIELD(account_cgroup, usage, FIELD_U64, "usage_bytes"),
	FIELD(account_cgroup, working_set, FIELD_U64, "working_set_bytes"),
	FIELD(account_cgroup, swap, FIELD_U64, "swap_bytes"),
};

static const struct field stat_fields[] = {
	FIELD(account_cgroup, anon, FIELD_U64, "anon"),
	FIELD(account_cgroup, file, FIELD_U64, "file"),
	FIELD(account_cgroup, inactive_file, FIELD_U64, "inactive_file"),
	FIELD(account_cgroup, shmem, FIELD_U64, "shmem"),
	FIELD(account_cgroup, kernel, FIELD_U64, "kernel"),
	FIELD(account_cgroup, slab, FIELD_U64, "slab"),
	FIELD(account_cgroup, sock, FIELD_U64, "sock"),
	FIELD(account_cgroup, pagetables, FIELD_U64, "pagetables"),
	FIELD(account_cgroup, percpu, FIELD_U64, "percpu"),
};

static const struct field space_fields[] = {
	FIELD(account_space, span, FIELD_U64, "span_bytes"),
	FIELD(account_space, regions, FIELD_U64, "regions"),
	FIELD(account_space, gaps, FIELD_U64, "gaps"),
	FIELD(account_space, mean_gap, FIELD_U64, "mean_gap_bytes"),
	FIELD(account_space, page_table, FIELD_U64, "page_table_bytes"),
	FIELD(account_space, vma_limit_ratio, FIELD_DOUBLE, "vma_limit_ratio"),
};

static const struct field c_heap_fields[] = {
	FIELD(account_c_heap, allocator, FIELD_STR, "allocator"),
	FIELD(account_c_heap, system, FIELD_U64, "system_bytes"),
	FIELD(account_c_heap, inuse, FIELD_U64, "inuse_bytes"),
	FIELD(account_c_heap, free, FIELD_U64, "free_bytes"),
	FIELD(account_c_heap, thread_cache, FIELD_U64, "thread_cache_bytes"),
	FIELD(account_c_heap, top, FIELD_U64, "top_bytes"),
	FIELD(account_c_heap, unknown, FIELD_U64, "unknown_bytes"),
	FIELD(account_c_heap, mmapped, FIELD_U64, "mmapped_bytes"),
	FIELD(account_c_heap, mmapped_blocks, FIELD_U64, "mmapped_blocks"),
};

static const struct field c_arena_fields[] = {
	FIELD(account_c_arena, main, FIELD_BOOL, "main"),
	FIELD(account_c_arena, threads, FIELD_U64, "threads"),
	FIELD(account_c_arena, system, FIELD_U64, "system_bytes"),
	FIELD(account_c_arena, inuse, FIELD_U64, "inuse_bytes"),
	FIELD(account_c_arena, free, FIELD_U64, "free_bytes"),
	FIELD(account_c_arena, thread_cache, FIELD_U64, "thread_cache_bytes"),
	FIELD(account_c_arena, top, FIELD_U64, "top_bytes"),
	FIELD(account_c_arena, unknown, FIELD_U64, "unknown_bytes"),
};

static const struct field class_fields[] = {
	FIELD(account_class, resident, FIELD_U64, "resident_bytes"),
	FIELD(account_class, virtual_size, FIELD_U64, "virtual_bytes"),
	FIELD(account_class, swap, FIELD_U64, "swap_bytes"),
	FIELD(account_class, huge, FIELD_U64, "huge_bytes"),
	FIELD(account_class, lazyfree, FIELD_U64, "lazyfree_bytes"),
};

static void put_strings(struct json *j, const char *key, const struct str_vec *list)
{
	json_array(j, key);
	for (size_t i = 0; i < list->n; i++)
		json_str(j, NULL, list->v[i]);
	json_array_end(j);
}

static void put_process(struct json *j, const struct account *a)
{
	char time[PARTS_TIME_LEN];
	json_i64(j, "pid", a->pid);
	json_str(j, "comm", a->comm);
	json_str(j, "exe", a->exe);
	json_str(j, "time", parts_time(a->time_unix_ns, time));
	json_double(j, "elapsed_ms", (double)a->elapsed_ns / MS);
	json_double(j, "stopped_ms", (double)a->stopped_ns / MS);
	fields_u64(j, "error_bound_bytes", a->error_bound);
	fields_u64(j, "rss_bytes", a->rss);
	fields_u64(j, "swap_bytes", a->swap);
	fields_u64(j, "pss_bytes", a->pss);
	json_i64(j, "unexplained_bytes", a->unexplained);
	fields_u64(j, "returnable_bytes", a->returnable);
}

static void put_go(struct json *j, const struct account_go *go)
{
	if (!go->is_go) {
		json_null(j, "go");
		return;
	}
	json_object(j, "go");
	fields_json(j, go_fields, LEN(go_fields), go);
	put_strings(j, "experiments", &go->experiments);
	json_object(j, "godebug");
	for (size_t i = 0; i < go->godebug.n; i++) {
		/* A later setting of the same name wins, and a key stands once. */
		bool again = false;
		for (size_t k = i + 1; k < go->godebug.n && !again; k++)
			again = strcmp(go->godebug.v[k].name, go->godebug.v[i].name) == 0;
		if (!again)
			json_str(j, go->godebug.v[i].name, go->godebug.v[i].value);
	}
	json_object_end(j);
	json_object_end(j);
}

static void put_integrity(struct json *j, const struct account_integrity *in)
{
	json_object(j, "integrity");
	if (in->exe_matches_disk < 0)
		json_null(j, "exe_matches_disk");
	else
		json_bool(j, "exe_matches_disk", in->exe_matches_disk);
	fields_u64(j, "text_modified_bytes", in->text_modified);
	fields_u64(j, "probes", in->probes);
	put_strings(j, "foreign_exec_mappings", &in->foreign_exec);
	put_strings(j, "preloaded", &in->preloaded);
	json_object_end(j);
}

static void put_classes(struct json *j, const struct account *a)
{
	enum mem_class list[CLASS_MAX_];
	size_t n = parts_classes(a, list);
	json_array(j, "classes");
	for (size_t i = 0; i < n; i++) {
		const struct account_class *c = &a->classes[list[i]];
		json_object(j, NULL);
		json_str(j, "class", mem_classes[list[i]].name);
		fields_json(j, class_fields, LEN(class_fields), c);
		fields_u64(j, "pss_bytes", a->pss == ACCOUNT_UNKNOWN ? ACCOUNT_UNKNOWN : c->pss);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_runtime(struct json *j, const struct account *a)
{
	if (!a->go.is_go || !a->go.layout_known) {
		json_null(j, "runtime");
		json_null(j, "gc");
		return;
	}
	json_object(j, "runtime");
	fields_json(j, runtime_fields, LEN(runtime_fields), &a->runtime);
	if (a->runtime.cpu_quota > 0)
		json_double(j, "cpu_quota", a->runtime.cpu_quota);
	else
		json_null(j, "cpu_quota");
	json_object(j, "goroutines_by_status");
	for (size_t i = 0; i < ACCOUNT_G_STATUS; i++) {
		if (a->runtime.by_status[i].status)
			json_u64(j, a->runtime.by_status[i].status, a->runtime.by_status[i].count);
	}
	json_object_end(j);
	json_object_end(j);

	char time[PARTS_TIME_LEN];
	int64_t last = a->gc.last_unix_ns;
	json_object(j, "gc");
	fields_json(j, gc_fields, LEN(gc_fields), &a->gc);
	json_str(j, "last", last > 0 ? parts_time(last, time) : NULL);
	json_object_end(j);
}

static void put_cgroup_lists(struct json *j, const struct account_cgroup *cg)
{
	json_array(j, "processes");
	for (size_t i = 0; i < cg->processes.n; i++) {
		const struct account_process *p = &cg->processes.v[i];
		json_object(j, NULL);
		json_i64(j, "pid", p->pid);
		json_str(j, "comm", p->comm);
		if (p->go < 0)
			json_null(j, "go");
		else
			json_bool(j, "go", p->go);
		fields_u64(j, "rss_bytes", p->rss);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "balance");
	for (size_t i = 0; i < cg->balance.n; i++) {
		json_object(j, NULL);
		json_str(j, "step", cg->balance.v[i].step);
		json_i64(j, "bytes", cg->balance.v[i].bytes);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_cgroup(struct json *j, const struct account_cgroup *cg)
{
	if (!cg->version) {
		json_null(j, "cgroup");
		return;
	}
	json_object(j, "cgroup");
	json_u64(j, "version", cg->version);
	fields_json(j, cgroup_fields, LEN(cgroup_fields), cg);
	if (cg->limit == ACCOUNT_UNKNOWN || cg->working_set == ACCOUNT_UNKNOWN)
		json_null(j, "headroom_bytes");
	else
		json_i64(j, "headroom_bytes", (int64_t)(cg->limit - cg->working_set));
	json_object(j, "events");
	for (size_t i = 0; i < cg->events.n; i++)
		fields_u64(j, cg->events.v[i].name, cg->events.v[i].value);
	json_object_end(j);
	json_object(j, "stat");
	fields_json(j, stat_fields, LEN(stat_fields), cg);
	json_object_end(j);
	put_cgroup_lists(j, cg);
	json_i64(j, "unexplained_bytes", cg->unexplained);
	json_object_end(j);
}

static void put_c_heap(struct json *j, const struct account_c_heap *h)
{
	if (!h->allocator) {
		json_null(j, "c_heap");
		return;
	}
	json_object(j, "c_heap");
	fields_json(j, c_heap_fields, LEN(c_heap_fields), h);
	json_array(j, "arenas");
	for (size_t i = 0; i < h->arenas.n; i++) {
		char addr[24];
		snprintf(addr, sizeof(addr), "0x%" PRIx64, h->arenas.v[i].addr);
		json_object(j, NULL);
		json_str(j, "address", addr);
		fields_json(j, c_arena_fields, LEN(c_arena_fields), &h->arenas.v[i]);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static int by_resident(const void *x, const void *y)
{
	const struct account_owner *const *a = x, *const *b = y;
	if ((*a)->resident != (*b)->resident)
		return (*a)->resident < (*b)->resident ? 1 : -1;
	return *a < *b ? -1 : *a > *b;
}

static void put_owners(struct json *j, const struct account_owner_vec *owners)
{
	AUTO_FREE const struct account_owner **list = xcalloc(owners->n + 1, sizeof(*list));
	for (size_t i = 0; i < owners->n; i++)
		list[i] = &owners->v[i];
	qsort(list, owners->n, sizeof(*list), by_resident);
	json_array(j, "owners");
	for (size_t i = 0; i < owners->n; i++) {
		json_object(j, NULL);
		json_str(j, "class", mem_classes[list[i]->class].name);
		json_str(j, "owner", list[i]->owner);
		json_u64(j, "resident_bytes", list[i]->resident);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_vma_classes(struct json *j, const struct account_vma *v)
{
	enum mem_class list[CLASS_MAX_];
	size_t n = parts_vma_classes(v->classes, list);
	json_array(j, "classes");
	for (size_t i = 0; i < n; i++) {
		json_object(j, NULL);
		json_str(j, "class", mem_classes[list[i]].name);
		json_u64(j, "resident_bytes", v->classes[list[i]]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_vmas(struct json *j, const struct account *a)
{
	json_array(j, "vmas");
	for (size_t i = 0; i < a->vmas.n && i < a->maps.n; i++) {
		const struct vma *m = &a->maps.v[i];
		char start[24], end[24], perms[PARTS_PERMS_LEN];
		snprintf(start, sizeof(start), "0x%" PRIx64, m->start);
		snprintf(end, sizeof(end), "0x%" PRIx64, m->end);
		json_object(j, NULL);
		json_str(j, "start", start);
		json_str(j, "end", end);
		json_str(j, "perms", parts_perms(m->flags, perms));
		json_str(j, "name", m->name);
		json_str(j, "label", a->vmas.v[i].label);
		json_u64(j, "rss_bytes", a->vmas.v[i].rss);
		json_u64(j, "swap_bytes", a->vmas.v[i].swap);
		put_vma_classes(j, &a->vmas.v[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

void report_json_members(struct json *j, const struct account *a, unsigned lists)
{
	json_str(j, "schema", "ullage.map/1");
	put_process(j, a);
	put_go(j, &a->go);
	put_integrity(j, &a->integrity);
	put_classes(j, a);
	put_runtime(j, a);
	put_cgroup(j, &a->cgroup);
	put_c_heap(j, &a->c_heap);
	json_object(j, "address_space");
	fields_json(j, space_fields, LEN(space_fields), &a->space);
	json_object_end(j);
	if (lists & REPORT_OWNERS)
		put_owners(j, &a->owners);
	if (lists & REPORT_VMAS)
		put_vmas(j, a);
	put_strings(j, "notes", &a->notes);
}

void report_json(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	report_json_members(&j, a, REPORT_OWNERS | (opt->vmas ? REPORT_VMAS : 0));
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
