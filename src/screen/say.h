/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * screen/say - titles and facts for people, wrapped to the width of the screen.
 *
 * All text is cleaned: it may hold names of the target.
 */

#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "screen/style.h"

struct say {
	struct strbuf *out;	   /* borrowed */
	const struct style *style; /* borrowed */
};

/* An empty line, then the title. */
void say_title(struct say *s, const char *fmt, ...) ERR_PRINTF(2, 3);

/* "  label     text", its further lines below the text. */
void say_fact(struct say *s, const char *label, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Text after what already stands on the line, `indent` columns in, as further lines will be. */
void say_hang(struct say *s, unsigned indent, const char *fmt, ...) ERR_PRINTF(3, 4);

/* A line or a paragraph of its own, in a role, `indent` columns in. */
void say_line(struct say *s, enum style_role role, unsigned indent, const char *fmt, ...) ERR_PRINTF(4, 5);

/* Pieces of a fact: appends ", " where something stands before, then the text. */
void say_and(struct strbuf *fact, const char *fmt, ...) ERR_PRINTF(2, 3);

/* "1,234,567"; "unknown" for UINT64_MAX. Returns buf. */
enum { SAY_NUM_LEN = 32 };
char *say_num(uint64_t n, char buf[SAY_NUM_LEN]);

/* num_size(), or "unknown" for UINT64_MAX. */
char *say_size(uint64_t n, char buf[SAY_NUM_LEN]);

/* "850 ms", "1.3 s", "4.0 min", "2.1 h", "3.0 days": two digits are enough to judge by; "unknown" below 0. */
char *say_duration(int64_t ns, char buf[SAY_NUM_LEN]);
