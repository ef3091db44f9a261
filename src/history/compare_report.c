/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "history/moment.h"
#include "history/report.h"
#include "screen/say.h"
#include "screen/table.h"

enum { EXTRAPOLATED_S = 600, NOTE_LEN = 160 };

static const char *const spans[] = { "before", "after" };

static void size_cell(struct table *t, double v)
{
	table_size(t, isnan(v) || v < 0 ? UINT64_MAX : (uint64_t)v);
}

/* "+48.2 MiB", "-1.0 MiB". */
static char *signed_size(double v, char buf[SAY_NUM_LEN])
{
	char size[NUM_SIZE_LEN];
	if (isnan(v))
		snprintf(buf, SAY_NUM_LEN, "unknown");
	else
		snprintf(buf, SAY_NUM_LEN, "%s%s", v < 0 ? "-" : "+", num_size((uint64_t)fabs(v), size));
	return buf;
}

static void duration_cell(struct table *t, double seconds)
{
	char text[SAY_NUM_LEN];
	if (isnan(seconds) || seconds <= 0)
		table_cell(t, NULL);
	else if (seconds < 0.01)
		table_cellf(t, "%.2f ms", seconds * 1e3);
	else
		table_cell(t, say_duration((int64_t)(seconds * 1e9), text));
}

static const struct compare_row *sum_of_span(const struct compare *c, unsigned span)
{
	for (size_t i = 0; i < c->rows.n; i++)
		if (c->rows.v[i].all && c->rows.v[i].span == span)
			return &c->rows.v[i];
	return NULL;
}

/* What is missing of a span and why, or false. */
static bool say_missing(const struct compare *c, unsigned span, char *buf, size_t len)
{
	const struct compare_row *r = sum_of_span(c, span);
	if (!r || !r->looks)
		snprintf(buf, len, "%s: there are no looks of this time, so only kills are known", spans[span]);
	else if (isnan(r->growth_per_hour))
		snprintf(buf, len,
			 "%s: of no process there are looks %d s apart, so growth is not known (without a change one "
			 "is kept every 15 s)",
			 spans[span], COMPARE_SPAN_MIN_S);
	else if (r->seconds < EXTRAPOLATED_S)
		snprintf(buf, len, "%s: growth an hour is that of %.0f s, continued", spans[span], r->seconds);
	else
		return false;
	return true;
}

static void put_answer(struct say *s, const struct compare *c)
{
	const struct compare_row *a = sum_of_span(c, 0), *b = sum_of_span(c, 1);
	char from[SAY_NUM_LEN], to[SAY_NUM_LEN], mean[2][SAY_NUM_LEN];
	if (!a || !b)
		return;
	say_line(s, STYLE_HEAD, 0, "%s: growth an hour %s before, %s after; Rss %s and %s; OOM kills %llu and %llu.",
		 c->any, signed_size(a->growth_per_hour, from), signed_size(b->growth_per_hour, to),
		 say_size(isnan(a->rss_mean) ? UINT64_MAX : (uint64_t)a->rss_mean, mean[0]),
		 say_size(isnan(b->rss_mean) ? UINT64_MAX : (uint64_t)b->rss_mean, mean[1]),
		 (unsigned long long)a->oom_kills, (unsigned long long)b->oom_kills);
	for (unsigned i = 0; i < 2; i++)
		say_fact(s, spans[i], "%s to %s", c->from_ns[i] ? moment_text(c->from_ns[i], from) : "the beginning",
			 moment_text(c->to_ns[i], to));
}

static void put_row(struct table *t, const struct compare_row *r)
{
	char text[SAY_NUM_LEN];
	table_cell(t, spans[r->span]);
	table_cell(t, r->all ? "all" : r->build_id ? r->build_id : "unknown");
	table_cellf(t, "%zu", r->lives);
	duration_cell(t, r->seconds);
	table_cell(t, isnan(r->growth_per_hour) ? NULL : signed_size(r->growth_per_hour, text));
	size_cell(t, r->rss_mean);
	size_cell(t, r->rss_high - r->rss_low);
	table_cellf(t, "%llu", (unsigned long long)r->oom_kills);
	table_role(t, r->oom_kills ? STYLE_BAD : STYLE_PLAIN);
	table_cellf(t, "%llu", (unsigned long long)r->gcs);
	duration_cell(t, r->gc_pause_mean);
	duration_cell(t, r->gc_pause_max);
}

