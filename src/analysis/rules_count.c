/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define MIB (1024.0 * 1024)

/* The rules about counts: goroutines, timers, threads, descriptors, stacks, cgroups. */

enum { SITES_NAMED = 3 };

/*
 * Does a count grow without end: by enough, in an order that chance does not give, not in one jump, and still at the end.
 * Thresholds of every row here: 0 least growth, 1 the same as a share of the first, 2 chance, 3 step.
 */
static bool count_grows(const struct rule *r, const struct trend *t)
{
	enum { LEAST_POINTS = 5 };
	return t->n >= LEAST_POINTS && t->growth >= r->threshold[0].value &&
	       t->growth >= r->threshold[1].value * t->first && t->p <= r->threshold[2].value &&
	       t->step <= r->threshold[3].value && !t->levelled;
}

/* More points in better order are surer. */
static double count_confidence(const struct trend *t)
{
	double confidence = 0.7 + 0.25 * t->score;
	return t->n < 8 ? confidence - 0.1 : confidence;
}

static struct finding *report_count(struct rule_context *c, const struct rule *r, const struct trend *t)
{
	struct finding *f = rule_report(c, r);
	f->count = (uint64_t)t->last;
	f->count_rate = t->slope > 0 ? t->slope : t->growth / t->span;
	f->confidence = count_confidence(t);
	return f;
}

static const char *per_second(struct rule_context *c, double rate)
{
	return rate >= 1 ? rule_text(c, "%.0f a second", rate) : rule_text(c, "%.1f a minute", 60 * rate);
}

/* ---- sites ---- */

static void site_series(const struct rule_context *c, const struct diagnosis_site *site, struct series *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < c->in->n; i++)
		series_add(ret, (double)(c->in->samples[i].time_ns - c->in->samples[0].time_ns) / 1e9,
			   (double)site->counts[i]);
}

/* A stack that most goroutines of the site have, in the last snapshot; their state and stack bytes. */
struct site_look {
	uint32_t stack;
	const char *state;
	uint64_t stack_bytes, locked, blocked, seen;
};

static struct site_look look_at_site(const struct rule_context *c, const struct diagnosis_site *site)
{
	struct site_look look = { 0 };
	const struct goroutines *gs =
		c->in->last && c->in->last->parts & SNAPSHOT_GOROUTINES ? &c->in->last->goroutines : NULL;
	for (size_t i = 0; gs && i < gs->v.n; i++) {
		const struct goroutine *g = &gs->v.v[i];
		if (!stacks_depth(&gs->stacks, g->created_by))
			continue;
		const struct frame *by = stacks_at(&gs->stacks, g->created_by, 0);
		if (by->line != site->line || strcmp(by->function, site->function) != 0)
			continue;
		look.seen += g->count;
		look.locked += g->flags & GOROUTINE_LOCKED ? g->count : 0;
		look.blocked += strcmp(g->state, "syscall") == 0 ? g->count : 0;
		look.stack_bytes += KNOWN(g->stack_bytes) ? g->stack_bytes : 0;
		if (stacks_depth(&gs->stacks, g->stack) &&
		    !(g->flags & GOROUTINE_MOVING)) { /* the last is the newest */
			look.stack = g->stack;
			look.state = g->wait_reason ? g->wait_reason : g->state;
		}
	}
	return look;
}

static bool site_leaks(const struct rule_context *c, const struct rule *r, const struct diagnosis_site *site,
		       struct trend *t)
{
	/* Most of what was made must still be there: workers that come and go are load. */
	static const double COME_AND_GO = 0.25;
	struct series s;
	site_series(c, site, &s);
	*t = trend_of(&s);
	return count_grows(r, t) && !(site->gone_known && (double)site->gone > COME_AND_GO * t->growth);
}

