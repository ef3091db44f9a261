/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/report.h"

enum { MIB = 1024 * 1024, GOLDEN_MAX = 64 * 1024 };

/* What a hostile target would call itself. */
#define COMM "le\x1b[31mak\ny"
#define EXE "/bin/</script><!--\xff\xe2\x80\xa8"

static void add_map(struct account *a, uint64_t start, uint64_t size, unsigned flags, const char *name,
		    const char *label, enum mem_class c, uint64_t resident)
{
	*vec_push(&a->maps) = (struct vma){ .start = start, .end = start + size, .flags = flags, .name = name };
	struct account_vma *v = vec_push(&a->vmas);
	v->label = label;
	v->rss = resident;
	v->classes[c] = resident;
	a->classes[c].resident += resident;
	a->classes[c].virtual_size += size;
	a->rss += resident;
}

static void add_owner(struct account *a, enum mem_class c, const char *owner, uint64_t resident)
{
	*vec_push(&a->owners) = (struct account_owner){ c, owner, resident };
}

static void add_c_heap(struct account *a)
{
	a->c_heap.allocator = "glibc 2.36";
	a->c_heap.system = 5 * MIB;
	a->c_heap.inuse = 2 * MIB;
	a->c_heap.free = 3 * MIB;
	a->c_heap.top = MIB;
	a->c_heap.thread_cache = 4096;
	a->c_heap.unknown = 0;
	a->c_heap.mmapped = MIB;
	a->c_heap.mmapped_blocks = 1;
	*vec_push(&a->c_heap.arenas) = (struct account_c_arena){
		.addr = 0x7f0000000030, .threads = 2, .system = 4 * MIB, .inuse = MIB, .free = 3 * MIB, .top = MIB
	};
}

/* A process that is not Go and of which little is known. */
static void make_plain(struct account *a)
{
	account_init(a);
	a->pid = 42;
	a->comm = COMM;
	a->exe = EXE;
	a->time_unix_ns = 1763719023123456789;
	a->elapsed_ns = 1500000;
	a->swap = a->error_bound = 0;
	a->pss = ACCOUNT_UNKNOWN;
	a->integrity.exe_matches_disk = -1;
	a->cgroup = (struct account_cgroup){ 0 };
	a->space = (struct account_space){
		.span = 1ull << 30, .regions = 3, .gaps = 2, .mean_gap = 4096, .page_table = 8192
	};
	add_map(a, 0x400000, MIB, VMA_READ | VMA_EXEC, "/bin/a,\"b\"\nc", "a,\"b\"\nc", CLASS_FILE_TEXT, MIB);
	add_map(a, 0x600000, 4096, 0, "", "=cmd()\x1b[2J", CLASS_MMAP_ANON, 0);
	add_owner(a, CLASS_FILE_TEXT, "libc.so.6", 600 * 1024);
	add_owner(a, CLASS_FILE_TEXT, "(other)", 400 * 1024);
	add_c_heap(a);
}

static void add_runtime(struct account *a)
{
	a->runtime = (struct account_runtime){
		.heap_alloc = 6 * MIB,
		.heap_inuse = 7 * MIB,
		.heap_idle = 3 * MIB,
		.heap_released = MIB,
		.heap_objects = 12345,
		.stack_inuse = 65536,
		.total_alloc = 1ull << 33,
		.mallocs = 1000000,
		.frees = ACCOUNT_UNKNOWN,
		.gc_percent = -1,
		.memory_limit = ACCOUNT_UNKNOWN,
		.gomaxprocs = 2,
		.goroutines = 10,
		.by_status = { { "running", 1 }, { "waiting", 9 } },
		.threads = 5,
		.spans = 100,
	};
	a->gc = (struct account_gc){
		.count = 7,
		.phase = "off",
		.last_unix_ns = a->time_unix_ns - 1500000000,
		.interval_seconds = (double)NAN,
		.pause_p50_ms = 0.25,
		.pause_p99_ms = 1,
		.pause_total_ms = (double)NAN,
		.cpu_fraction = 0.015,
		.heap_goal = 12 * MIB,
		.heap_marked = 5 * MIB,
	};
}

