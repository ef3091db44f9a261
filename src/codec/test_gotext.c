/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "codec/gotext.h"

static const char flag_letters[] = "SLMXCsBDnNPE"; /* by bit of enum goroutine_flags */

static void put_frame(struct strbuf *out, const struct frame *f)
{
	strbuf_printf(out, "%s%s@%s:%u", f->inlined ? "~" : "", f->function, f->file, f->line);
	if (f->addr)
		strbuf_printf(out, "=%llx", (unsigned long long)f->addr);
}

/* "ID STATE/REASON MIN FLAGS xCOUNT | f@a.go:1 ~g@b.go:2 < creator@c.go:3 #PARENT {k=v}" */
static void put_goroutine(struct strbuf *out, const struct goroutines *gs, const struct goroutine *g)
{
	strbuf_printf(out, "%llu %s/%s", (unsigned long long)g->id, g->state, g->wait_reason ? g->wait_reason : "");
	if (g->wait_ns >= 0)
		strbuf_printf(out, " %llumin", (unsigned long long)g->wait_ns / 60000000000);
	for (unsigned i = 0; flag_letters[i]; i++) {
		if (g->flags & 1u << i)
			strbuf_printf(out, " %c", flag_letters[i]);
	}
	if (g->count != 1)
		strbuf_printf(out, " x%u", g->count);
	strbuf_puts(out, " |");
	for (uint32_t i = 0; i < stacks_depth(&gs->stacks, g->stack); i++) {
		strbuf_putc(out, ' ');
		put_frame(out, stacks_at(&gs->stacks, g->stack, i));
	}
	if (stacks_depth(&gs->stacks, g->created_by)) {
		strbuf_puts(out, " < ");
		put_frame(out, stacks_at(&gs->stacks, g->created_by, 0));
	}
	if (g->parent)
		strbuf_printf(out, " #%llu", (unsigned long long)g->parent);
	for (uint32_t i = 0; i < g->label_n; i++)
		strbuf_printf(out, " {%s=%s}", gs->labels.v[g->label_at + i].key, gs->labels.v[g->label_at + i].value);
	strbuf_putc(out, '\n');
}

static struct err *parse(const char *text, size_t len, struct goroutines *gs)
{
	struct stream s;
	goroutines_init(gs);
	struct err *err = stream_open_memory(text, len, "dump.txt", UINT64_MAX, &s);
	if (!err)
		err = gotext_read(&s, 3, gs);
	stream_close(&s);
	return err;
}

/* All rows as text, then "total N"; or the sentence of the error. */
static char *rendered(const char *text, size_t len)
{
	struct goroutines gs;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct err *err AUTO(err) = parse(text, len, &gs);
	for (size_t i = 0; !err && i < gs.v.n; i++) {
		assert_int_equal(gs.v.v[i].input, 3);
		put_goroutine(&out, &gs, &gs.v.v[i]);
	}
	if (err)
		strbuf_puts(&out, err_text(err));
	else
		strbuf_printf(&out, "total %llu", (unsigned long long)gs.total);
	goroutines_deinit(&gs);
	return strbuf_take(&out);
}

