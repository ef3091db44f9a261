/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/tally.h"

enum { PAGE = 4096 };

static const struct page_run anon = { 0, 0, PAGE_ANON, false };
static const struct page_run huge = { 0, 0, PAGE_ANON, true };
static const struct page_run file = { 0, 0, PAGE_FILE, false };
static const struct page_run swap = { 0, 0, PAGE_SWAP, false };

static void begin(struct account *a, struct tally *t, bool cells)
{
	account_init(a);
	*vec_push(&a->maps) = (struct vma){ .start = 0x10000, .end = 0x10000 + 256 * PAGE, .name = "" };
	tally_init(t, a, cells);
	tally_vma(t, 0);
}

static void end(struct account *a, struct tally *t)
{
	tally_deinit(t);
	account_deinit(a);
}

static void piece(struct tally *t, const struct page_run *run, unsigned page, unsigned pages, uint64_t bytes,
		  enum mem_class class, uint32_t owner)
{
	uint64_t start = 0x10000 + (uint64_t)page * PAGE;
	struct piece p = { start, start + (uint64_t)pages * PAGE, bytes, class, owner, run };
	tally_piece(t, &p);
}

/* Each kind of page counts where it should, and only there. */
static void kinds_of_pages(void **state)
{
	(void)state;
	struct account a;
	struct tally t;
	begin(&a, &t, false);
	piece(&t, &anon, 0, 1, PAGE, CLASS_GO_HEAP_LIVE, 0);
	piece(&t, &huge, 1, 512 / 8, 64 * PAGE, CLASS_GO_HEAP_LIVE, 0);
	piece(&t, &file, 100, 2, 2 * PAGE, CLASS_FILE_TEXT, 0);
	piece(&t, &swap, 110, 3, 3 * PAGE, CLASS_MMAP_ANON, 0);
	assert_int_equal(a.classes[CLASS_GO_HEAP_LIVE].resident, 65 * PAGE);
	assert_int_equal(a.classes[CLASS_GO_HEAP_LIVE].huge, 64 * PAGE);
	assert_int_equal(a.classes[CLASS_GO_HEAP_LIVE].anon, 65 * PAGE);
	assert_int_equal(a.classes[CLASS_FILE_TEXT].resident, 2 * PAGE);
	assert_int_equal(a.classes[CLASS_FILE_TEXT].anon, 0);
	assert_int_equal(a.classes[CLASS_MMAP_ANON].resident, 0);
	assert_int_equal(a.classes[CLASS_MMAP_ANON].swap, 3 * PAGE);
	assert_int_equal(a.vmas.v[0].rss, 67 * PAGE);
	assert_int_equal(a.vmas.v[0].swap, 3 * PAGE);
	end(&a, &t);
}

/* Thousands of owners keep their numbers, and equal names in other classes are others. */
static void owners_keep_their_numbers(void **state)
{
	(void)state;
	struct account a;
	struct tally t;
	begin(&a, &t, false);
	uint32_t numbers[3000];
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3000; i++) {
			char name[32];
			snprintf(name, sizeof(name), "main.f%u", i);
			uint32_t n = tally_owner(&t, CLASS_FILE_TEXT, name);
			if (round)
				assert_int_equal(n, numbers[i]);
			numbers[i] = n;
		}
	}
	assert_int_not_equal(tally_owner(&t, CLASS_GO_DATA, "main.f7"), numbers[7]);
	end(&a, &t);
}

/* Owners come by class and size; what they lack is a last row. */
static void the_rest_is_a_row(void **state)
{
	(void)state;
	struct account a;
	struct tally t;
	begin(&a, &t, false);
	uint32_t big = tally_owner(&t, CLASS_FILE_TEXT, "big"), small = tally_owner(&t, CLASS_FILE_TEXT, "small");
	piece(&t, &file, 0, 1, PAGE, CLASS_FILE_TEXT, small);
	piece(&t, &file, 1, 3, 3 * PAGE, CLASS_FILE_TEXT, big);
	piece(&t, &file, 4, 1, PAGE, CLASS_FILE_TEXT, 0);
	piece(&t, &anon, 8, 4, 4 * PAGE, CLASS_GO_HEAP_LIVE, 0);
	tally_finish(&t);
	static const struct {
		const char *owner;
		uint64_t pages;
	} want[] = { { "(not sampled)", 4 }, { "big", 3 }, { "small", 1 }, { "(no owner known)", 1 } };
	assert_int_equal(a.owners.n, 4);
	for (size_t i = 0; i < 4; i++) { /* classes in the order of their table, the rest last in each */
		assert_string_equal(a.owners.v[i].owner, want[i].owner);
		assert_int_equal(a.owners.v[i].resident, want[i].pages * PAGE);
	}
	end(&a, &t);
}

/* Samples may claim more than is resident: they are shrunk in proportion. */
static void estimates_fit_their_class(void **state)
{
	(void)state;
	struct account a;
	struct tally t;
	begin(&a, &t, false);
	piece(&t, &anon, 0, 2, 2 * PAGE, CLASS_GO_HEAP_LIVE, 0);
	tally_credit(&t, tally_owner(&t, CLASS_GO_HEAP_LIVE, "a"), 6 * PAGE);
	tally_credit(&t, tally_owner(&t, CLASS_GO_HEAP_LIVE, "b"), 2 * PAGE);
	tally_finish(&t);
	assert_int_equal(a.owners.n, 2);
	assert_int_equal(a.owners.v[0].resident, 3 * PAGE / 2);
	assert_int_equal(a.owners.v[1].resident, PAGE / 2);
	end(&a, &t);
}

/* A piece over several cells is spread over them and stays whole. */
static void cells_add_up(void **state)
{
	(void)state;
	struct account a;
	struct tally t;
	begin(&a, &t, true);
	piece(&t, &anon, 2, 8, 8 * PAGE, CLASS_MMAP_ANON, 0);
	assert_int_equal(a.cells.n, ACCOUNT_CELLS);
	uint64_t sum = 0;
	for (size_t i = 0; i < a.cells.n; i++)
		sum += a.cells.v[i].classes[CLASS_MMAP_ANON];
	assert_int_equal(sum, 8 * PAGE);
	assert_int_equal(a.cells.v[0].classes[CLASS_MMAP_ANON], 2 * PAGE); /* pages 2 and 3 of 0..3 */
	assert_int_equal(a.cells.v[1].classes[CLASS_MMAP_ANON], 4 * PAGE);
	end(&a, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_pages),    cmocka_unit_test(owners_keep_their_numbers),
		cmocka_unit_test(the_rest_is_a_row), cmocka_unit_test(estimates_fit_their_class),
		cmocka_unit_test(cells_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
