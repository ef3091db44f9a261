/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cgplace.h"

#include <stdlib.h>
#include <string.h>

enum { MOUNTS_MAX = 4096 };

/* [start, end) of a text. */
struct span {
	const char *start, *end;
};

static size_t length(struct span s)
{
	return (size_t)(s.end - s.start);
}

static bool is(struct span s, const char *text)
{
	return length(s) == strlen(text) && !memcmp(s.start, text, length(s));
}

/* Cut what stands before the next `sep` off `from`; all of it when there is none. False at the end. */
static bool cut(struct span *from, char sep, struct span *ret)
{
	if (!from->start)
		return false;
	const char *stop = memchr(from->start, sep, length(*from));
	*ret = (struct span){ from->start, stop ? stop : from->end };
	from->start = stop ? stop + 1 : NULL;
	return true;
}

/* Is `word` an element of a comma-separated list? */
static bool lists(struct span list, const char *word)
{
	struct span one;
	while (cut(&list, ',', &one)) {
		if (is(one, word))
			return true;
	}
	return false;
}

void proc_cgplace_find(const char *cgroup_text, const char *controller, struct arena *arena, struct cgplace *ret)
{
	*ret = (struct cgplace){ 0 };
	struct span text = { cgroup_text, cgroup_text + strlen(cgroup_text) }, line, id, controllers;
	while (cut(&text, '\n', &line)) {
		if (!cut(&line, ':', &id) || !cut(&line, ':', &controllers) || !line.start || *line.start != '/')
			continue;
		bool v1 = lists(controllers, controller);
		if (!v1 && (ret->version || !is(id, "0") || length(controllers)))
			continue;
		ret->version = v1 ? 1 : 2;
		ret->path = arena_strndup(arena, line.start, length(line));
		if (v1)
			return;
	}
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static char *unescape(struct span s, struct arena *arena)
{
	char *out = arena_strndup(arena, s.start, length(s)), *to = out;
	for (const char *p = out; *p;) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = 0;
	return out;
}

/* A path of a hierarchy: so many steps up from our namespace's root, then names ("" or "/a/b"). */
struct route {
	unsigned up;
	const char *names;
	size_t len;
};

static bool has_dots(const char *names)
{
	for (const char *p = strstr(names, "/.."); p; p = strstr(p + 1, "/..")) {
		if (p[3] == '/' || !p[3])
			return true;
	}
	return false;
}

/* False for paths that the kernel does not write. */
static bool parse_route(const char *path, struct route *ret)
{
	*ret = (struct route){ 0, path, 0 };
	if (path[0] != '/')
		return false;
	while (!strncmp(ret->names, "/..", 3) && (ret->names[3] == '/' || !ret->names[3])) {
		ret->names += 3;
		ret->up++;
	}
	ret->len = strlen(ret->names);
	while (ret->len && ret->names[ret->len - 1] == '/')
		ret->len--;
	return !has_dots(ret->names);
}

/* Where `path` is below a mount whose root is `root`. False when it is not. */
static bool below(const char *root, const char *path, struct arena *arena, struct cgplace_dir *ret)
{
	struct route r, p;
	if (!parse_route(root, &r) || !parse_route(path, &p))
		return false;
	ret->below = "";
	ret->search = r.up > p.up && !r.len;
	if (ret->search)
		return true;
	if (r.up != p.up || p.len < r.len || memcmp(p.names, r.names, r.len) != 0)
		return false;
	if (p.len > r.len && p.names[r.len] != '/')
		return false;
	if (p.len > r.len)
		ret->below = arena_strndup(arena, p.names + r.len + 1, p.len - r.len - 1);
	return true;
}

/* "id parent major:minor root mount options [tags] - type source superoptions" */
static bool parse_mount(struct span line, struct span *root, struct span *mount, struct span *type,
			struct span *options)
{
	struct span skip;
	for (int i = 0; i < 3; i++) {
		if (!cut(&line, ' ', &skip))
			return false;
	}
	if (!cut(&line, ' ', root) || !cut(&line, ' ', mount))
		return false;
	do {
		if (!cut(&line, ' ', &skip))
			return false;
	} while (!is(skip, "-"));
	return cut(&line, ' ', type) && cut(&line, ' ', &skip) && cut(&line, ' ', options);
}

/* More ancestors first, a search last. */
static int by_depth(const void *a, const void *b)
{
	const struct cgplace_dir *x = a, *y = b;
	if (x->search != y->search)
		return x->search ? 1 : -1;
	size_t m = strlen(x->below), n = strlen(y->below);
	return m > n ? -1 : m < n;
}

void proc_cgplace_dirs(const char *mountinfo, const struct cgplace *place, const char *controller, struct arena *arena,
		       struct cgplace_dir_vec *ret)
{
	struct span text = { mountinfo, mountinfo + strlen(mountinfo) }, line, root, mount, type, options;
	if (!place->version)
		return;
	while (ret->n < MOUNTS_MAX && cut(&text, '\n', &line)) {
		struct cgplace_dir dir = { 0 };
		if (!parse_mount(line, &root, &mount, &type, &options))
			continue;
		bool fits =
			place->version == 2 ? is(type, "cgroup2") : is(type, "cgroup") && lists(options, controller);
		if (!fits || !below(unescape(root, arena), place->path, arena, &dir))
			continue;
		dir.mount = unescape(mount, arena);
		*vec_push(ret) = dir;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_depth);
}
