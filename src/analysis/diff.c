/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/diff.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/diff_match.h"
#include "analysis/goroutine_groups.h"
#include "base/num.h"
#include "base/strbuf.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { NOTE_LEN = 512 };

const char *const diff_by_names[] = { "site", "type", "state", "class", "goroutine", "path", NULL };

/* Which parts of a snapshot each way of comparing needs: one of them. */
static const unsigned needs[DIFF_BY_MAX_] = {
	[DIFF_SITE] = SNAPSHOT_HEAP | SNAPSHOT_GOROUTINES,
	[DIFF_TYPE] = SNAPSHOT_CENSUS | SNAPSHOT_OWNERS,
	[DIFF_STATE] = SNAPSHOT_GOROUTINES,
	[DIFF_CLASS] = SNAPSHOT_ACCOUNT | SNAPSHOT_CENSUS,
	[DIFF_GOROUTINE] = SNAPSHOT_GOROUTINES,
	[DIFF_PATH] = SNAPSHOT_OWNERS,
};

void diff_note(struct diff *d, const char *fmt, ...)
{
	char text[NOTE_LEN];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < d->notes.n; i++) {
		if (strcmp(d->notes.v[i], text) == 0)
			return;
	}
	*vec_push(&d->notes) = arena_strdup(&d->arena, text);
}

struct diff_value diff_less(struct diff_value a, struct diff_value b)
{
	struct diff_value r = { DIFF_UNKNOWN, DIFF_UNKNOWN };
	if (a.bytes != DIFF_UNKNOWN && b.bytes != DIFF_UNKNOWN && __builtin_sub_overflow(a.bytes, b.bytes, &r.bytes))
		r.bytes = DIFF_UNKNOWN;
	if (a.objects != DIFF_UNKNOWN && b.objects != DIFF_UNKNOWN &&
	    __builtin_sub_overflow(a.objects, b.objects, &r.objects))
		r.objects = DIFF_UNKNOWN;
	return r;
}

/* ---- groups ---- */

static uint32_t new_group(struct diff *d, const char *name)
{
	*vec_push(&d->groups) = (struct diff_group){
		.name = name,
		.at = d->values.n,
		.survived = -1,
		.new = -1,
		.gone = -1,
	};
	for (size_t i = 0; i < d->n; i++)
		*vec_push(&d->values) = (struct diff_value){ 0 };
	return (uint32_t)d->groups.n - 1;
}

static uint32_t group_of_name(struct diff *d, const char *name, size_t len)
{
	bool fresh = false;
	const char *own = intern_mem(&d->joint.strings, name, len);
	uint64_t *at = hash_map_at(&d->group_of_name, (uint64_t)(uintptr_t)own, &fresh);
	if (fresh)
		*at = new_group(d, own);
	return (uint32_t)*at;
}

static uint32_t group_of_stack(struct diff *d, uint32_t joint)
{
	while (d->group_of_joint.n <= joint)
		*vec_push(&d->group_of_joint) = HASH_NONE;
	if (d->group_of_joint.v[joint] == HASH_NONE)
		d->group_of_joint.v[joint] = new_group(d, NULL);
	return d->group_of_joint.v[joint];
}

static void sum(int64_t *to, int64_t v)
{
	if (*to != DIFF_UNKNOWN && (v == DIFF_UNKNOWN || __builtin_add_overflow(*to, v, to)))
		*to = DIFF_UNKNOWN;
}

static void add(struct diff *d, uint32_t group, size_t input, int64_t bytes, int64_t objects)
{
	struct diff_value *v = &d->values.v[d->groups.v[group].at + input];
	sum(&v->bytes, bytes);
	sum(&v->objects, objects);
}

static int64_t known(uint64_t v)
{
	return v > INT64_MAX ? DIFF_UNKNOWN : (int64_t)v;
}

void diff_add_named(struct diff *d, const char *name, size_t input, uint64_t bytes, uint64_t objects)
{
	add(d, group_of_name(d, name, strlen(name)), input, known(bytes), known(objects));
}

/* ---- stacks of one input, as all inputs call them ---- */