void compare_text(const struct compare *c, const struct style *style, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ "SPAN", TABLE_LEFT, 0 },   { "BUILD", TABLE_LEFT, 14 },    { "LIVES", TABLE_RIGHT, 0 },
		{ "SEEN", TABLE_RIGHT, 0 },  { "GROWTH/H", TABLE_RIGHT, 0 }, { "RSS MEAN", TABLE_RIGHT, 0 },
		{ "SWING", TABLE_RIGHT, 0 }, { "KILLS", TABLE_RIGHT, 0 },    { "GCS", TABLE_RIGHT, 0 },
		{ "PAUSE", TABLE_RIGHT, 0 }, { "MAX", TABLE_RIGHT, 0 },
	};
	struct say s = { out, style };
	struct table t;
	put_answer(&s, c);
	strbuf_putc(out, '\n');
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]), style);
	for (size_t i = 0; i < c->rows.n; i++)
		put_row(&t, &c->rows.v[i]);
	table_print(&t, out);
	table_deinit(&t);
	strbuf_putc(out, '\n');
	say_line(&s, STYLE_DIM, 0,
		 "GROWTH/H is the median slope of Rss, SWING what lies between the 5th and the 95th percentile, MAX "
		 "the longest pause "
		 "that a look saw. Times are UTC.");
	if (c->note)
		say_line(&s, STYLE_WARN, 0, "note: %s", c->note);
	char missing[NOTE_LEN];
	for (unsigned i = 0; i < 2; i++) {
		if (say_missing(c, i, missing, sizeof(missing)))
			say_line(&s, STYLE_WARN, 0, "note: %s", missing);
	}
}

static const struct field fields[] = {
	FIELD(compare_row, build_id, FIELD_STR, "build_id"),
	FIELD(compare_row, go_version, FIELD_STR, "go_version"),
	FIELD(compare_row, seconds, FIELD_DOUBLE, "seen_seconds"),
	FIELD(compare_row, growth_per_hour, FIELD_DOUBLE, "growth_bytes_per_hour"),
	FIELD(compare_row, rss_mean, FIELD_DOUBLE, "rss_mean_bytes"),
	FIELD(compare_row, rss_low, FIELD_DOUBLE, "rss_p5_bytes"),
	FIELD(compare_row, rss_high, FIELD_DOUBLE, "rss_p95_bytes"),
	FIELD(compare_row, rss_max, FIELD_DOUBLE, "rss_max_bytes"),
	FIELD(compare_row, working_set_mean, FIELD_DOUBLE, "working_set_mean_bytes"),
	FIELD(compare_row, oom_kills, FIELD_U64, "oom_kills"),
	FIELD(compare_row, gcs, FIELD_U64, "gc_count"),
	FIELD(compare_row, gc_pause_mean, FIELD_DOUBLE, "gc_pause_mean_seconds"),
	FIELD(compare_row, gc_pause_max, FIELD_DOUBLE, "gc_pause_max_seconds"),
	FIELD(compare_row, gc_pause_share, FIELD_DOUBLE, "gc_pause_ratio"),
};

static void put_json_row(struct json *j, const char *key, const struct compare_row *r)
{
	json_object(j, key);
	json_u64(j, "lives", r->lives);
	json_u64(j, "looks", r->looks);
	fields_json(j, fields, sizeof(fields) / sizeof(fields[0]), r);
	if (!isnan(r->rss_high) && !isnan(r->rss_low))
		json_double(j, "rss_swing_bytes", r->rss_high - r->rss_low);
	else
		json_null(j, "rss_swing_bytes");
	json_object_end(j);
}

static void put_json_span(struct json *j, const struct compare *c, unsigned span)
{
	char time[PARTS_TIME_LEN];
	json_object(j, spans[span]);
	json_str(j, "from", c->from_ns[span] ? parts_time(c->from_ns[span], time) : NULL);
	json_str(j, "to", parts_time(c->to_ns[span], time));
	if (sum_of_span(c, span))
		put_json_row(j, "all", sum_of_span(c, span));
	json_array(j, "builds");
	for (size_t i = 0; i < c->rows.n; i++)
		if (!c->rows.v[i].all && c->rows.v[i].span == span)
			put_json_row(j, NULL, &c->rows.v[i]);
	json_array_end(j);
	json_object_end(j);
}

void compare_json(const struct compare *c, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.history/1");
	json_str(&j, "target", c->any);
	put_json_span(&j, c, 0);
	put_json_span(&j, c, 1);
	json_array(&j, "notes");
	if (c->note)
		json_str(&j, NULL, c->note);
	char missing[NOTE_LEN];
	for (unsigned i = 0; i < 2; i++) {
		if (say_missing(c, i, missing, sizeof(missing)))
			json_str(&j, NULL, missing);
	}
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
