/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "codec/goproto.h"

/* "f;g;main.h": a stack, the innermost first. */
static uint32_t stack(struct stacks *s, const char *text)
{
	uint32_t frames[16], n = 0;
	while (*text) {
		char name[128] = "";
		size_t len = strcspn(text, ";");
		memcpy(name, text, len);
		frames[n++] =
			stacks_frame(s, &(struct frame){ .function = name, .file = "a.go", .line = 7, .addr = 0x10 });
		text += len + (text[len] == ';');
	}
	return stacks_add(s, frames, n);
}

static const struct {
	const char *stack, *state, *reason;
} waits[] = {
	{ "runtime.gopark;runtime.chanrecv;runtime.chanrecv1;main.f", "waiting", "chan receive" },
	{ "runtime.gopark;runtime.chansend;runtime.chansend1;main.f", "waiting", "chan send" },
	{ "runtime.gopark;runtime.selectgo;main.f", "waiting", "select" },
	{ "runtime.gopark;runtime.block;main.f", "waiting", "select (no cases)" },
	{ "runtime.gopark;runtime.netpollblock;internal/poll.runtime_pollWait;net.(*conn).Read", "waiting", "IO wait" },
	{ "runtime.gopark;time.Sleep;main.f", "waiting", "sleep" },
	{ "runtime.gopark;runtime.goparkunlock;runtime.semacquire1;sync.runtime_SemacquireMutex;sync.(*Mutex).lockSlow;"
	  "main.f",
	  "waiting", "sync.Mutex.Lock" },
	{ "runtime.gopark;runtime.semacquire1;sync.runtime_Semacquire;sync.(*WaitGroup).Wait;main.f", "waiting",
	  "sync.WaitGroup.Wait" },
	{ "runtime.gopark;runtime.semacquire1;sync.runtime_Semacquire;main.f", "waiting", "semacquire" },
	{ "runtime.gopark;runtime.semacquire1;sync.runtime_SemacquireRWMutexR;sync.(*RWMutex).RLock;main.f", "waiting",
	  "sync.RWMutex.RLock" },
	{ "sync.runtime_notifyListWait;sync.(*Cond).Wait;main.f", "waiting", "sync.Cond.Wait" },
	{ "syscall.Syscall6;main.f", "syscall", NULL },
	{ "main.runtime.chanrecv;runtime.chanrecv", "unknown", NULL },
	{ "main.f;runtime.gopark;runtime.selectgo", "unknown", NULL },
	{ "", "unknown", NULL },
};

static void a_stack_tells_what_it_waits_for(void **state)
{
	struct goroutines gs;
	goroutines_init(&gs);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct goroutine g = { .stack = stack(&gs.stacks, waits[i].stack) };
		goproto_infer(&gs, &g);
		assert_string_equal(g.state, waits[i].state);
		if (waits[i].reason)
			assert_string_equal(g.wait_reason, waits[i].reason);
		else
			assert_null(g.wait_reason);
	}
	goroutines_deinit(&gs);
}

static void the_runtimes_own_goroutines_are_known_by_their_stack(void **state)
{
	static const struct {
		const char *stack;
		bool system;
	} rows[] = {
		{ "runtime.gopark;runtime.bgsweep;runtime.goexit", true },
		{ "internal/runtime/gc.f;runtime.gcBgMarkWorker", true },
		{ "runtime.gopark;runtime.main", false }, /* before main.main */
		{ "main.finalizer;runtime.runfinq", false },
		{ "main.f", false },
		{ "", false },
	};
	struct goroutines gs;
	goroutines_init(&gs);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct goroutine g = { .stack = stack(&gs.stacks, rows[i].stack) };
		goproto_mark_system(&gs, &g);
		assert_int_equal(g.flags & GOROUTINE_SYSTEM, rows[i].system ? GOROUTINE_SYSTEM : 0);
	}
	goroutines_deinit(&gs);
}

static void make(struct profile *p, const char *type, int64_t a, int64_t b)
{
	profile_init(p);
	profile_type_add(p, type, "count");
	*profile_sample_add(p, stack(&p->stacks, "runtime.gopark;runtime.chanrecv;main.f")) = a;
	profile_label_text(p, "job", "j7");
	profile_label_number(p, "bytes", 5, "bytes");
	*profile_sample_add(p, stack(&p->stacks, "main.g")) = b;
}

static void a_profile_has_a_row_for_each_sample(void **state)
{
	static const char *const types[] = { "goroutine", "goroutineleak" };
	for (unsigned leak = 0; leak < 2; leak++) {
		struct goroutines gs;
		struct profile p;
		goroutines_init(&gs);
		make(&p, types[leak], 100, 1);
		assert_null(goroutines_of_profile(&p, 2, &gs));
		assert_int_equal(gs.total, 101);
		assert_int_equal(gs.v.n, 2);
		assert_int_equal(gs.v.v[0].count, 100);
		assert_int_equal(gs.v.v[0].input, 2);
		assert_string_equal(gs.v.v[0].wait_reason, "chan receive");
		assert_int_equal(gs.v.v[0].label_n, 1);
		assert_string_equal(gs.labels.v[gs.v.v[0].label_at].value, "j7");
		assert_string_equal(stacks_at(&gs.stacks, gs.v.v[0].stack, 2)->function, "main.f");
		assert_int_equal(gs.v.v[1].flags, leak ? GOROUTINE_LEAKED : 0);
		profile_deinit(&p);
		goroutines_deinit(&gs);
	}
}

static void a_profile_that_was_written_says_the_same(void **state)
{
	struct goroutines gs, again;
	struct profile p, written;
	goroutines_init(&gs);
	goroutines_init(&again);
	make(&p, "goroutine", 100, 1);
	assert_null(goroutines_of_profile(&p, 0, &gs));
	gs.v.v[1].flags |= GOROUTINE_SYSTEM;
	goroutines_profile(&gs, 1000, &written);
	assert_string_equal(written.types[0].type, "goroutine");
	assert_int_equal(written.samples.n, 1); /* the runtime's own are left out */
	assert_null(goroutines_of_profile(&written, 0, &again));
	assert_int_equal(again.total, 100);
	assert_string_equal(stacks_at(&again.stacks, again.v.v[0].stack, 2)->function, "main.f");
	profile_deinit(&p);
	profile_deinit(&written);
	goroutines_deinit(&gs);
	goroutines_deinit(&again);
}

static void what_is_no_goroutine_profile_is_refused(void **state)
{
	static const struct {
		const char *type;
		int64_t count;
		enum err_code code;
	} rows[] = { { "inuse_space", 1, ERR_ARG },
		     { "goroutine", -1, ERR_FORMAT },
		     { "goroutine", INT64_MAX, ERR_FORMAT } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct goroutines gs;
		struct profile p;
		goroutines_init(&gs);
		make(&p, rows[i].type, rows[i].count, 1);
		struct err *err AUTO(err) = goroutines_of_profile(&p, 0, &gs);
		assert_non_null(err);
		assert_int_equal(err_code(err), rows[i].code);
		profile_deinit(&p);
		goroutines_deinit(&gs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_tells_what_it_waits_for),
		cmocka_unit_test(the_runtimes_own_goroutines_are_known_by_their_stack),
		cmocka_unit_test(a_profile_has_a_row_for_each_sample),
		cmocka_unit_test(a_profile_that_was_written_says_the_same),
		cmocka_unit_test(what_is_no_goroutine_profile_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
