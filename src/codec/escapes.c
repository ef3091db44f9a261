/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/escapes.h"

#include <string.h>

#include "base/bisect.h"
#include "base/num.h"

static const char *const verdicts[] = { "moved to heap: ", " escapes to heap" };

static bool is_verdict(const char *text)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (strstr(text, verdicts[i]))
			return true;
	}
	return false;
}

/* A number and a colon; what follows them, or NULL. */
static const char *take_number(const char *s, uint32_t *ret)
{
	size_t n = strspn(s, "0123456789");
	uint64_t v = 0;
	if (!n || s[n] != ':' || !num_dec(s, n, &v) || v > UINT32_MAX)
		return NULL;
	*ret = (uint32_t)v;
	return s + n + 1;
}

static const char *without_dots(const char *path)
{
	for (;;) {
		if (strncmp(path, "./", 2) == 0)
			path += 2;
		else if (strncmp(path, "../", 3) == 0)
			path += 3;
		else
			return path;
	}
}

/* "FILE.go:LINE:COLUMN: TEXT". With -m -m a verdict ends in a colon, and says the same again without one. */
static void take_line(struct escapes *e, const char *line)
{
	const char *go = strstr(line, ".go:");
	struct escape found = { 0 };
	const char *at = go ? take_number(go + 4, &found.line) : NULL;
	at = at ? take_number(at, &found.column) : NULL;
	if (!at || *at != ' ' || !is_verdict(at) || at[strlen(at) - 1] == ':')
		return;
	found.file = arena_strndup(&e->arena, without_dots(line), (size_t)(go + 3 - without_dots(line)));
	found.text = arena_strdup(&e->arena, at + 1);
	*vec_push(&e->v) = found;
}

static int by_line(const void *a, const void *b)
{
	const struct escape *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	int file = strcmp(x->file, y->file);
	return file ? file : strcmp(x->text, y->text);
}

/* The compiler says it again for every function that the code is inlined into. */
static void drop_repeated(struct escapes *e)
{
	size_t n = 0;
	for (size_t i = 0; i < e->v.n; i++) {
		if (!n || by_line(&e->v.v[n - 1], &e->v.v[i]))
			e->v.v[n++] = e->v.v[i];
	}
	e->v.n = n;
}

/* One line into buf, without its end; false at the end of the file. A longer one is cut. */
static struct err *next_line(struct stream *s, char buf[ESCAPES_LINE], bool *more)
{
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(s, ESCAPES_LINE, &p, &have));
	*more = have > 0;
	const unsigned char *end = have ? memchr(p, '\n', have) : NULL;
	size_t len = end ? (size_t)(end - p) : have, keep = len < ESCAPES_LINE ? len : ESCAPES_LINE - 1;
	if (keep)
		memcpy(buf, p, keep);
	buf[keep] = 0;
	stream_consume(s, end ? len + 1 : len);
	if (keep && buf[keep - 1] == '\r')
		buf[keep - 1] = 0;
	return NULL;
}

struct err *escapes_read(struct stream *s, struct escapes *ret)
{
	*ret = (struct escapes){ 0 };
	arena_init(&ret->arena);
	char line[ESCAPES_LINE];
	for (bool more = true; more;) {
		TRY(next_line(s, line, &more));
		if (ret->v.n >= ESCAPES_MAX)
			return err_new(ERR_LIMIT, "%s: more than %d escaping variables", s->name, ESCAPES_MAX);
		take_line(ret, line);
	}
	if (!ret->v.n)
		return err_new(ERR_FORMAT,
			       "%s: no line says \"moved to heap\" or \"escapes to heap\"; it should be what `go build "
			       "-gcflags=-m` prints (a second build prints nothing unless -a is given)",
			       s->name);
	vec_sort(&ret->v, by_line);
	drop_repeated(ret);
	return NULL;
}

void escapes_deinit(struct escapes *e)
{
	vec_deinit(&e->v);
	arena_deinit(&e->arena);
}

static bool ends_with_path(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);
	return n >= m && strcmp(path + n - m, end) == 0 && (n == m || path[n - m - 1] == '/');
}

const struct escape *escapes_next(const struct escapes *e, const char *file, uint32_t line, size_t *at)
{
	if (!*at)
		*at = bisect(e->v.n, i, e->v.v[i].line < line);
	while (*at < e->v.n && e->v.v[*at].line == line) {
		const struct escape *found = &e->v.v[(*at)++];
		if (ends_with_path(file, found->file) || ends_with_path(found->file, file))
			return found;
	}
	return NULL;
}
