/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void account_init(struct account *a)
{
	*a = (struct account){ 0 };
	arena_init(&a->arena);
	a->c_heap = (struct account_c_heap){
		.system = ACCOUNT_UNKNOWN,
		.inuse = ACCOUNT_UNKNOWN,
		.free = ACCOUNT_UNKNOWN,
		.unknown = ACCOUNT_UNKNOWN,
		.thread_cache = ACCOUNT_UNKNOWN,
		.top = ACCOUNT_UNKNOWN,
		.mmapped = ACCOUNT_UNKNOWN,
		.mmapped_blocks = ACCOUNT_UNKNOWN,
	};
}

void account_deinit(struct account *a)
{
	vec_deinit(&a->go.experiments);
	vec_deinit(&a->go.godebug);
	vec_deinit(&a->integrity.foreign_exec);
	vec_deinit(&a->integrity.preloaded);
	vec_deinit(&a->cgroup.events);
	vec_deinit(&a->cgroup.processes);
	vec_deinit(&a->cgroup.balance);
	vec_deinit(&a->c_heap.arenas);
	vec_deinit(&a->owners);
	vec_deinit(&a->maps);
	vec_deinit(&a->vmas);
	vec_deinit(&a->cells);
	vec_deinit(&a->notes);
	arena_deinit(&a->arena);
}

void account_note(struct account *a, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < a->notes.n; i++) {
		if (strcmp(a->notes.v[i], text) == 0)
			return;
	}
	*vec_push(&a->notes) = arena_strdup(&a->arena, text);
}
