/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vma.h"

#include "base/bisect.h"

const struct vma *vma_find(const struct vma_vec *vmas, uint64_t addr)
{
	size_t lo = bisect(vmas->n, i, vmas->v[i].end <= addr);
	if (lo == vmas->n || vmas->v[lo].start > addr)
		return NULL;
	return &vmas->v[lo];
}
