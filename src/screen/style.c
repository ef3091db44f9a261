/* SPDX-License-Identifier: Apache-2.0 */
#include "screen/style.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/num.h"

static const char *const role_seq[STYLE_ROLE_MAX_] = {
	[STYLE_PLAIN] = "",	   [STYLE_HEAD] = "\x1b[1m",  [STYLE_DIM] = "\x1b[2m",
	[STYLE_GOOD] = "\x1b[32m", [STYLE_WARN] = "\x1b[33m", [STYLE_BAD] = "\x1b[1;31m",
};

static bool wants_color(int fd, enum style_when when)
{
	if (when != STYLE_AUTO)
		return when == STYLE_ALWAYS;
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return fd >= 0 && isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static unsigned columns(int fd)
{
	struct winsize w = { 0 };
	if (fd < 0 || !isatty(fd) || ioctl(fd, TIOCGWINSZ, &w) < 0 || !w.ws_col)
		return STYLE_WIDTH_MAX;
	return (unsigned)num_max(STYLE_WIDTH_MIN, num_min(w.ws_col, STYLE_WIDTH_MAX));
}

struct style style_of(int fd, enum style_when when)
{
	return (struct style){
		.color = wants_color(fd, when),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.width = columns(fd),
	};
}

const char *style_on(const struct style *s, enum style_role role)
{
	return s->color ? role_seq[role] : "";
}

const char *style_off(const struct style *s, enum style_role role)
{
	return s->color && role != STYLE_PLAIN ? "\x1b[0m" : "";
}

/* Nearest of the six levels 0, 95, 135, 175, 215, 255 of the 256-colour cube. */
static unsigned cube_level(unsigned v)
{
	return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
}

const char *style_rgb(const struct style *s, const char *rgb, char buf[STYLE_SEQ_LEN])
{
	uint64_t v = 0;
	if (!s->color || !num_hex(rgb + 1, 6, &v))
		return "";
	unsigned r = cube_level(v >> 16 & 0xff), g = cube_level(v >> 8 & 0xff);
	unsigned b = cube_level(v & 0xff);
	snprintf(buf, STYLE_SEQ_LEN, "\x1b[38;5;%um", 16 + 36 * r + 6 * g + b);
	return buf;
}
