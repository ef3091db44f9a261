/* SPDX-License-Identifier: Apache-2.0 */
#include "account/account.h"

#include <string.h>
#include <time.h>

#include "account/copy.h"
#include "account/fill.h"
#include "account/go_owners.h"
#include "account/group.h"
#include "account/integrity.h"
#include "account/native.h"
#include "account/pages.h"
#include "account/shares.h"
#include "analysis/tally.h"
#include "base/num.h"
#include "gort/meta.h"
#include "model/memcache.h"
#include "proc/maps.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct pass {
	struct target t;
	struct account *a;
	const struct account_options *opt;
	struct copy copy;
	struct role *roles;
	struct claim_vec stacks, claims;
	struct c_heap c_heap;
	struct tally tally;
};

static void progress(const struct pass *p, const char *step)
{
	if (p->opt->progress)
		p->opt->progress(step);
}

/* ---- the runtime ---- */

static struct err *copy_runtime(struct pass *p)
{
	if (!p->t.is_go || !p->t.gort.layout)
		return NULL;
	progress(p, "reading the Go runtime");
	struct err *err = copy_take(&p->t, p->opt->stop ? p->opt->stop_budget_ns : 0, p->a, &p->copy);
	if (err && target_gone(&p->t))
		return err_recode(err, ERR_GONE);
	if (err) {
		account_note(p->a, "the Go runtime could not be read: %s", err_text(err));
		err_free(err);
		return NULL;
	}
	p->a->error_bound = p->copy.heap.error_bound;
	return NULL;
}

/* ---- the pages ---- */

static void read_c_heap(struct pass *p, const struct gort_heap *heap)
{
	progress(p, "reading the C heap");
	c_heap_find(&p->t, p->roles, heap, &p->a->arena, &p->c_heap);
	struct err *err = c_heap_read(&p->c_heap);
	if (err)
		account_note(p->a, "the C heap could not be read: %s", err_text(err));
	err_free(err);
	c_heap_fill(&p->c_heap, p->a);
}

static void collect_claims(struct pass *p)
{
	if (p->copy.have) {
		struct memcache cache AUTO(memcache);
		memcache_init(&cache, p->t.gort.src);
		struct gort g = p->t.gort;
		g.src = &cache.src;
		gort_meta_claims(&g, &p->copy.heap, &p->claims);
		go_owners_stacks(&p->t, &p->copy.gs, &p->copy.threads, &p->tally, &p->stacks);
	}
	if (p->t.mem) {
		const struct gort_heap *heap = p->copy.have ? &p->copy.heap : NULL;
		read_c_heap(p, heap);
		native_stacks(&p->t, p->roles, &p->copy.threads, &p->c_heap, &p->tally, &p->claims);
		native_heaps(&p->t, p->roles, heap, &p->c_heap, &p->tally, &p->claims);
	}
	claim_settle(&p->claims);
	claim_settle(&p->stacks);
}

static struct err *walk_pages(struct pass *p)
{
	struct page_walk w = {
		.t = &p->t,
		.roles = p->roles,
		.heap = p->copy.have ? &p->copy.heap : NULL,
		.stacks = &p->stacks,
		.claims = &p->claims,
		.c_heap = &p->c_heap,
		.tally = &p->tally,
		.owners = p->opt->owners,
		.interrupted = p->opt->interrupted,
	};
	progress(p, "reading the page map");
	return pages_walk(&w);
}

