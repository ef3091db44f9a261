/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vma.h"

const struct vma *vma_find(const struct vma_vec *vmas, uint64_t addr)
{
	size_t lo = 0, hi = vmas->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (vmas->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == vmas->n || vmas->v[lo].start > addr)
		return NULL;
	return &vmas->v[lo];
}
