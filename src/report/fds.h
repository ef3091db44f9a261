/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/fds - the descriptors of a process, as text and as JSON ("ullage.fds/1").
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "model/snapshot.h"
#include "screen/style.h"

struct fds_report {
	const struct snapshot *snapshot;
	size_t top; /* text: rows of each table; 0: as many as fit the format */
	bool list;  /* every descriptor */
	struct style style;
};

void fds_text(const struct fds_report *r, struct strbuf *out);
void fds_json_members(struct json *j, const struct fds_report *r); /* into an object that the caller opened */
void fds_json(const struct fds_report *r, struct strbuf *out);
