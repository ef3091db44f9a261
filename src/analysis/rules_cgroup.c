/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define MIB (1024.0 * 1024)

/* The rules about what the cgroup is charged beside the Go heap, and about its limits. */

/* Large: threshold 0 bytes, and threshold 1 of the usage. Grown: threshold 2 bytes over the window. */
static bool large(const struct rule_context *c, const struct rule *r, uint64_t bytes)
{
	uint64_t usage = c->after->cgroup.usage;
	return KNOWN(bytes) && KNOWN(usage) && (double)bytes >= r->threshold[0].value &&
	       (double)bytes >= r->threshold[1].value * (double)usage;
}

static double grown(const struct rule_context *c, size_t offset)
{
	struct trend t = rule_trend(c, offset);
	return t.n > 1 ? t.growth : 0;
}

static void rule_page_cache(struct rule_context *c, const struct rule *r)
{
	if (!rule_own_cgroup(c) || !KNOWN(c->after->cgroup.file))
		return;
	const struct account_cgroup *cg = &c->after->cgroup;
	uint64_t cache = num_sub(cg->file, KNOWN(cg->shmem) ? cg->shmem : 0);
	double more = grown(c, SAMPLE(file)) - grown(c, SAMPLE(shmem));
	bool fills = KNOWN(rule_limit(c)) && large(c, r, cache); /* without a limit nobody minds */
	if (!fills && more < r->threshold[2].value)
		return;
	struct finding *f = rule_report(c, r);
	f->bytes = cache;
	f->rate = more > 0 && c->seconds > 0 ? more / c->seconds : (double)NAN;
	f->confidence = 0.95;
	rule_evidence(c, f,
		      "%s of the usage of %s are page cache: copies of files, which the kernel drops before it kills.",
		      rule_size(c, (double)cache), rule_size(c, (double)cg->usage));
	if (more > r->threshold[2].value)
		rule_evidence(c, f, "It grew by %s over the window: files were read or written.", rule_size(c, more));
	if (KNOWN(cg->working_set))
		rule_evidence(c, f, "Without the inactive part the working set is %s.",
			      rule_size(c, (double)cg->working_set));
	f->advice = "Nothing to do: alarm on the working set (usage less inactive_file), not on the usage.";
}

static void rule_tmpfs(struct rule_context *c, const struct rule *r)
{
	if (!rule_own_cgroup(c))
		return;
	uint64_t shmem = c->after->cgroup.shmem;
	double more = grown(c, SAMPLE(shmem));
	if (!large(c, r, shmem) && more < r->threshold[2].value)
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_SHM].name;
	f->bytes = shmem;
	f->rate = more > 0 && c->seconds > 0 ? more / c->seconds : (double)NAN;
	f->level = more >= r->threshold[2].value ? DIAGNOSIS_WARNING : r->level;
	f->confidence = 0.95;
	rule_evidence(c, f,
		      "%s of the cgroup's usage are files of a tmpfs or shared memory: they are in no process's "
		      "private memory, "
		      "and without swap the kernel cannot drop them.",
		      rule_size(c, (double)shmem));
	if (more > 0)
		rule_evidence(c, f, "They grew by %s over the window.", rule_size(c, more));
	f->advice = "Look into /dev/shm, /tmp and volumes in memory (emptyDir with medium: Memory) of this container; "
		    "delete files "
		    "there, or move them to a disk.";
}

static void rule_kernel_memory(struct rule_context *c, const struct rule *r)
{
	if (!rule_own_cgroup(c))
		return;
	const struct account_cgroup *cg = &c->after->cgroup;
	/* Probes that record are charged to whoever put them there, which may be this cgroup. */
	double more = c->off.known ? 0 : grown(c, SAMPLE(kernel));
	if (!large(c, r, cg->kernel) && more < r->threshold[2].value)
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_KERNEL].name;
	f->bytes = cg->kernel;
	f->rate = more > 0 && c->seconds > 0 ? more / c->seconds : (double)NAN;
	f->level = more >= r->threshold[2].value ? DIAGNOSIS_WARNING : r->level;
	f->confidence = 0.9;
	rule_evidence(c, f, "The kernel holds %s for this cgroup: slab %s, page tables %s, sockets %s.",
		      rule_size(c, (double)cg->kernel), KNOWN(cg->slab) ? rule_size(c, (double)cg->slab) : "unknown",
		      KNOWN(cg->pagetables) ? rule_size(c, (double)cg->pagetables) : "unknown",
		      KNOWN(cg->sock) ? rule_size(c, (double)cg->sock) : "unknown");
	if (more > 0)
		rule_evidence(c, f, "It grew by %s over the window.", rule_size(c, more));
	f->advice = "Slab grows with files, directories and sockets in use; page tables with mapped memory. `ullage "
		    "fds PID` shows "
		    "sockets and their queues.";
}

