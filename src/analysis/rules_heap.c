/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/doubt.h"
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define MIB (1024.0 * 1024)

/* The rules about the Go heap: what grows, and what only looks as if it did. */

/* ---- heap ---- */

/*
 * How much a rise of so many marked sizes must be, of the first: the fewer points, the more a chance order of a fluctuating
 * heap can pretend. With three points a call stack must explain the growth besides.
 */
static const struct {
	size_t points;
	double p, growth, confidence;
} proofs[] = {
	{ 10, 0.001, 0.01, 0.95 }, { 7, 0.003, 0.02, 0.9 }, { 6, 0.003, 0.05, 0.85 },
	{ 5, 0.01, 0.08, 0.8 },	   { 4, 0.05, 0.15, 0.7 },  { 3, 0.17, 0.25, 0.6 },
};

enum { PROOFS = sizeof(proofs) / sizeof(proofs[0]), FEW_POINTS = 3 };

/* Of three points: does one function, or one holder, explain them? */
static bool one_explains(const struct rule_context *c, const struct rule *r, const struct trend *t)
{
	double share = r->threshold[2].value;
	if (doubt_share_of_holder(c) >= share && c->held.kept >= t->growth / 2)
		return true;
	return doubt_share_of_function(c) >= share && c->growth_sum >= t->growth / 4;
}

/* Confidence that what is live grows without bound, 0 when it is not proved. Thresholds: see the row. */
static double proof(const struct rule_context *c, const struct rule *r, const struct trend *t)
{
	size_t i = 0;
	while (i < PROOFS && t->n < proofs[i].points)
		i++;
	if (i == PROOFS || t->p > proofs[i].p || t->levelled || t->step > r->threshold[3].value)
		return 0;
	if (t->growth < fmax(r->threshold[0].value, proofs[i].growth * t->first) ||
	    t->slope * t->span < r->threshold[1].value * t->noise)
		return 0;
	if (t->n == FEW_POINTS && !one_explains(c, r, t))
		return 0;
	return proofs[i].confidence;
}

/*
 * Collections of a heap that only grows are rare, each at twice the size of the last. One or two of them still tell how
 * much of what was allocated they freed: when that is next to nothing, and allocation went on evenly through the whole
 * window, and one call stack is behind it, the heap grows.
 */
static double share_kept(const struct rule_context *c)
{
	double kept = 0, made = 0;
	for (size_t i = 1; i < c->in->n; i++) {
		const struct diagnosis_sample *a = &c->in->samples[i - 1], *b = &c->in->samples[i];
		if (!KNOWN(a->gc_count) || !KNOWN(b->gc_count) || b->gc_count == a->gc_count || !a->gc_count)
			continue;
		if (b->gc_count > a->gc_count + 1)
			return 0; /* what the collections between freed was not seen */
		kept += (double)b->heap_marked - (double)a->heap_marked;
		made += fmax((double)a->heap_live, (double)b->heap_marked) - (double)a->heap_marked;
	}
	return made > 0 ? kept / made : 0;
}

/* How much faster one half of the window grew than the other. */
static double unevenness(const struct series *s)
{
	size_t middle = s->n / 2;
	double first = (s->y[middle] - s->y[0]) / (s->t[middle] - s->t[0]);
	double second = (s->y[s->n - 1] - s->y[middle]) / (s->t[s->n - 1] - s->t[middle]);
	if (first <= 0 || second <= 0)
		return (double)INFINITY;
	return fmax(first / second, second / first);
}

static double proof_by_survival(const struct rule_context *c, const struct rule *r)
{
	/* Sampling misses the last moments before a collection, so a share is known to a tenth or two. */
	static const double KEPT = 0.7, EVEN = 2.5, CHANCE = 0.001, GROWTH = 0.25, BYTES = 4 << 20;
	enum { LOOKS = 8 };
	struct series live;
	rule_series(c, SAMPLE(heap_live), &live);
	struct trend t = trend_of(&live);
	if (t.n < LOOKS || t.p > CHANCE || t.levelled || t.step > r->threshold[3].value || t.growth < BYTES ||
	    t.growth < GROWTH * t.first)
		return 0;
	if (share_kept(c) < KEPT || unevenness(&live) > EVEN || c->marked.levelled ||
	    c->marked.growth < GROWTH * c->marked.first)
		return 0;
	if (c->profiled && !(doubt_share_of_function(c) >= r->threshold[2].value))
		return 0;
	if (c->marked.n > FEW_POINTS - 1)
		return 0.75;
	return c->profiled ? 0.65 : 0.6;
}