/* Without a page map, what a mapping holds as a whole is still known. */
static struct err *sum_mappings(struct pass *p)
{
	struct proc_smap_vec smaps = { 0 };
	struct err *err = proc_smaps_read(&p->t.live->process, &smaps);
	for (size_t i = 0, s = 0; !err && i < p->t.maps.n; i++) {
		tally_vma(&p->tally, i);
		const struct vma *v = &p->t.maps.v[i];
		while (s < smaps.n && smaps.v[s].start < v->start)
			s++;
		if (s == smaps.n || smaps.v[s].start != v->start || !smaps.v[s].rss)
			continue;
		uint64_t anon = num_min(smaps.v[s].anonymous, smaps.v[s].rss);
		struct page_run run = { v->start, v->end, PAGE_ANON, false };
		struct piece dirty = { v->start, v->end, anon, p->roles[i].dirty, 0, &run };
		tally_piece(&p->tally, &dirty);
		struct page_run file = { v->start, v->end, PAGE_FILE, false };
		struct piece clean = { v->start, v->end, smaps.v[s].rss - anon, p->roles[i].clean, 0, &file };
		tally_piece(&p->tally, &clean);
		p->a->vmas.v[i].label = p->roles[i].label;
	}
	vec_deinit(&smaps);
	return err;
}

static uint64_t sum_resident(const struct account *a)
{
	uint64_t sum = 0;
	for (int c = 0; c < CLASS_MAX_; c++)
		sum += a->classes[c].resident;
	return sum;
}

/*
 * `rss` is the kernel's exact figure after the walk, `moved` what the kernel's quick counter gained while we walked.
 * When it moved and the sum lies between, the target passed through it while we looked, so that is the Rss of our moment;
 * otherwise the nearer end stands and the difference is unexplained.
 */
static void settle_rss(struct account *a, uint64_t rss, int64_t moved)
{
	uint64_t before = moved > (int64_t)rss ? 0 : (uint64_t)((int64_t)rss - moved);
	uint64_t sum = sum_resident(a), lo = num_min(before, rss), hi = num_max(before, rss);
	a->rss = sum < lo ? lo : sum > hi ? hi : sum;
	a->unexplained = (int64_t)a->rss - (int64_t)sum;
	a->error_bound += hi - lo + (sum > a->rss ? sum - a->rss : a->rss - sum);
	if (a->unexplained > 0)
		a->classes[CLASS_UNEXPLAINED].resident = (uint64_t)a->unexplained;
	if (hi - lo)
		account_note(a, "the target's Rss moved by %llu kB while it was read",
			     (unsigned long long)(hi - lo) / 1024);
	else if (a->unexplained)
		account_note(a, "the pages that were seen and the kernel's Rss differ by %lld kB",
			     (long long)a->unexplained / 1024);
}

/* A mapping's address space counts for the class that most of it holds; a reservation, for what it is reserved for. */
static enum mem_class virtual_class(const struct pass *p, size_t i)
{
	const struct vma *v = &p->t.maps.v[i];
	const struct account_vma *row = &p->a->vmas.v[i];
	enum mem_class most = CLASS_UNEXPLAINED;
	for (enum mem_class c = 0; c < CLASS_UNEXPLAINED; c++) {
		if (row->classes[c] > (most == CLASS_UNEXPLAINED ? 0 : row->classes[most]))
			most = c;
	}
	if (most != CLASS_UNEXPLAINED)
		return most;
	if (p->copy.have && gort_heap_arena(&p->copy.heap, v->start))
		return CLASS_GO_HEAP_IDLE;
	size_t claim = claim_after(&p->claims, v->start);
	if (claim < p->claims.n && p->claims.v[claim].start < v->end)
		return p->claims.v[claim].class;
	return v->flags & VMA_WRITE || !v->inode ? p->roles[i].dirty : p->roles[i].clean;
}

/* What anonymous memory is, once its pages were looked at; NULL when nothing better is known than that. */
static const char *label_of(enum mem_class c)
{
	if (c <= CLASS_GO_STACK_FREE)
		return "Go heap arena";
	if (c <= CLASS_GO_META_OTHER)
		return "Go runtime";
	if (c >= CLASS_C_HEAP && c <= CLASS_C_HEAP_FREE)
		return "C heap";
	return c == CLASS_C_STACK || c == CLASS_C_STACK_CACHED ? "thread stack" : NULL;
}

