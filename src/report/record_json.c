/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "report/record_words.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const double NS = 1e9; /* nanoseconds in a second */

static const struct field row_fields[] = {
	FIELD(record_row, bytes, FIELD_U64, "bytes"),
	FIELD(record_row, low_bytes, FIELD_U64, "low_bytes"),
	FIELD(record_row, high_bytes, FIELD_U64, "high_bytes"),
	FIELD(record_row, count, FIELD_U64, "count"),
	FIELD(record_row, low_count, FIELD_U64, "low_count"),
	FIELD(record_row, high_count, FIELD_U64, "high_count"),
	FIELD(record_row, resident_bytes, FIELD_U64, "resident_bytes"),
	FIELD(record_row, peak_bytes, FIELD_U64, "peak_bytes"),
	FIELD(record_row, total_bytes, FIELD_U64, "total_bytes"),
	FIELD(record_row, total_count, FIELD_U64, "total_count"),
};

static const struct field sum_fields[] = {
	FIELD(record_sum, bytes, FIELD_U64, "bytes"),
	FIELD(record_sum, low, FIELD_U64, "low_bytes"),
	FIELD(record_sum, high, FIELD_U64, "high_bytes"),
	FIELD(record_sum, count, FIELD_U64, "count"),
	FIELD(record_sum, resident, FIELD_U64, "resident_bytes"),
	FIELD(record_sum, untouched, FIELD_U64, "untouched_bytes"),
	FIELD(record_sum, total, FIELD_U64, "total_bytes"),
	FIELD(record_sum, peak, FIELD_U64, "peak_bytes"),
};

static const struct field allocator_fields[] = {
	FIELD(record_allocator, name, FIELD_STR, "name"),
	FIELD(record_allocator, inuse_before, FIELD_U64, "inuse_before_bytes"),
	FIELD(record_allocator, inuse_after, FIELD_U64, "inuse_after_bytes"),
	FIELD(record_allocator, free_before, FIELD_U64, "free_before_bytes"),
	FIELD(record_allocator, free_after, FIELD_U64, "free_after_bytes"),
};

static const struct field process_fields[] = {
	FIELD(record_process, comm, FIELD_STR, "comm"),
	FIELD(record_process, exe, FIELD_STR, "exe"),
	FIELD(record_process, go_version, FIELD_STR, "go_version"),
	FIELD(record_process, exited, FIELD_BOOL, "exited"),
	FIELD(record_process, execed, FIELD_BOOL, "execed"),
};

/* Which kind an event belongs to: what was not recorded is not known to be none. */
static const enum record_kind kind_of_event[RECORD_EVENT_MAX_] = {
	[RECORD_EVENT_MMAP] = RECORD_MMAP,    [RECORD_EVENT_MUNMAP] = RECORD_MMAP,
	[RECORD_EVENT_MREMAP] = RECORD_MMAP,  [RECORD_EVENT_BRK] = RECORD_MMAP,
	[RECORD_EVENT_MADVISE] = RECORD_MMAP, [RECORD_EVENT_MALLOC] = RECORD_MALLOC,
	[RECORD_EVENT_FREE] = RECORD_MALLOC,  [RECORD_EVENT_FAULT] = RECORD_RESIDENT,
	[RECORD_EVENT_GO] = RECORD_GO,
};

static bool has(const struct record *r, enum record_kind kind)
{
	return r->have & 1u << kind;
}

static void put_events(struct json *j, const struct record *r)
{
	json_object(j, "events");
	for (size_t i = 0; i < RECORD_EVENT_MAX_; i++)
		fields_u64(j, record_events[i], has(r, kind_of_event[i]) ? r->events[i] : ACCOUNT_UNKNOWN);
	json_object_end(j);
}

/* ---- call paths ---- */

static void put_frame(struct json *j, const char *key, const struct frame *f, bool inlined)
{
	json_object(j, key);
	json_str(j, "function", *f->function ? f->function : NULL);
	json_str(j, "file", *f->file ? f->file : NULL);
	fields_u64(j, "line", f->line ? f->line : UINT64_MAX);
	if (inlined)
		json_bool(j, "inlined", f->inlined);
	json_object_end(j);
}

static void put_site(struct json *j, const char *key, const struct frame *f)
{
	if (f)
		put_frame(j, key, f, false);
	else
		json_null(j, key);
}

static void put_seconds(struct json *j, const char *key, int64_t ns)
{
	json_double(j, key, (double)ns / NS);
}

static void put_row(struct json *j, const struct record *r, const struct record_row *row)
{
	struct record_site site = record_site(&r->stacks, row->stack);
	json_object(j, NULL);
	json_str(j, "kind", record_kinds[row->kind]);
	json_str(j, "what", record_whats[row->what]);
	json_str(j, "by", record_takers[record_taker(r, row)]);
	json_i64(j, "pid", row->pid);
	fields_json(j, row_fields, LEN(row_fields), row);
	json_double(j, "rate_bytes_per_second",
		    r->window_ns > 0 ? (double)row->bytes * NS / (double)r->window_ns : (double)NAN);
	put_seconds(j, "first_seconds", row->first_ns);
	put_seconds(j, "last_seconds", row->last_ns);
	put_site(j, "site", site.go);
	json_str(j, "entry", site.called);
	json_array(j, "stack");
	for (uint32_t i = 0; i < stacks_depth(&r->stacks, row->stack); i++)
		put_frame(j, NULL, stacks_at(&r->stacks, row->stack, i), true);
	json_array_end(j);
	json_object_end(j);
}

