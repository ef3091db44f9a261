/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "record/blocks.h"

static void take(struct record_blocks *b, uint64_t addr, uint64_t size, uint32_t path, int64_t time)
{
	struct record_alloc a = { .addr = addr, .size = size, .path = path, .time = time, .began = time };
	record_blocks_alloc(b, &a);
}

static const struct record_bound *bound_of(const struct record_bound_vec *v, uint32_t path)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].path == path)
			return &v->v[i];
	return NULL;
}

static void expect_exact(struct record_blocks *b, uint32_t path, uint64_t count, uint64_t bytes)
{
	struct record_blocks_end end = { .scale = 1, .scale_high = 1 };
	struct record_bound_vec rows = { 0 };
	record_blocks_bounds(b, &end, &rows);
	const struct record_bound *row = bound_of(&rows, path);
	assert_non_null(row);
	assert_int_equal(row->count, count);
	assert_int_equal(row->low_count, count);
	assert_int_equal(row->high_count, count);
	assert_int_equal(row->bytes, bytes);
	assert_int_equal(row->low_bytes, bytes);
	assert_int_equal(row->high_bytes, bytes);
	vec_deinit(&rows);
}

static void without_a_pause_the_book_is_exact(void **state)
{
	(void)state;
	struct record_blocks b;
	record_blocks_init(&b);
	record_blocks_phase(&b, true, 1);
	for (uint64_t i = 1; i <= 5000; i++)
		take(&b, i * 64, i, 1 + (uint32_t)(i % 3), (int64_t)i + 1);
	uint64_t bytes = 0, count = 0;
	for (uint64_t i = 1; i <= 5000; i++) {
		if (i % 7) {
			record_blocks_free(&b, i * 64, 0, 6000);
		} else if (i % 3 == 0) {
			bytes += i;
			count++;
		}
	}
	record_blocks_free(&b, 77, 32, 6000); /* from before the window */
	record_blocks_phase(&b, false, 7000);
	expect_exact(&b, 1, count, bytes);
	record_blocks_deinit(&b);
}

static void a_realloc_hands_the_block_to_the_last_path(void **state)
{
	(void)state;
	struct record_blocks b;
	record_blocks_init(&b);
	record_blocks_phase(&b, true, 1);
	take(&b, 1000, 100, 1, 5);
	record_blocks_alloc(&b, &(struct record_alloc){ 2000, 300, 1000, 0, 2, 8, 7 });
	record_blocks_alloc(&b, &(struct record_alloc){ 2000, 500, 2000, 0, 3, 10, 9 }); /* in place */
	record_blocks_alloc(&b, &(struct record_alloc){ 0, 900, 2000, 0, 4, 12, 11 });	 /* failed */
	expect_exact(&b, 1, 0, 0);
	expect_exact(&b, 2, 0, 0);
	expect_exact(&b, 3, 1, 500);
	record_blocks_alloc(&b, &(struct record_alloc){ 0, 0, 2000, 0, 4, 14, 13 }); /* to nothing: freed */
	expect_exact(&b, 3, 0, 0);
	record_blocks_deinit(&b);
}

static void what_another_thread_took_during_a_realloc_is_its_own(void **state)
{
	(void)state;
	struct record_blocks b;
	record_blocks_init(&b);
	record_blocks_phase(&b, true, 1);
	take(&b, 1000, 100, 1, 5);
	take(&b, 1000, 40, 2, 8); /* the realloc below has given 1000 up by then */
	record_blocks_alloc(&b, &(struct record_alloc){ 3000, 300, 1000, 0, 3, 9, 7 });
	expect_exact(&b, 1, 0, 0);
	expect_exact(&b, 2, 1, 40);
	expect_exact(&b, 3, 1, 300);
	record_blocks_deinit(&b);
}

