/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/outputs - a command's report and what it writes beside it (profiles, pages), each to a place of its own.
 *
 *	struct outputs outs = { 0 };
 *	outputs_add(&outs, FLAME, opt->flame);                           for each that may be asked for
 *	err = outputs_open(&outs, opt->json ? JSON : TEXT, opt->file, opt->json);   before the target is touched
 *	err = outputs_write(&outs, render, &report);
 *	outputs_abandon(&outs);                                          on every way out
 */

#include "base/strbuf.h"
#include "format/output.h"

enum { OUTPUTS_MAX = 4 };

/* Appends the output of this number, the command's own, made of its report. */
typedef void (*outputs_fn)(const void *report, int which, struct strbuf *out);

/* Zeroed memory is an empty list. */
struct outputs {
	struct {
		int which;
		const char *path;
		struct output out;
	} v[OUTPUTS_MAX];
	size_t n;
};

/* One that is written beside the report; path NULL: it was not asked for. The path is borrowed. */
void outputs_add(struct outputs *o, int which, const char *path);

/*
 * Adds the report itself, for `path` (NULL: standard output), and opens all. Where another output was sent to standard
 * output the report is left out, unless it has a path or was `asked` for. ARG when two are for standard output; WRITE.
 */
MUST_CHECK struct err *outputs_open(struct outputs *o, int report, const char *path, bool asked);

MUST_CHECK struct err *outputs_write(struct outputs *o, outputs_fn render, const void *report);
void outputs_abandon(struct outputs *o); /* removes what is not whole; fine after outputs_write() */