struct joiner {
	struct diff *d;
	const struct stacks *from;
	struct u32_vec frame_of; /* frame of `from` to that of the joint ones */
	bool plain;		 /* without functions of the runtime, which dumps leave out */
};

static uint32_t joint_frame(struct joiner *j, uint32_t number)
{
	if (j->frame_of.v[number] != HASH_NONE)
		return j->frame_of.v[number];
	const struct frame *f = &j->from->frames.v[number];
	struct frame own = { .function = f->function };
	if (!j->d->names_only) {
		const char *slash = strrchr(f->file, '/');
		own.file = slash ? slash + 1 : f->file;
		own.line = f->line;
	}
	j->frame_of.v[number] = stacks_frame(&j->d->joint, &own);
	return j->frame_of.v[number];
}

static void joiner_init(struct joiner *j, struct diff *d, const struct stacks *from, bool plain)
{
	*j = (struct joiner){ .d = d, .from = from, .plain = plain };
	vec_reserve(&j->frame_of, from->frames.n + 1);
	for (size_t i = 0; i < from->frames.n; i++)
		*vec_push(&j->frame_of) = HASH_NONE;
}

/* The joint stack of stack `id`, with the frame of `created_by` (0: none) at its root. */
static uint32_t join(struct joiner *j, uint32_t id, uint32_t created_by)
{
	uint32_t frames[STACK_FRAMES_MAX + 1], n = 0, depth = stacks_depth(j->from, id);
	const uint32_t *pool = &j->from->pool.v[j->from->v.v[id].at];
	for (int all = !j->plain; all < 2 && !n; all++) {
		for (uint32_t i = 0; i < depth; i++) {
			if (all || !stack_is_runtime(j->from->frames.v[pool[i]].function))
				frames[n++] = joint_frame(j, pool[i]);
		}
	}
	if (stacks_depth(j->from, created_by))
		frames[n++] = joint_frame(j, j->from->pool.v[j->from->v.v[created_by].at]);
	return stacks_add(&j->d->joint, frames, n);
}

/* ---- profiles ---- */

static int find_unit(const struct profile *p, const char *unit)
{
	for (size_t i = 0; i < p->n_types; i++) {
		if (strcmp(p->types[i].unit, unit) == 0)
			return (int)i;
	}
	return -1;
}

/* "inuse_objects" for "inuse_space" and the other way round; -1 where a profile has no such pair. */
static int find_partner(const struct profile *p, const char *type, const char *word, const char *other)
{
	const char *at = strstr(type, word);
	char name[128];
	if (!at || strlen(type) >= sizeof(name) / 2)
		return -1;
	snprintf(name, sizeof(name), "%.*s%s%s", (int)(at - type), type, other, at + strlen(word));
	return profile_type_find(p, name);
}

/* The columns that are compared: of bytes (or what the profile measures), of objects. */
static void choose_columns(const struct profile *p, int type, int ret[2])
{
	const struct profile_type *t = &p->types[type];
	if (strcmp(t->unit, "count") == 0) {
		ret[0] = find_partner(p, t->type, "objects", "space");
		ret[1] = type;
		return;
	}
	ret[0] = type;
	ret[1] = find_partner(p, t->type, "space", "objects");
	if (ret[1] < 0 && strcmp(t->unit, "bytes") != 0)
		ret[1] = find_unit(p, "count");
}

static struct err *choose_types(struct diff *d, const char *wanted)
{
	const struct profile *base = &d->inputs[0].s->heap.profile;
	int type = profile_type_find(base, wanted);
	if (type < 0 && wanted)
		return err_new(ERR_ARG, "%s measures no %s: see `go tool pprof -raw` for what it has",
			       d->inputs[0].name, wanted);
	if (type < 0)
		return err_new(ERR_FORMAT, "%s: a profile without a sample type", d->inputs[0].name);
	d->type = base->types[type].type;
	d->unit = base->types[type].unit;
	for (size_t i = 0; i < d->n; i++) {
		const struct profile *p = &d->inputs[i].s->heap.profile;
		int own = profile_type_find(p, d->type);
		if (own < 0 || strcmp(p->types[own].unit, d->unit) != 0)
			return err_new(ERR_FORMAT, "%s measures %s in %s, and %s does not: they cannot be compared",
				       d->inputs[0].name, d->type, d->unit, d->inputs[i].name);
		choose_columns(p, own, d->columns[i]);
	}
	d->by_bytes = strcmp(d->unit, "count") != 0;
	return NULL;
}

