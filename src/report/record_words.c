/* SPDX-License-Identifier: Apache-2.0 */
#include "report/record_words.h"

#include <string.h>

#include "base/num.h"

static const double NS = 1e9; /* nanoseconds in a second */

const char *const record_part_keys[RECORD_PART_MAX_] = {
	[RECORD_PART_MALLOC] = "malloc",
	[RECORD_PART_MAP] = "mmap",
	[RECORD_PART_ARENA] = "arena",
	[RECORD_PART_RUNTIME] = "runtime",
	[RECORD_PART_RESIDENT] = "resident",
	[RECORD_PART_TOUCHED] = "runtime_resident",
	[RECORD_PART_GO] = "go",
};

/* ---- sums ---- */

enum record_part record_part(const struct record *r, const struct record_row *row)
{
	switch (row->kind) {
	case RECORD_MALLOC:
		return RECORD_PART_MALLOC;
	case RECORD_RESIDENT:
		return record_taker(r, row) == RECORD_BY_RUNTIME ? RECORD_PART_TOUCHED : RECORD_PART_RESIDENT;
	case RECORD_GO:
		return RECORD_PART_GO;
	case RECORD_MMAP:
	case RECORD_KIND_MAX_:
		break;
	}
	static const enum record_part parts[] = {
		[RECORD_BY_PROGRAM] = RECORD_PART_MAP,
		[RECORD_BY_ALLOCATOR] = RECORD_PART_ARENA,
		[RECORD_BY_RUNTIME] = RECORD_PART_RUNTIME,
	};
	return parts[record_taker(r, row)];
}

/* Adds what is known; a sum of which nothing is known stays unknown. */
static void plus(uint64_t *sum, uint64_t v)
{
	if (v != ACCOUNT_UNKNOWN)
		*sum = *sum == ACCOUNT_UNKNOWN ? v : *sum + v;
}

void record_sum(const struct record *r, struct record_sums *ret)
{
	*ret = (struct record_sums){ 0 };
	for (size_t i = 0; i < RECORD_PART_MAX_; i++)
		ret->v[i].resident = ret->v[i].total = ret->v[i].peak = ACCOUNT_UNKNOWN;
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		struct record_sum *sum = &ret->v[record_part(r, row)];
		sum->bytes += row->bytes;
		sum->low += row->low_bytes;
		sum->high += row->high_bytes;
		sum->count += row->count;
		sum->rows += record_outstanding(row);
		sum->untouched += row->what == RECORD_WHAT_UNTOUCHED ? row->bytes : 0;
		plus(&sum->resident, row->resident_bytes);
		plus(&sum->total, row->total_bytes);
		plus(&sum->peak, row->peak_bytes);
	}
}

/* ---- words ---- */

void record_size_words(uint64_t bytes, uint64_t low, uint64_t high, struct strbuf *out)
{
	char x[NUM_SIZE_LEN], y[NUM_SIZE_LEN], z[NUM_SIZE_LEN];
	num_size(bytes, x);
	if (low == high) {
		strbuf_puts(out, x);
		return;
	}
	num_size(low, y);
	num_size(high, z);
	const char *unit = strchr(z, ' '), *other = strchr(y, ' ');
	bool same = unit && other && strcmp(unit, other) == 0;
	strbuf_printf(out, "%s (%.*s to %s)", x, same ? (int)(other - y) : (int)strlen(y), y, z);
}

void record_rate_words(const struct record *r, uint64_t bytes, struct strbuf *out)
{
	static const double LEGIBLE = 1024; /* bytes */
	char x[NUM_SIZE_LEN];
	if (r->window_ns <= 0)
		return;
	double rate = (double)bytes * NS / (double)r->window_ns;
	bool slow = rate < LEGIBLE;
	strbuf_printf(out, "%s/%s", num_size((uint64_t)(slow ? rate * 3600 : rate), x), slow ? "h" : "s");
}

static void put_place(const struct frame *f, struct strbuf *out)
{
	const char *slash = strrchr(f->file, '/'), *file = slash ? slash + 1 : f->file;
	strbuf_puts(out, f->function);
	if (*file && f->line)
		strbuf_printf(out, " (%s:%u)", file, f->line);
	else if (*file)
		strbuf_printf(out, " (%s)", file);
}

void record_site_words(const struct record *r, uint32_t stack, struct strbuf *out)
{
	struct record_site site = record_site(&r->stacks, stack);
	if (site.go)
		put_place(site.go, out);
	if (site.go && site.called)
		strbuf_printf(out, " calling %s", site.called);
	if (!site.go && site.inner)
		put_place(site.inner, out);
	if (!site.go && site.entry && site.entry != site.inner)
		strbuf_printf(out, " in a thread of %s", site.entry->function);
	if (site.go || site.entry)
		return;
	if (site.runtime)
		strbuf_puts(out, "the Go runtime");
	else if (stacks_depth(&r->stacks, stack))
		put_place(stacks_at(&r->stacks, stack, 0), out);
	else
		strbuf_puts(out, "(no stack)");
}
