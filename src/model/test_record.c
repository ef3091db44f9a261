/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/record.h"

static void every_kind_and_event_has_a_name(void **state)
{
	for (unsigned i = 0; i < RECORD_KIND_MAX_; i++)
		assert_non_null(record_kinds[i]);
	for (unsigned i = 0; i < RECORD_EVENT_MAX_; i++)
		assert_non_null(record_events[i]);
	for (unsigned i = 0; i < RECORD_BY_MAX_; i++)
		assert_non_null(record_takers[i]);
	for (unsigned i = 0; i < RECORD_WHAT_MAX_; i++)
		assert_non_null(record_whats[i]);
}

static void a_repeated_note_is_kept_once(void **state)
{
	struct record r;
	record_init(&r);
	assert_true(isnan(r.cpu_ratio));
	record_note(&r, "%d events were lost", 3);
	record_note(&r, "%d events were lost", 3);
	record_note(&r, "%d events were lost", 4);
	assert_int_equal(r.notes.n, 2);
	assert_string_equal(r.notes.v[1], "4 events were lost");
	record_deinit(&r);
}

/* ---- who a stack is about: frames innermost first, "function@file" ---- */

static uint32_t stack_of(struct stacks *s, const char *const *frames)
{
	uint32_t ids[16], n = 0;
	for (; frames[n]; n++) {
		char function[128];
		const char *at = strchr(frames[n], '@');
		snprintf(function, sizeof(function), "%.*s", (int)(at - frames[n]), frames[n]);
		ids[n] = stacks_frame(s, &(struct frame){ .function = function, .file = at + 1 });
	}
	return stacks_add(s, ids, n);
}

static void site_is(const char *const *frames, const char *go, const char *entry, const char *inner)
{
	struct record r;
	record_init(&r);
	struct record_site site = record_site(&r.stacks, stack_of(&r.stacks, frames));
	if (go)
		assert_string_equal(site.go->function, go);
	else
		assert_null(site.go);
	if (entry)
		assert_string_equal(site.entry->function, entry);
	else
		assert_null(site.entry);
	if (inner)
		assert_string_equal(site.inner->function, inner);
	record_deinit(&r);
}

#define STACK(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void the_go_function_that_called_into_c_is_named(void **state)
{
	site_is(STACK("malloc@libc.so.6", "image_new@libimage.so.1", "image_open@libimage.so.1",
		      "_cgo_d1f0_Cfunc_image_open@app", "runtime.asmcgocall@asm_amd64.s", "runtime.cgocall@cgocall.go",
		      "main._Cfunc_image_open@_cgo_gotypes.go", "main.resize@resize.go", "main.main@main.go"),
		"main.resize", "image_open", "image_new");
	site_is(STACK("malloc@libc.so.6", "_cgo_d1f0_Cfunc__Cmalloc@app", "runtime.asmcgocall@asm_amd64.s",
		      "runtime.cgocall@cgocall.go", "main._Cfunc__CMalloc@_cgo_gotypes.go", "main.keep@main.go"),
		"main.keep", NULL, NULL);
}

static void c_in_the_comment_of_a_go_file_is_not_go(void **state)
{
	site_is(STACK("malloc@libc.so.6", "make_buffer@leaks.go", "_cgo_1_Cfunc_open@app", "runtime.cgocall@cgocall.go",
		      "main._Cfunc_open@_cgo_gotypes.go", "main.leak@leaks.go"),
		"main.leak", "make_buffer", "make_buffer");
	site_is(STACK("malloc@libc.so.6", "fill.constprop.0@leaks.go", "_cgo_1_Cfunc_open@app",
		      "runtime.cgocall@cgocall.go", "main._Cfunc_open@_cgo_gotypes.go", "part.open@part.go"),
		"part.open", "fill.constprop.0", "fill.constprop.0");
}

static void what_allocates_for_cstring_is_passed_over(void **state)
{
	site_is(STACK("malloc@libc.so.6", "runtime.cgocall@cgocall.go", "main._cgo_cmalloc@_cgo_gotypes.go",
		      "main._Cfunc_CString@_cgo_gotypes.go", "main.name@main.go"),
		"main.name", NULL, NULL);
}

static void wrappers_of_system_calls_are_passed_over(void **state)
{
	site_is(STACK("syscall.Syscall6@syscall_linux.go", "syscall.mmap@zsyscall.go",
		      "syscall.(*mmapper).Mmap@syscall_unix.go", "main.cache@main.go"),
		"main.cache", NULL, NULL);
	site_is(STACK("golang.org/x/sys/unix.mmap@zsyscall.go", "go.etcd.io/bbolt.mmap@bolt_unix.go"),
		"go.etcd.io/bbolt.mmap", NULL, NULL);
}

static void a_c_function_without_a_name_is_told_by_its_wrapper(void **state)
{
	struct record r;
	record_init(&r);
	struct record_site site = record_site(
		&r.stacks, stack_of(&r.stacks, STACK("malloc@libc.so.6", "app+0x1234@app",
						     "runtime.asmcgocall@asm_amd64.s", "runtime.cgocall@cgocall.go",
						     "main._Cfunc_own@_cgo_gotypes.go", "main.f@main.go")));
	assert_string_equal(site.called, "own");
	site = record_site(&r.stacks,
			   stack_of(&r.stacks, STACK("malloc@libc.so.6", "main._Cfunc__CMalloc@_cgo_gotypes.go",
						     "main.f@main.go")));
	assert_null(site.called);
	record_deinit(&r);
}