static bool any_value(const struct profile *p, size_t sample)
{
	const int64_t *v = profile_values(p, sample);
	for (size_t k = 0; k < p->n_types; k++) {
		if (v[k])
			return true;
	}
	return false;
}

static void add_profile(struct diff *d, size_t input)
{
	const struct profile *p = &d->inputs[input].s->heap.profile;
	const int *column = d->columns[input];
	struct u32_vec *group_of = &d->group_of[input];
	struct joiner j;
	joiner_init(&j, d, &p->stacks, false);
	for (size_t i = 0; i < p->stacks.v.n; i++)
		*vec_push(group_of) = HASH_NONE;
	for (size_t i = 0; i < p->samples.n; i++) {
		uint32_t stack = p->samples.v[i].stack;
		const int64_t *v = profile_values(p, i);
		if (!any_value(p, i)) /* most buckets of a long-lived process */
			continue;
		if (group_of->v[stack] == HASH_NONE) {
			uint32_t group = group_of->v[stack] = group_of_stack(d, join(&j, stack, 0));
			d->groups.v[group].input = (uint32_t)input;
			d->groups.v[group].stack = stack;
		}
		add(d, group_of->v[stack], input, column[0] < 0 ? DIFF_UNKNOWN : v[column[0]],
		    column[1] < 0 ? DIFF_UNKNOWN : v[column[1]]);
	}
	vec_deinit(&j.frame_of);
}

static struct err *by_profile(struct diff *d, const char *sample_index)
{
	TRY(choose_types(d, sample_index));
	for (size_t i = 0; i < d->n; i++)
		add_profile(d, i);
	return NULL;
}

/* ---- goroutines ---- */

static uint32_t goroutine_group(struct diff *d, struct joiner *j, const struct goroutine *g)
{
	char text[32];
	if (d->by == DIFF_SITE)
		return group_of_stack(d, join(j, g->stack, g->created_by));
	if (d->by == DIFF_GOROUTINE) {
		snprintf(text, sizeof(text), "goroutine %llu", (unsigned long long)g->id);
		return group_of_name(d, text, strlen(text));
	}
	const char *state = g->wait_reason ? g->wait_reason : g->state ? g->state : "unknown";
	return group_of_name(d, state, strlen(state));
}

/* `of` gets the group of each. */
static void add_goroutines(struct diff *d, size_t input, struct u32_vec *of)
{
	const struct goroutines *gs = &d->inputs[input].s->goroutines;
	struct joiner j;
	joiner_init(&j, d, &gs->stacks, true);
	for (size_t i = 0; i < gs->v.n; i++) {
		const struct goroutine *g = &gs->v.v[i];
		*vec_push(of) = HASH_NONE;
		if (g->flags & GOROUTINE_SYSTEM)
			continue;
		uint32_t number = of->v[i] = goroutine_group(d, &j, g);
		struct diff_group *group = &d->groups.v[number];
		if (d->by != DIFF_STATE) {
			group->input = (uint32_t)input;
			group->stack = g->stack;
			group->created_by = g->created_by;
		}
		add(d, number, input, known(g->stack_bytes), g->count);
	}
	vec_deinit(&j.frame_of);
}

static struct err *by_goroutines(struct diff *d)
{
	struct u32_vec of[DIFF_INPUTS_MAX] = { 0 };
	d->of_goroutines = true;
	d->type = "goroutine";
	d->unit = "count";
	if (d->by == DIFF_GOROUTINE && diff_same_process(&d->inputs[0], &d->inputs[d->n - 1]) != 1)
		return err_new(
			ERR_ARG,
			"nothing shows that %s and %s are of one process: goroutines cannot be told by their ids",
			d->inputs[0].name, d->inputs[d->n - 1].name);
	for (size_t i = 0; i < d->n; i++)
		add_goroutines(d, i, &of[i]);
	diff_survivors(d, (struct u32_vec[]){ of[0], of[d->n - 1] });
	for (size_t i = 0; i < d->n; i++)
		vec_deinit(&of[i]);
	return NULL;
}