static const struct {
	const char *what, *text, *expected;
} cases[] = {
	{ "debug=2 of Go 1.13",
	  "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1d\n\n"
	  "goroutine 7 [chan receive, 5 minutes, locked to thread]:\nmain.f(0xc000010000, 0x1, 0x2, ...)\n"
	  "\t/src/main.go:72 +0x25\ncreated by main.main\n\t/src/main.go:134 +0x15f\n",
	  "1 running/ | main.main@/src/main.go:9\n"
	  "7 waiting/chan receive 5min L | main.f@/src/main.go:72 < main.main@/src/main.go:134\ntotal 2" },
	{ "parents of Go 1.21, inlined frames, generic functions and methods",
	  "goroutine 8 [sync.Mutex.Lock, 12 minutes]:\nsync.(*Mutex).Lock(...)\n\t/go/src/sync/mutex.go:90\n"
	  "example.com/x.v1.Do[...]({0x1?, 0x2}, {{0x0, _}, ...})\n\t/src/a b/main.go:7 +0x1\n"
	  "created by example.com/x.(*T).Run.func1 in goroutine 34\n\t/src/a b/main.go:99 +0x2\n",
	  "8 waiting/sync.Mutex.Lock 12min | ~sync.(*Mutex).Lock@/go/src/sync/mutex.go:90 "
	  "example.com/x.v1.Do[...]@/src/a b/main.go:7 < example.com/x.(*T).Run.func1@/src/a b/main.go:99 #34\ntotal "
	  "1" },
	{ "pointers of Go 1.23 and frames of the runtime, GOTRACEBACK=system",
	  "SIGQUIT: quit\nPC=0x4818a1 m=0 sigcode=0\n\n"
	  "goroutine 0 gp=0x574640 m=0 mp=0x575400 [idle]:\nruntime.futex(0x1)\n\t/go/sys.s:5 +0x2 fp=0x1 sp=0x2 "
	  "pc=0x3\n\n"
	  "goroutine 1 gp=0xc000002380 m=nil [select (no cases)]:\nruntime.gopark(0x1?)\n"
	  "\t/go/proc.go:4 +0xd6 fp=0xc1 sp=0xc2 pc=0x43\nruntime.block()\n\t/go/select.go:1 +0x1 fp=0x1 sp=0x2 "
	  "pc=0x3\n"
	  "main.main()\n\t/m.go:3 +0x1 fp=0x1 sp=0x2 pc=0x3\nruntime.main()\n\t/go/proc.go:250 +0x1 fp=0x1 sp=0x2 "
	  "pc=0x3\n\n"
	  "goroutine 2 gp=0xc000006700 m=nil [force gc (idle)]:\nruntime.gopark(0x0?)\n\t/go/proc.go:4 +0xd6\n"
	  "runtime.forcegchelper()\n\t/go/proc.go:30 +0xad\nruntime.goexit({})\n\t/go/asm.s:1 +0x1\n"
	  "created by runtime.init.7 in goroutine 1\n\t/go/proc.go:336 +0x1a\n\nrax    0x0\nrip    0x1\n",
	  "0 idle/ S | runtime.futex@/go/sys.s:5\n"
	  "1 waiting/select (no cases) s | runtime.gopark@/go/proc.go:4 runtime.block@/go/select.go:1 "
	  "main.main@/m.go:3 "
	  "runtime.main@/go/proc.go:250\n"
	  "2 waiting/force gc (idle) S | runtime.gopark@/go/proc.go:4 runtime.forcegchelper@/go/proc.go:30 "
	  "runtime.goexit@/go/asm.s:1 < runtime.init.7@/go/proc.go:336 #1\ntotal 1" },
	{ "a panic marks its goroutine",
	  "panic: boom\n\n\tgoroutine 99 [running]:\n\ngoroutine 1 [running]:\npanic({0x1, 0x2})\n\t/go/panic.go:8 "
	  "+0x1\n"
	  "main.main()\n\t/m.go:1 +0x1\n\ngoroutine 5 [runnable]:\nmain.f()\n\t/m.go:2\nexit status 2\n",
	  "1 running/ P | panic@/go/panic.go:8 main.main@/m.go:1\n5 runnable/ | main.f@/m.go:2\ntotal 2" },
	{ "synctest, durable, scan, leaked, in any order",
	  "goroutine 7 [select (durable), synctest bubble 3]:\nmain.f()\n\t/m.go:1 +0x1\n\n"
	  "goroutine 8 [chan receive (nil chan) (leaked)]:\nmain.f()\n\t/m.go:1 +0x1\n\n"
	  "goroutine 9 [chan send (leaked) (scan), 2 minutes]:\nmain.f()\n\t/m.go:1 +0x1\n\n"
	  "goroutine 10 [sleep, synctest group 1]:\nmain.f()\n\t/m.go:1 +0x1\n\n"
	  "goroutine 11 [???]:\nmain.f()\n\t/m.go:1 +0x1\n",
	  "7 waiting/select s B D | main.f@/m.go:1\n8 leaked/chan receive (nil chan) X | main.f@/m.go:1\n"
	  "9 leaked/chan send 2min X | main.f@/m.go:1\n10 waiting/sleep B | main.f@/m.go:1\n"
	  "11 unknown/ | main.f@/m.go:1\ntotal 5" },
	{ "labels of Go 1.27, bare and quoted",
	  "goroutine 34 [chan receive] {job: j7, tenant: t42}:\nmain.f()\n\t/m.go:1 +0x1\n\n"
	  "goroutine 35 [chan receive, 1 minutes] {\"a \\\"b\\\", }\": \"\\x41\\n\\u00e9\", c: "
	  "\"\"}:\nmain.f()\n\t/m.go:1 +0x1\n",
	  "34 waiting/chan receive | main.f@/m.go:1 {job=j7} {tenant=t42}\n"
	  "35 waiting/chan receive 1min | main.f@/m.go:1 {a \"b\", }=A\n\xc3\xa9} {c=}\ntotal 2" },
	{ "labels of Go 1.26",
	  "goroutine 34 [chan receive, 3 minutes labels:{\"job\": \"j]7\", \"b}]:\": \"\"}]:\nmain.f()\n\t/m.go:1 "
	  "+0x1\n",
	  "34 waiting/chan receive 3min | main.f@/m.go:1 {job=j]7} {b}]:=}\ntotal 1" },
	{ "debug=1",
	  "goroutine profile: total 9\n6 @ 0x486caa 0x4177ae\n# labels: {\"job\":\"j7\", \"tenant\":\"t 42\"}\n"
	  "#\t0x5661db\tmain.f.func1+0x1b\t\t/m.go:96\n#\t0x55792b\tmain.f+0x8b\t/m.go:57\n\n"
	  "2 @ "
	  "0x1\n#\t0x465\tsync.runtime_SemacquireMutex+0x24\t/go/sema.go:77\n#\t0x466\tsync.(*Mutex).lockSlow+0x1\t/go/"
	  "m.go:1\n"
	  "#\t0x467\tmain.g+0x1\t/m.go:9\n\n1 @\n#\t0x99\n\n",
	  "0 unknown/ x6 | main.f.func1@/m.go:96=5661db main.f@/m.go:57=55792b {job=j7} {tenant=t 42}\n"
	  "0 waiting/sync.Mutex.Lock x2 | sync.runtime_SemacquireMutex@/go/sema.go:77=465 "
	  "sync.(*Mutex).lockSlow@/go/m.go:1=466 main.g@/m.go:9=467\n0 unknown/ | @:0=99\ntotal 9" },
	{ "debug=1 of goroutineleak, and debug=2 behind it in one file",
	  "goroutineleak profile: total 5\n5 @ 0x1\n#\t0x1\tmain.f+0x1\t/m.go:1\n\n"
	  "goroutine 3 [select]:\nmain.f()\n\t/m.go:1 +0x1\n",
	  "0 leaked/ X x5 | main.f@/m.go:1=1\n3 waiting/select s | main.f@/m.go:1\ntotal 6" },
	{ "nothing leaked", "goroutineleak profile: total 0\n", "total 0" },
	{ "Windows: CRLF and drives", "goroutine 1 [running]:\r\nmain.main()\r\n\tC:/src/main.go:9 +0x1d\r\n\r\n",
	  "1 running/ | main.main@C:/src/main.go:9\ntotal 1" },
	{ "what a thread could not print, printed by another",
	  "goroutine 1 [running]:\n\tgoroutine running on other thread; stack unavailable\n\n"
	  "goroutine 2 [running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by "
	  "main.main\n\t/m.go:3 +0x1\n\n"
	  "-----\n\ngoroutine 2 [running]:\nmain.spin()\n\t/m.go:5 +0x1\ncreated by main.main\n\t/m.go:3 +0x1\n",
	  "1 running/ C |\n2 running/ | main.spin@/m.go:5 < main.main@/m.go:3\ntotal 2" },
	{ "what a thread prints once more is counted once, but not in the next crash",
	  "goroutine 1 [syscall]:\nmain.f()\n\t/m.go:1 +0x1\n\n-----\n\nSIGQUIT: quit\n\n"
	  "goroutine 1 [syscall]:\nmain.f()\n\t/m.go:1 +0x1\n\npanic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/m.go:1 "
	  "+0x1\n",
	  "1 syscall/ | main.f@/m.go:1\n1 running/ P | main.f@/m.go:1\ntotal 2" },
	{ "elided frames, cgo frames with and without a symbolizer",
	  "goroutine 4 [syscall]:\nnon-Go function at pc=0x7f\nnon-Go function\n\tpc=0x12\nC_sleep\n\t/c.c:4 pc=0x13\n"
	  "main._Cfunc_f()\n\t_cgo_gotypes.go:40 +0x1\n...additional frames elided...\ncreated by main.main\n\t/m.go:1 "
	  "+0x1\n",
	  "4 syscall/ C | non-Go function@:0 non-Go function@:0 C_sleep@/c.c:4 main._Cfunc_f@_cgo_gotypes.go:40 "
	  "< main.main@/m.go:1\ntotal 1" },
	{ "ancestors are not part of the stack",
	  "goroutine 9 [select]:\nmain.f()\n\t/m.go:1 +0x1\ncreated by main.g\n\t/m.go:2 +0x1\n"
	  "[originating from goroutine 7]:\nmain.g(...)\n\t/m.go:2 +0x1\ncreated by main.main\n\t/m.go:3 +0x1\n"
	  "[originating from goroutine 1]:\nmain.main(...)\n\t/m.go:3 +0x1\n\ngoroutine 10 "
	  "[select]:\nmain.f()\n\t/m.go:1 +0x1\n",
	  "9 waiting/select s | main.f@/m.go:1 < main.g@/m.go:2 #7\n10 waiting/select s | main.f@/m.go:1\ntotal 2" },
	{ "no empty line between goroutines",
	  "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x1\ngoroutine 2 [select]:\nmain.g()\n\t/m.go:2 +0x1\n",
	  "1 waiting/select s | main.f@/m.go:1\n2 waiting/select s | main.g@/m.go:2\ntotal 2" },
	/* cut */
	{ "cut in a file name", "goroutine 1 [select]:\nmain.f()\n\t/m.g",
	  "1 waiting/select C s E | main.f@:0\ntotal 1" },
	{ "cut in an offset", "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x",
	  "1 waiting/select s E | main.f@/m.go:1\ntotal 1" },
	{ "cut in a function", "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x1\nmain.g(0x1, 0",
	  "1 waiting/select C s E | main.f@/m.go:1\ntotal 1" },
	{ "cut in the creator", "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x1\ncreated by main.ma",
	  "1 waiting/select C s E | main.f@/m.go:1 < main.ma@:0\ntotal 1" },
	{ "cut behind a function", "goroutine 1 [select]:\nmain.f()\n", "1 waiting/select C s E | main.f@:0\ntotal 1" },
	{ "cut in the next header", "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x1\n\ngoroutine 2 [sel",
	  "1 waiting/select s E | main.f@/m.go:1\ntotal 1" },
	{ "cut in the word", "goroutine 1 [select]:\nmain.f()\n\t/m.go:1 +0x1\n\ngorou",
	  "1 waiting/select s E | main.f@/m.go:1\ntotal 1" },
	{ "cut in the only header", "panic: x\n\ngoroutine 1 [sel",
	  "dump.txt: line 3: the dump ends inside the first line of a goroutine" },
	{ "fewer than debug=1 says", "goroutine profile: total 9\n6 @ 0x1\n#\t0x1\tmain.f+0x1\t/m.go:1\n\n",
	  "0 unknown/ E x6 | main.f@/m.go:1=1\ntotal 6" },
	{ "debug=1 without any", "goroutine profile: total 9\n",
	  "dump.txt: line 1: the dump ends before the first of 9 goroutines" },
	/* no dump */
	{ "nothing", "", "dump.txt: no goroutine in 0 lines of text" },
	{ "other text", "hello\nworld\n", "dump.txt: no goroutine in 2 lines of text" },
	{ "what only looks alike", "goroutine x [y]:\ngoroutine 5 running\ngoroutine 1 [a]: b\ngoroutines 1 [a]:\n",
	  "dump.txt: no goroutine in 4 lines of text" },
	{ "numbers without end", "goroutine 99999999999999999999 [select]:\n",
	  "dump.txt: no goroutine in 1 lines of text" },
	{ "a wait without end",
	  "goroutine 1 [select, 99999999999999999 minutes]:\nmain.f()\n\t/m.go:99999999999 +0x1\n",
	  "1 waiting/select s | main.f@:0\ntotal 1" },
};