/* Resident bytes of the other processes; their largest in *most. */
static uint64_t others(const struct account *a, const struct account_process **most)
{
	uint64_t sum = 0;
	*most = NULL;
	for (size_t i = 0; i < a->cgroup.processes.n; i++) {
		const struct account_process *p = &a->cgroup.processes.v[i];
		if (p->pid == a->pid || (p->comm && strcmp(p->comm, "ullage") == 0)) /* who asks goes away again */
			continue;
		sum += p->rss;
		if (!*most || p->rss > (*most)->rss)
			*most = p;
	}
	return sum;
}

static void rule_other_process(struct rule_context *c, const struct rule *r)
{
	const struct account_process *most = NULL, *was = NULL;
	if (!rule_own_cgroup(c) || !c->before)
		return;
	uint64_t sum = others(c->after, &most), before = others(c->before, &was);
	double more = (double)sum - (double)before, all = grown(c, SAMPLE(anon));
	bool grew = more >= r->threshold[2].value && more >= r->threshold[3].value * all;
	if (!most || !((KNOWN(rule_limit(c)) && large(c, r, sum)) || grew))
		return;
	/* What they map of files is shared or cache: private memory of the cgroup tells how much can be theirs. */
	uint64_t anon = c->after->cgroup.anon;
	if (!KNOWN(anon) || !KNOWN(c->last->rss_anon) ||
	    (double)num_sub(anon, c->last->rss_anon) < r->threshold[0].value)
		return;
	struct finding *f = rule_report(c, r);
	f->bytes = num_min(sum, num_sub(anon, c->last->rss_anon));
	f->level = grew ? DIAGNOSIS_WARNING : r->level;
	f->rate = grew && c->seconds > 0 ? more / c->seconds : (double)NAN;
	f->confidence = 0.9;
	rule_evidence(c, f, "%zu other processes in the cgroup hold %s; the largest is %s (pid %d) with %s.",
		      c->after->cgroup.processes.n - 1, rule_size(c, (double)sum), most->comm ? most->comm : "?",
		      most->pid, rule_size(c, (double)most->rss));
	if (grew)
		rule_evidence(c, f, "They grew by %s over the window, this process by %s.", rule_size(c, more),
			      rule_size(c, fmax(grown(c, SAMPLE(rss_anon)), 0)));
	f->advice = rule_text(c, "Look at pid %d too; it shares this cgroup.", most->pid);
}

static uint64_t event(const struct account *a, const char *name)
{
	for (size_t i = 0; a && i < a->cgroup.events.n; i++) {
		if (strcmp(a->cgroup.events.v[i].name, name) == 0 && KNOWN(a->cgroup.events.v[i].value))
			return a->cgroup.events.v[i].value;
	}
	return 0;
}

static uint64_t kills(const struct account *a)
{
	return event(a, "oom_kill");
}

static double rounded_up(double bytes)
{
	static const double UNIT = 16 << 20; /* a limit is set in round figures */
	return ceil(bytes / UNIT) * UNIT;
}

