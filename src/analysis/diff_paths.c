/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analysis/diff_match.h"
#include "base/strbuf.h"

enum { LOOK_AHEAD = 1000 }; /* groups behind one that may be a longer path of the same growth */

/* Of the growth of a path, what one longer path must have grown by to say the same. */
static const double SAME = 0.9;

static const char ARROW[] = " -> ";

/* "main.Sessions -> map[string]*main.Session -> *main.Session"; a path that was read has it already. */
static const char *path_text(const struct owners *o, const struct owners_path *p, struct strbuf *buf)
{
	if (p->text)
		return p->text;
	strbuf_clear(buf);
	strbuf_puts(buf, p->root < o->roots.n && o->roots.v[p->root].name ? o->roots.v[p->root].name : "(unknown)");
	for (uint32_t i = 0; i < p->step_n && p->step_at + i < o->steps.n; i++) {
		const char *type = o->steps.v[p->step_at + i].type;
		strbuf_printf(buf, "%s%s", ARROW, type ? type : "(unknown)");
	}
	return buf->buf;
}

void diff_by_paths(struct diff *d)
{
	AUTO(strbuf) struct strbuf buf;
	strbuf_init(&buf);
	d->type = "retained";
	d->unit = "bytes";
	d->by_bytes = true;
	for (size_t i = 0; i < d->n; i++) {
		const struct owners *o = &d->inputs[i].s->owners;
		for (size_t k = 0; k < o->paths.n; k++) {
			const char *text = path_text(o, &o->paths.v[k], &buf);
			diff_add_named(d, text, i, o->paths.v[k].retained, o->paths.v[k].objects);
		}
	}
}

void diff_by_owned_types(struct diff *d)
{
	d->type = "type";
	d->unit = "bytes";
	d->by_bytes = true;
	for (size_t i = 0; i < d->n; i++) {
		const struct owners_type_vec *types = &d->inputs[i].s->owners.types;
		for (size_t k = 0; k < types->n; k++)
			diff_add_named(d, types->v[k].type, i, types->v[k].bytes, types->v[k].objects);
	}
}

static bool is_longer(const char *path, const char *start)
{
	size_t n = strlen(start);
	return strncmp(path, start, n) == 0 && strncmp(path + n, ARROW, strlen(ARROW)) == 0;
}

void diff_mark_told(struct diff *d)
{
	for (size_t i = 0; i < d->shown; i++) {
		struct diff_group *g = &d->groups.v[i];
		for (size_t k = i + 1; k < d->shown && k <= i + LOOK_AHEAD && g->delta.bytes > 0 && !g->told; k++) {
			const struct diff_group *next = &d->groups.v[k];
			if ((double)next->delta.bytes < SAME * (double)g->delta.bytes)
				break;
			g->told = is_longer(next->name, g->name);
		}
	}
}