/* ---- types and classes ---- */

/* Length of a type's name, and where to go on behind the length of an array: "byte[" and "]" of "byte[1000]". */
static void cut_length(const char *type, size_t *before, const char **after)
{
	const char *open = strchr(type, '[');
	size_t digits = open ? strspn(open + 1, "0123456789") : 0;
	bool array = digits && open[1 + digits] == ']';
	*before = array ? (size_t)(open - type) + 1 : strlen(type);
	*after = array ? open + 1 + digits : "";
}

static void by_types(struct diff *d)
{
	AUTO(strbuf) struct strbuf name;
	strbuf_init(&name);
	d->type = d->by == DIFF_CLASS ? "class" : "type";
	d->unit = "bytes";
	d->by_bytes = true;
	for (size_t i = 0; i < d->n; i++) {
		const struct heap_type_vec *types = &d->inputs[i].s->heap.types;
		for (size_t k = 0; k < types->n; k++) {
			const struct heap_type *t = &types->v[k];
			size_t before = strlen(t->type);
			const char *after = "";
			if (d->by == DIFF_CLASS)
				cut_length(t->type, &before, &after);
			strbuf_clear(&name);
			strbuf_add(&name, t->type, before);
			strbuf_puts(&name, after);
			add(d, group_of_name(d, name.buf, name.len), i, known(t->bytes), known(t->objects));
		}
	}
}

static void by_account(struct diff *d)
{
	d->type = "resident";
	d->unit = "bytes";
	d->by_bytes = true;
	for (size_t i = 0; i < d->n; i++) {
		for (int c = 0; c < CLASS_MAX_; c++) {
			const char *name = mem_classes[c].name;
			uint64_t bytes = d->inputs[i].s->account.classes[c].resident;
			add(d, group_of_name(d, name, strlen(name)), i, known(bytes), DIFF_UNKNOWN);
		}
	}
}

/* ---- the result ---- */

/* The target whose growth counts: the last one, or of nodes the one that grew most. */
static uint32_t choose_target(const struct diff *d, const struct diff_group *g)
{
	const struct diff_value *v = diff_values(d, g);
	uint32_t best = (uint32_t)d->n - 1;
	for (uint32_t i = 1; i < d->n; i++) {
		if (d->inputs[i].node && diff_main(d, v[i]) > diff_main(d, v[best]))
			best = i;
	}
	return best;
}

static bool all_zero(const struct diff *d, const struct diff_group *g)
{
	const struct diff_value *v = diff_values(d, g);
	for (size_t i = 0; i < d->n; i++) {
		if ((v[i].bytes && v[i].bytes != DIFF_UNKNOWN) || (v[i].objects && v[i].objects != DIFF_UNKNOWN))
			return false;
	}
	return true;
}

/* Paths lie inside of each other: all of them is what is reachable. */
static void put_owned_totals(struct diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct owners *o = &d->inputs[i].s->owners;
		d->totals[i] = (struct diff_value){ known(o->reachable), known(o->reachable_objects) };
	}
}

static void put_totals(struct diff *d)
{
	for (size_t k = 0; k < d->groups.n; k++) {
		const struct diff_value *v = diff_values(d, &d->groups.v[k]);
		for (size_t i = 0; i < d->n; i++) {
			sum(&d->totals[i].bytes, v[i].bytes);
			sum(&d->totals[i].objects, v[i].objects);
		}
	}
}

struct ranked {
	int64_t delta, value;
	const char *tie; /* what settles a tie, so that the order is the same in every run */
	uint32_t group;
	bool out;
};

static int by_growth(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->out != y->out)
		return x->out - y->out;
	if (x->delta != y->delta)
		return x->delta < y->delta ? 1 : -1;
	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	int names = strcmp(x->tie, y->tie);
	return names ? names : x->group < y->group ? -1 : x->group > y->group;
}

