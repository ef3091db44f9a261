/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/layout.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
const struct glibc_arena_layout glibc_arena_layouts[] = {
	/* 2.27 to 2.42: mutex, flags, have_fastchunks, fastbinsY[10], top, last_remainder, bins[254], binmap, next, ... */
	{ .fast = 16, .n_fast = 10, .top = 96, .bins = 112, .next = 2160, .threads = 2176, .system = 2184,
	  .system_max = 2192, .bytes = 2200 },
	/* 2.43: without fast bins */
	{ .top = 8, .bins = 24, .next = 2072, .threads = 2088, .system = 2096, .system_max = 2104, .bytes = 2112 },
	/* 2.26: without have_fastchunks */
	{ .fast = 8, .n_fast = 10, .top = 88, .bins = 104, .next = 2152, .threads = 2168, .system = 2176,
	  .system_max = 2184, .bytes = 2192 },
};

const struct glibc_par_layout glibc_par_layouts[] = {
	/* 2.26 to 2.34: trim_threshold, top_pad, mmap_threshold, arena_test, arena_max, n_mmaps, ... */
	{ .n_mmaps = 40, .mmapped = 56, .bytes = 80 },
	/* 2.35 and later: with thp_pagesize, hp_pagesize, hp_flags before n_mmaps. 2.43 has one more field before these */
	{ .huge_page = 48, .n_mmaps = 60, .mmapped = 80, .bytes = 104 },
};

const struct glibc_cache_layout glibc_cache_layouts[] = {
	/* 2.30 to 2.41 */
	{ .chunk = 0x290, .count = 2, .bins = 64, .same = 64 },
	/* 2.42: with bins for ranges of larger sizes */
	{ .chunk = 0x300, .count = 2, .bins = 76, .same = 64, .slots = 1 },
	/* 2.26 to 2.29 */
	{ .chunk = 0x250, .count = 1, .bins = 64, .same = 64 },
};

const uint16_t glibc_heap_infos[] = {
	0x30, /* 2.35: with pagesize */
	0x20,
};
/* clang-format on */

const unsigned glibc_n_arena_layouts = LEN(glibc_arena_layouts), glibc_n_par_layouts = LEN(glibc_par_layouts),
	       glibc_n_cache_layouts = LEN(glibc_cache_layouts), glibc_n_heap_infos = LEN(glibc_heap_infos);
