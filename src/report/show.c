/* SPDX-License-Identifier: Apache-2.0 */
#include "report/show.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "format/fields.h"
#include "format/parts.h"
#include "report/fds.h"
#include "report/goroutines.h"
#include "report/heap.h"
#include "report/owners.h"
#include "report/report.h"
#include "report/text.h"
#include "report/timers.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

const struct show_part show_parts[SHOW_PARTS] = {
	{ SNAPSHOT_ACCOUNT, "account", "account of memory", "map" },
	{ SNAPSHOT_HEAP, "heap", "heap profile", "heap" },
	{ SNAPSHOT_CENSUS, "census", "census of the heap", "heap" },
	{ SNAPSHOT_GOROUTINES, "goroutines", "goroutines", "goroutines" },
	{ SNAPSHOT_TIMERS, "timers", "timers", "timers" },
	{ SNAPSHOT_FDS, "fds", "descriptors", "fds" },
	{ SNAPSHOT_OWNERS, "owners", "owners of the heap", "owners" },
};

void show_names(unsigned bits, struct strbuf *out)
{
	const char *between = "";
	for (size_t i = 0; i < SHOW_PARTS; i++) {
		if (!(bits & show_parts[i].part))
			continue;
		strbuf_printf(out, "%s%s", between, show_parts[i].name);
		between = ", ";
	}
}

/* ---- sums ---- */

static int64_t sum_values(const struct heap_view *h, int value)
{
	uint64_t sum = 0; /* wraps where a file is made to */
	for (size_t i = 0; i < h->profile.samples.n; i++)
		sum += (uint64_t)profile_values(&h->profile, i)[value];
	return (int64_t)sum;
}

struct census_sums {
	uint64_t classes, spans, objects, bytes;
};

static struct census_sums sum_spans(const struct heap_view *h)
{
	struct census_sums c = { 0 };
	for (size_t i = 0; i < h->spans.n; i++) {
		const struct heap_span *s = &h->spans.v[i];
		if (s->p != -1)
			continue;
		c.classes++;
		c.spans += s->spans;
		c.objects += s->objects;
		c.bytes += s->object_bytes;
	}
	for (size_t i = 0; !c.classes && i < h->types.n; i++) { /* a heap dump has objects and no spans */
		c.objects += h->types.v[i].objects;
		c.bytes += h->types.v[i].bytes;
	}
	return c;
}

static uint64_t sum_sockets(const struct fds *f)
{
	uint64_t n = 0;
	for (size_t i = 0; i < f->sockets.n; i++)
		n += f->sockets.v[i].count;
	return n;
}

static uint64_t count_stacks(const struct goroutines *gs)
{
	AUTO_FREE bool *seen = xcalloc(gs->stacks.v.n + 1, sizeof(*seen));
	uint64_t n = 0;
	for (size_t i = 0; i < gs->v.n; i++) {
		const struct goroutine *g = &gs->v.v[i];
		if (g->flags & GOROUTINE_SYSTEM || seen[g->stack])
			continue;
		seen[g->stack] = true;
		n++;
	}
	return n;
}

/* ---- for people: one line a part ---- */

static void holds_account(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN], z[SAY_NUM_LEN];
	strbuf_printf(out, "%s resident; mappings: %s, owners: %s", say_size(s->account.rss, x),
		      say_num(s->account.maps.n, y), say_num(s->account.owners.n, z));
}

static void holds_heap(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	strbuf_printf(out, "%s in use; buckets: %s", say_size((uint64_t)sum_values(&s->heap, HEAP_INUSE_SPACE), y),
		      say_num(s->heap.profile.samples.n, x));
	if (!s->heap.enabled)
		strbuf_puts(out, "; the runtime does not sample");
}

static void holds_census(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN], z[SAY_NUM_LEN];
	struct census_sums c = sum_spans(&s->heap);
	strbuf_printf(out, "%s in use; objects: %s, types: %s", say_size(c.bytes, y), say_num(c.objects, x),
		      say_num(s->heap.types.n, z));
}

static void holds_goroutines(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	strbuf_printf(out, "%s in all; different stacks: %s", say_num(s->goroutines.total, x),
		      say_num(count_stacks(&s->goroutines), y));
}

static void holds_timers(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	strbuf_printf(out, "%s in all; callbacks: %s", say_num(s->timers.total, x), say_num(s->timers.groups.n, y));
}

static void holds_fds(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	strbuf_printf(out, "%s in all; sockets: %s", say_num(s->fds.total, x), say_num(sum_sockets(&s->fds), y));
}