/* A library's loop that accepts connections: its goroutines live as long as the clients want. */
static bool serves(const char *function)
{
	static const char *const ends[] = { ").Serve",	       ").serve",      ".Serve",
					    ").handleRawConn", ").acceptLoop", ").AcceptLoop" };
	size_t n = strlen(function);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t m = strlen(ends[i]);
		if (n >= m && strcmp(function + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}

/* More clients are no leak; that none of them ever goes away may be one. */
static const double SERVER_COSTS = 0.5;

static void describe_goroutines(struct rule_context *c, struct finding *f, const struct diagnosis_site *site,
				const struct trend *t)
{
	struct site_look look = look_at_site(c, site);
	f->class = mem_classes[CLASS_GO_STACK_INUSE].name;
	rule_evidence(c, f, "Goroutines started there: %.0f at first, %.0f at last; %llu ended meanwhile.", t->first,
		      t->last, (unsigned long long)site->gone);
	if (look.seen) {
		f->bytes = look.stack_bytes;
		f->rate = f->count_rate * (double)look.stack_bytes / (double)look.seen;
		rule_stack(c, f, &c->in->last->goroutines.stacks, look.stack);
	}
	if (look.state && strcmp(look.state, "IO wait") == 0 && serves(site->function)) {
		f->confidence -= SERVER_COSTS;
		rule_evidence(c, f, "They serve connections that their peers keep open: rising load looks the same.");
	}
	const struct frame *at =
		f->stack.n ? rule_own_frame(&c->in->last->goroutines.stacks, look.stack, c->in->module) : NULL;
	if (at)
		rule_evidence(c, f, "The newest wait in %s (%s:%u): %s; %s of stack each.", at->function,
			      diagnosis_file(at->file), at->line, look.state ? look.state : "unknown",
			      rule_size(c, (double)look.stack_bytes / (double)look.seen));
	f->advice =
		rule_text(c,
			  "Give the goroutine started at %s:%u a way to end: a closed channel, a cancelled context, a "
			  "deadline. `ullage goroutines PID` lists what they wait for.",
			  diagnosis_file(site->file), site->line);
}

/* What they keep alive, and whether anything is left that could wake them: with the owners of the heap. */
static void describe_hold(struct rule_context *c, struct finding *f, const struct diagnosis_site *site)
{
	static const double NEVER = 0.1;
	const struct owners *o = c->in->last && c->in->last->parts & SNAPSHOT_OWNERS ? &c->in->last->owners : NULL;
	uint64_t stuck = 0;
	for (size_t i = 0; o && i < o->roots.n && !f->holder; i++) {
		const struct owners_root *root = &o->roots.v[i];
		if (root->kind != OWNERS_STACK || root->site.line != site->line ||
		    strcmp(root->site.function, site->function) != 0)
			continue;
		f->holder = rule_text(c, "%s (%llu goroutines%s%s)", root->name ? root->name : site->function,
				      (unsigned long long)root->goroutines, root->blocked_at ? ", in " : "",
				      root->blocked_at ? root->blocked_at : "");
		if (KNOWN(root->retained) && root->retained)
			rule_evidence(c, f, "They alone keep %s of the heap.", rule_size(c, (double)root->retained));
	}
	for (size_t i = 0; o && i < o->stuck.n; i++) {
		const struct owners_stuck *s = &o->stuck.v[i];
		if (s->created_by >= o->stacks.v.n || !stacks_depth(&o->stacks, s->created_by))
			continue;
		const struct frame *by = stacks_at(&o->stacks, s->created_by, 0);
		stuck += by->line == site->line && strcmp(by->function, site->function) == 0 ? s->count : 0;
	}
	if (!stuck)
		return;
	f->confidence += NEVER;
	rule_evidence(c, f, "%llu of them wait for what nothing else that is alive can reach: nothing can wake them.",
		      (unsigned long long)stuck);
}

static void rule_goroutine(struct rule_context *c, const struct rule *r)
{
	for (size_t i = 0, named = 0; i < c->in->n_sites && named < SITES_NAMED; i++) {
		const struct diagnosis_site *site = &c->in->sites[i];
		struct trend t;
		if (site->kind != DIAGNOSIS_GOROUTINE || !site_leaks(c, r, site, &t))
			continue;
		struct finding *f = report_count(c, r, &t);
		rule_site(c, f, &(struct frame){ .function = site->function, .file = site->file, .line = site->line });
		describe_goroutines(c, f, site, &t);
		describe_hold(c, f, site);
		named++;
	}
}

static void rule_timer(struct rule_context *c, const struct rule *r)
{
	for (size_t i = 0, named = 0; i < c->in->n_sites && named < SITES_NAMED; i++) {
		const struct diagnosis_site *site = &c->in->sites[i];
		struct trend t;
		if (site->kind != DIAGNOSIS_TIMER || !site_leaks(c, r, site, &t))
			continue;
		struct finding *f = report_count(c, r, &t);
		f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
		if (!site->library)
			rule_site(
				c, f,
				&(struct frame){ .function = site->function, .file = site->file, .line = site->line });
		rule_evidence(c, f, "Timers that call %s: %.0f at first, %.0f at last.", site->function, t.first,
			      t.last);
		f->advice = "Call Stop() on each timer and ticker when its user ends (defer t.Stop()), and make one "
			    "timer per "
			    "loop, not one per turn. `ullage timers PID` lists them.";
		named++;
	}
}

/* ---- threads ---- */

/* The site whose goroutines hold threads: locked to them, or in system calls. */
static const struct diagnosis_site *thread_site(const struct rule_context *c, double growth)
{
	const struct diagnosis_site *best = NULL;
	double most = growth / 2;
	for (size_t i = 0; i < c->in->n_sites; i++) {
		const struct diagnosis_site *site = &c->in->sites[i];
		if (site->kind != DIAGNOSIS_GOROUTINE)
			continue;
		struct site_look look = look_at_site(c, site);
		double grown = (double)site->counts[c->in->n - 1] - (double)site->counts[0];
		if (grown >= most && (look.locked + look.blocked) * 2 >= look.seen && look.seen) {
			most = grown;
			best = site;
		}
	}
	return best;
}

static void rule_thread(struct rule_context *c, const struct rule *r)
{
	struct trend t = rule_trend(c, SAMPLE(threads));
	if (!count_grows(r, &t))
		return;
	struct finding *f = report_count(c, r, &t);
	f->class = mem_classes[CLASS_C_STACK].name;
	rule_evidence(c, f, "Threads of the process: %.0f at first, %.0f at last.", t.first, t.last);
	const struct diagnosis_site *site = thread_site(c, t.growth);
	if (site) {
		struct site_look look = look_at_site(c, site);
		rule_site(c, f, &(struct frame){ .function = site->function, .file = site->file, .line = site->line });
		if (look.stack)
			rule_stack(c, f, &c->in->last->goroutines.stacks, look.stack);
		rule_evidence(c, f,
			      "Goroutines started there hold them: %llu locked to their thread, %llu in a system call.",
			      (unsigned long long)look.locked, (unsigned long long)look.blocked);
	}
	f->advice = "Bound how many goroutines block in system calls, in C, or behind runtime.LockOSThread at the same "
		    "time; the "
		    "runtime never ends a thread by itself.";
}

/* ---- descriptors ---- */

/* Call stacks that make descriptors. */
static bool makes_descriptor(const struct stacks *s, uint32_t stack)
{
	static const char *const makers[] = { "os.newFile", "os.NewFile", "net.newFD", "os.newFileFromNewFile",
					      "net.newFile" };
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		for (size_t k = 0; k < sizeof(makers) / sizeof(makers[0]); k++) {
			if (strcmp(stacks_at(s, stack, i)->function, makers[k]) == 0)
				return true;
		}
	}
	return false;
}

static uint64_t kind_before(const struct fds *f, const char *kind)
{
	for (size_t i = 0; f && i < f->kinds.n; i++) {
		if (strcmp(f->kinds.v[i].kind, kind) == 0)
			return f->kinds.v[i].count;
	}
	return 0;
}

static void describe_descriptors(struct rule_context *c, struct finding *f)
{
	const struct snapshot *first = c->in->first, *last = c->in->last;
	const struct fds *was = first && first->parts & SNAPSHOT_FDS ? &first->fds : NULL;
	const struct fds *is = last && last->parts & SNAPSHOT_FDS ? &last->fds : NULL;
	for (size_t i = 0; was && is && i < is->kinds.n; i++) {
		uint64_t before = kind_before(was, is->kinds.v[i].kind);
		if (is->kinds.v[i].count > before + 2)
			rule_evidence(c, f, "Of kind %s: %llu at first, %llu at last.", is->kinds.v[i].kind,
				      (unsigned long long)before, (unsigned long long)is->kinds.v[i].count);
	}
	if (is && is->sockets.n && is->sockets.v[0].count > 2) {
		const struct fd_socket *s = &is->sockets.v[0];
		rule_evidence(c, f, "Most sockets: %llu %s to %s in state %s.", (unsigned long long)s->count,
			      s->protocol, s->peer, s->state);
		if (strcmp(s->state, "CLOSE-WAIT") == 0)
			rule_evidence(c, f, "CLOSE-WAIT means that the peer closed and this program never did.");
	}
	if (is && KNOWN(is->limit) && f->count_rate > 0)
		rule_evidence(c, f, "The limit of %llu descriptors is reached in about %s.",
			      (unsigned long long)is->limit,
			      rule_time(c, (double)num_sub(is->limit, f->count) / f->count_rate));
	for (size_t i = 0; i < c->growth.n; i++) {
		if (!c->growth.v[i].site || !makes_descriptor(&c->stacks, c->growth.v[i].stack))
			continue;
		rule_site(c, f, c->growth.v[i].site);
		rule_stack(c, f, &c->stacks, c->growth.v[i].stack);
		break;
	}
}

static void rule_fd(struct rule_context *c, const struct rule *r)
{
	struct trend t = rule_trend(c, SAMPLE(fds));
	if (!count_grows(r, &t))
		return;
	struct finding *f = report_count(c, r, &t);
	rule_evidence(c, f, "Open descriptors: %.0f at first, %.0f at last.", t.first, t.last);
	describe_descriptors(c, f);
	f->advice = "Close what is opened: defer Close() after each Open, Dial, Accept and Pipe, and read and close "
		    "each response "
		    "body. `ullage fds PID` lists them by peer and state.";
}

/* ---- one stack that grows ---- */

static const struct goroutine *goroutine_of(const struct goroutines *gs, uint64_t id)
{
	for (size_t i = 0; i < gs->v.n; i++) {
		if (gs->v.v[i].id == id)
			return &gs->v.v[i];
	}
	return NULL;
}

/* The frame that a stack has most often: where it recurs. NULL when none has a second. */
static const struct frame *recurring(const struct stacks *s, uint32_t stack)
{
	enum { LOOKED_AT = 256 };
	const struct frame *best = NULL;
	uint32_t n = (uint32_t)num_min(stacks_depth(s, stack), LOOKED_AT), most = 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t times = 0;
		for (uint32_t k = i; k < n; k++)
			times += stacks_at(s, stack, k) == stacks_at(s, stack, i);
		if (times > most) {
			most = times;
			best = stacks_at(s, stack, i);
		}
	}
	return best;
}

