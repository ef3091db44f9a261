/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/names.h"

#include <fnmatch.h>
#include <string.h>

enum {
	CONTAINER_ID = 64,    /* hexadecimal digits */
	CONTAINER_SHORT = 12, /* as `docker ps` shows it */
};

/* The next component of a path; false at its end. */
static bool component(const char **p, const char **ret, size_t *len)
{
	*p += strspn(*p, "/");
	*ret = *p;
	*len = strcspn(*p, "/");
	*p += *len;
	return *len > 0;
}

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);
	return len > n && memcmp(s + len - n, end, n) == 0;
}

const char *sense_unit_of(const char *cgroup_path, struct arena *arena)
{
	const char *p = cgroup_path, *s = NULL, *found = NULL;
	size_t len = 0, found_len = 0;
	while (component(&p, &s, &len)) {
		if (!ends_with(s, len, ".service") && !ends_with(s, len, ".scope"))
			continue;
		found = s;
		found_len = len;
	}
	return found ? arena_strndup(arena, found, found_len) : NULL;
}

/* Where 64 hexadecimal digits stand by themselves in a component: "ID", "docker-ID.scope", "cri-containerd:ID". */
static const char *id_in(const char *s, size_t len)
{
	for (size_t at = 0, n = 0; at < len; at += n + 1) {
		n = strspn(s + at, "0123456789abcdef");
		n = n < len - at ? n : len - at;
		bool alone = at == 0 || s[at - 1] == '-' || s[at - 1] == ':';
		bool ends = at + n == len || s[at + n] == '.';
		if (n == CONTAINER_ID && alone && ends)
			return s + at;
	}
	return NULL;
}

const char *sense_container_of(const char *cgroup_path, struct arena *arena)
{
	static const char payload[] = "lxc.payload.";
	const size_t before = sizeof(payload) - 1;
	const char *p = cgroup_path, *s = NULL, *found = NULL;
	size_t len = 0, found_len = 0;
	bool lxc = false;
	while (component(&p, &s, &len)) {
		const char *id = id_in(s, len);
		bool named = len > before && memcmp(s, payload, before) == 0;
		if (id) {
			found = id;
			found_len = CONTAINER_ID;
		} else if (named || lxc) {
			found = named ? s + before : s;
			found_len = named ? len - before : len;
		}
		lxc = len == 3 && memcmp(s, "lxc", 3) == 0;
	}
	return found ? arena_strndup(arena, found, found_len) : NULL;
}

/* ---- rules ---- */

static bool fits(const char *pattern, const char *text)
{
	return !pattern || (text && fnmatch(pattern, text, 0) == 0);
}

/* A pattern without a slash is for the last component. */
static bool fits_exe(const char *pattern, const char *exe)
{
	const char *slash = exe && pattern && !strchr(pattern, '/') ? strrchr(exe, '/') : NULL;
	return fits(pattern, slash ? slash + 1 : exe);
}

/* "web" is "web.service", as systemctl has it. */
static bool fits_unit(const char *pattern, const char *unit)
{
	if (fits(pattern, unit))
		return true;
	if (!unit || strchr(pattern, '.') || !ends_with(unit, strlen(unit), ".service"))
		return false;
	struct arena arena;
	arena_init(&arena);
	bool ok = fits(pattern, arena_strndup(&arena, unit, strlen(unit) - strlen(".service")));
	arena_deinit(&arena);
	return ok;
}

static bool fits_container(const char *pattern, const char *id)
{
	if (fits(pattern, id))
		return true;
	size_t n = strlen(pattern);
	return id && n >= CONTAINER_SHORT && strncmp(pattern, id, n) == 0;
}

static bool fits_cgroup(const char *pattern, const char *path)
{
	return fits(pattern, path) || (path && pattern[0] != '/' && path[0] == '/' && fits(pattern, path + 1));
}

bool sense_match(const struct config_match *m, const struct sense_facts *f)
{
	return (!m->go_only || f->is_go) && fits(m->name, f->comm) && fits_exe(m->exe, f->exe) &&
	       fits_unit(m->unit, f->unit) && fits_container(m->container, f->container) &&
	       fits_cgroup(m->cgroup, f->cgroup);
}

bool sense_wanted(const struct config *c, const struct sense_facts *f)
{
	bool only_excludes = true;
	for (size_t i = 0; i < c->targets.n; i++) {
		if (sense_match(&c->targets.v[i], f))
			return !c->targets.v[i].exclude;
		only_excludes = only_excludes && c->targets.v[i].exclude;
	}
	return only_excludes && f->is_go;
}

unsigned sense_rules_need(const struct config *c)
{
	unsigned need = 0;
	for (size_t i = 0; i < c->targets.n; i++) {
		const struct config_match *m = &c->targets.v[i];
		need |= m->name ? SENSE_NEED_NAME : 0;
		need |= m->cgroup || m->unit || m->container ? SENSE_NEED_CGROUP : 0;
	}
	return need;
}