static void rule_limit_too_low(struct rule_context *c, const struct rule *r)
{
	uint64_t limit = rule_limit(c), set = c->after ? c->after->cgroup.working_set : ACCOUNT_UNKNOWN;
	if (!KNOWN(limit) || !limit || !KNOWN(set))
		return;
	for (size_t i = 0; i < c->d->findings.n; i++) { /* a leak fills every limit */
		if (c->d->findings.v[i].leak)
			return;
	}
	uint64_t killed = num_sub(kills(c->after), kills(c->before));
	double used = (double)set / (double)limit;
	if (used < r->threshold[0].value && !killed)
		return;
	struct finding *f = rule_report(c, r);
	f->bytes = set;
	f->level = used >= r->threshold[1].value || killed ? DIAGNOSIS_CRITICAL : r->level;
	f->confidence = 0.85;
	rule_evidence(c, f, "The working set is %s, %.0f%% of the limit of %s, and no leak was found.",
		      rule_size(c, (double)set), 100 * used, rule_size(c, (double)limit));
	if (killed)
		rule_evidence(c, f, "The kernel killed %llu processes of the cgroup during the window.",
			      (unsigned long long)killed);
	double room = rounded_up((double)set * r->threshold[2].value);
	const char *memlimit = rule_gomemlimit(c);
	f->advice = rule_text(c, "Request %s and set the limit to %s (what it uses and a quarter)%s%s.",
			      rule_size(c, rounded_up((double)set)), rule_size(c, room),
			      memlimit ? "; or keep the limit and set " : "", memlimit ? memlimit : "");
}

static void rule_cpu_quota(struct rule_context *c, const struct rule *r)
{
	const struct account_runtime *rt = c->after ? &c->after->runtime : NULL;
	if (!rt || !c->after->go.layout_known || rt->cpu_quota <= 0 || !rt->gomaxprocs || !KNOWN(rt->gomaxprocs))
		return;
	double whole = fmax(ceil(rt->cpu_quota), 1);
	/* Go 1.25 rounds a quota below 2 up to 2 processors by itself. */
	if ((double)rt->gomaxprocs < r->threshold[0].value * rt->cpu_quota ||
	    (double)rt->gomaxprocs < whole + r->threshold[1].value)
		return;
	struct finding *f = rule_report(c, r);
	f->count = rt->gomaxprocs;
	f->confidence = 0.95;
	rule_evidence(c, f,
		      "GOMAXPROCS is %llu and the quota of the cgroup is %.3g CPUs: the collector and the program use "
		      "up the quota "
		      "at the start of each period, and wait for the rest of it.",
		      (unsigned long long)rt->gomaxprocs, rt->cpu_quota);
	f->advice = rule_text(
		c,
		"Set GOMAXPROCS=%.0f. Go 1.25 and later read the quota by themselves, unless GOMAXPROCS is set or the "
		"module's go line is older.",
		whole);
}

/* ---- the table ---- */

const struct rule rules_cgroup[] = {
	{ "page-cache",
	  false,
	  DIAGNOSIS_INFO,
	  rule_page_cache,
	  { { 16 * MIB, "bytes" }, { 0.2, "of the usage" }, { 8 * MIB, "bytes grown" } } },
	{ "tmpfs",
	  false,
	  DIAGNOSIS_INFO,
	  rule_tmpfs,
	  { { 16 * MIB, "bytes" }, { 0.1, "of the usage" }, { 8 * MIB, "bytes grown" } } },
	{ "kernel-memory",
	  false,
	  DIAGNOSIS_INFO,
	  rule_kernel_memory,
	  { { 16 * MIB, "bytes" }, { 0.2, "of the usage" }, { 8 * MIB, "bytes grown" } } },
	{ "other-process",
	  false,
	  DIAGNOSIS_INFO,
	  rule_other_process,
	  { { 8 * MIB, "bytes" },
	    { 0.2, "of the usage" },
	    { 8 * MIB, "bytes grown" },
	    { 0.5, "of the cgroup's growth" } } },
	{ "limit-too-low",
	  false,
	  DIAGNOSIS_WARNING,
	  rule_limit_too_low,
	  { { 0.85, "of the limit: the next burst reaches it" },
	    { 0.95, "of the limit" },
	    { 1.25, "times what it uses" } } },
	{ "cpu-quota",
	  false,
	  DIAGNOSIS_INFO,
	  rule_cpu_quota,
	  { { 1.5, "times the quota" }, { 1, "processors above the quota, rounded up" } } },
	{ 0 },
};
