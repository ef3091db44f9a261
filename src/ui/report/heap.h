/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ui/report/heap - what a Go heap holds, as text and as JSON ("ullage.heap/1").
 */

#include "base/strbuf.h"
#include "codec/escapes.h"
#include "model/snapshot.h"
#include "ui/report/style.h"

enum heap_by { HEAP_BY_SITE, HEAP_BY_TYPE, HEAP_BY_SIZE, HEAP_BY_SPAN };

extern const char *const heap_by_names[]; /* by enum heap_by, ends with NULL */

struct heap_report {
	const struct snapshot *snapshot;
	const struct escapes *escapes; /* NULL: none were given */
	enum heap_by by;	       /* text */
	size_t top;		       /* rows shown; 0: as many as fit the format */
	struct style style;
};

void heap_text(const struct heap_report *r, struct strbuf *out);
void heap_json(const struct heap_report *r, struct strbuf *out);
