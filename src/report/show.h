/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/show - what a snapshot holds: for people a line for each part, as JSON ("ullage.show/1") all of it, each part
 * as its own command prints it.
 */

#include "base/strbuf.h"
#include "model/snapshot.h"
#include "screen/style.h"

struct show_part {
	enum snapshot_part part;
	const char *key;     /* in JSON: "heap" */
	const char *name;    /* for people: "heap profile" */
	const char *command; /* that reads it: "heap" */
};

enum { SHOW_PARTS = 7 };
extern const struct show_part show_parts[SHOW_PARTS];

/* "account, heap profile" of the parts in `bits`, appended. */
void show_names(unsigned bits, struct strbuf *out);

/* `size` is that of the file, 0 unknown. */
void show_text(const struct snapshot *s, uint64_t size, const struct style *style, struct strbuf *out);
void show_json(const struct snapshot *s, uint64_t size, struct strbuf *out);
