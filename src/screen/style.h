/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * screen/style - what the reader's screen can do: colour, UTF-8, width.
 *
 * A style is plain data, so that tests choose it. Colour is decided once, by style_of().
 */

#include <stdbool.h>

enum style_when { STYLE_AUTO, STYLE_ALWAYS, STYLE_NEVER };

enum style_role {
	STYLE_PLAIN,
	STYLE_HEAD, /* titles and totals */
	STYLE_DIM,  /* what explains */
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_ROLE_MAX_
};

enum { STYLE_WIDTH_MAX = 100, STYLE_WIDTH_MIN = 60 };

struct style {
	bool color, utf8;
	unsigned width; /* columns */
};

/*
 * The style for descriptor `fd`: with STYLE_AUTO colour only on a terminal that is not dumb and without NO_COLOR.
 * Needs setlocale(LC_CTYPE, "") to have been called. fd -1: not a terminal.
 */
struct style style_of(int fd, enum style_when when);

/* Escape sequences to start and end a role; "" without colour. */
const char *style_on(const struct style *s, enum style_role role);
const char *style_off(const struct style *s, enum style_role role);

/* Writes the sequence that starts the 256-colour neighbour of "#rrggbb" into buf; "" without colour. */
enum { STYLE_SEQ_LEN = 16 };
const char *style_rgb(const struct style *s, const char *rgb, char buf[STYLE_SEQ_LEN]);