static void a_call_inside_of_a_call_counts_once(void **state)
{
	(void)state;
	struct record_blocks b;
	record_blocks_init(&b);
	record_blocks_phase(&b, true, 1);
	record_blocks_alloc(&b, &(struct record_alloc){ 1000, 128, 0, 0, 1, 6, 5 }); /* malloc of */
	record_blocks_alloc(&b, &(struct record_alloc){ 1000, 100, 0, 0, 2, 7, 4 }); /* calloc */
	expect_exact(&b, 2, 1, 100);
	assert_int_equal(record_sums_at(&b.sums, 1)->total_count, 0);
	assert_int_equal(record_sums_at(&b.sums, 2)->total_count, 1);
	record_blocks_deinit(&b);
}

static void a_block_that_the_allocator_does_not_know_is_none(void **state)
{
	(void)state;
	struct record_blocks b;
	record_blocks_init(&b);
	record_blocks_phase(&b, true, 1);
	take(&b, 1000, 100, 1, 5);
	take(&b, 2000, 100, 1, 5);
	take(&b, 3000, 100, 1, 5);
	take(&b, 4000, 200000, 1, 5);
	uint64_t addrs[] = { 1000, 2000, 3000, 4000, 5000 }, chunks[] = { 112, 0, 64, 204800, 32 };
	assert_int_equal(record_blocks_confirm(&b, addrs, chunks, 5), 2);
	expect_exact(&b, 1, 2, 200100);
	record_blocks_deinit(&b);
}

/*
 * A program with an allocator that gives the last freed chunk first, watched in phases. Each kind of block has a path, a size,
 * a rate and a lifetime in ticks (0: for ever); what is outstanding at the end is known.
 */
enum { KINDS_MAX = 3, CLASSES = 40, LIVE_MAX = 400000 };
#define TICKS INT64_C(100000)

struct kind {
	uint32_t path;
	uint64_t size;
	double rate; /* a tick */
	int lifetime, spread;
};

struct sim_block {
	uint64_t addr, size;
	uint32_t path;
	int next; /* of the same tick of death, or free */
	bool used, old;
};

struct sim {
	struct record_blocks book;
	struct sim_block *blocks;
	int n, free[CLASSES], dies[2 * TICKS];
	uint64_t random;
	bool on;
	uint64_t live_n, live_bytes;
	struct record_size before[CLASSES], after[CLASSES];
};

static uint64_t rnd(struct sim *s)
{
	s->random = s->random * UINT64_C(6364136223846793005) + 1; /* the same in every run of the test */
	return s->random >> 16;
}

static void sim_take(struct sim *s, const struct kind *k, int64_t now)
{
	int64_t dies = now + k->lifetime + (k->spread ? (int64_t)(rnd(s) % (uint64_t)k->spread) : 0);
	if (k->lifetime && dies < 0)
		return; /* born and dead before the window */
	unsigned class = (unsigned)(record_chunk(k->size) / 16);
	int id = s->free[class];
	if (id)
		s->free[class] = s->blocks[id].next;
	else
		id = ++s->n;
	assert_true(id < LIVE_MAX);
	s->blocks[id] = (struct sim_block){ 0x1000 + (uint64_t)id * 0x1000, k->size, k->path, 0, true, now < 0 };
	if (k->lifetime && dies < 2 * TICKS) {
		s->blocks[id].next = s->dies[dies];
		s->dies[dies] = id;
	}
	if (s->on)
		take(&s->book, s->blocks[id].addr, k->size, k->path, now + 1);
}

static void sim_free(struct sim *s, int id, int64_t now)
{
	unsigned class = (unsigned)(record_chunk(s->blocks[id].size) / 16);
	s->blocks[id].used = false;
	s->blocks[id].next = s->free[class];
	s->free[class] = id;
	if (s->on)
		record_blocks_free(&s->book, s->blocks[id].addr, (uint64_t) class * 16, now + 1);
}

static void sim_sizes(struct sim *s, struct record_size *ret)
{
	for (int i = 0; i < CLASSES; i++)
		ret[i] = (struct record_size){ (uint64_t)i * 16, 0 };
	for (int id = 1; id <= s->n; id++)
		ret[record_chunk(s->blocks[id].size) / 16].count += s->blocks[id].used;
}