static void add_cgroup(struct account *a)
{
	a->cgroup = (struct account_cgroup){
		.version = 2,
		.path = "/a",
		.limit_path = "/",
		.limit = 20 * MIB,
		.high = ACCOUNT_UNKNOWN,
		.usage = 16 * MIB,
		.working_set = 15 * MIB,
		.percpu = ACCOUNT_UNKNOWN,
		.unexplained = -MIB,
	};
	*vec_push(&a->cgroup.events) = (struct account_count){ "oom_kill", 1 };
	*vec_push(&a->cgroup.processes) = (struct account_process){ 42, COMM, 1, 9 * MIB };
	*vec_push(&a->cgroup.processes) = (struct account_process){ 43, "sh", -1, 4096 };
	*vec_push(&a->cgroup.balance) = (struct account_step){ "heap objects", 6 * MIB };
	*vec_push(&a->cgroup.balance) = (struct account_step){ "nothing", 0 };
	*vec_push(&a->cgroup.balance) = (struct account_step){ "page cache", 11 * MIB };
}

static void make_go(struct account *a)
{
	make_plain(a);
	a->go = (struct account_go){
		.is_go = true,
		.layout_known = true,
		.version = "go1.24.4",
		.layout = "go1.24",
		.module = "example.com/leaky",
		.stripped = true,
	};
	*vec_push(&a->go.experiments) = "greenteagc";
	*vec_push(&a->go.godebug) = (struct account_setting){ "x", "1" };
	*vec_push(&a->go.godebug) = (struct account_setting){ "y", "2" };
	*vec_push(&a->go.godebug) = (struct account_setting){ "x", "3" };
	a->owners.n = 0;
	add_map(a, 0xc000000000, 64 * MIB, VMA_READ | VMA_WRITE, "", "Go arena", CLASS_GO_HEAP_LIVE, 6 * MIB);
	a->vmas.v[2].classes[CLASS_GO_HEAP_IDLE] = 2 * MIB;
	a->vmas.v[2].rss += 2 * MIB;
	a->classes[CLASS_GO_HEAP_IDLE].resident = 2 * MIB;
	a->rss += 2 * MIB;
	a->returnable = 2 * MIB;
	add_owner(a, CLASS_GO_HEAP_LIVE, "main.(*Store).Login", 3 * MIB);
	add_owner(a, CLASS_GO_HEAP_LIVE, "net/http;\n.x", 2 * MIB);
	add_owner(a, CLASS_GO_HEAP_LIVE, "(not sampled)", MIB);
	add_owner(a, CLASS_FILE_TEXT, "libc.so.6", 600 * 1024);
	add_runtime(a);
	add_cgroup(a);
	account_note(a, "a note\x1b");
}

static const struct report_options plain_options = { .style = { .width = 100 }, .top = 1 };

/* A file of src/report/golden, as it is or should be. */
static char *golden_path(const char *name)
{
	const char *root = getenv("ULLAGE_SOURCE");
	return xasprintf("%s/src/report/golden/%s", root ? root : ".", name);
}

static void assert_golden(const char *name, const struct strbuf *got)
{
	AUTO_FREE char *path = golden_path(name), *want = xcalloc(1, GOLDEN_MAX);
	bool update = getenv("ULLAGE_UPDATE_GOLDEN") != NULL;
	FILE *f = fopen(path, update ? "we" : "re");
	if (!f)
		fail_msg("%s cannot be opened", path);
	if (update)
		fwrite(got->buf, 1, got->len, f);
	else
		(void)!fread(want, 1, GOLDEN_MAX - 1, f);
	fclose(f);
	if (!update && strcmp(got->buf, want) != 0)
		fail_msg("not as in %s (ULLAGE_UPDATE_GOLDEN=1 writes it anew):\n%s", path, got->buf);
}

static void assert_report(report_fn render, void (*make)(struct account *), const struct report_options *opt,
			  const char *golden)
{
	struct account a;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	make(&a);
	render(&a, opt, &out);
	account_deinit(&a);
	assert_golden(golden, &out);
}

static void text_of_a_process_that_is_not_go(void **state)
{
	assert_report(report_text, make_plain, &plain_options, "plain.txt");
}

