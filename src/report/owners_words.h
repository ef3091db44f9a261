/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/owners_words - roots and paths of owners in words, for text and pictures.
 */

#include "base/strbuf.h"
#include "report/owners.h"

/* "main.Sessions (global, used by main.f)", "main.worker (3 goroutines, in chan receive)", appended. */
void owners_root_words(const struct owners *o, const struct owners_root *r, struct strbuf *out);

/* Is this path to be shown: of the type that was asked for, and with a root and steps that exist? */
bool owners_path_wanted(const struct owners_report *r, const struct owners_path *p);

/* All of a wanted path in one line: "root -> type -> .field type", appended. */
void owners_path_words(const struct owners *o, const struct owners_path *p, struct strbuf *out);

/*
 * Such a text, cleaned, on lines of `width` columns that break before an arrow, appended without a newline at the end.
 * Of a long path the links in the middle are only counted.
 */
void owners_path_fold(const char *text, size_t width, const struct style *style, struct strbuf *out);
