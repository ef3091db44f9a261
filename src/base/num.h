/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/num - numbers from and to text.
 *
 * Parsers take all of [s, s + len) or fail; no sign, no space, no locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool num_dec(const char *s, size_t len, uint64_t *ret);
bool num_hex(const char *s, size_t len, uint64_t *ret); /* no 0x */
bool num_str(const char *s, uint64_t *ret);		/* a whole decimal string */

/* "1.5 GiB", "812 KiB", "17 B": at most 4 significant digits. Returns buf. */
enum { NUM_SIZE_LEN = 24 };
char *num_size(uint64_t bytes, char buf[NUM_SIZE_LEN]);

/* min() and max() of two u64. */
static inline uint64_t num_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t num_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a - b, or 0 where that would be negative. */
static inline uint64_t num_sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The median of n values, which are sorted; NAN of none. */
double num_median(double *values, size_t n);
