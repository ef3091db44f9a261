/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lines.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

void lines_init(struct lines *l, int fd)
{
	*l = (struct lines){ .fd = fd, .buf = xmalloc(LINES_BUF + 1) };
}

void lines_deinit(struct lines *l)
{
	free(l->buf);
	*l = (struct lines){ .fd = -1 };
}

static struct err *fill(struct lines *l)
{
	memmove(l->buf, l->buf + l->pos, l->len - l->pos);
	l->len -= l->pos;
	l->pos = 0;
	ssize_t n = 0;
	do
		n = read(l->fd, l->buf + l->len, LINES_BUF - l->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_os(errno, "read");
	l->eof = n == 0;
	l->len += (size_t)n;
	return NULL;
}

/* The end of the current line in the buffer, or NULL when more must be read first. */
static char *line_end(struct lines *l)
{
	char *start = l->buf + l->pos;
	char *nl = memchr(start, '\n', l->len - l->pos);
	if (nl || !l->eof)
		return nl;
	return l->pos < l->len ? l->buf + l->len : NULL;
}

struct err *lines_next(struct lines *l, char **ret, size_t *len)
{
	char *end = line_end(l);
	while (!end && !l->eof && l->len - l->pos < LINES_BUF) {
		TRY(fill(l));
		end = line_end(l);
	}
	*ret = NULL;
	if (!end && l->pos == l->len)
		return NULL;
	if (!end)
		end = l->buf + l->len; /* a line as long as the buffer */
	char *start = l->buf + l->pos;
	size_t n = (size_t)(end - start);
	l->pos += n + (end < l->buf + l->len);
	l->line++;
	n = n < LINES_MAX ? n : LINES_MAX;
	start[n] = 0;
	*ret = start;
	if (len)
		*len = n;
	return NULL;
}