static void describe_deepest(struct rule_context *c, struct finding *f, uint64_t id)
{
	const struct snapshot *s = c->in->last;
	const struct goroutine *g = s && s->parts & SNAPSHOT_GOROUTINES ? goroutine_of(&s->goroutines, id) : NULL;
	const struct snapshot *was = c->in->first;
	if ((!g || g->flags & GOROUTINE_MOVING) && was && was->parts & SNAPSHOT_GOROUTINES) {
		const struct goroutine *then = goroutine_of(&was->goroutines, id); /* it ran at the end */
		if (then && !(then->flags & GOROUTINE_MOVING)) {
			s = was;
			g = then;
		}
	}
	if (!g)
		return;
	const struct stacks *stacks = &s->goroutines.stacks;
	rule_stack(c, f, stacks, g->stack);
	const struct frame *at = recurring(stacks, g->stack);
	if (!at)
		at = rule_own_frame(stacks, g->stack, c->in->module);
	if (!at && stacks_depth(stacks, g->created_by))
		at = stacks_at(stacks, g->created_by, 0);
	if (at)
		rule_site(c, f, at);
	if (stacks_depth(stacks, g->created_by))
		rule_evidence(c, f, "It was started at %s (%s:%u).", stacks_at(stacks, g->created_by, 0)->function,
			      diagnosis_file(stacks_at(stacks, g->created_by, 0)->file),
			      stacks_at(stacks, g->created_by, 0)->line);
}

