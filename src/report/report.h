/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/report - an account in every format. Each renderer appends to `out` and changes nothing.
 *
 * To add a format: one file, one function here, one row in the table of cli/map.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "model/account.h"
#include "screen/style.h"

/* What the width of a flame graph means. */
enum report_value { REPORT_RSS, REPORT_PSS, REPORT_SWAP };

struct report_options {
	struct style style;	 /* text */
	size_t top;		 /* text: owners shown of a class */
	bool vmas;		 /* text, json: one row per mapping */
	enum report_value value; /* flame, folded */
};

typedef void (*report_fn)(const struct account *a, const struct report_options *opt, struct strbuf *out);

void report_text(const struct account *a, const struct report_options *opt, struct strbuf *out);
void report_json(const struct account *a, const struct report_options *opt, struct strbuf *out);
void report_csv(const struct account *a, const struct report_options *opt, struct strbuf *out);
void report_html(const struct account *a, const struct report_options *opt, struct strbuf *out);
void report_flame(const struct account *a, const struct report_options *opt, struct strbuf *out);
void report_folded(const struct account *a, const struct report_options *opt, struct strbuf *out);

/* The members of the JSON object, for pages that carry it; which of the long lists are among them. */
enum { REPORT_OWNERS = 1u << 0, REPORT_VMAS = 1u << 1 };
void report_json_members(struct json *j, const struct account *a, unsigned lists);
