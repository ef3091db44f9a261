/* SPDX-License-Identifier: Apache-2.0 */
#include "model/record.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const record_kinds[RECORD_KIND_MAX_] = {
	[RECORD_MMAP] = "mmap",
	[RECORD_MALLOC] = "malloc",
	[RECORD_RESIDENT] = "resident",
	[RECORD_GO] = "go",
};

const char *const record_events[RECORD_EVENT_MAX_] = {
	[RECORD_EVENT_MMAP] = "mmap", [RECORD_EVENT_MUNMAP] = "munmap",	  [RECORD_EVENT_MREMAP] = "mremap",
	[RECORD_EVENT_BRK] = "brk",   [RECORD_EVENT_MADVISE] = "madvise", [RECORD_EVENT_MALLOC] = "malloc",
	[RECORD_EVENT_FREE] = "free", [RECORD_EVENT_FAULT] = "fault",	  [RECORD_EVENT_GO] = "go",
};

const char *const record_whats[RECORD_WHAT_MAX_] = {
	[RECORD_WHAT_UNKNOWN] = "unknown",	 [RECORD_WHAT_ANON] = "anon",
	[RECORD_WHAT_FILE_CLEAN] = "file-clean", [RECORD_WHAT_FILE_DIRTY] = "file-dirty",
	[RECORD_WHAT_SHARED] = "shared",	 [RECORD_WHAT_UNTOUCHED] = "untouched",
	[RECORD_WHAT_STACK] = "stack",		 [RECORD_WHAT_GO] = "go",
};

void record_init(struct record *r)
{
	*r = (struct record){ .cpu_ratio = NAN };
	arena_init(&r->arena);
	stacks_init(&r->stacks);
}

void record_deinit(struct record *r)
{
	vec_deinit(&r->processes);
	vec_deinit(&r->rows);
	vec_deinit(&r->series);
	vec_deinit(&r->notes);
	stacks_deinit(&r->stacks);
	arena_deinit(&r->arena);
}

void record_note(struct record *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < r->notes.n; i++)
		if (strcmp(r->notes.v[i], text) == 0)
			return;
	*vec_push(&r->notes) = arena_strdup(&r->arena, text);
}