/* Of one goroutine that went deeper from look to look, and never came back: by how many times. 0: it did not. */
static double deeper(const struct rule_context *c, uint64_t id)
{
	enum { SEEN = 5 };
	double first = 0, last = 0;
	size_t seen = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if (s->deepest != id || !KNOWN(s->deepest_used))
			continue;
		if ((double)s->deepest_used < last)
			return 0;
		last = (double)s->deepest_used;
		first = seen++ ? first : last;
	}
	return seen >= SEEN && first > 0 ? last / first : 0;
}

/*
 * Stacks grow by doubling: few large steps, so the samples of one goroutine are compared, not their trend. A large stack may
 * not double twice in a window; what is used of it grows all the time.
 */
static void rule_stack_depth(struct rule_context *c, const struct rule *r)
{
	uint64_t id = c->last->deepest, first = 0, doublings = 0, before = 0;
	size_t seen = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if (!KNOWN(s->deepest) || s->deepest != id)
			continue;
		if (seen++ && s->deepest_stack < before)
			return; /* it shrank: no growth without end */
		first = first ? first : s->deepest_stack;
		doublings += before && s->deepest_stack > before;
		before = s->deepest_stack;
	}
	if (!KNOWN(id) || seen < 3 || (double)before < r->threshold[0].value)
		return;
	if (doublings < (uint64_t)r->threshold[1].value && (!doublings || deeper(c, id) < r->threshold[2].value))
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_GO_STACK_INUSE].name;
	f->bytes = before;
	f->rate = (double)(before - first) / fmax(c->seconds, 0.001);
	f->confidence = doublings > 2 ? 0.9 : 0.75;
	rule_evidence(c, f, "The stack of goroutine %llu grew from %s to %s in %llu step%s, and never shrank.",
		      (unsigned long long)id, rule_size(c, (double)first), rule_size(c, (double)before),
		      (unsigned long long)doublings, doublings == 1 ? "" : "s");
	describe_deepest(c, f, id);
	f->advice = "A recursion without end, or one that goes as deep as its input: bound its depth or make it a "
		    "loop. The "
		    "runtime ends the program at 1 GB of one stack.";
}