static void put_rows(struct json *j, const struct record_report *r, bool outstanding)
{
	const struct record_row_vec *rows = &r->record->rows;
	size_t n = 0;
	json_array(j, outstanding ? "outstanding" : "returned");
	for (size_t i = 0; i < rows->n; i++) {
		if (record_outstanding(&rows->v[i]) != outstanding)
			continue;
		if (!r->top || n < r->top)
			put_row(j, r->record, &rows->v[i]);
		n++;
	}
	json_array_end(j);
	json_u64(j, outstanding ? "outstanding_total" : "returned_total", n);
}

static void put_sums(struct json *j, const struct record *r)
{
	struct record_sums sums;
	record_sum(r, &sums);
	json_object(j, "totals");
	for (size_t i = 0; i < RECORD_PART_MAX_; i++) {
		json_object(j, record_part_keys[i]);
		fields_json(j, sum_fields, LEN(sum_fields), &sums.v[i]);
		json_object_end(j);
	}
	json_object_end(j);
}

/* ---- the series ---- */

static void put_point(struct json *j, const struct record *r, const struct record_point *p)
{
	json_object(j, NULL);
	put_seconds(j, "t", p->t_ns);
	json_i64(j, "mapped_bytes", p->mapped_bytes);
	if (has(r, RECORD_MALLOC))
		json_i64(j, "malloc_bytes", p->malloc_bytes);
	else
		json_null(j, "malloc_bytes");
	fields_u64(j, "resident_bytes", p->resident_bytes);
	json_object_end(j);
}

static void put_series(struct json *j, const struct record *r)
{
	json_array(j, "series");
	for (size_t i = 0; i < r->series.n; i++)
		put_point(j, r, &r->series.v[i]);
	json_array_end(j);
	json_object(j, "peak");
	bool known = r->peak < r->series.n;
	json_double(j, "t", known ? (double)r->series.v[r->peak].t_ns / NS : (double)NAN);
	if (known)
		json_i64(j, "mapped_bytes", r->series.v[r->peak].mapped_bytes);
	else
		json_null(j, "mapped_bytes");
	json_object_end(j);
}

/* ---- the whole ---- */

static void put_kinds(struct json *j, const char *key, unsigned kinds)
{
	json_array(j, key);
	for (size_t i = 0; i < RECORD_KIND_MAX_; i++) {
		if (kinds & 1u << i)
			json_str(j, NULL, record_kinds[i]);
	}
	json_array_end(j);
}

static void put_processes(struct json *j, const struct record *r)
{
	json_array(j, "processes");
	for (size_t i = 0; i < r->processes.n; i++) {
		const struct record_process *p = &r->processes.v[i];
		json_object(j, NULL);
		json_i64(j, "pid", p->pid);
		fields_json(j, process_fields, LEN(process_fields), p);
		json_object(j, "allocator");
		fields_json(j, allocator_fields, LEN(allocator_fields), &p->allocator);
		json_object_end(j);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_head(struct json *j, const struct record *r)
{
	char time[PARTS_TIME_LEN];
	const struct record_process *one = r->processes.n == 1 ? &r->processes.v[0] : NULL;
	json_str(j, "schema", "ullage.record/1");
	if (one)
		json_i64(j, "pid", one->pid);
	else
		json_null(j, "pid");
	json_str(j, "comm", one ? one->comm : NULL);
	json_str(j, "go_version", one ? one->go_version : NULL);
	json_str(j, "time", r->start_wall_ns ? parts_time(r->start_wall_ns, time) : NULL);
	put_seconds(j, "window_seconds", r->window_ns);
	put_kinds(j, "wanted", r->wanted);
	put_kinds(j, "recorded", r->have);
}

static void put_cost(struct json *j, const struct record *r)
{
	json_u64(j, "lost", r->lost);
	json_double(j, "cpu_ratio", r->cpu_ratio);
	json_bool(j, "partial", r->partial);
	json_u64(j, "stacks_cut", r->unwound_short);
	json_double(j, "malloc_on_ratio", has(r, RECORD_MALLOC) ? r->malloc_on_ratio : (double)NAN);
	fields_u64(j, "fault_period", has(r, RECORD_RESIDENT) && r->fault_period ? r->fault_period : ACCOUNT_UNKNOWN);
}

void record_json_members(struct json *j, const struct record_report *r)
{
	put_head(j, r->record);
	put_events(j, r->record);
	put_cost(j, r->record);
	put_sums(j, r->record);
	put_rows(j, r, true);
	put_rows(j, r, false);
	put_series(j, r->record);
	put_processes(j, r->record);
	json_array(j, "notes");
	for (size_t i = 0; i < r->record->notes.n; i++)
		json_str(j, NULL, r->record->notes.v[i]);
	json_array_end(j);
}

void record_json(const struct record_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	record_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
