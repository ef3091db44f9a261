/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/report/diff.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "ui/report/parts.h"

static void put_number(struct json *j, const char *key, int64_t v)
{
	if (v == DIFF_UNKNOWN)
		json_null(j, key);
	else
		json_i64(j, key, v);
}

/* Bytes where the diff is of bytes; what it measures, whatever that is, in `value`. */
static void put_value(struct json *j, const struct diff *d, struct diff_value v)
{
	put_number(j, "bytes", strcmp(d->unit, "nanoseconds") == 0 ? DIFF_UNKNOWN : v.bytes);
	put_number(j, "objects", v.objects);
	put_number(j, "value", diff_main(d, v));
}

static void put_rate(struct json *j, const char *key, int64_t v, double seconds)
{
	json_double(j, key, v == DIFF_UNKNOWN ? (double)NAN : (double)v / seconds);
}

static void put_delta(struct json *j, const struct diff *d, struct diff_value delta, double seconds)
{
	bool bytes = strcmp(d->unit, "nanoseconds") != 0;
	put_number(j, "delta_bytes", bytes ? delta.bytes : DIFF_UNKNOWN);
	put_number(j, "delta_objects", delta.objects);
	put_number(j, "delta_value", diff_main(d, delta));
	put_rate(j, "per_second_bytes", bytes ? delta.bytes : DIFF_UNKNOWN, seconds);
	put_rate(j, "per_second_objects", delta.objects, seconds);
}

static void put_targets(struct json *j, const struct diff *d, const struct diff_value *v)
{
	json_object(j, "base");
	put_value(j, d, v[0]);
	json_object_end(j);
	json_array(j, "target");
	for (size_t i = 1; i < d->n; i++) {
		json_object(j, NULL);
		json_str(j, "name", d->inputs[i].name);
		put_value(j, d, v[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_frame(struct json *j, const char *key, const struct frame *f)
{
	json_object(j, key);
	json_str(j, "function", *f->function ? f->function : NULL);
	json_str(j, "file", *f->file ? f->file : NULL);
	if (f->line)
		json_u64(j, "line", f->line);
	else
		json_null(j, "line");
	json_bool(j, "inlined", f->inlined);
	json_object_end(j);
}

static void put_stack(struct json *j, struct diff *d, const struct diff_group *g)
{
	const struct stacks *s = diff_stacks(d, g);
	json_array(j, "stack");
	for (uint32_t i = 0; i < stacks_depth(s, g->stack); i++)
		put_frame(j, NULL, stacks_at(s, g->stack, i));
	json_array_end(j);
	if (stacks_depth(s, g->created_by))
		put_frame(j, "created_by", stacks_at(s, g->created_by, 0));
	json_str(j, "path", stacks_depth(s, g->stack) ? diff_path(d, g) : NULL);
}

static void put_group(struct json *j, struct diff *d, size_t rank)
{
	const struct diff_group *g = &d->groups.v[rank];
	json_object(j, NULL);
	json_u64(j, "rank", rank + 1);
	json_str(j, "key", diff_key(d, g));
	put_targets(j, d, diff_values(d, g));
	json_str(j, "of", d->inputs[g->of].name);
	put_delta(j, d, g->delta, d->seconds[g->of]);
	put_number(j, "survived", g->survived < 0 ? DIFF_UNKNOWN : g->survived);
	put_number(j, "new", g->new < 0 ? DIFF_UNKNOWN : g->new);
	put_number(j, "gone", g->gone < 0 ? DIFF_UNKNOWN : g->gone);
	put_stack(j, d, g);
	json_object_end(j);
}

static void put_inputs(struct json *j, const struct diff *d)
{
	char time[PARTS_TIME_LEN];
	json_array(j, "inputs");
	for (size_t i = 0; i < d->n; i++) {
		const struct snapshot *s = d->inputs[i].s;
		json_object(j, NULL);
		json_str(j, "name", d->inputs[i].name);
		json_str(j, "source", s->source);
		json_bool(j, "node", d->inputs[i].node);
		json_str(j, "time", s->clock.wall > 0 ? parts_time(s->clock.wall, time) : NULL);
		json_str(j, "last_gc", s->clock.last_gc_wall > 0 ? parts_time(s->clock.last_gc_wall, time) : NULL);
		json_double(j, "seconds_from_base", d->seconds[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_total(struct json *j, const struct diff *d)
{
	size_t last = d->n - 1;
	json_object(j, "total");
	put_targets(j, d, d->totals);
	put_delta(j, d, diff_less(d->totals[last], d->totals[0]), d->seconds[last]);
	json_object_end(j);
}

static void put_outliers(struct json *j, struct diff *d)
{
	json_array(j, "outliers");
	for (size_t i = 0; i < d->outliers.n; i++) {
		const struct diff_outlier *o = &d->outliers.v[i];
		json_object(j, NULL);
		json_str(j, "name", d->inputs[o->input].name);
		json_str(j, "key", diff_key(d, &d->groups.v[o->group]));
		json_u64(j, "rank", o->group + 1);
		json_i64(j, "value", o->value);
		json_i64(j, "median", o->median);
		json_object_end(j);
	}
	json_array_end(j);
}

void diff_json(const struct diff_report *r, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	struct diff *d = r->diff;
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.diff/1");
	json_str(&j, "time", parts_time(parts_now(), time));
	json_str(&j, "kind", r->kind);
	json_str(&j, "by", diff_by_names[d->by]);
	json_str(&j, "value_type", d->type);
	json_str(&j, "value_unit", d->unit);
	put_inputs(&j, d);
	put_total(&j, d);
	json_u64(&j, "groups_total", d->groups.n);
	json_array(&j, "groups");
	for (size_t i = 0; i < d->shown && (!r->top || i < r->top); i++)
		put_group(&j, d, i);
	json_array_end(&j);
	put_outliers(&j, d);
	if (r->judged)
		json_bool(&j, "failed", r->failed);
	else
		json_null(&j, "failed");
	json_array(&j, "notes");
	for (size_t i = 0; i < d->notes.n; i++)
		json_str(&j, NULL, d->notes.v[i]);
	for (size_t i = 0; i < r->notes.n; i++)
		json_str(&j, NULL, r->notes.v[i]);
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