static void holds_owners(const struct snapshot *s, struct strbuf *out)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN], z[SAY_NUM_LEN];
	strbuf_printf(out, "%s reachable; roots: %s, paths: %s", say_size(s->owners.reachable, x),
		      say_num(s->owners.roots.n, y), say_num(s->owners.paths.n, z));
}

static void (*const holds[SHOW_PARTS])(const struct snapshot *s, struct strbuf *out) = {
	holds_account, holds_heap, holds_census, holds_goroutines, holds_timers, holds_fds, holds_owners,
};

static void say_headline(struct say *s, const struct snapshot *snap, uint64_t size)
{
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	strbuf_printf(&f, "%s", snap->source ? snap->source : "?");
	if (size)
		strbuf_printf(&f, " (%s)", say_size(size, x));
	strbuf_puts(&f, ": ");
	if (snap->id.pid)
		strbuf_printf(&f, "%s (pid %d)", snap->id.comm ? snap->id.comm : "?", snap->id.pid);
	else
		strbuf_puts(&f, "of an unnamed process");
	if (snap->id.go_version)
		say_and(&f, "%s", snap->id.go_version);
	if (snap->id.module)
		say_and(&f, "%s", snap->id.module);
	say_line(s, STYLE_HEAD, 0, "%s", f.buf);
}

static void say_image(struct say *s, const struct snapshot *snap)
{
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (snap->id.exe)
		say_and(&f, "%s", snap->id.exe);
	if (snap->id.build_id)
		say_and(&f, "build id %s", snap->id.build_id);
	if (f.len)
		say_fact(s, "image", "%s", f.buf);
}

static void say_clocks(struct say *s, const struct snapshot_clock *c)
{
	char x[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (c->wall) {
		text_time(&f, c->wall);
		say_fact(s, "taken", "%s", f.buf);
	}
	if (c->gc_count == ACCOUNT_UNKNOWN)
		return;
	strbuf_clear(&f);
	say_and(&f, "%s cycles (%s forced)", say_num(c->gc_count, x),
		say_num(c->num_forced_gc, (char[SAY_NUM_LEN]){ 0 }));
	if (c->last_gc_wall > 0 && c->wall > c->last_gc_wall)
		say_and(&f, "the last %s before", say_duration(c->wall - c->last_gc_wall, x));
	if (c->gc_phase)
		say_and(&f, "phase %s", c->gc_phase);
	if (c->gc_count_end != c->gc_count)
		say_and(&f, "and one ended while this was read");
	say_fact(s, "GC", "%s", f.buf);
}

static void put_parts(const struct snapshot *s, const struct style *style, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ "PART", TABLE_LEFT, 0 },
		{ "HOLDS", TABLE_LEFT, 0 },
		{ "READ BY", TABLE_LEFT, 0 },
	};
	struct table t;
	table_init(&t, columns, LEN(columns), style);
	t.indent = 2;
	for (size_t i = 0; i < SHOW_PARTS; i++) {
		bool there = s->parts & show_parts[i].part;
		AUTO(strbuf) struct strbuf text;
		strbuf_init(&text);
		if (there)
			holds[i](s, &text);
		table_cell(&t, show_parts[i].name);
		bool usual = show_parts[i].part & SNAPSHOT_ALL;
		table_cell(&t, there ? text.buf : usual ? "missing" : "not asked for");
		table_role(&t, there ? STYLE_PLAIN : usual ? STYLE_WARN : STYLE_DIM);
		table_cellf(&t, there ? "ullage %s FILE" : "-", show_parts[i].command);
	}
	table_print(&t, out);
	table_deinit(&t);
}

void show_text(const struct snapshot *s, uint64_t size, const struct style *style, struct strbuf *out)
{
	struct say say = { out, style };
	say_headline(&say, s, size);
	say_image(&say, s);
	say_clocks(&say, &s->clock);
	strbuf_putc(out, '\n');
	put_parts(s, style, out);
	if (s->notes.n)
		say_title(&say, "Notes");
	for (size_t i = 0; i < s->notes.n; i++)
		say_line(&say, STYLE_PLAIN, 2, "%s", s->notes.v[i]);
}

/* ---- JSON: of each part the object that the command which reads it prints ---- */

static const struct field identity_fields[] = {
	FIELD(snapshot_identity, comm, FIELD_STR, "comm"),
	FIELD(snapshot_identity, exe, FIELD_STR, "exe"),
	FIELD(snapshot_identity, start_ticks, FIELD_U64, "start_ticks"),
	FIELD(snapshot_identity, boot_id, FIELD_STR, "boot_id"),
	FIELD(snapshot_identity, build_id, FIELD_STR, "build_id"),
	FIELD(snapshot_identity, go_version, FIELD_STR, "go_version"),
	FIELD(snapshot_identity, module, FIELD_STR, "module"),
};