static void every_dialect_is_read(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_FREE char *got = rendered(cases[i].text, strlen(cases[i].text));
		if (strcmp(got, cases[i].expected) != 0)
			fail_msg("%s:\n%s\nnot\n%s", cases[i].what, got, cases[i].expected);
	}
}

static const char whole[] = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1d\n\n"
			    "goroutine 7 [chan receive, 5 minutes]:\nmain.f(0x1, ...)\n\t/src/main.go:72 +0x25\n"
			    "created by main.main in goroutine 1\n\t/src/main.go:134 +0x15f\n\n"
			    "goroutine 8 [select]:\nmain.g()\n\t/src/main.go:80 +0x25\n";

/* Where nothing tells, it is because the text is whole up to there: behind a place, or behind an empty line. */
static void a_dump_that_is_cut_anywhere_says_so(void **state)
{
	for (size_t n = 1; n < sizeof(whole) - 1; n++) {
		struct goroutines gs;
		struct err *err AUTO(err) = parse(whole, n, &gs);
		bool between = whole[n - 1] == '\n' && strchr("\ngc", whole[n]) && (n < 2 || whole[n - 2] != ')');
		if (!err && !between && !(gs.v.v[gs.v.n - 1].flags & GOROUTINE_END))
			fail_msg("cut to %zu bytes, and nothing tells", n);
		assert_true(!err || err_code(err) == ERR_FORMAT);
		goroutines_deinit(&gs);
	}
}