/* ---- cgroups left behind ---- */

static void rule_left_cgroups(struct rule_context *c, const struct rule *r)
{
	const struct snapshot *a = c->in->first, *b = c->in->last;
	if (!a || !b || !(a->parts & b->parts & SNAPSHOT_FDS) || b->fds.cgroups_left <= a->fds.cgroups_left)
		return;
	double grown = (double)(b->fds.cgroups_left - a->fds.cgroups_left);
	if (grown < r->threshold[0].value || grown < r->threshold[1].value * (double)a->fds.cgroups_left)
		return;
	struct finding *f = rule_report(c, r);
	f->count = b->fds.cgroups_left;
	f->count_rate = grown / fmax(c->seconds, 0.001);
	f->bytes = b->fds.cgroups_charged;
	f->confidence = 0.8;
	rule_evidence(
		c, f,
		"Cgroups without processes below those that it made or holds open: %llu at first, %llu at last, %s.",
		(unsigned long long)a->fds.cgroups_left, (unsigned long long)b->fds.cgroups_left,
		per_second(c, f->count_rate));
	rule_evidence(c, f, "%s are still charged to them; the oldest is %s old.",
		      rule_size(c, (double)b->fds.cgroups_charged),
		      rule_time(c, (double)b->fds.cgroups_oldest_ns / 1e9));
	if (b->fds.cgroups.n)
		rule_evidence(c, f, "One of them: %s.", b->fds.cgroups.v[0].path);
	f->advice = "Remove each cgroup directory when its last process has ended (rmdir), on every path out of the "
		    "code that makes "
		    "it.";
}

/* ---- the table ---- */

#define COUNT_SHARE                                                                                                    \
	{                                                                                                              \
		0.02, "of the first: a busy program's counts move by a percent or two"                                 \
	}
#define COUNT_CHANCE                                                                                                   \
	{                                                                                                              \
		0.005, "chance of the order: one false alarm in 200 looks at a count that only fluctuates"             \
	}
#define COUNT_STEP                                                                                                     \
	{                                                                                                              \
		0.6, "of the growth in one step: more is a start, not a trend"                                         \
	}

const struct rule rules_count[] = {
	{ "goroutine",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_goroutine,
	  { { 8, "goroutines: fewer is a connection pool that breathes" }, COUNT_SHARE, COUNT_CHANCE, COUNT_STEP } },
	{ "timer",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_timer,
	  { { 16, "timers: deadlines of open connections come and go by some" },
	    COUNT_SHARE,
	    COUNT_CHANCE,
	    COUNT_STEP } },
	{ "thread",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_thread,
	  { { 5, "threads: the runtime makes one or two for a burst of system calls" },
	    { 0.1, "of the first" },
	    COUNT_CHANCE,
	    COUNT_STEP } },
	{ "fd",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_fd,
	  { { 8, "descriptors: fewer is a connection pool that breathes" }, COUNT_SHARE, COUNT_CHANCE, COUNT_STEP } },
	{ "stack",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_stack_depth,
	  { { 1 * MIB, "bytes of one stack: recursion over ordinary input stays below" },
	    { 2, "doublings within the window, each of them seen" },
	    { 1.5, "times as deep as at first, at every look at least as deep as before, where only one was seen" } } },
	{ "cgroup",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_left_cgroups,
	  { { 3, "directories made within the window and left" }, { 0.02, "of those that were there" } } },
	{ 0 },
};
