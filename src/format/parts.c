/* SPDX-License-Identifier: Apache-2.0 */
#include "format/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

char *parts_time(int64_t unix_ns, char buf[PARTS_TIME_LEN])
{
	int64_t s = unix_ns / NS_PER_S, rest = unix_ns % NS_PER_S;
	if (rest < 0) {
		s--;
		rest += NS_PER_S;
	}
	time_t t = (time_t)s;
	struct tm tm = { 0 };
	gmtime_r(&t, &tm);
	size_t n = strftime(buf, PARTS_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, PARTS_TIME_LEN - n, ".%03dZ", (int)(rest / NS_PER_MS));
	return buf;
}

int64_t parts_now(void)
{
	struct timespec ts = { 0 };
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void parts_notes(struct json *j, const struct snapshot *s, unsigned about)
{
	json_array(j, "notes");
	for (size_t i = 0; i < s->notes.n; i++) {
		if (!s->note_parts.v[i] || s->note_parts.v[i] & about)
			json_str(j, NULL, s->notes.v[i]);
	}
	json_array_end(j);
}

char *parts_perms(unsigned vma_flags, char buf[PARTS_PERMS_LEN])
{
	buf[0] = vma_flags & VMA_READ ? 'r' : '-';
	buf[1] = vma_flags & VMA_WRITE ? 'w' : '-';
	buf[2] = vma_flags & VMA_EXEC ? 'x' : '-';
	buf[3] = vma_flags & VMA_SHARED ? 's' : 'p';
	buf[4] = 0;
	return buf;
}

/* Whether a row of this class belongs into the account even when it is zero. */
static bool applies(const struct account *a, enum mem_class c)
{
	if (c <= CLASS_GO_META_OTHER)
		return a->go.is_go && a->go.layout_known;
	if (c == CLASS_GO_DATA)
		return a->go.is_go;
	return c == CLASS_FILE_TEXT || c == CLASS_FILE_DATA || c == CLASS_MMAP_ANON || c == CLASS_UNEXPLAINED;
}

static bool is_used(const struct account_class *c)
{
	return c->resident || c->virtual_size || c->swap || c->huge || c->lazyfree ||
	       (c->pss && c->pss != ACCOUNT_UNKNOWN);
}

size_t parts_classes(const struct account *a, enum mem_class ret[CLASS_MAX_])
{
	size_t n = 0;
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		if (!applies(a, c) && !is_used(&a->classes[c]))
			continue;
		size_t at = n++;
		for (; at && a->classes[ret[at - 1]].resident < a->classes[c].resident; at--)
			ret[at] = ret[at - 1];
		ret[at] = c;
	}
	return n;
}

size_t parts_vma_classes(const uint64_t bytes[CLASS_MAX_], enum mem_class ret[CLASS_MAX_])
{
	size_t n = 0;
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		if (!bytes[c])
			continue;
		size_t at = n++;
		for (; at && bytes[ret[at - 1]] < bytes[c]; at--)
			ret[at] = ret[at - 1];
		ret[at] = c;
	}
	return n;
}

size_t parts_family(enum mem_class c)
{
	const char *name = mem_classes[c].name;
	const char *dot = strchr(name, '.');
	if (!dot)
		return strlen(name);
	const char *second = strchr(dot + 1, '.');
	return (size_t)((strncmp(name, "go.", 3) == 0 && second ? second : dot) - name);
}

static bool is_library(const char *base)
{
	const char *so = strstr(base, ".so");
	return so && (so[3] == 0 || so[3] == '.');
}

size_t parts_package(enum mem_class c, const char *owner)
{
	if (c > CLASS_FILE_DATA || strchr("/[(", owner[0]))
		return 0;
	/* Type arguments hold slashes and dots of their own. */
	size_t end = strcspn(owner, "[( ");
	const char *base = owner;
	for (const char *p = owner; p < owner + end; p++) {
		if (*p == '/')
			base = p + 1;
	}
	if (is_library(base))
		return 0;
	const char *dot = memchr(base, '.', (size_t)(owner + end - base) + (owner[end] != 0));
	if (!dot || dot == base || !dot[1])
		return 0;
	return (size_t)(dot - owner);
}