/* Ids mean something within their own dump. */
static void a_crash_does_not_take_the_rows_of_another_input(void **state)
{
	static const char crash[] = "goroutine 1 [running]:\n\tgoroutine running on other thread; stack unavailable\n\n"
				    "-----\n\ngoroutine 1 [running]:\nmain.f()\n\t/m.go:1 +0x1\n";
	struct goroutines gs;
	static const char before[] = "goroutine 1 [running]:\n\tgoroutine running on other thread; stack unavailable\n";
	struct err *err AUTO(err) = parse(before, sizeof(before) - 1, &gs);
	assert_null(err);
	struct stream s;
	assert_null(stream_open_memory(crash, sizeof(crash) - 1, "b.txt", UINT64_MAX, &s));
	assert_null(gotext_read(&s, 4, &gs));
	stream_close(&s);
	assert_int_equal(gs.total, 2);
	assert_int_equal(gs.v.v[0].input, 3);
	assert_int_equal(stacks_depth(&gs.stacks, gs.v.v[0].stack), 0);
	assert_int_equal(stacks_depth(&gs.stacks, gs.v.v[1].stack), 1);
	goroutines_deinit(&gs);
}

static void equal_stacks_are_one_whatever_their_arguments(void **state)
{
	struct strbuf text;
	struct goroutines gs;
	strbuf_init(&text);
	for (unsigned i = 1; i <= 1000; i++)
		strbuf_printf(&text,
			      "goroutine %u [chan send, %u minutes]:\nmain.f(0x%x, {0x%x?, 0x1})\n\t/m.go:%u +0x%x\n"
			      "created by main.main in goroutine 1\n\t/m.go:3 +0x1\n\n",
			      i, i, i, i * 7, i % 3 + 1, i % 3 + 1);
	struct err *err AUTO(err) = parse(text.buf, text.len, &gs);
	assert_null(err);
	assert_int_equal(gs.v.n, 1000);
	assert_int_equal(gs.total, 1000);
	assert_int_equal(gs.stacks.v.n, 1 + 3 + 1);
	assert_int_equal(gs.v.v[999].wait_ns / 60000000000, 1000);
	goroutines_deinit(&gs);
	strbuf_deinit(&text);
}

