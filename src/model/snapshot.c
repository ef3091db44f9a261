/* SPDX-License-Identifier: Apache-2.0 */
#include "model/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void snapshot_init(struct snapshot *s)
{
	*s = (struct snapshot){ .clock = { .gc_count = ACCOUNT_UNKNOWN, .gc_count_end = ACCOUNT_UNKNOWN } };
	arena_init(&s->arena);
	account_init(&s->account);
	heap_view_init(&s->heap);
	goroutines_init(&s->goroutines);
	timers_init(&s->timers);
	fds_init(&s->fds);
	owners_init(&s->owners);
}

void snapshot_deinit(struct snapshot *s)
{
	account_deinit(&s->account);
	heap_view_deinit(&s->heap);
	goroutines_deinit(&s->goroutines);
	timers_deinit(&s->timers);
	fds_deinit(&s->fds);
	owners_deinit(&s->owners);
	vec_deinit(&s->notes);
	vec_deinit(&s->note_parts);
	arena_deinit(&s->arena);
}

void snapshot_note(struct snapshot *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < s->notes.n; i++) {
		if (strcmp(s->notes.v[i], text) != 0)
			continue;
		s->note_parts.v[i] = s->noting ? s->note_parts.v[i] | s->noting : 0;
		return;
	}
	*vec_push(&s->notes) = arena_strdup(&s->arena, text);
	*vec_push(&s->note_parts) = s->noting;
}

void snapshot_notes_keep(struct snapshot *s, unsigned parts)
{
	size_t n = 0;
	for (size_t i = 0; i < s->notes.n; i++) {
		uint32_t about = s->note_parts.v[i];
		if (about && !(about & parts))
			continue;
		s->notes.v[n] = s->notes.v[i];
		s->note_parts.v[n++] = about;
	}
	s->notes.n = s->note_parts.n = n;
}
