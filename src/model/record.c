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

const char *const record_takers[RECORD_BY_MAX_] = {
	[RECORD_BY_PROGRAM] = "program",
	[RECORD_BY_ALLOCATOR] = "allocator",
	[RECORD_BY_RUNTIME] = "runtime",
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

/* ---- who a stack is about ---- */

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++) {
		size_t n = strlen(*list);
		if (n && (*list)[n - 1] == '*' ? strncmp(name, *list, n - 1) == 0 : strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

static bool is_allocator(const char *name)
{
	static const char *const names[] = {
		"malloc",
		"calloc",
		"realloc",
		"reallocarray",
		"memalign",
		"posix_memalign",
		"aligned_alloc",
		"valloc",
		"pvalloc",
		"strdup",
		"strndup",
		"operator new*",
		"_Znwm*",
		"_Znam*",
		"__libc_malloc",
		"__libc_calloc",
		"__libc_realloc",
		"__libc_memalign",
		"_int_malloc",
		"_int_realloc",
		"_int_memalign",
		"sysmalloc",
		"malloc_*",
		"_mid_memalign",
		"arena_get2*",
		"new_heap*",
		"je_*",
		"mi_*",
		"tc_*",
		"__strdup",
		NULL,
	};
	return is_one_of(name, names);
}

/* Ways into the kernel, and where threads begin: not what a C program is about. */
static bool is_plumbing(const char *name)
{
	static const char *const names[] = {
		"mmap",
		"mmap64",
		"__mmap",
		"__mmap64",
		"mremap",
		"__mremap",
		"brk",
		"__brk",
		"sbrk",
		"__sbrk",
		"shmat",
		"syscall",
		"clone",
		"clone3",
		"__clone",
		"__clone3",
		"start_thread",
		"_start",
		"__libc_start_*",
		"_cgo_*",
		"x_cgo_*",
		"crosscall*",
		"threadentry",
		"(unknown)",
		"",
		"pthread_create*",
		"__pthread_create*",
		"allocate_stack*",
		NULL,
	};
	return is_one_of(name, names);
}

static bool is_go(const struct frame *f)
{
	size_t n = strlen(f->file);
	return n > 3 &&
	       (strcmp(f->file + n - 3, ".go") == 0 || (f->file[n - 1] == 's' && stack_is_runtime(f->function)));
}

/* Go that hands a call on: the runtime, cgo's wrappers, packages of system calls. */
static bool is_go_wrapper(const char *function)
{
	static const char *const packages[] = {
		"syscall.*", "internal/*", "golang.org/x/sys/*", "vendor/golang.org/x/sys/*", "runtime/*", NULL,
	};
	return stack_is_runtime(function) || strstr(function, "._Cfunc_") || strstr(function, "._C2func_") ||
	       strstr(function, "_cgoexp_") || is_one_of(function, packages);
}

struct record_site record_site(const struct stacks *s, uint32_t stack)
{
	struct record_site site = { 0 };
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		const struct frame *f = stacks_at(s, stack, i);
		if (is_go(f)) {
			site.runtime = true;
			if (is_go_wrapper(f->function))
				continue;
			site.go = f;
			site.runtime = false;
			break;
		}
		site.allocator = site.allocator || is_allocator(f->function);
		if (is_allocator(f->function) || is_plumbing(f->function) || stack_is_runtime(f->function))
			continue;
		site.entry = f;
		if (!site.inner)
			site.inner = f;
	}
	return site;
}

enum record_taker record_taker(const struct record *r, const struct record_row *row)
{
	if (row->what == RECORD_WHAT_GO)
		return RECORD_BY_RUNTIME;
	struct record_site site = record_site(&r->stacks, row->stack);
	if (row->kind != RECORD_MALLOC && site.allocator)
		return RECORD_BY_ALLOCATOR;
	return RECORD_BY_PROGRAM;
}
