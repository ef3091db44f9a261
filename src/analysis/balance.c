/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/balance.h"

#include "base/num.h"

static void step(struct account *a, const char *name, int64_t bytes)
{
	if (!bytes)
		return;
	*vec_push(&a->cgroup.balance) = (struct account_step){ name, bytes };
}

static uint64_t known(uint64_t v)
{
	return v == ACCOUNT_UNKNOWN ? 0 : v;
}

static int64_t anon_of(const struct account *a, enum mem_class first, enum mem_class last)
{
	uint64_t sum = 0;
	for (enum mem_class c = first; c <= last; c++)
		sum += a->classes[c].anon;
	return (int64_t)sum;
}

static void heap_steps(struct account *a)
{
	int64_t resident = anon_of(a, CLASS_GO_HEAP_LIVE, CLASS_GO_HEAP_FREE);
	if (a->go.layout_known) {
		int64_t alloc = (int64_t)a->runtime.heap_alloc, inuse = (int64_t)a->runtime.heap_inuse;
		step(a, "Go heap objects (heap_alloc)", alloc);
		step(a, "free slots and tails in spans in use", inuse - alloc);
		step(a, "of these, pages that are not resident", resident - inuse);
	}
	step(a, "free spans not yet returned", (int64_t)a->classes[CLASS_GO_HEAP_IDLE].anon);
	step(a, "goroutine stacks", anon_of(a, CLASS_GO_STACK_INUSE, CLASS_GO_STACK_FREE));
	step(a, "Go runtime metadata", anon_of(a, CLASS_GO_META_SPANS, CLASS_GO_META_OTHER));
	step(a, "Go data and bss", (int64_t)a->classes[CLASS_GO_DATA].anon);
	step(a, "C heap", anon_of(a, CLASS_C_HEAP, CLASS_C_HEAP_FREE));
	step(a, "thread stacks", anon_of(a, CLASS_C_STACK, CLASS_C_STACK_CACHED));
	step(a, "other private mappings", (int64_t)a->classes[CLASS_MMAP_ANON].anon);
	step(a, "changed pages of files and libraries",
	     anon_of(a, CLASS_FILE_TEXT, CLASS_FILE_MAPPED) + anon_of(a, CLASS_SHM, CLASS_UNEXPLAINED));
}

static void cgroup_steps(struct account *a, int64_t own)
{
	const struct account_cgroup *cg = &a->cgroup;
	int64_t others = cg->anon == ACCOUNT_UNKNOWN ? 0 : (int64_t)cg->anon - own;
	/* a process that was moved leaves what it had charged behind (v1), and counters lag a little */
	step(a, others < 0 ? "of these, charged to another cgroup" : "private memory of other processes in the cgroup",
	     others);
	step(a, "tmpfs and shared memory", (int64_t)known(cg->shmem));
	uint64_t cache = num_sub(known(cg->file), known(cg->shmem));
	uint64_t inactive = num_min(known(cg->inactive_file), cache);
	step(a, "page cache, reclaimable first (inactive_file)", (int64_t)inactive);
	step(a, "page cache, other", (int64_t)(cache - inactive));
	if (cg->version == 1 && cg->path && !cg->path[1])
		return; /* the root of v1 counts no kernel memory in its usage */
	uint64_t parts = known(cg->slab) + known(cg->pagetables) + known(cg->percpu);
	step(a, "kernel: slab (dentries, inodes, buffers)", (int64_t)known(cg->slab));
	step(a, "kernel: page tables", (int64_t)known(cg->pagetables));
	step(a, "kernel: per-cpu", (int64_t)known(cg->percpu));
	step(a, parts ? "kernel: stacks and other" : "kernel memory (slab, page tables, stacks)",
	     (int64_t)num_sub(known(cg->kernel), parts));
	if (cg->version == 2) /* v1 counts sockets in a counter of its own */
		step(a, "socket buffers", (int64_t)known(cg->sock));
}

void balance_cgroup(struct account *a)
{
	struct account_cgroup *cg = &a->cgroup;
	cg->balance.n = 0;
	if (!cg->version || cg->usage == ACCOUNT_UNKNOWN)
		return;
	heap_steps(a);
	int64_t own = 0;
	for (size_t i = 0; i < cg->balance.n; i++)
		own += cg->balance.v[i].bytes;
	cgroup_steps(a, own);
	int64_t sum = 0;
	for (size_t i = 0; i < cg->balance.n; i++)
		sum += cg->balance.v[i].bytes;
	cg->unexplained = (int64_t)cg->usage - sum;
}
