/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/timers - timers by callback, as text and as JSON ("ullage.timers/1").
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "model/snapshot.h"
#include "screen/style.h"

struct timers_report {
	const struct snapshot *snapshot; /* its timers, source and notes */
	size_t top;			 /* groups shown; 0: 20 in text, all in JSON */
	struct style style;
};

void timers_text(const struct timers_report *r, struct strbuf *out);
void timers_json_members(struct json *j, const struct timers_report *r); /* into an object that the caller opened */
void timers_json(const struct timers_report *r, struct strbuf *out);
