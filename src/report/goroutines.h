/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/goroutines - groups of goroutines, as text and as JSON ("ullage.goroutines/1").
 */

#include "analysis/suspicion.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "screen/style.h"

struct goroutines_report {
	const struct goroutines *goroutines;
	const struct goroutine_groups *groups;
	enum goroutine_group_by by;
	const struct goroutine_groups *sites; /* the same goroutines by site, perhaps `groups` itself */
	const struct suspicions *suspicions;  /* of sites */
	int64_t time;			      /* when they were read, ns since 1970; 0: unknown, or several inputs */
	struct str_vec inputs;		      /* names, by number */
	struct str_vec notes;		      /* sentences */
	size_t top;			      /* groups shown; 0: as many as fit the format */
	bool stacks;			      /* text: the stack of every group */
	struct style style;
};

extern const char *const goroutine_by_names[]; /* by enum goroutine_group_by, ends with NULL */

void goroutines_text(const struct goroutines_report *r, struct strbuf *out);
void goroutines_json_members(struct json *j, const struct goroutines_report *r); /* into an object that is open */
void goroutines_json(const struct goroutines_report *r, struct strbuf *out);
