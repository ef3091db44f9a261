/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>

#include "base/num.h"

/* When the limit is reached, at the rate of what the kernel cannot drop: page cache never counts. */

/* Usage less page cache, sample by sample. */
static struct trend pressure(const struct rule_context *c)
{
	struct series s = { .n = 0 };
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *k = &c->in->samples[i];
		if (!KNOWN(k->cgroup_usage) || !KNOWN(k->file))
			continue;
		uint64_t cache = num_sub(k->file, KNOWN(k->shmem) ? k->shmem : 0);
		series_add(&s, (double)(k->time_ns - c->in->samples[0].time_ns) / 1e9,
			   (double)num_sub(k->cgroup_usage, cache));
	}
	return trend_of(&s);
}

/* The fastest of the proved leaks, in bytes of memory that it brings: garbage rides along with the live heap. */
static double leak_rate(const struct rule_context *c)
{
	double most = 0;
	for (size_t i = 0; i < c->d->findings.n; i++) {
		const struct finding *f = &c->d->findings.v[i];
		if (f->leak && isfinite(f->rate))
			most = fmax(most, f->rate);
	}
	return most;
}

void rules_oom(struct rule_context *c)
{
	static const double CHANCE = 0.01;
	struct diagnosis_oom *oom = &c->d->oom;
	*oom = (struct diagnosis_oom){ rule_limit(c), NULL, ACCOUNT_UNKNOWN, (double)NAN, (double)NAN };
	if (!c->after || !c->after->cgroup.version)
		return;
	const struct account_cgroup *cg = &c->after->cgroup;
	oom->working_set = KNOWN(c->last->working_set) ? c->last->working_set : cg->working_set;
	if (KNOWN(oom->limit))
		oom->source = rule_text(c, "cgroup %s", cg->limit_path ? cg->limit_path : cg->path ? cg->path : "?");
	struct trend t = pressure(c);
	double leak = leak_rate(c);
	bool grows = t.n >= 5 && t.p <= CHANCE && t.slope > 0 && !t.levelled && t.step < 0.6;
	if (leak > 0)
		oom->rate = grows ? fmax(t.slope, leak) : leak;
	else if (t.n > 1)
		oom->rate = grows ? t.slope : 0;
	bool judged = c->d->verdict != DIAGNOSIS_NO_LEAK || rule_found(c, "other-process") || rule_found(c, "tmpfs") ||
		      rule_found(c, "kernel-memory");
	if (judged && KNOWN(oom->limit) && KNOWN(oom->working_set) && oom->rate > 1)
		oom->eta = (double)num_sub(oom->limit, oom->working_set) / oom->rate;
}
