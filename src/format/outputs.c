/* SPDX-License-Identifier: Apache-2.0 */
#include "format/outputs.h"

#include <assert.h>

#include "base/cleanup.h"

static void add(struct outputs *o, int which, const char *path)
{
	assert(o->n < OUTPUTS_MAX);
	o->v[o->n].which = which;
	o->v[o->n++].path = path;
}

void outputs_add(struct outputs *o, int which, const char *path)
{
	if (path)
		add(o, which, path);
}

static size_t to_stdout(const struct outputs *o)
{
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++)
		n += output_is_stdout(o->v[i].path);
	return n;
}

struct err *outputs_open(struct outputs *o, int report, const char *path, bool asked)
{
	if (path || asked || !to_stdout(o))
		add(o, report, path);
	if (to_stdout(o) > 1)
		return err_new(ERR_ARG, "two outputs cannot both go to standard output: give files");
	for (size_t i = 0; i < o->n; i++)
		TRY(output_open(&o->v[i].out, o->v[i].path));
	return NULL;
}

struct err *outputs_write(struct outputs *o, outputs_fn render, const void *report)
{
	for (size_t i = 0; i < o->n; i++) {
		AUTO(strbuf) struct strbuf text;
		strbuf_init(&text);
		render(report, o->v[i].which, &text);
		TRY(output_commit(&o->v[i].out, text.buf, text.len));
	}
	return NULL;
}

void outputs_abandon(struct outputs *o)
{
	for (size_t i = 0; i < o->n; i++)
		output_abandon(&o->v[i].out);
}
