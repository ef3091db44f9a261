/* SPDX-License-Identifier: Apache-2.0 */
#include "account/shares.h"

#include "base/num.h"
#include "proc/maps.h"

static void share_pss(struct account *a, const struct account_vma *v, uint64_t pss)
{
	uint64_t left = pss;
	enum mem_class largest = CLASS_UNEXPLAINED;
	for (enum mem_class c = 0; c < CLASS_MAX_; c++) {
		if (!v->classes[c] || !v->rss)
			continue;
		uint64_t part = (uint64_t)((double)pss * (double)v->classes[c] / (double)v->rss);
		part = num_min(part, left);
		a->classes[c].pss += part;
		left -= part;
		if (largest == CLASS_UNEXPLAINED || v->classes[c] > v->classes[largest])
			largest = c;
	}
	a->classes[largest].pss += left; /* what rounding left over */
}

/* Up to what the mapping holds of a class; returns what is left to share. */
static uint64_t give_lazyfree(struct account *a, const struct account_vma *v, enum mem_class c, uint64_t lazyfree)
{
	uint64_t part = num_min(lazyfree, v->classes[c]);
	a->classes[c].lazyfree += part;
	return lazyfree - part;
}

static void share_lazyfree(struct account *a, const struct account_vma *v, uint64_t lazyfree)
{
	lazyfree = give_lazyfree(a, v, CLASS_GO_HEAP_IDLE, lazyfree);
	for (enum mem_class c = 0; c < CLASS_MAX_; c++) {
		if (c != CLASS_GO_HEAP_IDLE)
			lazyfree = give_lazyfree(a, v, c, lazyfree);
	}
}

struct err *shares_read(const struct target *t, bool pss, struct account *a)
{
	struct proc_smap_vec smaps = { 0 };
	struct err *err = proc_smaps_read(&t->live->process, &smaps);
	for (size_t i = 0, s = 0; !err && i < a->vmas.n; i++) {
		while (s < smaps.n && smaps.v[s].start < a->maps.v[i].start)
			s++;
		if (s == smaps.n)
			break;
		if (smaps.v[s].start != a->maps.v[i].start) /* mapped or unmapped since */
			continue;
		if (pss)
			share_pss(a, &a->vmas.v[i], smaps.v[s].pss);
		share_lazyfree(a, &a->vmas.v[i], smaps.v[s].lazyfree);
	}
	vec_deinit(&smaps);
	return err;
}