static void sim_tick(struct sim *s, const struct kind *kinds, size_t n, int64_t now)
{
	for (size_t i = 0; i < n; i++) {
		double want = kinds[i].rate;
		while (want >= 1 || (want > 0 && (double)(rnd(s) >> 11) / 9007199254740992.0 < want)) {
			sim_take(s, &kinds[i], now);
			want -= 1;
		}
	}
	if (now < 0)
		return;
	for (int id = s->dies[now], next; id; id = next) {
		next = s->blocks[id].next;
		sim_free(s, id, now);
	}
}

/* `warm`: the program has run for that many ticks before. Fills `ret` with rows; the truth is in the blocks. */
static void simulate(struct sim *s, const struct kind *kinds, size_t n, int warm, struct record_bound_vec *ret)
{
	enum { PHASE = 200, PERIOD = 6000 };
	s->blocks = xcalloc(LIVE_MAX, sizeof(*s->blocks));
	record_blocks_init(&s->book);
	for (int64_t t = -warm; t < 0; t++)
		sim_tick(s, kinds, n, t);
	sim_sizes(s, s->before);
	int64_t change = (int64_t)(rnd(s) % PERIOD), on = 0;
	for (int64_t t = 0; t < TICKS; t++) {
		if (t == change || t == TICKS - PHASE) {
			s->on = t == TICKS - PHASE || !s->on;
			record_blocks_phase(&s->book, s->on, t + 1);
			change = t == TICKS - PHASE ? TICKS
				 : s->on	    ? t + PHASE
						    : t + PERIOD / 2 + (int64_t)(rnd(s) % PERIOD);
		}
		on += s->on;
		sim_tick(s, kinds, n, t);
	}
	record_blocks_phase(&s->book, false, TICKS + 1);
	sim_sizes(s, s->after);
	for (int id = 1; id <= s->n; id++) {
		uint64_t chunk = s->blocks[id].used ? record_chunk(s->blocks[id].size) : 0;
		record_blocks_confirm(&s->book, &s->blocks[id].addr, &chunk, 1);
	}
	struct record_size_vec before = { s->before, CLASSES, CLASSES }, after = { s->after, CLASSES, CLASSES };
	double scale = (double)TICKS / (double)on;
	struct record_blocks_end end = { .before = &before, .after = &after, .confirmed = true };
	end.scale = end.scale_high = scale;
	record_blocks_bounds(&s->book, &end, ret);
}

static uint64_t truth(const struct sim *s, uint32_t path, uint64_t *bytes)
{
	uint64_t n = *bytes = 0;
	for (int id = 1; id <= s->n; id++)
		if (s->blocks[id].used && !s->blocks[id].old && s->blocks[id].path == path) {
			n++;
			*bytes += s->blocks[id].size;
		}
	return n;
}

struct story {
	const char *name;
	struct kind kinds[KINDS_MAX];
	size_t n;
	int warm;
	uint32_t leaks;	   /* path whose low must be most of what its phases saw, 0: none */
	uint32_t innocent; /* path whose low must be 0 */
};

static const struct story stories[] = {
	{ "leak", { { 1, 24, 3, 0, 0 } }, 1, 0, 1, 0 },
	{ "leak beside churn of one size", { { 1, 100, 1, 0, 0 }, { 2, 100, 20, 3, 10 } }, 2, 1000, 1, 2 },
	{ "leak of one in fifty", { { 1, 100, 0.5, 0, 0 }, { 1, 100, 25, 3, 10 } }, 2, 1000, 1, 0 },
	{ "short lives", { { 1, 40, 20, 5, 5 } }, 1, 1000, 0, 1 },
	{ "longer than a phase", { { 1, 40, 10, 300, 300 } }, 1, 5000, 0, 1 },
	{ "longer than a pause", { { 1, 40, 3, 15000, 100 } }, 1, 20000, 0, 1 },
	{ "as long as the window", { { 1, 40, 1, 90000, 20000 } }, 1, 120000, 0, 0 },
	{ "a cache and its users",
	  { { 1, 200, 2, 40000, 0 }, { 2, 200, 5, 2, 2 }, { 3, 200, 0.2, 0, 0 } },
	  3,
	  60000,
	  0,
	  0 },
	{ "mixed sizes", { { 1, 24, 1, 0, 0 }, { 1, 300, 0.5, 0, 0 }, { 1, 500, 5, 10, 100 } }, 3, 1000, 1, 0 },
};

