/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/heap - what a Go heap holds, as text and as JSON ("ullage.heap/1").
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "codec/escapes.h"
#include "model/snapshot.h"
#include "screen/style.h"

enum heap_by { HEAP_BY_SITE, HEAP_BY_TYPE, HEAP_BY_SIZE, HEAP_BY_SPAN };

extern const char *const heap_by_names[]; /* by enum heap_by, ends with NULL */

struct heap_report {
	const struct snapshot *snapshot;
	const struct escapes *escapes; /* NULL: none were given */
	enum heap_by by;	       /* text */
	size_t top;		       /* rows shown; 0: as many as fit the format */
	struct style style;
};

VEC_TYPE(heap_span_rows, const struct heap_span *);

/* Appends the rows of classes, or of what each P holds, which are parts of the former; largest first. */
void heap_spans(const struct heap_view *h, bool of_ps, struct heap_span_rows *ret);

void heap_text(const struct heap_report *r, struct strbuf *out);
void heap_json_members(struct json *j, const struct heap_report *r); /* into an object that the caller opened */
void heap_json(const struct heap_report *r, struct strbuf *out);
