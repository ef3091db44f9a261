/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/bisect - where in a sorted array something begins.
 *
 *	size_t at = bisect(vmas->n, i, vmas->v[i].end <= addr);
 *
 * The index of the first element for which the condition does not hold, n when it holds for all. `i` is the name by which
 * the condition calls the element it asks about; those for which it holds come before all others.
 */

#include <stddef.h>

/* clang-format off */
#define bisect(n, i, before) ({ \
	size_t bisect_low_ = 0, bisect_high_ = (n); \
	while (bisect_low_ < bisect_high_) { \
		size_t i = bisect_low_ + (bisect_high_ - bisect_low_) / 2; \
		if (before) \
			bisect_low_ = (i) + 1; \
		else \
			bisect_high_ = i; \
	} \
	bisect_low_; })
/* clang-format on */
