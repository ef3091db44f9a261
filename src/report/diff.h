/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/diff - what grew, as text and as JSON ("ullage.diff/1").
 */

#include "analysis/diff.h"
#include "base/strbuf.h"
#include "screen/style.h"

struct diff_report {
	struct diff *diff;
	const char *kind;     /* "snapshot", "a pprof profile": what the inputs are, for people */
	struct str_vec notes; /* sentences, beside those of the diff */
	size_t top;	      /* groups shown; 0: as many as fit the format */
	bool judged, failed;  /* a limit was given; it was passed */
	uint64_t limit;
	struct style style;
};

void diff_text(const struct diff_report *r, struct strbuf *out);
void diff_json(const struct diff_report *r, struct strbuf *out);
