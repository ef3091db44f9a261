/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/causes.h"

#include <math.h>
#include <string.h>

/* Two rates belong together when neither is more than this times the other: sampled counts are that inexact. */
static const double ALIKE = 1.6;
/* What a goroutine may keep on the heap to be the cause of heap growth at a place on its own stack. */
static const double HEAP_EACH = 64 << 10;
static const double OBJECTS_ALIKE = 4;

static bool alike(double a, double b, double times)
{
	return a > 0 && b > 0 && a <= b * times && b <= a * times;
}

static void also(struct finding *f, const char *kind)
{
	for (size_t i = 0; i < FINDING_ALSO; i++) {
		if (f->also[i] && strcmp(f->also[i], kind) == 0)
			return;
		if (!f->also[i]) {
			f->also[i] = kind;
			return;
		}
	}
}

static bool is_native(const struct finding *f)
{
	return f->kind && (strcmp(f->kind, "cgo") == 0 || strcmp(f->kind, "mmap") == 0);
}

static double weight(const struct finding *f)
{
	return f->bytes == ACCOUNT_UNKNOWN ? 0 : (double)f->bytes;
}

/* "malloc < make < main.Open < main.main" */
static const char *path_words(struct rule_context *c, const struct finding *f)
{
	enum { SHOWN = 8 };
	const char *text = "";
	for (size_t i = 0; i < f->stack.n && i < SHOWN; i++)
		text = rule_text(c, "%s%s%s", text, i ? " < " : "", f->stack.v[i].function);
	return text;
}

/* `part` becomes a part of `whole`, and is no finding any more. */
static void absorb(struct rule_context *c, struct finding *whole, struct finding *part)
{
	also(whole, part->kind);
	for (size_t i = 0; i < FINDING_ALSO && part->also[i]; i++)
		also(whole, part->also[i]);
	for (size_t i = 0; i < part->evidence.n; i++) {
		bool said = false;
		for (size_t k = 0; k < whole->evidence.n; k++)
			said |= strcmp(whole->evidence.v[k], part->evidence.v[i]) == 0;
		if (!said)
			*vec_push(&whole->evidence) = part->evidence.v[i];
	}
	if (is_native(part))
		rule_evidence(c, whole, "The path of that memory: %s.", path_words(c, part));
	if (is_native(part) && weight(part) > weight(whole))
		whole->class = part->class;
	if (isfinite(part->rate) && part->rate > 0) { /* what it brings is its weight */
		whole->rate = (isfinite(whole->rate) ? whole->rate : 0) + part->rate;
		whole->bytes = (whole->bytes == ACCOUNT_UNKNOWN ? 0 : whole->bytes) +
			       (part->bytes == ACCOUNT_UNKNOWN ? 0 : part->bytes);
	}
	if (!*whole->site.function && *part->site.function)
		whole->site = part->site;
	if (!whole->stack.n)
		whole->stack = part->stack;
	if (!whole->holder)
		whole->holder = part->holder;
	vec_deinit(&part->evidence);
	size_t at = (size_t)(part - c->d->findings.v);
	memmove(part, part + 1, (c->d->findings.n - at - 1) * sizeof(*part));
	c->d->findings.n--;
}

static bool has_function(const struct finding *f, const char *function)
{
	if (!*function)
		return false;
	for (size_t i = 0; i < f->stack.n; i++) {
		if (strcmp(f->stack.v[i].function, function) == 0)
			return true;
	}
	return false;
}