static void describe_site(struct rule_context *c, struct finding *f)
{
	const struct heap_growth *g = doubt_top_site(c);
	if (!g && c->growth.n && c->growth.v[0].bytes > 0)
		g = &c->growth.v[0];
	if (!g) {
		rule_evidence(c, f,
			      c->profiled ? "No call stack of the heap profile grew between its two readings: the "
					    "profile is as of the collection before the last."
					  : "The program keeps no heap profile, so the call stack is unknown; `ullage "
					    "heap PID --by type` tells what there is without.");
		return;
	}
	rule_stack(c, f, &c->stacks, g->stack);
	if (g->site)
		rule_site(c, f, g->site);
	if (g->now > 0)
		f->bytes = (uint64_t)g->now;
	if (g->objects_now > 0)
		f->count = (uint64_t)g->objects_now;
	if (g->objects > 0)
		f->count_rate = g->objects / fmax(c->seconds, 0.001);
	rule_evidence(c, f, "%.0f%% of what grew in the heap profile comes from there: %s in %.0f objects.",
		      100 * g->bytes / c->growth_sum, rule_size(c, g->bytes), g->objects);
	for (size_t i = 0; i < c->growth.n && i < 3; i++) {
		const struct heap_growth *next = &c->growth.v[i];
		if (next != g && next->site && next->bytes > c->growth_sum / 10)
			rule_evidence(c, f, "A further %.0f%%: %s (%s:%u).", 100 * next->bytes / c->growth_sum,
				      next->site->function, diagnosis_file(next->site->file), next->site->line);
	}
}

/* What collections left alive, or what was reachable at looks between them: whichever was seen more often. */
static void describe_growth(struct rule_context *c, struct finding *f, const struct trend *t)
{
	bool reach = t == &c->reachable;
	rule_evidence(c, f, "%s %zu %s: %s at first, %s at last, %s%s.",
		      reach ? "Reachable bytes at" : "Live bytes after each of", t->n, reach ? "looks" : "collections",
		      rule_size(c, t->first), rule_size(c, t->last),
		      t->score >= 1 ? "each above the one before" : "rising almost every time",
		      t->n > FEW_POINTS ? "" : ", steadily");
}

static void rule_heap(struct rule_context *c, const struct rule *r)
{
	double marked = proof(c, r, &c->marked), reachable = proof(c, r, &c->reachable);
	double survival = proof_by_survival(c, r), confidence = fmax(fmax(marked, reachable), survival);
	if (confidence <= 0)
		return;
	const struct trend *t = reachable > fmax(marked, survival) ? &c->reachable : &c->marked;
	struct finding *f = rule_report(c, r);
	f->confidence = confidence;
	f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	f->bytes = (uint64_t)t->growth;
	f->rate = t->slope;
	describe_growth(c, f, t);
	if (survival >= confidence)
		rule_evidence(
			c, f,
			"%.0f%% of what was allocated before them was still alive, and allocation went on evenly to "
			"the end.",
			100 * fmin(share_kept(c), 1));
	const char *release = rule_holder(c, f);
	describe_site(c, f);
	doubt_heap(c, f, t, reachable > fmax(marked, survival) ? &c->reach : &c->gc);
	const char *limit = rule_gomemlimit(c);
	const char *where = *f->site.function ? f->site.function : "that call stack";
	const char *first = release ? release
				    : rule_text(c,
						"Find what keeps the objects from %s reachable: a map, slice, list or "
						"closure that nothing is ever removed from.",
						where);
	f->advice =
		rule_text(c, "%s %s%s%s", first, limit ? "Until then " : "A restart is the only relief until then.",
			  limit ? limit : "",
			  limit ? " makes the collector work harder before the limit, and a restart empties it." : "");
}

/* ---- growth that ended ---- */

/* The series that shows what the heap did: marked sizes where there are enough, else resident private memory. */
static struct trend heap_trend(const struct rule_context *c, size_t least)
{
	if (c->marked.n >= least)
		return c->marked;
	return rule_trend(c, SAMPLE(rss_anon));
}

static bool material(const struct rule *r, double bytes, double of)
{
	return bytes >= r->threshold[0].value && bytes >= r->threshold[1].value * of;
}

static void rule_warm_up(struct rule_context *c, const struct rule *r)
{
	struct trend t = heap_trend(c, 5), rss = rule_trend(c, SAMPLE(rss_anon));
	if (!t.levelled || t.step > r->threshold[2].value)
		t = rss;
	if (t.n < 5 || !t.levelled || t.step > r->threshold[2].value || !material(r, t.growth, t.first) ||
	    rule_found(c, "heap"))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.8;
	f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	f->bytes = (uint64_t)t.growth;
	rule_evidence(
		c, f,
		"It grew from %s to %s and stopped: over the last third of the window at %.0f%% of the mean rate.",
		rule_size(c, t.first), rule_size(c, t.last), 100 * fmax(t.tail, 0));
	f->advice = rule_text(c, "Nothing to do: a cache or pool filled. Size the limit by what it holds now, %s.",
			      rule_size(c, t.last));
}

