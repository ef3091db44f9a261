/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define MIB (1024.0 * 1024)

/* The rules about who holds the heap, and the words for holders that other rules use. */

/* ---- words ---- */

static const char *holder_words(struct rule_context *c)
{
	const struct held *h = &c->held;
	if (h->path && h->path->text)
		return rule_text(c, "%s", h->path->text);
	return rule_text(c, "%s", h->root->name ? h->root->name : "a root without a name");
}

/* "main.Sessions"; of a global without a name, who uses it. */
static const char *root_name(struct rule_context *c)
{
	const struct owners_root *root = c->held.root;
	if (root->kind == OWNERS_GLOBAL && root->used_by && root->name && strncmp(root->name, "0x", 2) == 0)
		return rule_text(c, "the global that %s use%s", root->used_by, strchr(root->used_by, ',') ? "" : "s");
	return root->name && *root->name ? root->name : "it";
}

static const char *release_words(struct rule_context *c)
{
	static const struct {
		const char *kind, *release; /* %s: the root */
	} words[] = {
		{ "map", "Delete entries of the map below %s when they are done with, or bound it." },
		{ "context",
		  "Call cancel() of each context made from the one below %s: its children stay until then." },
		{ "pool", "Put back into the pool below %s only buffers up to a size, and drop larger ones." },
		{ "finalizer", "A finalizer keeps what it is set on: free those objects by name (%s)." },
		{ "timer", "Call Stop() on the timers below %s when their users end." },
		{ "goroutine", "Give the goroutines %s a way to end: what they hold is freed with them." },
		{ "heap", "Remove what is done with from what %s holds: the path says how it is reached." },
	};
	const struct held *h = &c->held;
	for (size_t i = 0; h->root && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].kind, h->kind) != 0)
			continue;
		const char *gap = strstr(words[i].release, "%s");
		return rule_text(c, "%.*s%s%s", (int)(gap - words[i].release), words[i].release, root_name(c), gap + 2);
	}
	return NULL;
}

const char *rule_holder(struct rule_context *c, struct finding *f)
{
	const struct held *h = &c->held;
	if (!h->root)
		return NULL;
	f->holder = holder_words(c);
	double share = h->all > 0 ? 100 * h->bytes / h->all : 100;
	if (h->more > 0)
		rule_evidence(c, f,
			      "Its holder has %.0f objects more than at first, and keeps %s more: %.0f%% of what grew.",
			      h->more, rule_size(c, h->bytes), share);
	else
		rule_evidence(c, f, "Its holder keeps %s more than at first: %.0f%% of what grew.",
			      rule_size(c, h->bytes), share);
	return release_words(c);
}

/* ---- finalizers ---- */

static const struct owners *owners_of(const struct snapshot *s)
{
	return s && s->parts & SNAPSHOT_OWNERS ? &s->owners : NULL;
}

/* A queue that grows behind a finalizer that does not return. */
static void rule_finalizer(struct rule_context *c, const struct rule *r)
{
	const struct owners *was = owners_of(c->in->first), *is = owners_of(c->in->last);
	if (!was || !is || !is->finalizers.blocked || !was->finalizers.blocked)
		return;
	double more = (double)is->finalizers.queued - (double)was->finalizers.queued;
	if (more < r->threshold[0].value)
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.8;
	f->count = is->finalizers.queued;
	f->count_rate = more / fmax(c->seconds, 0.001);
	f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	f->holder = rule_text(c, "the queue of finalizers, behind %s",
			      is->finalizers.at ? is->finalizers.at : "one that does not return");
	rule_evidence(
		c, f,
		"%llu finalizers wait to be run, %.0f more than at first, and the goroutine that runs them was in "
		"%s both times.",
		(unsigned long long)is->finalizers.queued, more, is->finalizers.at ? is->finalizers.at : "one of them");
	f->advice = "A finalizer must not block: one goroutine runs them all. Let it start a goroutine, or free the "
		    "object with Close() instead.";
}

/* ---- maps that were larger once ---- */

static void rule_map_capacity(struct rule_context *c, const struct rule *r)
{
	const struct owners *o = owners_of(c->in->last);
	const struct owners_map *most = NULL;
	for (size_t i = 0; o && i < o->maps.n; i++) {
		const struct owners_map *m = &o->maps.v[i];
		if (KNOWN(m->recoverable) && (!most || m->recoverable > most->recoverable))
			most = m;
	}
	if (!most || (double)most->recoverable < r->threshold[0].value ||
	    (double)most->recoverable < r->threshold[1].value * (double)o->reachable ||
	    (double)most->recoverable < r->threshold[2].value * (double)most->bytes)
		return;
	struct finding *f = rule_report(c, r);
	f->confidence = 0.9;
	f->class = mem_classes[CLASS_GO_HEAP_LIVE].name;
	f->bytes = most->recoverable;
	f->count = most->entries;
	f->holder = rule_text(c, "%s", most->owner ? most->owner : most->type ? most->type : "a map");
	rule_evidence(c, f,
		      "%llu entries stand in %s made for %llu: %s of it would not be there in a map of these entries.",
		      (unsigned long long)most->entries, rule_size(c, (double)most->bytes),
		      (unsigned long long)most->capacity, rule_size(c, (double)most->recoverable));
	f->advice = "A map never shrinks: copy what is left into a new one after many entries were deleted.";
}

const struct rule rules_held[] = {
	{ "finalizer",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_finalizer,
	  { { 16, "finalizers more: a collection queues a few at a time" } } },
	{ "map-capacity",
	  false,
	  DIAGNOSIS_INFO,
	  rule_map_capacity,
	  { { 4 * MIB, "bytes that a rebuilt map would not take" },
	    { 0.02, "of what is reachable" },
	    { 0.5, "of the map: half of one that doubles is always room" } } },
	{ 0 },
};