static void read_virtual(struct pass *p)
{
	for (size_t i = 0; i < p->a->vmas.n; i++) {
		const struct vma *v = &p->t.maps.v[i];
		if (v->start >= UINT64_C(1) << 63)
			continue;
		enum mem_class c = virtual_class(p, i);
		p->a->classes[c].virtual_size += vma_size(v);
		if (p->roles[i].kind == ROLE_ANON && label_of(c))
			p->a->vmas.v[i].label = label_of(c);
	}
}

static struct err *read_rollup(struct pass *p, struct proc_rollup *ret)
{
	struct err *err = proc_rollup_read(&p->t.live->process, ret);
	if (!err || err_code(err) == ERR_GONE)
		return err;
	err_free(err); /* no smaps_rollup here: status has the same figure, a little behind */
	struct proc_status st;
	TRY(proc_status_read(&p->t.live->process, &st));
	*ret = (struct proc_rollup){ .rss = st.vm_rss, .swap = st.vm_swap, .anonymous = st.rss_anon };
	return NULL;
}

static struct err *measure_live(struct pass *p)
{
	struct account *a = p->a;
	struct proc_status before, after;
	struct proc_rollup sum;
	TRY(proc_status_read(&p->t.live->process, &before));
	TRY(p->t.has_pages ? walk_pages(p) : sum_mappings(p));
	TRY(read_rollup(p, &sum));
	TRY(proc_status_read(&p->t.live->process, &after));
	settle_rss(a, sum.rss, (int64_t)(after.vm_rss - before.vm_rss));
	a->swap = sum.swap;
	a->pss = p->opt->pss ? sum.pss : ACCOUNT_UNKNOWN;
	return p->opt->pss || sum.lazyfree ? shares_read(&p->t, p->opt->pss, a) : NULL;
}

static uint64_t sum_swapped(const struct account *a)
{
	uint64_t sum = 0;
	for (int c = 0; c < CLASS_MAX_; c++)
		sum += a->classes[c].swap;
	return sum;
}

/* The pages that there are make the sum: there is no kernel to contradict. */
static struct err *measure_core(struct pass *p)
{
	struct account *a = p->a;
	TRY(walk_pages(p));
	a->rss = sum_resident(a);
	a->swap = p->t.has_page_list ? sum_swapped(a) : ACCOUNT_UNKNOWN;
	if (!p->t.has_page_list)
		account_note(a,
			     "resident here is what this core holds; pages of files that it leaves out, and swap, are "
			     "not in that");
	account_note(a,
		     "a core does not have what the kernel says of a process: proportional sizes, page tables, cgroup");
	return NULL;
}

static struct err *account_pages(struct pass *p)
{
	struct account *a = p->a;
	TRY(target_remap(&p->t));
	p->roles = xcalloc(p->t.maps.n ? p->t.maps.n : 1, sizeof(*p->roles));
	role_assign(&p->t, p->roles);
	vec_reserve(&a->maps, p->t.maps.n);
	for (size_t i = 0; i < p->t.maps.n; i++) {
		struct vma *v = vec_push(&a->maps);
		*v = p->t.maps.v[i];
		v->name = arena_strdup(&a->arena, v->name);
		if (p->roles[i].label) /* some are parts of names that die with the target */
			p->roles[i].label = arena_strdup(&a->arena, p->roles[i].label);
	}
	if (p->opt->owners)
		target_find_refs(&p->t);
	collect_claims(p);
	TRY(p->t.live ? measure_live(p) : measure_core(p));
	read_virtual(p);
	return NULL;
}

/* ---- the whole ---- */

