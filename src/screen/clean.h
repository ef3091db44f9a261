/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * screen/clean - names that a target chose, made safe to show and measured in columns.
 *
 * Clean text holds no control character (C0, DEL, C1), no character that changes the direction or the place of what
 * follows, and no byte that is not UTF-8: they are written as \xNN or \u{NNNN}. Without UTF-8 all but ASCII is.
 * A backslash stays a backslash: what is shown is for people, JSON is for programs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

/* Appends s, cleaned. NULL appends "?". */
void clean_add(struct strbuf *out, const char *s, bool utf8);

/* Columns of clean text. */
size_t clean_width(const char *s);

/* Appends clean text s in at most `width` columns, the middle left out where it is longer. */
void clean_cut(struct strbuf *out, const char *s, size_t width, bool utf8);

/* Length of the UTF-8 sequence at s (up to len bytes) and its code point, or 0 where there is none. */
size_t clean_decode(const char *s, size_t len, unsigned *ret);
