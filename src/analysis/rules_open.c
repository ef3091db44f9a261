/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

/* What grew and could not be judged, and what would settle it. */

static const double MIB = 1 << 20;
/* Below it growth of memory is the noise of a running program. */
static const double GROWTH = 4, SHARE = 0.05;

static bool material(double bytes, double of)
{
	return bytes >= GROWTH * MIB && bytes >= SHARE * of;
}

static bool has_leak(const struct rule_context *c)
{
	for (size_t i = 0; i < c->d->findings.n; i++) {
		if (c->d->findings.v[i].leak)
			return true;
	}
	return false;
}

/* A leak that heap growth is part of. */
static bool heap_is_judged(const struct rule_context *c)
{
	for (size_t i = 0; i < c->d->findings.n; i++) {
		const struct finding *f = &c->d->findings.v[i];
		bool part = f->leak && strcmp(f->kind, "heap") == 0;
		for (size_t k = 0; f->leak && k < FINDING_ALSO && f->also[k]; k++)
			part |= strcmp(f->also[k], "heap") == 0;
		if (part)
			return true;
	}
	return false;
}

/* How long until enough collections have ended: at the pace of the heap towards its goal, or of those seen. */
static const char *enough_time(struct rule_context *c, double rate)
{
	enum { WANTED = 4 };
	double more = 0;
	const struct diagnosis_sample *s = c->last;
	if (c->marked.n > 1)
		more = c->marked.span / (double)(c->marked.n - 1) * WANTED;
	else if (KNOWN(s->heap_goal) && KNOWN(s->heap_live) && rate > 0)
		more = (double)num_sub(s->heap_goal, s->heap_live) / rate * WANTED;
	/* the runtime collects every two minutes in any case */
	more = fmin(more > 0 ? more : 120.0 * WANTED, 120.0 * WANTED);
	return rule_text(c, "`--for %.0fs` would see %d of them.", ceil(fmax(more, 2 * c->seconds) / 10) * 10, WANTED);
}

/* ", most of it at main.keep (store/map.go:12)", or nothing. */
static const char *top_site(struct rule_context *c)
{
	const struct heap_growth *g = c->growth.n ? &c->growth.v[0] : NULL;
	if (!g || !g->site || g->bytes < c->growth_sum / 2)
		return "";
	return rule_text(c, ", most of it at %s (%s:%u)", g->site->function, diagnosis_file(g->site->file),
			 g->site->line);
}

/*
 * With the heap walked at both ends it does not matter how many collections there were: what is reachable grew, or it
 * did not. Two moments alone do not tell for how long it goes on. False: nothing is left to say.
 */
static bool open_reachable(struct rule_context *c)
{
	const struct held *h = &c->held;
	struct trend live = rule_trend(c, SAMPLE(heap_live));
	if (!material(h->reachable, (double)c->in->first->owners.reachable)) {
		if (live.n > 1 && material(live.growth, live.first))
			*vec_push(&c->d->notes) = rule_text(
				c, "the heap grew by %s, and what is reachable by no more than %s: the rest is garbage",
				rule_size(c, live.growth), rule_size(c, fmax(h->reachable, 0)));
		return false;
	}
	const struct trend *t = &c->reachable;
	return !(t->n >= 5 && (t->levelled || t->p > 0.2 || t->step > 0.6)) && !rule_found(c, "burst") &&
	       !rule_found(c, "warm-up");
}

static void open_held(struct rule_context *c)
{
	const struct held *h = &c->held;
	rule_open(c,
		  &(struct diagnosis_open){
			  .class = mem_classes[CLASS_GO_HEAP_LIVE].name,
			  .bytes = (uint64_t)h->reachable,
			  .rate = h->reachable / fmax(c->seconds, 0.001),
			  .why = rule_text(c, "What is reachable grew by %s%s%s%s: a cache that fills once, or a leak.",
					   rule_size(c, h->reachable), h->root ? ", most of it held by " : "",
					   h->path && h->path->text   ? h->path->text
					   : h->root && h->root->name ? h->root->name
								      : "",
					   top_site(c)),
			  .settle = "A longer window: a cache stops, a leak does not.",
		  });
}

/*
 * The heap: with collections enough the rule has spoken. With few, growth between them proves nothing, unless it stopped,
 * came at once, or was collected.
 */
