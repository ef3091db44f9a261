/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/record - what a window of `ullage record` saw: as text, as JSON ("ullage.record/1"), as a profile (pprof, folded
 * stacks) and as a flame graph.
 *
 * Rows that were given back before the end (no high_bytes) are not outstanding: in JSON they stand apart, in a profile
 * they are left out.
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "model/profile.h"
#include "model/record.h"
#include "screen/style.h"

struct record_report {
	const struct record *record;
	size_t top; /* call paths of each kind in text; 0: as many as fit. In JSON of all; 0: all */
	struct style style;
};

void record_text(const struct record_report *r, struct strbuf *out);
void record_json_members(struct json *j, const struct record_report *r); /* into an object that the caller opened */
void record_json(const struct record_report *r, struct strbuf *out);

/* Gzip'd pprof; and of the kind that took most, folded stacks and a page. */
void record_pprof(const struct record_report *r, struct strbuf *out);
void record_folded(const struct record_report *r, struct strbuf *out);
void record_flame(const struct record_report *r, struct strbuf *out);

/* *ret is to be given to profile_deinit(). */
void record_profile(const struct record *r, struct profile *ret);