/* What the kernel says of the process as a whole. */
static struct err *describe_live(struct pass *p)
{
	struct account *a = p->a;
	const struct proc_process *process = &p->t.live->process;
	struct proc_status st;
	TRY(proc_status_read(process, &st));
	a->runtime.threads = st.threads;
	a->space.page_table = st.vm_pte;
	if (process->kernel_thread || st.state == 'Z')
		account_note(a, process->kernel_thread ? "a kernel thread: it has no memory of its own"
						       : "a zombie: its memory is gone, its parent has not yet "
							 "asked for its exit status");
	else if (p->t.mem_err)
		account_note(a, "the memory itself could not be read, so classes are those of whole mappings: %s",
			     err_text(p->t.mem_err));
	if (p->opt->cgroup)
		group_fill(&p->t, a);
	return NULL;
}

static void describe_core(struct pass *p)
{
	p->a->runtime.threads = p->t.threads;
	p->a->space.page_table = ACCOUNT_UNKNOWN;
	for (size_t i = 0; i < p->t.notes.n; i++)
		account_note(p->a, "%s", p->t.notes.v[i]);
}

static struct err *describe(struct pass *p)
{
	struct account *a = p->a;
	fill_go(&p->t, a);
	fill_space(&p->t, a);
	if (p->copy.have) {
		fill_runtime(&p->t, &p->copy.heap, &p->copy.stats, &p->copy.gs, a);
		fill_gc(&p->copy.stats, a);
		if (p->opt->owners)
			go_owners_heap(&p->t, &p->tally);
		a->returnable = a->classes[CLASS_GO_HEAP_IDLE].resident;
	} else {
		a->go.layout_known = false;
	}
	if (target_swapped(&p->t))
		account_note(a, "%llu kB of what was to be read are in swap and were left there",
			     (unsigned long long)target_swapped(&p->t) / 1024);
	if (!p->t.is_go && !p->t.mem_err)
		account_note(a, "not a Go process: no Go image was found in it");
	integrity_check(&p->t, p->roles, a);
	if (p->t.live)
		return describe_live(p);
	describe_core(p);
	return NULL;
}

static void pass_end(struct pass *p)
{
	tally_deinit(&p->tally);
	vec_deinit(&p->stacks);
	vec_deinit(&p->claims);
	copy_clear(&p->copy);
	c_heap_deinit(&p->c_heap);
	free(p->roles);
	target_close(&p->t);
}

static struct err *run(struct pass *p)
{
	struct account *a = p->a;
	a->pid = p->t.pid;
	a->comm = arena_strdup(&a->arena, p->t.comm);
	a->exe = p->t.exe_path ? arena_strdup(&a->arena, p->t.exe_path) : NULL;
	progress(p, "looking for the Go image");
	TRY(target_attach(&p->t, a));
	TRY(copy_runtime(p));
	TRY(account_pages(p));
	TRY(describe(p));
	if (p->opt->owners)
		tally_finish(&p->tally);
	return NULL;
}

struct err *account_open(int pid, const struct account_options *opt, struct target *ret)
{
	if (!opt->core)
		return target_open(opt->procfs, pid, ret);
	if (opt->stop)
		return err_new(ERR_ARG, "--stop is for a process; a core stands still");
	const struct target_source source = { opt->core->fd, opt->core->name, opt->core->exe };
	return target_open_core(&source, ret);
}

struct err *engine_account(int pid, const struct account_options *opt, struct account *ret)
{
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	struct pass p = { .a = ret, .opt = opt };
	account_init(ret);
	ret->pss = ACCOUNT_UNKNOWN;
	ret->runtime.gc_percent = INT64_MIN;
	ret->runtime.memory_limit = ACCOUNT_UNKNOWN;
	ret->integrity.exe_matches_disk = -1;
	TRY(account_open(pid, opt, &p.t));
	ret->time_unix_ns = target_clock(&p.t).wall;
	tally_init(&p.tally, ret, opt->cells);
	struct err *err = target_outcome(&p.t, run(&p));
	pass_end(&p);
	ret->elapsed_ns = clock_ns(CLOCK_MONOTONIC) - start;
	return err;
}
