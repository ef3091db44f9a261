/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include "base/cleanup.h"
#include "format/fields.h"
#include "format/parts.h"

void surface_list(const struct surface_list *l, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	struct strbuf schema AUTO(strbuf);
	strbuf_init(&schema);
	strbuf_printf(&schema, "ullage.watch.%s/1", l->name);
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", schema.buf);
	json_str(&j, "time", parts_time(l->wall_ns, time));
	json_str(&j, "target", l->target);
	json_array(&j, l->name);
	for (size_t i = 0; i < l->n; i++) {
		json_object(&j, NULL);
		l->item(&j, l->arg, i);
		json_object_end(&j);
	}
	json_array_end(&j);
	if (l->next)
		json_i64(&j, "next", l->next);
	else
		json_null(&j, "next");
	json_array(&j, "notes");
	if (l->note)
		json_str(&j, NULL, l->note);
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

void surface_event(struct json *j, int64_t id, const struct watch_event *e)
{
	char time[PARTS_TIME_LEN];
	if (id)
		json_i64(j, "id", id);
	json_str(j, "time", parts_time(e->wall_ns, time));
	json_str(j, "kind", watch_event_kinds[e->kind]);
	json_str(j, "target", e->target);
	json_str(j, "comm", e->comm);
	json_str(j, "cgroup_path", e->cgroup_path);
	json_str(j, "build_id", e->build_id);
	json_str(j, "name", e->name);
	json_str(j, "text", e->text);
	json_double(j, "value", e->value);
	json_double(j, "threshold", e->threshold);
	json_bool(j, "dry_run", e->dry);
	json_raw(j, "detail", e->detail);
}

void surface_file(struct json *j, const struct watch_file *f)
{
	char time[PARTS_TIME_LEN];
	json_str(j, "time", parts_time(f->wall_ns, time));
	json_str(j, "target", f->target);
	json_str(j, "comm", f->comm);
	json_str(j, "kind", f->kind);
	json_str(j, "path", f->path);
	fields_u64(j, "size_bytes", f->bytes);
}
