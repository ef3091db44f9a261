/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/layout.h"

#include "base/cursor.h"

uint64_t gort_load(const struct gort_layout *l, const void *rec, uint64_t rec_len, enum gort_field f)
{
	const struct gort_offset *at = &l->f[f];
	if (at->off < 0 || (uint64_t)at->off > rec_len || rec_len - (uint64_t)at->off < at->size)
		return 0;
	const unsigned char *p = (const unsigned char *)rec + at->off;
	switch (at->size) {
	case 1:
		return *p;
	case 2:
		return load_u16(p);
	case 4:
		return load_u32(p);
	case 8:
		return load_u64(p);
	default:
		return 0;
	}
}