static void text_of_a_go_process(void **state)
{
	assert_report(report_text, make_go, &plain_options, "go.txt");
}

static void make_swapped(struct account *a)
{
	make_go(a);
	a->swap = MIB;
	a->classes[CLASS_GO_HEAP_LIVE].swap = MIB;
	a->integrity = (struct account_integrity){ .text_modified = 4096, .probes = 1 };
	*vec_push(&a->integrity.foreign_exec) = "0x1000-0x2000 rwxp";
	*vec_push(&a->integrity.preloaded) = "/tmp/\x1b[2J.so";
	a->unexplained = -2 * MIB;
}

static void text_with_swap_and_broken_integrity(void **state)
{
	struct report_options opt = plain_options;
	opt.vmas = true;
	assert_report(report_text, make_swapped, &opt, "swapped.txt");
}

static void text_in_colour(void **state)
{
	struct account a;
	AUTO(strbuf) struct strbuf out;
	struct report_options opt = { .style = { .color = true, .utf8 = true, .width = 100 }, .top = 3 };
	strbuf_init(&out);
	make_go(&a);
	report_text(&a, &opt, &out);
	account_deinit(&a);
	assert_non_null(strstr(out.buf, "\x1b[1mgo.heap\x1b[0m"));
	assert_non_null(strstr(out.buf, "\x1b[38;5;25m\xe2\x96\x88\xe2\x96\x88"));
	assert_null(strstr(out.buf, "\x1b[31mak"));
}

static void json_of_a_process_that_is_not_go(void **state)
{
	assert_report(report_json, make_plain, &plain_options, "plain.json");
}

static void json_of_a_go_process(void **state)
{
	struct report_options opt = plain_options;
	opt.vmas = true;
	assert_report(report_json, make_go, &opt, "go.json");
}

static void csv_is_quoted(void **state)
{
	assert_report(report_csv, make_go, &plain_options, "go.csv");
}

static void folded_stacks_have_one_line_each(void **state)
{
	assert_report(report_folded, make_go, &plain_options, "go.folded");
}

static void other_values_stop_at_the_class(void **state)
{
	struct report_options opt = plain_options;
	opt.value = REPORT_SWAP;
	struct account a;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	make_go(&a);
	report_folded(&a, &opt, &out);
	assert_string_equal(out.buf, "");
	a.classes[CLASS_GO_HEAP_LIVE].pss = 5;
	a.classes[CLASS_SHM].pss = ACCOUNT_UNKNOWN;
	opt.value = REPORT_PSS;
	report_folded(&a, &opt, &out);
	assert_string_equal(out.buf, "go;go.heap;go.heap.live 5\n");
	account_deinit(&a);
}

/* The data of a page: what stands between its script tags. */
static char *data_of(const char *page)
{
	static const char start[] = "<script type=\"application/json\" id=\"data\">";
	const char *from = strstr(page, start);
	assert_non_null(from);
	from += sizeof(start) - 1;
	const char *to = strstr(from, "</script>");
	assert_non_null(to);
	return xstrndup(from, (size_t)(to - from));
}

static void pages_carry_their_data_safely(void **state)
{
	static const struct {
		report_fn render;
		const char *parts[2];
	} pages[] = {
		{ report_html, { "[0,\"main\",\"(*Store).Login\",3145728]", "[0,null,\"(not sampled)\",1048576]" } },
		{ report_flame, { "\"go.heap.live\",\"main\",\"main.(*Store).Login\"", ",3145728," } },
	};
	for (size_t i = 0; i < 2; i++) {
		struct account a;
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		make_go(&a);
		pages[i].render(&a, &plain_options, &out);
		account_deinit(&a);
		AUTO_FREE char *data = data_of(out.buf);
		assert_null(strpbrk(data, "<>&\n\x1b"));
		assert_int_equal(data[0], '{');
		assert_int_equal(data[strlen(data) - 1], '}');
		for (size_t k = 0; k < 2; k++)
			assert_non_null(strstr(data, pages[i].parts[k]));
	}
}