static const char *tie_of(const struct diff *d, const struct diff_group *g)
{
	const struct stacks *s = diff_stacks(d, g);
	if (g->name)
		return g->name;
	return stacks_depth(s, g->stack) ? stacks_at(s, g->stack, 0)->function : "";
}

static void rank(struct diff *d, uint64_t threshold)
{
	AUTO_FREE struct ranked *r = xcalloc(d->groups.n + 1, sizeof(*r));
	for (uint32_t i = 0; i < d->groups.n; i++) {
		struct diff_group *g = &d->groups.v[i];
		const struct diff_value *v = diff_values(d, g);
		g->of = choose_target(d, g);
		g->delta = diff_less(v[g->of], v[0]);
		bool small = threshold && g->delta.objects != DIFF_UNKNOWN && g->delta.objects < known(threshold);
		r[i] = (struct ranked){ diff_main(d, g->delta), diff_main(d, v[g->of]), tie_of(d, g), i,
					small || all_zero(d, g) };
		d->shown += !r[i].out;
	}
	if (d->groups.n)
		qsort(r, d->groups.n, sizeof(*r), by_growth);
	struct diff_group_vec sorted = { 0 };
	vec_reserve(&sorted, d->groups.n + 1);
	for (size_t i = 0; i < d->groups.n; i++)
		*vec_push(&sorted) = d->groups.v[r[i].group];
	vec_deinit(&d->groups);
	d->groups = sorted;
}

/* ---- entry ---- */

static unsigned common_parts(const struct diff_input *inputs, size_t n)
{
	unsigned parts = SNAPSHOT_ALL | SNAPSHOT_OWNERS;
	for (size_t i = 0; i < n; i++)
		parts &= inputs[i].s->parts;
	return parts;
}

unsigned diff_parts(const struct diff *d)
{
	if (d->by == DIFF_SITE)
		return d->of_goroutines ? SNAPSHOT_GOROUTINES : SNAPSHOT_HEAP;
	if (d->by == DIFF_TYPE)
		return common_parts(d->inputs, d->n) & SNAPSHOT_OWNERS ? SNAPSHOT_OWNERS : SNAPSHOT_CENSUS;
	return needs[d->by];
}

struct err *diff_choose(const struct diff_input *inputs, size_t n, enum diff_by *ret)
{
	/* the first that fits: what has it, what lacks it, what is then compared */
	static const struct {
		unsigned with, without;
		enum diff_by by;
	} rules[] = {
		{ SNAPSHOT_HEAP, 0, DIFF_SITE },
		{ SNAPSHOT_CENSUS, SNAPSHOT_GOROUTINES | SNAPSHOT_ACCOUNT, DIFF_CLASS },
		{ SNAPSHOT_CENSUS, 0, DIFF_TYPE },
		{ SNAPSHOT_ACCOUNT, 0, DIFF_CLASS },
		{ SNAPSHOT_GOROUTINES, 0, DIFF_SITE },
		{ SNAPSHOT_OWNERS, 0, DIFF_PATH },
	};
	unsigned parts = common_parts(inputs, n);
	for (size_t i = 0; i < LEN(rules); i++) {
		if (parts & rules[i].with && !(parts & rules[i].without)) {
			*ret = rules[i].by;
			return NULL;
		}
	}
	return err_new(ERR_ARG, "%s and %s have nothing in common that can be compared", inputs[0].name,
		       inputs[n - 1].name);
}

static struct err *check_parts(const struct diff *d)
{
	unsigned parts = common_parts(d->inputs, d->n);
	char can[64] = "";
	if (parts & needs[d->by])
		return NULL;
	for (int by = 0; by < DIFF_BY_MAX_; by++) {
		size_t n = strlen(can);
		if (parts & needs[by])
			snprintf(can + n, sizeof(can) - n, "%s%s", n ? ", " : "", diff_by_names[by]);
	}
	return err_new(ERR_ARG, "these cannot be compared by %s; they can by: %s", diff_by_names[d->by],
		       *can ? can : "nothing");
}