static void open_heap(struct rule_context *c)
{
	if (c->held.known && !heap_is_judged(c)) {
		if (open_reachable(c))
			open_held(c);
		return;
	}

	enum { FLAT_POINTS = 2, STEPS_SEEN = 3 };
	struct trend live = rule_trend(c, SAMPLE(heap_live));
	const struct trend *m = &c->marked;
	if (heap_is_judged(c) || live.n < 2)
		return;
	/* Of several collections none left more than the first: nothing grows, whatever stands between them. */
	if (m->n >= FLAT_POINTS && !material(m->growth, m->first))
		return;
	double grown = m->n > 3 ? m->growth : fmax(live.growth, m->growth);
	if (m->n >= 4 && (m->levelled || m->p > 0.2 || m->step > 0.6))
		return;
	bool at_once = live.n >= STEPS_SEEN && live.step > 0.6; /* of two looks any growth is one step */
	if (m->n < 4 && (live.levelled || at_once) && !material(m->n > 1 ? m->growth : 0, m->first))
		return;
	if (!material(grown, live.first) || rule_found(c, "burst") || rule_found(c, "warm-up"))
		return;
	double rate = grown / fmax(c->seconds, 0.001);
	rule_open(c, &(struct diagnosis_open){
			     .class = mem_classes[CLASS_GO_HEAP_LIVE].name,
			     .bytes = (uint64_t)grown,
			     .rate = rate,
			     .why = rule_text(
				     c,
				     "The Go heap grew by %s%s, but only %zu collection%s seen: what is allocated "
				     "between two of them may all be garbage.",
				     rule_size(c, grown), top_site(c), m->n, m->n == 1 ? " was" : "s were"),
			     .settle = enough_time(c, rate),
		     });
}

/* Is the growth of a class part of a leak that was found, or explained? */
static bool is_native_judged(const struct rule_context *c, enum mem_class k)
{
	static const struct {
		enum mem_class class;
		const char *kind;
	} judges[] = {
		{ CLASS_C_HEAP, "cgo" },  { CLASS_C_HEAP_INUSE, "cgo" }, { CLASS_MMAP_ANON, "mmap" },
		{ CLASS_SHM, "mmap" },	  { CLASS_SHM, "tmpfs" },	 { CLASS_C_STACK, "thread" },
		{ CLASS_C_HEAP, "mmap" }, /* brk */
	};
	for (size_t i = 0; i < c->d->findings.n; i++) {
		const struct finding *f = &c->d->findings.v[i];
		for (size_t n = 0; n < sizeof(judges) / sizeof(judges[0]); n++) {
			bool is = strcmp(judges[n].kind, f->kind) == 0;
			for (size_t m = 0; m < FINDING_ALSO && f->also[m]; m++)
				is |= strcmp(judges[n].kind, f->also[m]) == 0;
			if (is && judges[n].class == k)
				return true;
		}
	}
	return false;
}

/*
 * It grew and stopped, or came at once: what fills, or was needed once. Where the looks between the two readings saw little
 * of the growth, it was over before they began.
 */
static bool has_ended(const struct trend *t, double grown)
{
	enum { LOOKS = 5 };
	static const double LITTLE = 0.25;
	return t->n >= LOOKS && (t->levelled || t->step > 0.6 || t->growth < LITTLE * grown);
}

/* Of what the looks saw of a class: all private memory outside of the Go heap, or the rest of what is resident. */
static struct trend looks_of(const struct rule_context *c, enum mem_class k)
{
	struct series s;
	if (k == CLASS_SHM)
		return rule_trend(c, SAMPLE(rss));
	rule_outside_series(c, &s);
	return trend_of(&s);
}

/* Without a record. */
static const char *native_remedy(struct rule_context *c)
{
	if (c->in->unrecorded)
		return rule_text(c, "Probes on mmap and malloc would name the call path: %s.", c->in->unrecorded);
	return "Probes on mmap and malloc would name the call path: `ullage diagnose PID` on the live process puts "
	       "them. A "
	       "second look after the same load shows whether it stays.";
}

/* The largest of what was recorded of that class, and why it proves nothing. */
static const char *native_doubt(struct rule_context *c, enum mem_class k)
{
	enum offheap_sort sort = k == CLASS_MMAP_ANON || k == CLASS_SHM ? OFFHEAP_MAPPED
				 : k == CLASS_C_STACK			? OFFHEAP_STACKS
									: OFFHEAP_MALLOC;
	for (size_t i = 0; i < c->off.v.n; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		if (g->sort != sort || !g->site)
			continue;
		return rule_text(c, " Most that was recorded and not given back is %s in %.0f from %s, and %s.",
				 rule_size(c, g->bytes), g->count, g->site->function,
				 g->sure < 0.5 ? "as much may have been given back of what was there before"
				 : !offheap_steady(&c->off, g) ? "it did not come evenly"
				 : rule_awaits_collection(c, g)
					 ? "objects with finalizers came with it, which the next collections may run"
					 : "that is too little");
	}
	return " Nothing that was recorded explains it.";
}

/* By the C allocator's own figures what is in use did not grow: memory of C grew by what it keeps. */
static bool is_retained(const struct rule_context *c, enum mem_class k)
{
	const struct account_c_heap *was = &c->before->c_heap, *is = &c->after->c_heap;
	if ((k != CLASS_C_HEAP && k != CLASS_C_HEAP_INUSE) || !was->allocator || !is->allocator || !KNOWN(was->inuse) ||
	    !KNOWN(is->inuse))
		return false;
	return !material((double)is->inuse - (double)was->inuse, (double)was->inuse);
}