/*
 * Most of the growth came at once, within three looks (touching much memory takes a while), and what came after it does not
 * go on like that. The share, 0 when it did not.
 */
static double came_at_once(const struct rule *r, const struct series *s, size_t least)
{
	enum { TOGETHER = 3 };
	double rises = 0, most = 0;
	size_t at = 0;
	if (s->n < least)
		return 0;
	for (size_t i = 1; i < s->n; i++) {
		size_t from = i - 1;
		while (from && i - from < TOGETHER && s->y[from] > s->y[from - 1])
			from--;
		rises += fmax(s->y[i] - s->y[i - 1], 0);
		if (s->y[i] - s->y[from] > most) {
			most = s->y[i] - s->y[from];
			at = i;
		}
	}
	bool ended = at && at + 2 <= s->n && s->y[s->n - 1] - s->y[at] <= most / 2;
	return ended && most >= r->threshold[2].value * rises ? most / rises : 0;
}

static void rule_burst(struct rule_context *c, const struct rule *r)
{
	enum { LOOKS = 8, COLLECTIONS = 5 };
	struct series rss;
	rule_series(c, SAMPLE(rss_anon), &rss);
	struct trend t = trend_of(&rss);
	double share = came_at_once(r, &rss, LOOKS);
	if (share <= 0) {
		share = came_at_once(r, &c->gc, COLLECTIONS);
		t = c->marked;
	}
	if (share <= 0 || !material(r, t.growth, t.first) || rule_found(c, "heap"))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.8;
	f->bytes = (uint64_t)t.growth;
	rule_evidence(c, f, "%.0f%% of the growth of %s came at once.", 100 * share, rule_size(c, t.growth));
	if (c->growth.n && c->growth.v[0].site && c->growth.v[0].bytes > t.growth / 2) {
		rule_site(c, f, c->growth.v[0].site);
		rule_stack(c, f, &c->stacks, c->growth.v[0].stack);
		f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	}
	f->advice = "Once is no leak. Look again later: when it comes back, each burst should leave nothing behind.";
}

/* ---- the collector ---- */

static void rule_gc_headroom(struct rule_context *c, const struct rule *r)
{
	double peak = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		if (KNOWN(c->in->samples[i].heap_live))
			peak = fmax(peak, (double)c->in->samples[i].heap_live);
	}
	/* What collections leave must be flat: headroom above a heap that grows is no answer. */
	bool flat = c->marked.n < 2 || c->marked.growth <= r->threshold[3].value * c->marked.first;
	if (!KNOWN(c->last->heap_marked) || !KNOWN(c->last->rss) || !c->last->gc_count || rule_found(c, "heap") ||
	    !flat)
		return;
	double marked = (double)c->last->heap_marked, room = peak - marked, goal = (double)c->last->heap_goal;
	uint64_t limit = rule_limit(c), outside = rule_outside(c);
	bool over = KNOWN(limit) && KNOWN(outside) && KNOWN(c->last->heap_goal) && goal < 0x1p60 &&
		    goal + (double)outside > (double)limit;
	if (!over && (!material(r, room, (double)c->last->rss) || peak < r->threshold[2].value * marked))
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_GO_HEAP_DEAD].name;
	f->bytes = (uint64_t)fmax(room, 0);
	f->confidence = c->marked.n > 1 ? 0.9 : 0.6;
	rule_evidence(c, f, "The last collection left %s; between collections the heap may grow to %s, and reached %s.",
		      rule_size(c, marked), goal < 0x1p60 ? rule_size(c, goal) : "no bound", rule_size(c, peak));
	if (c->marked.n > 1)
		rule_evidence(c, f, "Live bytes after each of %zu collections: %s to %s.", c->marked.n,
			      rule_size(c, c->marked.first), rule_size(c, c->marked.last));
	const char *memlimit = rule_gomemlimit(c);
	int64_t percent = c->after ? c->after->runtime.gc_percent : INT64_MIN;
	if (over) {
		f->level = DIAGNOSIS_WARNING;
		rule_evidence(
			c, f,
			"With %s outside of the heap, the goal lies above the limit of %s: it may be killed without "
			"any leak.",
			rule_size(c, (double)outside), rule_size(c, (double)limit));
	}
	if (memlimit)
		f->advice = rule_text(c, "Set %s, so that the collector runs before the limit.", memlimit);
	else if (percent > 100)
		f->advice =
			rule_text(c, "GOGC is %lld; GOGC=100 would collect at %s, at the price of more collections.",
				  (long long)percent, rule_size(c, 2 * marked));
	else
		f->advice = rule_text(c, "This is what GOGC=%s gives; GOGC=50 would collect at %s. It is no leak.",
				      percent == INT64_MIN ? "100"
				      : percent < 0	   ? "off"
							   : rule_text(c, "%lld", (long long)percent),
				      rule_size(c, 1.5 * marked));
}

