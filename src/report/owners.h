/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/owners - who keeps a heap alive, as text, as JSON ("ullage.owners/1") and as a flame graph of paths.
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "model/snapshot.h"
#include "screen/style.h"

enum owners_by { OWNERS_BY_ROOT, OWNERS_BY_TYPE, OWNERS_BY_PATH, OWNERS_BY_ALL };

extern const char *const owners_by_names[]; /* by enum owners_by without OWNERS_BY_ALL, ends with NULL */

struct owners_report {
	const struct snapshot *snapshot;
	enum owners_by by; /* text */
	const char *type;  /* paths that end at this type only; NULL: all */
	size_t top;	   /* rows of a list; 0: as many as fit the format */
	struct style style;
};

void owners_text(const struct owners_report *r, struct strbuf *out);
void owners_json_members(struct json *j, const struct owners_report *r); /* into an object that the caller opened */
void owners_json(const struct owners_report *r, struct strbuf *out);

/* Appends a page: roots below, what they hold above, as wide as the bytes. */
void owners_flame(const struct owners_report *r, struct strbuf *out);