static void json_account(struct json *j, const struct snapshot *s)
{
	report_json_members(j, &s->account, REPORT_OWNERS | REPORT_VMAS);
}

static void json_heap(struct json *j, const struct snapshot *s)
{
	heap_json_members(j, &(struct heap_report){ .snapshot = s });
}

/* Its rows stand in the heap. */
static void json_census(struct json *j, const struct snapshot *s)
{
	struct census_sums c = sum_spans(&s->heap);
	json_u64(j, "size_classes", c.classes);
	json_u64(j, "spans", c.spans);
	json_u64(j, "objects", c.objects);
	json_u64(j, "object_bytes", c.bytes);
	json_u64(j, "types", s->heap.types.n);
}

static void json_goroutines(struct json *j, const struct snapshot *s)
{
	struct goroutine_groups groups;
	struct suspicions suspicions;
	goroutine_groups_make(&s->goroutines, GOROUTINE_BY_SITE, false, &groups);
	suspicions_find(&s->goroutines, &groups, &suspicions);
	struct goroutines_report r = {
		.goroutines = &s->goroutines,
		.groups = &groups,
		.by = GOROUTINE_BY_SITE,
		.sites = &groups,
		.suspicions = &suspicions,
		.time = s->clock.wall,
	};
	*vec_push(&r.inputs) = s->source;
	for (size_t i = 0; i < s->notes.n; i++) {
		if (!s->note_parts.v[i] || s->note_parts.v[i] & (SNAPSHOT_GOROUTINES | SNAPSHOT_FDS))
			*vec_push(&r.notes) = s->notes.v[i];
	}
	goroutines_json_members(j, &r);
	vec_deinit(&r.notes);
	vec_deinit(&r.inputs);
	suspicions_deinit(&suspicions);
	goroutine_groups_deinit(&groups);
}

static void json_timers(struct json *j, const struct snapshot *s)
{
	timers_json_members(j, &(struct timers_report){ .snapshot = s });
}

static void json_fds(struct json *j, const struct snapshot *s)
{
	fds_json_members(j, &(struct fds_report){ .snapshot = s, .list = true });
}

static void json_owners(struct json *j, const struct snapshot *s)
{
	owners_json_members(j, &(struct owners_report){ .snapshot = s });
}

static void (*const members[SHOW_PARTS])(struct json *j, const struct snapshot *s) = {
	json_account, json_heap, json_census, json_goroutines, json_timers, json_fds, json_owners,
};

static void json_time(struct json *j, const char *key, int64_t unix_ns)
{
	char time[PARTS_TIME_LEN];
	json_str(j, key, unix_ns > 0 ? parts_time(unix_ns, time) : NULL);
}

static void json_seconds(struct json *j, const char *key, int64_t ns)
{
	json_double(j, key, ns > 0 ? (double)ns / 1e9 : (double)NAN);
}

static void json_clock(struct json *j, const struct snapshot_clock *c)
{
	json_object(j, "clock");
	json_time(j, "time", c->wall);
	json_seconds(j, "monotonic_seconds", c->monotonic);
	json_seconds(j, "boot_seconds", c->boot);
	json_time(j, "last_gc", c->last_gc_wall);
	fields_u64(j, "gc_count", c->gc_count);
	fields_u64(j, "gc_count_end", c->gc_count_end);
	fields_u64(j, "gc_forced", c->num_forced_gc);
	json_str(j, "gc_phase", c->gc_phase);
	json_object_end(j);
}

static void json_parts(struct json *j, unsigned bits)
{
	json_array(j, "parts");
	for (size_t i = 0; i < SHOW_PARTS; i++) {
		if (!(bits & show_parts[i].part))
			continue;
		json_object(j, NULL);
		json_str(j, "part", show_parts[i].key);
		json_str(j, "command", show_parts[i].command);
		json_object_end(j);
	}
	json_array_end(j);
}

void show_json(const struct snapshot *s, uint64_t size, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.show/1");
	json_str(&j, "source", s->source);
	fields_u64(&j, "file_bytes", size ? size : UINT64_MAX);
	json_object(&j, "identity");
	json_i64(&j, "pid", s->id.pid);
	fields_json(&j, identity_fields, LEN(identity_fields), &s->id);
	json_object_end(&j);
	json_clock(&j, &s->clock);
	json_parts(&j, s->parts);
	for (size_t i = 0; i < SHOW_PARTS; i++) {
		if (!(s->parts & show_parts[i].part)) {
			json_null(&j, show_parts[i].key);
			continue;
		}
		json_object(&j, show_parts[i].key);
		members[i](&j, s);
		json_object_end(&j);
	}
	parts_notes(&j, s, SNAPSHOT_ALL | SNAPSHOT_OWNERS);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