/* The collector's share of all CPUs between the first and the last collection seen; NAN unknown. */
static double gc_share(const struct rule_context *c)
{
	const struct diagnosis_sample *a = c->first, *b = c->last;
	double start = (double)b->time_ns - c->in->age_seconds * 1e9;
	double from = (double)a->last_gc_ns - start, to = (double)b->last_gc_ns - start;
	if (a->last_gc_ns <= 0 || b->last_gc_ns <= a->last_gc_ns || !isfinite(start) || from < 0)
		return (double)NAN;
	return (b->gc_cpu * to - a->gc_cpu * from) / (to - from);
}

static void rule_gc_thrash(struct rule_context *c, const struct rule *r)
{
	double share = gc_share(c);
	if (!KNOWN(c->last->gc_count) || !KNOWN(c->first->gc_count) || c->seconds <= 0)
		return;
	double per_second = (double)(c->last->gc_count - c->first->gc_count) / c->seconds;
	uint64_t memlimit = c->after ? c->after->runtime.memory_limit : ACCOUNT_UNKNOWN, held = c->last->go_anon;
	bool at_limit = KNOWN(memlimit) && KNOWN(held) && (double)held > r->threshold[2].value * (double)memlimit;
	bool busy = isfinite(share) && share >= r->threshold[0].value && per_second >= r->threshold[1].value;
	if (!busy && !(at_limit && per_second >= r->threshold[3].value))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.9;
	f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	double marked = KNOWN(c->last->heap_marked) ? (double)c->last->heap_marked : 0;
	if (isfinite(share))
		rule_evidence(c, f, "%.1f collections a second took %.0f%% of all its CPUs.", per_second, 100 * share);
	else
		rule_evidence(c, f, "%.1f collections a second.", per_second);
	if (at_limit) {
		rule_evidence(
			c, f,
			"GOMEMLIMIT is %s and the runtime holds %s, of which %s are live: the limit leaves no room.",
			rule_size(c, (double)memlimit), rule_size(c, (double)held), rule_size(c, marked));
		f->advice = rule_text(
			c,
			"Give it room: GOMEMLIMIT of at least %s (twice the live heap and %s besides), and the "
			"container's limit above that; or make less live.",
			rule_size(c, 2 * marked + (double)num_sub(held, (uint64_t)marked) / 2),
			rule_size(c, (double)num_sub(held, (uint64_t)marked) / 2));
		return;
	}
	f->advice = rule_text(
		c,
		"Raise GOGC (now %lld), so that it collects less often, or allocate less: `ullage heap PID` shows "
		"the call stacks.",
		c->after && c->after->runtime.gc_percent > INT64_MIN ? (long long)c->after->runtime.gc_percent : 100LL);
}

/* ---- pages ---- */

static void rule_returnable(struct rule_context *c, const struct rule *r)
{
	double idle = c->after			  ? (double)c->after->returnable
		      : KNOWN(c->last->heap_idle) ? (double)c->last->heap_idle
						  : 0;
	if (!KNOWN(c->last->rss) || !material(r, idle, (double)c->last->rss))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.95;
	f->class = mem_classes[CLASS_GO_HEAP_IDLE].name;
	f->bytes = (uint64_t)idle;
	rule_evidence(c, f,
		      "%s of free spans are resident: freed by the program, not yet given back to the kernel (%.0f%% "
		      "of RSS).",
		      rule_size(c, idle), 100 * idle / (double)c->last->rss);
	const char *memlimit = rule_gomemlimit(c);
	f->advice =
		memlimit ? rule_text(c, "It is reused or returned in time. To have it returned before the limit: %s.",
				     memlimit)
			 : "It is reused, or returned within minutes; debug.FreeOSMemory() returns it at once.";
}