static void the_interval_holds_the_truth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct sim *s = xcalloc(1, sizeof(*s));
			s->random = seed;
			const struct story *story = &stories[i];
			struct record_bound_vec rows = { 0 };
			simulate(s, story->kinds, story->n, story->warm, &rows);
			for (uint32_t path = 1; path <= 3; path++) {
				uint64_t bytes, n = truth(s, path, &bytes);
				const struct record_bound *r = bound_of(&rows, path);
				if (!r)
					continue;
				print_message(
					"%-30s path %u: count %llu..%llu..%llu (%llu) bytes %llu..%llu..%llu (%llu)\n",
					story->name, path, (unsigned long long)r->low_count,
					(unsigned long long)r->count, (unsigned long long)r->high_count,
					(unsigned long long)n, (unsigned long long)r->low_bytes,
					(unsigned long long)r->bytes, (unsigned long long)r->high_bytes,
					(unsigned long long)bytes);
				assert_true(r->low_count <= n && n <= r->high_count);
				assert_true(r->low_bytes <= bytes && bytes <= r->high_bytes);
				assert_true(r->low_count <= r->count && r->count <= r->high_count);
				if (path == story->leaks)
					assert_true(r->low_count > 0);
				if (path == story->innocent)
					assert_int_equal(r->low_count, 0);
			}
			vec_deinit(&rows);
			record_blocks_deinit(&s->book);
			free(s->blocks);
			free(s);
		}
	}
}

/* Many small blocks come and go; 1,700 large ones are kept, none of them in a phase. */
static void what_was_never_seen_is_below_the_upper_bound(void **state)
{
	(void)state;
	enum { KEPT = 1700, LARGE = 8192 };
	struct record_size before[] = { { 32, 100 } }, after[] = { { 32, 100 }, { LARGE + 16, KEPT } };
	struct record_size_vec sizes[] = { { before, 1, 1 }, { after, 2, 2 } };
	struct record_blocks_end end = {
		.before = &sizes[0], .after = &sizes[1], .confirmed = true, .scale = 1000, .scale_high = 20000
	};
	struct record_bound_vec rows = { 0 };
	struct record_blocks b;
	record_blocks_init(&b);
	for (int64_t phase = 0; phase < 4; phase++) {
		record_blocks_phase(&b, true, 1 + phase * 100000);
		for (int64_t i = 0; i < 1000; i++) {
			take(&b, 4096, 24, 1, phase * 100000 + 10 * i + 2);
			record_blocks_free(&b, 4096, 32, phase * 100000 + 10 * i + 5);
		}
		record_blocks_phase(&b, false, phase * 100000 + 20000);
	}
	record_blocks_bounds(&b, &end, &rows);
	const struct record_bound *row = bound_of(&rows, 1);
	assert_non_null(row);
	assert_int_equal(row->low_bytes, 0);
	assert_true(row->high_count >= KEPT);
	assert_true(row->high_bytes >= (uint64_t)KEPT * LARGE);
	assert_true(row->high_bytes < (uint64_t)KEPT * LARGE * 2);
	vec_deinit(&rows);
	record_blocks_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_pause_the_book_is_exact),
		cmocka_unit_test(a_realloc_hands_the_block_to_the_last_path),
		cmocka_unit_test(what_another_thread_took_during_a_realloc_is_its_own),
		cmocka_unit_test(a_call_inside_of_a_call_counts_once),
		cmocka_unit_test(a_block_that_the_allocator_does_not_know_is_none),
		cmocka_unit_test(the_interval_holds_the_truth),
		cmocka_unit_test(what_was_never_seen_is_below_the_upper_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
