/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/page - pages that stand alone: one file, no network, data inside.
 *
 * The pages are made of src/format/web by embed.py at build time; page_table holds what stands before and after the data.
 */

#include "base/json.h"
#include "base/strbuf.h"
#include "model/class.h"

struct page {
	const char *head, *tail; /* the data goes in between */
};

extern const struct page page_map, page_flame; /* generated */

/*
 * Appends the page with `json` in it. The JSON is written so that it cannot end the script element that holds it,
 * whatever names are in it.
 */
void page_put(const struct page *page, const struct strbuf *json, struct strbuf *out);

/* "class_table": name, meaning and colour of every class, by its number. */
void page_classes(struct json *j);

/* [class, package or null, the rest of the owner or null, bytes]. Package and rest were joined by a dot. */
void page_owner(struct json *j, enum mem_class c, const char *owner, uint64_t bytes);