static void rule_fragmentation(struct rule_context *c, const struct rule *r)
{
	double least = (double)INFINITY, inuse = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if (!KNOWN(s->heap_inuse) || !KNOWN(s->heap_live) || !KNOWN(s->heap_goal) || !s->gc_count)
			continue;
		double full = fmax((double)s->heap_live, s->heap_goal < (UINT64_C(1) << 60) ? (double)s->heap_goal : 0);
		if ((double)s->heap_inuse - full < least) {
			least = (double)s->heap_inuse - full;
			inuse = (double)s->heap_inuse;
		}
	}
	if (!isfinite(least) || !material(r, least, inuse))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.85;
	f->class = mem_classes[CLASS_GO_HEAP_FREE].name;
	f->bytes = (uint64_t)least;
	rule_evidence(
		c, f,
		"Spans in use hold %s; the heap will be collected before objects fill %s of them, so %s stay empty "
		"slots between long-lived objects.",
		rule_size(c, inuse), rule_size(c, inuse - least), rule_size(c, least));
	f->advice = "Few long-lived objects keep many spans in use: allocate what lives long together or before the "
		    "rest, or reuse "
		    "buffers. `ullage heap PID --by span` shows the size classes.";
}

static void rule_huge_pages(struct rule_context *c, const struct rule *r)
{
	if (!c->after || !c->after->go.layout_known)
		return;
	const struct account_class *idle = &c->after->classes[CLASS_GO_HEAP_IDLE],
				   *slots = &c->after->classes[CLASS_GO_HEAP_FREE];
	double kept = c->after->runtime.heap_idle > c->after->runtime.heap_released
			      ? (double)(c->after->runtime.heap_idle - c->after->runtime.heap_released)
			      : 0;
	/* Free spans that are resident though the runtime gave them back: only a huge page brings them again. */
	double again = num_min(idle->huge, idle->resident) > 0 ? (double)idle->resident - kept : 0;
	double huge = (double)idle->huge + (double)slots->huge;
	if (!material(r, again, (double)c->after->rss))
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.8;
	f->class = mem_classes[CLASS_GO_HEAP_IDLE].name;
	f->bytes = (uint64_t)again;
	rule_evidence(c, f,
		      "%s of spans that the runtime returned are resident again, and %s of free heap memory lie in "
		      "huge pages: "
		      "one used page brings 2 MiB.",
		      rule_size(c, again), rule_size(c, huge));
	f->advice = "Set transparent huge pages to madvise, or khugepaged/max_ptes_none to 0, on this host.";
}

/* ---- the table ---- */

const struct rule rules_heap[] = {
	{ "heap",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_heap,
	  { { 256 * 1024, "bytes: half of what the heap profile sees at all" },
	    { 4, "times the noise: what one collection finds more or less than the next" },
	    { 0.5, "of the growth by one stack, where three points are all there is" },
	    { 0.7, "of the growth in one step: more is a burst" } } },
	{ "gc-headroom",
	  false,
	  DIAGNOSIS_INFO,
	  rule_gc_headroom,
	  { { 16 * MIB, "bytes above the live heap: less does not matter" },
	    { 0.2, "of RSS" },
	    { 1.6, "times the live heap: below it is what GOGC=50 would use" },
	    { 0.25, "of the first marked size: what grows more is not flat" } } },
	{ "gc-thrash",
	  false,
	  DIAGNOSIS_WARNING,
	  rule_gc_thrash,
	  { { 0.2, "of all CPUs: while it runs the collector takes 25 %, so it runs nearly always" },
	    { 1, "collections a second" },
	    { 0.8, "of GOMEMLIMIT in use: then the limit is what drives it" },
	    { 10, "collections a second at the limit, whatever they cost now" } } },
	{ "returnable",
	  false,
	  DIAGNOSIS_INFO,
	  rule_returnable,
	  { { 16 * MIB, "bytes: the runtime keeps a tenth in hand anyway" }, { 0.2, "of RSS" } } },
	{ "fragmentation",
	  false,
	  DIAGNOSIS_INFO,
	  rule_fragmentation,
	  { { 16 * MIB, "bytes" }, { 0.3, "of the spans in use: size classes alone waste an eighth" } } },
	{ "huge-pages",
	  false,
	  DIAGNOSIS_INFO,
	  rule_huge_pages,
	  { { 8 * MIB, "bytes: four huge pages" }, { 0.1, "of RSS" } } },
	{ "burst",
	  false,
	  DIAGNOSIS_INFO,
	  rule_burst,
	  { { 8 * MIB, "bytes" }, { 0.1, "of what it was" }, { 0.5, "of all rises at once" } } },
	{ "warm-up",
	  false,
	  DIAGNOSIS_INFO,
	  rule_warm_up,
	  { { 4 * MIB, "bytes grown before it stopped" },
	    { 0.1, "of what it was" },
	    { 0.7, "in one step is a burst" } } },
	{ 0 },
};
