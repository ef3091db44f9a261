/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "base/vec.h"

enum { SHOWN = 100 };

static const struct {
	const char *path, *shown, *about;
} paths[] = {
#define ROUTE(name, path, shown, about) { path, shown, about },
#include "surface/routes.def"
#undef ROUTE
};

/* Names may be any bytes: what is no UTF-8 is shown as such. */
static void put_escaped(struct strbuf *out, const char *s)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
	const char *end = s + strlen(s);
	for (size_t n = 0; s < end; s += n ? n : 1) {
		const char *at = strchr(special, *s);
		n = utf8_len(s, (size_t)(end - s));
		if (at)
			strbuf_puts(out, entities[at - special]);
		else if (n)
			strbuf_add(out, s, n);
		else
			strbuf_puts(out, "\xef\xbf\xbd");
	}
}

static void put_size(struct strbuf *out, uint64_t bytes)
{
	char buf[NUM_SIZE_LEN];
	strbuf_printf(out, "<td>%s", bytes == WATCH_UNKNOWN ? "-" : num_size(bytes, buf));
}

static void put_row(struct strbuf *out, const struct watch_target *t)
{
	strbuf_printf(out, "<tr class=%s><td>%s<td>%d<td>", watch_states[t->state], watch_states[t->state], t->id.pid);
	put_escaped(out, t->comm ? t->comm : "?");
	put_size(out, t->process.rss);
	put_size(out, t->cgroup.working_set);
	put_size(out, t->cgroup.limit);
	if (isfinite(t->forecast.eta))
		strbuf_printf(out, "<td>%.0f s<td>", t->forecast.eta);
	else
		strbuf_puts(out, "<td>-<td>");
	put_escaped(out, t->reason);
	strbuf_puts(out, "\n");
}

static void put_rows(const struct surface_view *v, struct strbuf *out)
{
	size_t left = SHOWN;
	for (unsigned s = WATCH_STATES; s-- > 0;) /* what is worst is on the first screen */
		for (size_t i = 0; i < v->n; i++)
			if (v->targets[i]->state == s && left && left--)
				put_row(out, v->targets[i]);
	if (v->n > SHOWN)
		strbuf_printf(out, "<tr><td><td><td>and %zu more\n", v->n - SHOWN);
}

void surface_index(const struct surface_view *v, struct strbuf *out)
{
	strbuf_printf(
		out,
		"<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>ullage watch</title>\n"
		"<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em;color-scheme:light dark}"
		"td,th{padding:0 .8em 0 0;text-align:left}.critical,.open{color:#c22}.warning{color:#b70}</style>\n"
		"<h1>ullage watch</h1>\n<p>Version %s, %zu processes are watched.\n"
		"<table><tr><th>state<th>pid<th>name<th>rss<th>working set<th>limit<th>limit in<th>why\n",
		v->self->version ? v->self->version : "unknown", v->n);
	put_rows(v, out);
	strbuf_puts(out, "</table>\n<h2>What there is</h2>\n<table>\n");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		bool whole = strcmp(paths[i].path, paths[i].shown) == 0; /* else there is a name to fill in */
		strbuf_puts(out, "<tr><td>");
		if (whole)
			strbuf_printf(out, "<a href=\"%s\">", paths[i].path);
		put_escaped(out, paths[i].shown);
		strbuf_printf(out, "%s<td>", whole ? "</a>" : "");
		put_escaped(out, paths[i].about);
		strbuf_putc(out, '\n');
	}
	strbuf_puts(out, "</table>\n</html>\n");
}
