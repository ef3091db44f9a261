/* SPDX-License-Identifier: Apache-2.0 */
#include "account/group.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "account/census.h"
#include "analysis/balance.h"
#include "proc/cgroup.h"

enum { LOOK_INTO = 64 }; /* processes asked whether they are Go; the rest stay unknown */

_Static_assert(CGROUP_UNKNOWN == ACCOUNT_UNKNOWN, "both mean the same");

static int by_rss(const void *a, const void *b)
{
	const struct account_process *x = a, *y = b;
	return x->rss > y->rss ? -1 : x->rss < y->rss;
}

static void add_process(struct target *t, int pid, struct account *a)
{
	struct proc_process p AUTO(proc_process);
	struct err *err AUTO(err) = proc_process_open(t->live->procfs, pid, &p);
	if (err)
		return;
	struct proc_status st;
	struct err *bad AUTO(err) = proc_status_read(&p, &st);
	if (bad)
		return;
	struct account_process *row = vec_push(&a->cgroup.processes);
	*row = (struct account_process){ .pid = pid, .comm = arena_strdup(&a->arena, p.comm), .rss = st.vm_rss };
	row->go = a->cgroup.processes.n <= LOOK_INTO ? census_is_go(&p) : -1;
}

void group_fill(struct target *t, struct account *a)
{
	struct cgroup cg;
	struct err *err AUTO(err) = proc_cgroup_read(&t->live->process, "/proc/self/mountinfo", &a->arena, &cg);
	struct account_cgroup *out = &a->cgroup;
	if (err) {
		account_note(a, "the cgroup could not be read: %s", err_text(err));
		return;
	}
	out->version = cg.version;
	out->path = cg.path;
	out->limit_path = cg.limit_path;
	out->limit = cg.limit;
	out->high = cg.high;
	out->usage = cg.usage;
	out->swap = cg.swap;
	out->working_set = proc_cgroup_working_set(&cg);
	out->anon = cg.stat.anon;
	out->file = cg.stat.file;
	out->inactive_file = cg.stat.inactive_file;
	out->shmem = cg.stat.shmem;
	out->kernel = cg.stat.kernel;
	out->slab = cg.stat.slab;
	out->sock = cg.stat.sock;
	out->pagetables = cg.stat.pagetables;
	out->percpu = cg.stat.percpu;
	a->runtime.cpu_quota = cg.cpu_quota;
	for (size_t i = 0; i < cg.events.n; i++)
		*vec_push(&out->events) = (struct account_count){ cg.events.v[i].name, cg.events.v[i].value };
	proc_cgroup_pids(&cg);
	for (size_t i = 0; i < cg.pids.n; i++)
		add_process(t, cg.pids.v[i], a);
	vec_sort(&out->processes, by_rss);
	if (cg.version && !cg.dir)
		account_note(a, "the cgroup %s is not visible from here: mount the host's cgroup filesystem to see it",
			     cg.path);
	proc_cgroup_deinit(&cg);
	balance_cgroup(a);
}