static void the_treemap_shows_no_more_owners_than_can_be_seen(void **state)
{
	struct account a;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	make_plain(&a);
	a.owners.n = 0;
	for (size_t i = 0; i < 20000; i++)
		add_owner(&a, CLASS_FILE_TEXT, "package", 10);
	add_owner(&a, CLASS_FILE_TEXT, "(other)", 7);
	report_html(&a, &plain_options, &out);
	account_deinit(&a);
	AUTO_FREE char *data = data_of(out.buf);
	assert_non_null(strstr(data, ",null,\"(19500 smaller ones)\",195000]"));
	assert_non_null(strstr(data, ",null,\"(other)\",7]"));
	assert_true(strlen(data) < 40000);
}

static void nothing_is_known(struct account *a)
{
	account_init(a);
	a->pid = 1;
	a->swap = a->pss = a->rss = a->error_bound = a->returnable = ACCOUNT_UNKNOWN;
	a->go.is_go = a->go.layout_known = true;
	a->cgroup.version = 1;
	a->cgroup.limit = a->cgroup.usage = a->cgroup.working_set = ACCOUNT_UNKNOWN;
	memset(&a->runtime, 0xff, offsetof(struct account_runtime, gc_percent));
	a->runtime.gc_percent = INT64_MIN;
	a->runtime.memory_limit = a->runtime.gomaxprocs = a->runtime.goroutines = ACCOUNT_UNKNOWN;
	a->gc = (struct account_gc){ .interval_seconds = (double)NAN,
				     .pause_p50_ms = (double)NAN,
				     .cpu_fraction = (double)NAN };
	a->gc.count = a->gc.forced = a->gc.heap_goal = ACCOUNT_UNKNOWN;
	memset(&a->space, 0xff, offsetof(struct account_space, vma_limit_ratio));
	*vec_push(&a->owners) = (struct account_owner){ CLASS_SHM, NULL, 0 };
	*vec_push(&a->cgroup.processes) = (struct account_process){ 1, NULL, -1, ACCOUNT_UNKNOWN };
	*vec_push(&a->cgroup.processes) = (struct account_process){ 2, NULL, -1, ACCOUNT_UNKNOWN };
	*vec_push(&a->maps) = (struct vma){ .start = 1, .end = 2 };
	*vec_push(&a->vmas) = (struct account_vma){ .rss = 1 };
}

static void everything_may_be_unknown(void **state)
{
	static const report_fn all[] = {
		report_text, report_json, report_csv, report_html, report_flame, report_folded
	};
	struct report_options opt = plain_options;
	opt.vmas = true;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct account a;
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		nothing_is_known(&a);
		all[i](&a, &opt, &out);
		account_deinit(&a);
		assert_null(strstr(out.buf, "18446744073709551615"));
		assert_null(strstr(out.buf, "16.0 EiB"));
	}
}

static void no_line_is_wider_than_the_screen(void **state)
{
	for (unsigned width = STYLE_WIDTH_MIN; width <= STYLE_WIDTH_MAX; width += 8) {
		struct account a;
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		make_go(&a);
		struct report_options opt = { .style = { .width = width }, .top = 3, .vmas = true };
		report_text(&a, &opt, &out);
		account_deinit(&a);
		for (const char *p = out.buf; *p; p += strcspn(p, "\n") + 1) {
			if (strcspn(p, "\n") > width)
				fail_msg("%u columns: %.*s", width, (int)strcspn(p, "\n"), p);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_a_process_that_is_not_go),
		cmocka_unit_test(text_of_a_go_process),
		cmocka_unit_test(text_with_swap_and_broken_integrity),
		cmocka_unit_test(text_in_colour),
		cmocka_unit_test(json_of_a_process_that_is_not_go),
		cmocka_unit_test(json_of_a_go_process),
		cmocka_unit_test(csv_is_quoted),
		cmocka_unit_test(folded_stacks_have_one_line_each),
		cmocka_unit_test(other_values_stop_at_the_class),
		cmocka_unit_test(pages_carry_their_data_safely),
		cmocka_unit_test(the_treemap_shows_no_more_owners_than_can_be_seen),
		cmocka_unit_test(everything_may_be_unknown),
		cmocka_unit_test(no_line_is_wider_than_the_screen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
