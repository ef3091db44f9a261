/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "codec/folded.h"
#include "codec/pprof.h"
#include "format/flamegraph.h"
#include "report/record_words.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { COMMENTED = 100 }; /* call paths whose interval is told in a comment */

/* The types of the samples, in the order of the contract; those of the Go heap only where it was asked for. */
static const struct value_type {
	struct profile_type type;
	enum record_kind kind;
	bool counts; /* mappings, blocks; else bytes */
} value_types[] = {
	{ { "mmap_objects", "count" }, RECORD_MMAP, true },
	{ { "mmap_space", "bytes" }, RECORD_MMAP, false },
	{ { "malloc_objects", "count" }, RECORD_MALLOC, true },
	{ { "malloc_space", "bytes" }, RECORD_MALLOC, false },
	{ { "resident_space", "bytes" }, RECORD_RESIDENT, false },
	{ { "go_objects", "count" }, RECORD_GO, true },
	{ { "go_space", "bytes" }, RECORD_GO, false },
};

static size_t n_types(const struct record *r)
{
	bool go = r->wanted & 1u << RECORD_GO;
	return LEN(value_types) - (go ? 0 : 2);
}

/* Bytes of the types, so that the largest is what viewers show first; the runtime's own mappings are never news. */
static size_t largest_type(const struct record *r)
{
	uint64_t sums[LEN(value_types)] = { 0 };
	size_t best = 1;
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		for (size_t t = 0; t < n_types(r); t++) {
			if (!value_types[t].counts && value_types[t].kind == row->kind &&
			    record_taker(r, row) == RECORD_BY_PROGRAM)
				sums[t] += row->bytes;
		}
	}
	for (size_t t = 0; t < n_types(r); t++)
		best = sums[t] > sums[best] ? t : best;
	return best;
}

static int64_t clip(uint64_t v)
{
	return (int64_t)num_min(v, INT64_MAX);
}

static void put_values(const struct record_row *row, size_t n, int64_t *ret)
{
	for (size_t t = 0; t < n; t++) {
		if (value_types[t].kind == row->kind)
			ret[t] = clip(value_types[t].counts ? row->count : row->bytes);
	}
}

/* Numbers of the contract that have no type of their own. */
static void put_labels(struct profile *p, const struct record *r, const struct record_row *row)
{
	profile_label_number(p, "pid", row->pid, "");
	profile_label_text(p, "what", record_whats[row->what]);
	profile_label_text(p, "by", record_takers[record_taker(r, row)]);
	if (row->low_bytes == row->high_bytes)
		return;
	profile_label_number(p, "low_bytes", clip(row->low_bytes), "bytes");
	profile_label_number(p, "high_bytes", clip(row->high_bytes), "bytes");
}

static void comment(struct profile *p, const char *text)
{
	*vec_push(&p->comments) = intern_str(&p->stacks.strings, text);
}

static void put_comments(struct profile *p, const struct record *r)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	size_t n = 0;
	for (size_t i = 0; i < r->rows.n && n < COMMENTED; i++) {
		const struct record_row *row = &r->rows.v[i];
		if (!record_outstanding(row) || row->low_bytes == row->high_bytes)
			continue;
		strbuf_clear(&text);
		strbuf_printf(&text, "%s: ", record_kinds[row->kind]);
		record_size_words(row->bytes, row->low_bytes, row->high_bytes, &text);
		strbuf_puts(&text, ", ");
		record_site_words(r, row->stack, &text);
		comment(p, text.buf);
		n++;
	}
	for (size_t i = 0; i < r->notes.n; i++)
		comment(p, r->notes.v[i]);
	if (r->partial)
		comment(p, "partial: something that was asked for is missing");
}

void record_profile(const struct record *r, struct profile *ret)
{
	profile_init(ret);
	for (size_t t = 0; t < n_types(r); t++)
		profile_type_add(ret, value_types[t].type.type, value_types[t].type.unit);
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		if (!record_outstanding(row) || (row->kind == RECORD_GO && n_types(r) < LEN(value_types)))
			continue;
		put_values(row, n_types(r),
			   profile_sample_add(ret, stacks_copy(&ret->stacks, &r->stacks, row->stack, true)));
		put_labels(ret, r, row);
	}
	/* Addresses are named already; the program's name is what viewers put at the head. */
	if (r->processes.n == 1 && r->processes.v[0].exe)
		*vec_push(&ret->mappings) = (struct profile_mapping){
			.file = intern_str(&ret->stacks.strings, r->processes.v[0].exe),
			.build_id = "",
		};
	ret->default_type = value_types[largest_type(r)].type.type;
	ret->time_unix_ns = r->start_wall_ns;
	ret->duration_ns = r->window_ns;
	put_comments(ret, r);
}

void record_pprof(const struct record_report *r, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	record_profile(r->record, &p);
	pprof_write(&p, out);
}

void record_folded(const struct record_report *r, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	record_profile(r->record, &p);
	folded_write(&p, largest_type(r->record), out);
}

void record_flame(const struct record_report *r, struct strbuf *out)
{
	static const char *const about[RECORD_KIND_MAX_] = {
		[RECORD_MMAP] = "bytes mapped in the window and still mapped, by call path",
		[RECORD_MALLOC] = "bytes allocated in the window and not freed, by call path",
		[RECORD_RESIDENT] = "bytes that became resident in the window and still are, by call path",
		[RECORD_GO] = "bytes allocated on the Go heap in the window, by call path",
	};
	const struct record *rec = r->record;
	const struct record_process *one = rec->processes.n == 1 ? &rec->processes.v[0] : NULL;
	AUTO_FREE char *title = xasprintf("Off-heap memory of %s", one && one->comm ? one->comm : "these processes");
	AUTO(profile) struct profile p;
	record_profile(rec, &p);
	size_t type = largest_type(rec);
	const struct flamegraph page = {
		.title = title,
		.subtitle = about[value_types[type].kind],
		.profile = &p,
		.type = type,
		.base_type = -1,
	};
	flamegraph_put(&page, out);
}