static void a_literal_that_cgo_makes_is_not_who_called(void **state)
{
	site_is(STACK("malloc@libc.so.6", "f@app", "runtime.cgocall@cgocall.go", "main._Cfunc_f@_cgo_gotypes.go",
		      "main.touch.func1@main.go", "main.touch@main.go"),
		"main.touch", "f", "f");
	site_is(STACK("malloc@libc.so.6", "f@app", "runtime.cgocall@cgocall.go", "main._Cfunc_f@_cgo_gotypes.go",
		      "main.touch.func1@other.go", "main.touch@main.go"),
		"main.touch.func1", "f", "f");
}

static void a_callback_into_go_is_the_caller_of_what_it_calls(void **state)
{
	site_is(STACK("malloc@libc.so.6", "inner@app", "runtime.cgocall@cgocall.go", "main.callback@main.go",
		      "runtime.cgocallbackg1@cgocall.go", "outer@app", "runtime.cgocall@cgocall.go",
		      "main.main@main.go"),
		"main.callback", "inner", "inner");
}

static void a_thread_of_c_is_named_by_where_it_began(void **state)
{
	site_is(STACK("operator new(unsigned long)@libstdc++.so.6", "Pool::grow()@libpool.so", "worker@libpool.so",
		      "start_thread@libc.so.6", "clone3@libc.so.6"),
		NULL, "worker", "Pool::grow()");
	site_is(STACK("(unknown)@"), NULL, NULL, NULL);
}

static void what_an_allocator_maps_is_told_from_what_the_program_maps(void **state)
{
	struct record r;
	record_init(&r);
	struct record_row row = { .kind = RECORD_MMAP, .what = RECORD_WHAT_ANON };
	row.stack = stack_of(&r.stacks, STACK("brk@libc.so.6", "sbrk@libc.so.6", "malloc@libc.so.6", "f@app"));
	assert_int_equal(record_taker(&r, &row), RECORD_BY_ALLOCATOR);
	row.kind = RECORD_MALLOC;
	assert_int_equal(record_taker(&r, &row), RECORD_BY_PROGRAM);
	row.kind = RECORD_MMAP;
	row.stack = stack_of(&r.stacks, STACK("mmap@libc.so.6", "f@app", "main.f@main.go"));
	assert_int_equal(record_taker(&r, &row), RECORD_BY_PROGRAM);
	row.what = RECORD_WHAT_GO;
	assert_int_equal(record_taker(&r, &row), RECORD_BY_RUNTIME);
	row.what = RECORD_WHAT_STACK;
	row.stack = stack_of(&r.stacks, STACK("mmap@libc.so.6", "pthread_create@libc.so.6", "_cgo_sys_thread_start@app",
					      "runtime.asmcgocall@asm_amd64.s", "runtime.newm@proc.go"));
	assert_int_equal(record_taker(&r, &row), RECORD_BY_PROGRAM);
	row.what = RECORD_WHAT_UNKNOWN;
	row.stack = stack_of(&r.stacks, STACK("runtime.mmap@mem.go", "runtime.sysMap@mem.go",
					      "runtime.mallocgc@malloc.go", "main.f@main.go"));
	assert_int_equal(record_taker(&r, &row), RECORD_BY_RUNTIME);
	assert_string_equal(record_site(&r.stacks, row.stack).go->function, "main.f");
	row.kind = RECORD_GO;
	row.what = RECORD_WHAT_GO;
	assert_int_equal(record_taker(&r, &row), RECORD_BY_PROGRAM);
	row.kind = RECORD_RESIDENT;
	row.what = RECORD_WHAT_UNKNOWN;
	row.stack = stack_of(&r.stacks, STACK("runtime.memmove@memmove_amd64.s", "main.f@main.go"));
	assert_int_equal(record_taker(&r, &row), RECORD_BY_PROGRAM);
	row.stack = stack_of(&r.stacks, STACK("runtime.mmap@mem_linux.go", "runtime.sysMap@mem.go"));
	assert_true(record_site(&r.stacks, row.stack).runtime);
	record_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_event_has_a_name),
		cmocka_unit_test(a_repeated_note_is_kept_once),
		cmocka_unit_test(the_go_function_that_called_into_c_is_named),
		cmocka_unit_test(a_c_function_without_a_name_is_told_by_its_wrapper),
		cmocka_unit_test(a_literal_that_cgo_makes_is_not_who_called),
		cmocka_unit_test(c_in_the_comment_of_a_go_file_is_not_go),
		cmocka_unit_test(what_allocates_for_cstring_is_passed_over),
		cmocka_unit_test(wrappers_of_system_calls_are_passed_over),
		cmocka_unit_test(a_callback_into_go_is_the_caller_of_what_it_calls),
		cmocka_unit_test(a_thread_of_c_is_named_by_where_it_began),
		cmocka_unit_test(what_an_allocator_maps_is_told_from_what_the_program_maps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
