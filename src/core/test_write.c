/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/write.h"

enum { PAGE = 4096 };

/* The file of a plan, each page of contents filled with the number of its page. */
static int file_of(const struct core_plan *p)
{
	int fd = memfd_create("core", MFD_CLOEXEC);
	assert_int_equal(pwrite(fd, p->head.buf, p->head.len, 0), (ssize_t)p->head.len);
	for (size_t i = 0; i < p->segments.n; i++) {
		const struct core_segment *s = &p->segments.v[i];
		assert_int_equal(s->at % PAGE, 0);
		for (uint64_t at = s->start; at < s->end; at += PAGE) {
			uint64_t page = at / PAGE;
			assert_int_equal(pwrite(fd, &page, 8, (off_t)(s->at + (at - s->start))), 8);
		}
	}
	assert_int_equal(ftruncate(fd, (off_t)p->size), 0);
	return fd;
}

static struct core_about example(struct vma_vec *maps, struct page_vec *pages, struct core_thread_vec *threads)
{
	static const uint64_t auxv[] = { AT_PHDR, 0x400040, AT_NULL, 0 };
	static const struct core_fp_vec no_fp;
	*vec_push(maps) = (struct vma){ 0x400000, 0x404000, 0, 77, 8, 1, VMA_READ | VMA_EXEC, "/bin/prog" };
	*vec_push(maps) = (struct vma){ 0x600000, 0x604000, 0x4000, 77, 8, 1, VMA_READ | VMA_WRITE, "/bin/prog" };
	*vec_push(maps) = (struct vma){ 0x7f0000, 0x7f8000, 0, 0, 0, 0, VMA_READ | VMA_WRITE, "[heap]" };
	*vec_push(maps) = (struct vma){ 0x7f8000, 0x7fa000, 0, 0, 0, 0, 0, "" };
	*vec_push(pages) = (struct page_run){ 0x400000, 0x402000, PAGE_FILE, false };
	*vec_push(pages) = (struct page_run){ 0x601000, 0x602000, PAGE_ANON, false };
	*vec_push(pages) = (struct page_run){ 0x7f1000, 0x7f4000, PAGE_ANON, true };
	*vec_push(pages) = (struct page_run){ 0x7f5000, 0x7f6000, PAGE_SWAP, false };
	struct core_thread *th = vec_push(threads);
	th->tid = 4711;
	th->regs[CORE_REG_IP] = 0x400123;
	vec_push(threads)->tid = 4712;
	return (struct core_about){
		.pid = 4711,
		.comm = "a-name-of-more-than-16-bytes",
		.args = "prog --flag",
		.auxv = auxv,
		.auxv_len = sizeof(auxv),
		.maps = maps,
		.pages = pages,
		.threads = threads,
		.fp = &no_fp,
		.origin = { .wall = 5,
			    .monotonic = 6,
			    .boot = 7,
			    .start_ticks = 8,
			    .rss = 9,
			    .stopped_ns = 10,
			    .boot_id = "b" },
	};
}

static void check_memory(struct core *c)
{
	static const struct {
		uint64_t addr;
		uint64_t value;
	} words[] = { { 0x601000, 0x601 }, { 0x7f1000, 0x7f1 }, { 0x7f3000, 0x7f3 }, { 0x7f0000, 0 }, { 0x7f9000, 0 } };
	uint64_t v = 1;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_true(memsrc_u64(&c->src, words[i].addr, &v));
		assert_int_equal(v, words[i].value);
	}
	assert_false(memsrc_u64(&c->src, 0x600000, &v)); /* the file has it, and is not there */
	assert_false(memsrc_u64(&c->src, 0x7f5000, &v)); /* was in swap */
	assert_false(memsrc_u64(&c->src, 0x7f5ffc, &v));
}

static void what_was_written_is_read(void **state)
{
	struct vma_vec maps = { 0 };
	struct page_vec pages = { 0 }, runs = { 0 };
	struct core_thread_vec threads = { 0 };
	struct core_range_vec stored = { 0 };
	struct core_plan plan;
	struct core c;
	const struct core_about about = example(&maps, &pages, &threads);
	*vec_push(&stored) = (struct core_range){ 0x601000, 0x602000 };
	*vec_push(&stored) = (struct core_range){ 0x7f1000, 0x7f4000 };
	assert_null(core_plan_make(&about, &stored, &plan));
	AUTO_CLOSE int fd = file_of(&plan);
	assert_null(core_open(fd, "test", &c));
	assert_int_equal(c.lost, 0);
	assert_false(c.cut);
	assert_int_equal(c.pid, 4711);
	assert_string_equal(c.comm, "a-name-of-more-");
	assert_int_equal(c.threads.n, 2);
	assert_int_equal(c.threads.v[0].regs[CORE_REG_IP], 0x400123);
	assert_int_equal(c.auxv.phdr, 0x400040);
	assert_true(c.origin.ullage);
	assert_int_equal(c.origin.monotonic, 6);
	assert_int_equal(c.origin.stopped_ns, 10);
	assert_string_equal(c.origin.boot_id, "b");
	assert_int_equal(c.maps.n, 4);
	for (size_t i = 0; i < c.maps.n; i++) {
		const struct vma *a = &c.maps.v[i], *b = &maps.v[i];
		assert_true(a->start == b->start && a->end == b->end && a->offset == b->offset);
		assert_true(a->inode == b->inode && a->dev_major == b->dev_major && a->flags == b->flags);
		assert_string_equal(a->name, b->name);
	}
	check_memory(&c);
	assert_null(core_pages(&c, 0x401000, 0x800000, &runs));
	assert_int_equal(runs.n, 4);
	assert_int_equal(runs.v[0].start, 0x401000);
	assert_true(runs.v[2].huge && runs.v[2].kind == PAGE_ANON);
	assert_int_equal(runs.v[3].kind, PAGE_SWAP);
	core_close(&c);
	core_plan_deinit(&plan);
	vec_deinit(&maps);
	vec_deinit(&pages);
	vec_deinit(&runs);
	vec_deinit(&threads);
	vec_deinit(&stored);
}

static void more_segments_than_the_header_can_count(void **state)
{
	enum { MANY = 70000 };
	struct vma_vec maps = { 0 };
	struct page_vec pages = { 0 };
	struct core_thread_vec threads = { 0 };
	struct core_range_vec stored = { 0 };
	struct core_plan plan;
	struct core c;
	uint64_t v = 0;
	struct core_about about = example(&maps, &pages, &threads);
	for (uint64_t i = 0; i < MANY; i++)
		*vec_push(&maps) = (struct vma){ .start = 0x10000000 + i * 2 * PAGE,
						 .end = 0x10000000 + (i * 2 + 1) * PAGE,
						 .flags = VMA_READ,
						 .name = "" };
	*vec_push(&stored) = (struct core_range){ maps.v[maps.n - 1].start, maps.v[maps.n - 1].end };
	assert_null(core_plan_make(&about, &stored, &plan));
	AUTO_CLOSE int fd = file_of(&plan);
	assert_null(core_open(fd, "test", &c));
	assert_int_equal(c.segments.n, MANY + 4);
	assert_true(memsrc_u64(&c.src, stored.v[0].start, &v));
	assert_int_equal(v, stored.v[0].start / PAGE);
	core_close(&c);
	core_plan_deinit(&plan);
	vec_deinit(&maps);
	vec_deinit(&pages);
	vec_deinit(&threads);
	vec_deinit(&stored);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(more_segments_than_the_header_can_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