static bool has_prefix(const struct finding *f, const char *prefix)
{
	for (size_t i = 0; i < f->stack.n; i++) {
		if (strncmp(f->stack.v[i].function, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

/* Do two findings have a function of the program's own in common: of their stacks, or the place that made one. */
static bool share_function(const struct rule_context *c, const struct finding *a, const struct finding *b)
{
	for (size_t i = 0; i < a->stack.n; i++) {
		const char *function = a->stack.v[i].function;
		if (!rule_of_runtime(function) && !rule_of_library(function, c->in->module) &&
		    (has_function(b, function) || strcmp(b->site.function, function) == 0))
			return true;
	}
	return has_function(b, a->site.function);
}

static bool same_site(const struct finding *a, const struct finding *b)
{
	return *a->site.function && a->site.line == b->site.line && strcmp(a->site.function, b->site.function) == 0;
}

/* ---- who belongs to whom ---- */

static bool thread_of_goroutine(const struct rule_context *c, const struct finding *thread, const struct finding *g)
{
	return same_site(thread, g) || (!*thread->site.function && alike(thread->count_rate, g->count_rate, ALIKE));
}

/* Most of what grew is held by the goroutines that one go statement started. */
static bool is_held_by(const struct rule_context *c, const struct finding *g)
{
	const struct owners_root *root = c->held.root;
	return root && root->kind == OWNERS_STACK && c->held.kept >= c->held.all / 2 && *g->site.function &&
	       root->site.line == g->site.line && strcmp(root->site.function, g->site.function) == 0;
}

/* Most of what grew is held by a variable, or by goroutines of another go statement. */
static bool is_held_elsewhere(const struct rule_context *c, const struct finding *g)
{
	const struct owners_root *root = c->held.root;
	return root && (root->kind == OWNERS_GLOBAL || root->kind == OWNERS_STACK) && c->held.kept >= c->held.all / 2 &&
	       !is_held_by(c, g);
}

/*
 * What became more are the runtime's own records of threads and goroutines, held by all who refer to them, and about as many
 * as there are more of those.
 */
static bool is_their_record(const struct rule_context *c, const struct finding *g)
{
	static const char *const records[] = { "runtime.m", "runtime.mPadded", "runtime.g" };
	const struct held *h = &c->held;
	if (!h->path || h->kept < h->all / 2 || !alike(h->more, g->count_rate * c->seconds, OBJECTS_ALIKE))
		return false;
	const struct owners_step *steps = &c->in->last->owners.steps.v[h->path->step_at];
	for (uint32_t at = h->container == HELD_BY_ROOT ? 0 : h->container + 1; at < h->path->step_n; at++) {
		const char *type = steps[at].type ? steps[at].type : "";
		type += *type == '*'; /* the record itself, or a pointer to it */
		for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
			if (strcmp(type, records[i]) == 0)
				return true;
		}
	}
	return false;
}

static bool goroutine_keeps_heap(const struct rule_context *c, const struct finding *g, const struct finding *heap)
{
	if (is_held_by(c, g) || is_their_record(c, g))
		return true;
	if (is_held_elsewhere(c, g))
		return false;
	if (has_prefix(heap, "runtime.malg") || has_prefix(heap, "runtime.newproc") ||
	    (!*heap->site.function && heap->stack.n))
		return true;
	if (!(g->count_rate > 0) || !share_function(c, heap, g))
		return false;
	return heap->rate / g->count_rate <= HEAP_EACH || alike(heap->count_rate, g->count_rate, OBJECTS_ALIKE);
}

static bool goroutine_keeps_fd(const struct rule_context *c, const struct finding *g, const struct finding *fd)
{
	return alike(g->count_rate, fd->count_rate, ALIKE);
}

static bool goroutine_keeps_timer(const struct rule_context *c, const struct finding *g, const struct finding *timer)
{
	return alike(g->count_rate, timer->count_rate, ALIKE);
}

static bool heap_of_timers(const struct finding *heap)
{
	static const char *const makers[] = { "time.NewTicker", "time.NewTimer", "time.AfterFunc",
					      "time.Tick",	"time.After",	 "time.newTimer" };
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (has_function(heap, makers[i]))
			return true;
	}
	return false;
}

static bool timer_keeps_heap(const struct rule_context *c, const struct finding *timer, const struct finding *heap)
{
	return heap_of_timers(heap) || share_function(c, heap, timer) ||
	       (timer->count_rate > 0 && heap->rate / timer->count_rate <= 4096);
}

static bool fd_keeps_heap(const struct rule_context *c, const struct finding *fd, const struct finding *heap)
{
	return same_site(fd, heap) || has_prefix(heap, "internal/poll.") || has_function(heap, "net.newFD") ||
	       has_function(heap, "os.newFile") || (fd->count_rate > 0 && heap->rate / fd->count_rate <= 8192);
}

static bool fd_of_cgroup(const struct rule_context *c, const struct finding *cgroup, const struct finding *fd)
{
	return alike(cgroup->count_rate, fd->count_rate, ALIKE);
}

static bool finalizer_keeps_heap(const struct rule_context *c, const struct finding *f, const struct finding *heap)
{
	bool same = *heap->site.function && f->holder && strstr(f->holder, heap->site.function);
	return same || (c->held.root && strcmp(c->held.kind, "finalizer") == 0);
}

/* Of one package, which is more than "main". */
static bool same_package(const struct rule_context *c, const struct finding *a, const struct finding *b)
{
	size_t n = stack_package(a->site.function);
	return n && strncmp(a->site.function, "main.", 5) != 0 && n == stack_package(b->site.function) &&
	       strncmp(a->site.function, b->site.function, n) == 0 &&
	       !rule_of_library(a->site.function, c->in->module) && !rule_of_runtime(a->site.function);
}

/*
 * What a connection takes outside of the Go heap, and the goroutine that waits for its events: made by one package, and for
 * each goroutine at least one block or mapping.
 */
static bool goroutine_keeps_native(const struct rule_context *c, const struct finding *g, const struct finding *native)
{
	static const double MOST = 256; /* blocks of one connection */
	double each = g->count_rate > 0 ? native->count_rate / g->count_rate : 0;
	return each >= 1 / ALIKE && each <= MOST && (share_function(c, native, g) || same_package(c, native, g));
}

static bool native_keeps_heap(const struct rule_context *c, const struct finding *native, const struct finding *heap)
{
	return share_function(c, native, heap) && heap->rate <= native->rate;
}

static bool same_place(const struct rule_context *c, const struct finding *a, const struct finding *b)
{
	(void)c;
	return same_site(a, b);
}

static const struct {
	const char *whole, *part;
	bool (*belongs)(const struct rule_context *c, const struct finding *whole, const struct finding *part);
} causes[] = {
	{ "thread", "goroutine", thread_of_goroutine },
	{ "thread", "heap", goroutine_keeps_heap },
	{ "goroutine", "heap", goroutine_keeps_heap },
	{ "goroutine", "fd", goroutine_keeps_fd },
	{ "goroutine", "timer", goroutine_keeps_timer },
	{ "thread", "cgo", goroutine_keeps_native },
	{ "thread", "mmap", goroutine_keeps_native },
	{ "goroutine", "cgo", goroutine_keeps_native },
	{ "goroutine", "mmap", goroutine_keeps_native },
	{ "cgo", "mmap", same_place },
	{ "cgo", "heap", native_keeps_heap },
	{ "mmap", "heap", native_keeps_heap },
	{ "timer", "heap", timer_keeps_heap },
	{ "cgroup", "fd", fd_of_cgroup },
	{ "fd", "heap", fd_keeps_heap },
	{ "fd", "cgo", goroutine_keeps_native },
	{ "finalizer", "heap", finalizer_keeps_heap },
};

/* The first pair that belongs together; false when there is none. */
static bool merge_one(struct rule_context *c, size_t cause)
{
	for (size_t i = 0; i < c->d->findings.n; i++) {
		struct finding *whole = &c->d->findings.v[i];
		for (size_t k = 0; k < c->d->findings.n && strcmp(whole->kind, causes[cause].whole) == 0; k++) {
			struct finding *part = &c->d->findings.v[k];
			if (strcmp(part->kind, causes[cause].part) != 0 || !causes[cause].belongs(c, whole, part))
				continue;
			absorb(c, whole, part);
			return true;
		}
	}
	return false;
}

/* Stacks that grew with the number of goroutines are the same cause. */
static void add_stacks(struct rule_context *c)
{
	struct trend t = rule_trend(c, SAMPLE(stack_inuse));
	for (size_t i = 0; i < c->d->findings.n; i++) {
		struct finding *f = &c->d->findings.v[i];
		if ((strcmp(f->kind, "goroutine") == 0 || strcmp(f->kind, "thread") == 0) && t.growth >= 256 << 10)
			also(f, "stack");
	}
}

/* Timers that no heap of timers shows: kept, but not waited for. */
static void name_timers(struct finding *f)
{
	f->kind = "timer";
	also(f, "heap");
	f->advice = "Stop() each ticker and timer when its user ends: something still refers to them, so the collector "
		    "cannot take them.";
}

/* What grows on the heap has a kind of its own where its holder tells it. */
static void name_heap(const struct rule_context *c, struct finding *f)
{
	static const char *const holders[] = { "map", "context", "pool", "finalizer", "timer" };
	if (strcmp(f->kind, "heap") != 0)
		return;
	if (heap_of_timers(f)) {
		name_timers(f);
		return;
	}
	for (size_t i = 0; c->held.root && i < sizeof(holders) / sizeof(holders[0]); i++) {
		if (strcmp(c->held.kind, holders[i]) != 0 || c->held.kept < c->held.all / 2)
			continue;
		f->kind = holders[i];
		also(f, "heap");
	}
}

static bool is_also(const struct finding *f, const char *kind)
{
	for (size_t i = 0; i < FINDING_ALSO && f->also[i]; i++) {
		if (strcmp(f->also[i], kind) == 0)
			return true;
	}
	return false;
}

/* A goroutine and memory of C each: what a library makes for a connection, and what only its Close() ends. */
static void name_connections(struct rule_context *c, struct finding *f)
{
	if (strcmp(f->kind, "goroutine") != 0 || !(is_also(f, "cgo") || is_also(f, "mmap")) || !*f->site.function)
		return;
	f->advice = rule_text(
		c,
		"Connections are never closed: each call of %s leaves a goroutine and memory outside of the Go "
		"heap. Close() each one when its user ends, or keep one and use it again.",
		f->site.function);
}

void causes_merge(struct rule_context *c)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		while (merge_one(c, i))
			;
	}
	for (size_t i = 0; i < c->d->findings.n; i++)
		name_heap(c, &c->d->findings.v[i]);
	for (size_t i = 0; i < c->d->findings.n; i++)
		name_connections(c, &c->d->findings.v[i]);
	add_stacks(c);
}
