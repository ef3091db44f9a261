/* SPDX-License-Identifier: Apache-2.0 */
#include "report/owners_words.h"

#include <string.h>

#include "base/num.h"
#include "screen/clean.h"
#include "screen/say.h"

enum {
	LINKS_HEAD = 3, /* links of a long path that are shown at its start and at its end */
	LINKS_TAIL = 4,
	LINK_MIN = 12, /* columns of one link at least */
};

static const char ARROW[] = " -> ";

void owners_root_words(const struct owners *o, const struct owners_root *r, struct strbuf *out)
{
	char num[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf about;
	strbuf_init(&about);
	bool is_static = o->jvm && r->kind == OWNERS_GLOBAL;
	const char *name = r->name ? r->name : "(unknown)", *kind = is_static ? "static" : owners_root_kinds[r->kind];
	if (r->goroutines > 1)
		say_and(&about, "%s %s", say_num(r->goroutines, num), o->jvm ? "threads" : "goroutines");
	else if (!r->goroutines && r->kind != OWNERS_OTHER && strncmp(name, kind, strlen(kind)) != 0)
		say_and(&about, "%s", kind);
	if (r->used_by)
		say_and(&about, "used by %s", r->used_by);
	if (r->blocked_at)
		say_and(&about, "in %s", r->blocked_at);
	strbuf_puts(out, name);
	if (about.len)
		strbuf_printf(out, " (%s)", about.buf);
}

/* Paths come out of files, too: a root and steps that are not there are no path. */
bool owners_path_wanted(const struct owners_report *r, const struct owners_path *p)
{
	const struct owners *o = &r->snapshot->owners;
	if (p->root >= o->roots.n || p->step_at > o->steps.n || p->step_n > o->steps.n - p->step_at)
		return false;
	if (!r->type)
		return true;
	const char *end = p->step_n ? o->steps.v[p->step_at + p->step_n - 1].type : NULL;
	return end && owners_type_is(end, r->type);
}

void owners_path_words(const struct owners *o, const struct owners_path *p, struct strbuf *out)
{
	if (p->text) {
		strbuf_puts(out, p->text);
		return;
	}
	owners_root_words(o, &o->roots.v[p->root], out);
	for (uint32_t i = 0; i < p->step_n; i++) {
		const struct owners_step *step = &o->steps.v[p->step_at + i];
		strbuf_puts(out, ARROW);
		if (step->field)
			strbuf_printf(out, ".%s ", step->field);
		strbuf_puts(out, step->type ? step->type : "(unknown)");
	}
}

/* ---- a path on a narrow screen ---- */

static size_t link_end(const char *text)
{
	const char *arrow = strstr(text, ARROW);
	return arrow ? (size_t)(arrow - text) : strlen(text);
}

static size_t count_links(const char *text)
{
	size_t n = 1;
	for (const char *at = strstr(text, ARROW); at; at = strstr(at + strlen(ARROW), ARROW))
		n++;
	return n;
}

struct folded {
	size_t width, used; /* of a line; of the last line */
	const struct style *style;
	struct strbuf *out;
};

/* One link behind what stands there, on a new line where it does not fit. */
static void put_link(struct folded *f, const char *text, size_t len)
{
	AUTO_FREE char *link = xstrndup(text, len);
	AUTO(strbuf) struct strbuf clean;
	AUTO(strbuf) struct strbuf cut;
	strbuf_init(&clean);
	strbuf_init(&cut);
	clean_add(&clean, link, f->style->utf8);
	size_t arrow = f->out->len ? strlen(ARROW) : 0;
	clean_cut(&cut, clean.buf, num_max(LINK_MIN, num_sub(f->width, strlen(ARROW))), f->style->utf8);
	size_t width = clean_width(cut.buf);
	if (f->used && f->used + arrow + width > f->width) {
		strbuf_putc(f->out, '\n');
		f->used = 0;
	}
	if (arrow)
		strbuf_puts(f->out, f->used ? ARROW : ARROW + 1);
	strbuf_puts(f->out, cut.buf);
	f->used += width + arrow;
}

void owners_path_fold(const char *text, size_t width, const struct style *style, struct strbuf *out)
{
	struct folded f = { .width = width, .style = style, .out = out };
	size_t n = count_links(text), left_out = n > LINKS_HEAD + LINKS_TAIL + 1 ? n - LINKS_HEAD - LINKS_TAIL : 0;
	for (size_t i = 0; i < n; i++) {
		size_t len = link_end(text);
		if (left_out && i == LINKS_HEAD) {
			AUTO_FREE char *gap = xasprintf("(%zu more)", left_out);
			put_link(&f, gap, strlen(gap));
		}
		if (!left_out || i < LINKS_HEAD || i >= LINKS_HEAD + left_out)
			put_link(&f, text, len);
		text += len + (i + 1 < n ? strlen(ARROW) : 0);
	}
}