/* Do the builds differ? 1, 0; -1 where an input does not say. */
static int builds_differ(const struct diff *d)
{
	int differ = 0;
	for (size_t i = 1; i < d->n && differ <= 0; i++) {
		const struct snapshot_identity *a = &d->inputs[0].s->id, *b = &d->inputs[i].s->id;
		bool ids = a->build_id && b->build_id && *a->build_id && *b->build_id;
		if (ids ? strcmp(a->build_id, b->build_id) != 0
			: a->go_version && b->go_version && strcmp(a->go_version, b->go_version) != 0)
			differ = 1;
		else if (!ids)
			differ = -1;
	}
	return differ;
}

static struct err *compare(struct diff *d, const struct diff_options *opt)
{
	unsigned parts = common_parts(d->inputs, d->n);
	if (d->by == DIFF_SITE && parts & SNAPSHOT_HEAP)
		return by_profile(d, opt->sample_index);
	if (d->by == DIFF_SITE || d->by == DIFF_STATE || d->by == DIFF_GOROUTINE)
		return by_goroutines(d);
	if (d->by == DIFF_PATH)
		diff_by_paths(d);
	else if (d->by == DIFF_TYPE && parts & SNAPSHOT_OWNERS)
		diff_by_owned_types(d);
	else if (d->by == DIFF_CLASS && parts & SNAPSHOT_ACCOUNT)
		by_account(d);
	else
		by_types(d);
	return NULL;
}

/* Is most of the base only there, and something else of that size only in the last input? */
static bool mostly_unmatched(const struct diff *d)
{
	double base = 0, gone = 0, come = 0;
	for (size_t i = 0; i < d->groups.n; i++) {
		const struct diff_value *v = diff_values(d, &d->groups.v[i]);
		double first = (double)diff_main(d, v[0]), last = (double)diff_main(d, v[d->n - 1]);
		base += first;
		gone += last == 0 ? first : 0;
		come += first == 0 ? last : 0;
	}
	return gone > base / 2 && come > base / 2;
}

static void forget_groups(struct diff *d)
{
	vec_deinit(&d->groups);
	vec_deinit(&d->values);
	vec_deinit(&d->notes);
	vec_deinit(&d->group_of_joint);
	hash_map_deinit(&d->group_of_name);
	for (size_t i = 0; i < DIFF_INPUTS_MAX; i++)
		vec_deinit(&d->group_of[i]);
}

/* Lines move between builds. Where a file does not say its build, the lines themselves tell. */
static struct err *compare_stacks(struct diff *d, const struct diff_options *opt)
{
	int differ = builds_differ(d);
	d->names_only = differ > 0;
	TRY(compare(d, opt));
	if (differ < 0 && mostly_unmatched(d)) {
		forget_groups(d);
		d->names_only = true;
		TRY(compare(d, opt));
	}
	if (d->names_only)
		diff_note(d, "%s: stacks are matched by functions alone, since lines move",
			  differ > 0 ? "the builds differ" : "the lines are not those of one build");
	return NULL;
}

struct err *diff_make(const struct diff_input *inputs, size_t n, const struct diff_options *opt, struct diff *ret)
{
	*ret = (struct diff){ .inputs = inputs, .n = n, .by = opt->by };
	arena_init(&ret->arena);
	stacks_init(&ret->joint);
	TRY(check_parts(ret));
	TRY(opt->by == DIFF_SITE ? compare_stacks(ret, opt) : compare(ret, opt));
	if (opt->by == DIFF_PATH)
		put_owned_totals(ret);
	else
		put_totals(ret);
	rank(ret, opt->leak_threshold);
	if (opt->by == DIFF_PATH)
		diff_mark_told(ret);
	diff_times(ret);
	diff_find_outliers(ret);
	return NULL;
}

void diff_deinit(struct diff *d)
{
	arena_deinit(&d->arena);
	vec_deinit(&d->groups);
	vec_deinit(&d->values);
	vec_deinit(&d->outliers);
	vec_deinit(&d->notes);
	stacks_deinit(&d->joint);
	for (size_t i = 0; i < DIFF_INPUTS_MAX; i++)
		vec_deinit(&d->group_of[i]);
	vec_deinit(&d->group_of_joint);
	hash_map_deinit(&d->group_of_name);
}