/* Lines that lie across the window, and one that is longer than it. */
static void a_long_dump_is_read_in_pieces(void **state)
{
	struct strbuf text;
	struct goroutines gs;
	strbuf_init(&text);
	for (unsigned i = 1; text.len < 3 * STREAM_WINDOW; i++) {
		strbuf_printf(&text, "goroutine %u [select]:\nmain.f(0x%x)\n\t/m.go:1 +0x1\n\n", i, i);
		for (unsigned k = 0; i == 10 && k < 2 * STREAM_WINDOW; k++)
			strbuf_putc(&text, 'x');
		if (i == 10)
			strbuf_putc(&text, '\n');
	}
	struct err *err AUTO(err) = parse(text.buf, text.len, &gs);
	assert_null(err);
	assert_true(gs.v.n > 10);
	for (size_t i = 0; i < gs.v.n; i++) {
		assert_int_equal(gs.v.v[i].id, i + 1);
		assert_int_equal(gs.v.v[i].stack, gs.v.v[0].stack);
		assert_int_equal(gs.v.v[i].flags & ~(unsigned)GOROUTINE_SELECT, 0);
	}
	goroutines_deinit(&gs);
	strbuf_deinit(&text);
}

static void a_stack_without_end_is_cut(void **state)
{
	struct strbuf text;
	struct goroutines gs;
	strbuf_init(&text);
	strbuf_puts(&text, "goroutine 1 [select]:\n");
	for (unsigned i = 0; i < STACK_FRAMES_MAX + 10; i++)
		strbuf_printf(&text, "main.f%u()\n\t/m.go:1 +0x1\n", i);
	struct err *err AUTO(err) = parse(text.buf, text.len, &gs);
	assert_null(err);
	assert_int_equal(stacks_depth(&gs.stacks, gs.v.v[0].stack), STACK_FRAMES_MAX);
	assert_true(gs.v.v[0].flags & GOROUTINE_CUT);
	goroutines_deinit(&gs);
	strbuf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dialect_is_read),
		cmocka_unit_test(a_dump_that_is_cut_anywhere_says_so),
		cmocka_unit_test(a_crash_does_not_take_the_rows_of_another_input),
		cmocka_unit_test(equal_stacks_are_one_whatever_their_arguments),
		cmocka_unit_test(a_long_dump_is_read_in_pieces),
		cmocka_unit_test(a_stack_without_end_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
