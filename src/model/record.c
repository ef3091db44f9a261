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
		"malloc",	 "calloc",	   "realloc",
		"reallocarray",	 "memalign",	   "posix_memalign",
		"aligned_alloc", "valloc",	   "pvalloc",
		"strdup",	 "strndup",	   "operator new*",
		"_Znwm*",	 "_Znam*",	   "__libc_malloc",
		"__libc_calloc", "__libc_realloc", "__libc_memalign",
		"_int_malloc",	 "_int_realloc",   "_int_memalign",
		"sysmalloc",	 "malloc_*",	   "_mid_memalign",
		"arena_get2*",	 "new_heap*",	   "je_*",
		"mi_*",		 "tc_*",	   "__strdup",
		"free",		 "cfree",	   "operator delete*",
		"_ZdlPv*",	 "_ZdaPv*",	   NULL,
	};
	return is_one_of(name, names);
}

/* Ways into the kernel, and where threads begin: not what a C program is about. */
static bool is_plumbing(const char *name)
{
	static const char
		*const names[] = {
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
			"allocate_stack*",
			"libc.so*", /* with an offset: what libc does inside has no name in Debian */
			"libc-2.*",
			"libc.musl*",
			"libpthread*",
			"ld-linux*",
			"ld-musl*",
			NULL,
		};
	return is_one_of(name, names);
}

static bool makes_thread(const char *name)
{
	static const char *const names[] = { "pthread_create*", "__pthread_create*", "clone", "clone3",
					     "__clone",		"__clone3",	     NULL };
	return is_one_of(name, names);
}

/* A name of Go has a package, whatever its file is: "f" is of C, and so is "f.part.0", which gcc split off. */
static bool has_package(const char *function)
{
	static const char *const clones[] = { "part.", "isra.", "constprop.", "lto_priv." };
	const char *dot = strchr(function, '.');
	if (!dot)
		return false;
	for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++) {
		size_t n = strlen(clones[i]);
		if (strncmp(dot + 1, clones[i], n) == 0 && dot[1 + n] >= '0' && dot[1 + n] <= '9')
			return false;
	}
	return true;
}

/* Go, or its assembler. C in the comment before `import "C"` has lines of that Go file as well. */
static bool is_go(const struct frame *f)
{
	size_t n = strlen(f->file);
	return n > 3 && (strcmp(f->file + n - 3, ".go") == 0 || strcmp(f->file + n - 2, ".s") == 0) &&
	       has_package(f->function);
}

/* Of the runtime, and at work for whoever called it: it copies, clears, or leads over into C. */
static bool is_runtime_helper(const char *function)
{
	static const char *const names[] = {
		"runtime.memmove*",	"runtime.memclr*",	"runtime.duff*",
		"runtime.asmcgocall*",	"runtime.cgocall*",	"runtime.entersyscall*",
		"runtime.exitsyscall*", "runtime.systemstack*", NULL,
	};
	return is_one_of(function, names);
}

/* Go that hands a call on: the runtime, cgo's wrappers, packages of system calls. */
static bool is_go_wrapper(const char *function)
{
	static const char *const packages[] = {
		"syscall.*", "internal/*", "golang.org/x/sys/*", "vendor/golang.org/x/sys/*", "runtime/*", NULL,
	};
	return stack_is_runtime(function) || strstr(function, "._Cfunc_") || strstr(function, "._C2func_") ||
	       strstr(function, "._cgo_") || strstr(function, "_cgoexp_") || is_one_of(function, packages);
}

/* "image_open" of "main._Cfunc_image_open": the wrapper that cgo makes of each C function. NULL: no such wrapper. */
static const char *cgo_name(const char *function)
{
	static const char *const marks[] = { "._Cfunc_", "._C2func_" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *at = strstr(function, marks[i]);
		if (at && at[strlen(marks[i])] != '_') /* _CMalloc and the like are cgo's own */
			return at + strlen(marks[i]);
	}
	return NULL;
}

static void see_c(const struct frame *f, struct record_site *site)
{
	const char *name = f->function;
	site->allocator = site->allocator || is_allocator(name);
	site->thread = site->thread || makes_thread(name);
	if (is_allocator(name) || makes_thread(name) || is_plumbing(name) || stack_is_runtime(name))
		return;
	site->entry = f;
	if (!site->inner)
		site->inner = f;
}

/* False where Go's callers are of no interest any more: this one is it. */
static bool see_go(const struct frame *f, struct record_site *site)
{
	const char *called = cgo_name(f->function);
	if (!is_go_wrapper(f->function)) {
		site->go = f;
		return false;
	}
	if (stack_is_runtime(f->function) && !is_runtime_helper(f->function))
		site->runtime = true;
	site->called = called ? called : site->called;
	return true;
}

/* cgo calls with pointers from a function literal of its own, "main.f.func1" in the very line of main.f: the latter is meant. */
static const struct frame *without_literal(const struct stacks *s, uint32_t stack, uint32_t at)
{
	const struct frame *f = stacks_at(s, stack, at);
	if (at + 1 >= stacks_depth(s, stack))
		return f;
	const struct frame *outer = stacks_at(s, stack, at + 1);
	size_t n = strlen(outer->function);
	bool literal = n && strncmp(f->function, outer->function, n) == 0 && strncmp(f->function + n, ".func", 5) == 0;
	return literal && f->line == outer->line && strcmp(f->file, outer->file) == 0 ? outer : f;
}

struct record_site record_site(const struct stacks *s, uint32_t stack)
{
	struct record_site site = { 0 };
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		const struct frame *f = stacks_at(s, stack, i);
		if (!is_go(f)) {
			see_c(f, &site);
		} else if (!see_go(f, &site)) {
			site.go = without_literal(s, stack, i);
			break;
		}
	}
	if (!site.called && site.entry)
		site.called = site.entry->function;
	return site;
}

enum record_taker record_taker(const struct record *r, const struct record_row *row)
{
	if (row->kind == RECORD_MALLOC || row->kind == RECORD_GO)
		return RECORD_BY_PROGRAM;
	if (row->what == RECORD_WHAT_GO)
		return RECORD_BY_RUNTIME;
	struct record_site site = record_site(&r->stacks, row->stack);
	if (site.runtime && !site.thread)
		return RECORD_BY_RUNTIME;
	return site.allocator ? RECORD_BY_ALLOCATOR : RECORD_BY_PROGRAM;
}