static void open_class(struct rule_context *c, enum mem_class k)
{
	double resident = (double)c->after->classes[k].resident - (double)c->before->classes[k].resident;
	double space = (double)c->after->classes[k].virtual_size - (double)c->before->classes[k].virtual_size;
	bool only_space = !material(resident, (double)c->before->rss);
	/* Address space that nobody touches costs nothing until it is gone: only much of it is worth a word. */
	struct trend t = only_space ? rule_trend(c, SAMPLE(virtual_size)) : looks_of(c, k);
	double grown = only_space ? space : resident;
	if ((only_space && (k != CLASS_MMAP_ANON || space < 64 * MIB)) || has_ended(&t, grown))
		return;
	rule_open(c,
		  &(struct diagnosis_open){
			  .class = mem_classes[k].name,
			  .bytes = (uint64_t)grown,
			  .rate = grown / fmax(c->seconds, 0.001),
			  .why = rule_text(c, "%s grew by %s%s: memory outside of the Go heap%s%s", mem_classes[k].name,
					   rule_size(c, grown), only_space ? " of address space" : "",
					   c->off.known ? "." : ", whose owner cannot be told by looking.",
					   c->off.known ? native_doubt(c, k) : ""),
			  .settle = c->off.known ? "A longer window: what fills stops, what turns over balances, and "
						   "a leak does neither."
						 : native_remedy(c),
		  });
}

/* Memory of C, of mappings, of thread stacks: who made it is not known without a record. */
static void open_native(struct rule_context *c)
{
	static const enum mem_class classes[] = {
		CLASS_C_HEAP, CLASS_C_HEAP_INUSE, CLASS_C_STACK, CLASS_MMAP_ANON, CLASS_SHM,
	};
	if (!c->before || !c->after)
		return;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (!is_native_judged(c, classes[i]) && !is_retained(c, classes[i]))
			open_class(c, classes[i]);
	}
}

/* The process as a whole, where the account could not be taken twice. */
static void open_anonymous(struct rule_context *c)
{
	struct trend t = rule_trend(c, SAMPLE(rss_anon));
	if (has_leak(c) || c->d->open.n || (c->before && c->after) || t.n < 3 || t.levelled || t.step > 0.6 ||
	    t.p > 0.05 || !material(t.growth, t.first))
		return;
	if (c->marked.n >= 4)
		return;
	rule_open(c, &(struct diagnosis_open){
			     .bytes = (uint64_t)t.growth,
			     .rate = t.slope,
			     .why = rule_text(c, "Private memory grew by %s, and what it is could not be read.",
					      rule_size(c, t.growth)),
			     .settle = "Run as root or with CAP_SYS_PTRACE; `ullage doctor PID` tells what is missing.",
		     });
}

/* What few looks show of a count; false when it did not grow by more than counts breathe. */
static bool open_count(struct rule_context *c, const char *what, double first, double last)
{
	static const double LEAST = 8, SHARE_OF_FIRST = 0.02;
	if (last - first < fmax(LEAST, SHARE_OF_FIRST * first))
		return false;
	rule_open(c, &(struct diagnosis_open){
			     .bytes = ACCOUNT_UNKNOWN,
			     .rate = (double)NAN,
			     .why = rule_text(
				     c, "%s: %.0f at first, %.0f at last; %zu looks cannot tell a rise from a jump.",
				     what, first, last, c->in->n),
			     .settle = "More looks: a longer window, or five snapshots.",
		     });
	return true;
}

static bool open_sites(struct rule_context *c)
{
	bool any = false;
	for (size_t i = 0; i < c->in->n_sites; i++) {
		const struct diagnosis_site *s = &c->in->sites[i];
		const char *what = s->kind == DIAGNOSIS_TIMER
					   ? rule_text(c, "Timers that call %s", s->function)
					   : rule_text(c, "Goroutines started at %s (%s:%u)", s->function,
						       diagnosis_file(s->file), s->line);
		any |= open_count(c, what, (double)s->counts[0], (double)s->counts[c->in->n - 1]);
	}
	return any;
}

/* Too few looks for any count to be judged. Where none grew over a while there is nothing to judge. */
static void open_counts(struct rule_context *c)
{
	enum { LEAST = 5 };
	static const double WHILE = 30; /* seconds: the default window */
	if (c->in->n >= LEAST)
		return;
	struct trend threads = rule_trend(c, SAMPLE(threads)), fds = rule_trend(c, SAMPLE(fds));
	bool any = open_sites(c);
	any |= open_count(c, "Threads", threads.first, threads.last);
	any |= open_count(c, "Open descriptors", fds.first, fds.last);
	if (any || (c->in->n > 1 && c->seconds >= WHILE && !c->in->cut))
		return;
	rule_open(c, &(struct diagnosis_open){
			     .bytes = ACCOUNT_UNKNOWN,
			     .rate = (double)NAN,
			     .why = rule_text(c, "Only %zu looks were taken%s: growth cannot be told from chance.",
					      c->in->n, c->in->cut ? " before the end" : ""),
			     .settle = "A longer window, or a shorter interval.",
		     });
}

void rules_open(struct rule_context *c)
{
	open_heap(c);
	open_native(c);
	open_anonymous(c);
	open_counts(c);
}
