/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/diff_match.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/num.h"

enum {
	NODES_MIN = 3,	     /* fewer have no median to differ from */
	OUTLIERS_MAX = 1000, /* that are listed */
	SHARED_MIN = 2,	     /* goroutines with the same id that make one process of two dumps */
};

/* A node differs when it is far from the others by their own spread, at least twice or half of them, and it matters. */
static const double SPREADS = 3.5, MAD_TO_SIGMA = 1.4826, MATTERS = 0.01;
/* Of all goroutines with the same id: those with the same creator; those that came and went between them. */
static const double ALIKE = 0.95, BETWEEN = 0.25;

/* ---- one process? ---- */

/* What a goroutine was started as: a name that it keeps for life. */
static const char *origin(const struct goroutines *gs, const struct goroutine *g)
{
	uint32_t depth = stacks_depth(&gs->stacks, g->stack);
	if (stacks_depth(&gs->stacks, g->created_by))
		return stacks_at(&gs->stacks, g->created_by, 0)->function;
	while (depth && stack_is_runtime(stacks_at(&gs->stacks, g->stack, depth - 1)->function))
		depth--;
	return depth ? stacks_at(&gs->stacks, g->stack, depth - 1)->function : "";
}

static void index_ids(const struct goroutines *gs, struct hash_map *ret)
{
	for (size_t i = 0; i < gs->v.n; i++) {
		if (gs->v.v[i].id)
			*hash_map_at(ret, gs->v.v[i].id, NULL) = i;
	}
}

/* What two lists of goroutines have in common. */
struct shared {
	uint64_t ids;	/* in both */
	uint64_t alike; /* of those: started alike */
	uint64_t fresh; /* only in the second, with an id that the first had passed */
	uint64_t gone;	/* only in the first */
};

static bool started_alike(const struct goroutines *a, const struct goroutine *x, const struct goroutines *b,
			  const struct goroutine *y)
{
	return strcmp(origin(a, x), origin(b, y)) == 0 && (!x->parent || !y->parent || x->parent == y->parent);
}

static struct shared count_shared(const struct goroutines *a, const struct goroutines *b)
{
	struct hash_map of_a = { 0 };
	struct shared r = { 0 };
	uint64_t last = 0;
	index_ids(a, &of_a);
	for (size_t i = 0; i < a->v.n; i++)
		last = num_max(last, a->v.v[i].id);
	for (size_t i = 0; i < b->v.n; i++) {
		const struct goroutine *g = &b->v.v[i];
		const uint64_t *at = g->id ? hash_map_get(&of_a, g->id) : NULL;
		r.ids += at != NULL;
		r.alike += at && started_alike(a, &a->v.v[*at], b, g);
		r.fresh += !at && g->id < last;
	}
	r.gone = of_a.n - r.ids;
	hash_map_deinit(&of_a);
	return r;
}

/* Ids are given in order, but for the few that each P keeps ready: many between the old ones come from another process. */
static bool one_process(const struct shared *s)
{
	return s->ids >= SHARED_MIN && (double)s->alike >= ALIKE * (double)s->ids &&
	       (double)num_min(s->fresh, s->gone) <= BETWEEN * (double)s->ids;
}

/* By what was recorded of the process: 1, 0; -1 where too little was. */
static int same_identity(const struct snapshot_identity *a, const struct snapshot_identity *b)
{
	if (!a->boot_id || !b->boot_id || !a->pid || !b->pid || !a->start_ticks || !b->start_ticks)
		return -1;
	return strcmp(a->boot_id, b->boot_id) == 0 && a->pid == b->pid && a->start_ticks == b->start_ticks;
}

int diff_same_process(const struct diff_input *a, const struct diff_input *b)
{
	int same = same_identity(&a->s->id, &b->s->id);
	if (same >= 0 || a->node || b->node)
		return same > 0;
	struct shared shared = count_shared(&a->s->goroutines, &b->s->goroutines);
	return one_process(&shared) ? 1 : -1;
}

/* ---- who survived ---- */

static void count_survivors(struct diff *d, const struct u32_vec *group_of)
{
	const struct goroutines *base = &d->inputs[0].s->goroutines, *last = &d->inputs[d->n - 1].s->goroutines;
	struct hash_map of_base = { 0 }, of_last = { 0 };
	index_ids(base, &of_base);
	index_ids(last, &of_last);
	for (size_t i = 0; i < d->groups.n; i++)
		d->groups.v[i].survived = d->groups.v[i].new = d->groups.v[i].gone = 0;
	for (size_t i = 0; i < last->v.n; i++) {
		if (group_of[1].v[i] == HASH_NONE)
			continue;
		struct diff_group *g = &d->groups.v[group_of[1].v[i]];
		if (hash_map_get(&of_base, last->v.v[i].id))
			g->survived++;
		else
			g->new ++;
	}
	for (size_t i = 0; i < base->v.n; i++) {
		if (group_of[0].v[i] != HASH_NONE && !hash_map_get(&of_last, base->v.v[i].id))
			d->groups.v[group_of[0].v[i]].gone++;
	}
	hash_map_deinit(&of_base);
	hash_map_deinit(&of_last);
}

static bool has_ids(const struct goroutines *gs)
{
	for (size_t i = 0; i < gs->v.n; i++) {
		if (!gs->v.v[i].id && !(gs->v.v[i].flags & GOROUTINE_SYSTEM))
			return false;
	}
	return gs->v.n;
}

void diff_survivors(struct diff *d, const struct u32_vec *group_of)
{
	const struct diff_input *base = &d->inputs[0], *last = &d->inputs[d->n - 1];
	if (!has_ids(&base->s->goroutines) || !has_ids(&last->s->goroutines)) {
		diff_note(d, "not every goroutine has an id here, so it is not known which of them survived");
		return;
	}
	if (diff_same_process(base, last) != 1) {
		diff_note(d, "%s and %s do not seem to be of one process, so goroutines are not matched by id",
			  base->name, last->name);
		return;
	}
	count_survivors(d, group_of);
	if (same_identity(&base->s->id, &last->s->id) < 0) {
		struct shared shared = count_shared(&base->s->goroutines, &last->s->goroutines);
		diff_note(d,
			  "the files do not say which process they are of; %" PRIu64 " of %" PRIu64
			  " goroutines with the same id were started alike, so they are taken as one process's",
			  shared.alike, shared.ids);
	}
}

/* ---- times ---- */

static bool of_profile(const struct diff *d)
{
	return d->by == DIFF_SITE && !d->of_goroutines;
}

static bool counts_garbage(const struct diff *d)
{
	return diff_parts(d) == SNAPSHOT_CENSUS || (d->by == DIFF_CLASS && !(d->inputs[0].s->parts & SNAPSHOT_ACCOUNT));
}

/* Nanoseconds from a to b; false where a clock is unknown. */
static bool time_between(const struct diff *d, const struct snapshot *a, const struct snapshot *b, int64_t *ret)
{
	const struct snapshot_clock *x = &a->clock, *y = &b->clock;
	bool one_boot = a->id.boot_id && b->id.boot_id && strcmp(a->id.boot_id, b->id.boot_id) == 0;
	if (of_profile(d) && x->last_gc_wall > 0 && y->last_gc_wall > 0)
		return !__builtin_sub_overflow(y->last_gc_wall, x->last_gc_wall, ret);
	if (one_boot && x->boot > 0 && y->boot > 0)
		return !__builtin_sub_overflow(y->boot, x->boot, ret);
	return x->wall > 0 && y->wall > 0 && !__builtin_sub_overflow(y->wall, x->wall, ret);
}

static void set_seconds(struct diff *d, size_t i)
{
	const struct diff_input *base = &d->inputs[0], *target = &d->inputs[i];
	int64_t ns = 0;
	d->seconds[i] = NAN;
	if (base->node || target->node || !time_between(d, base->s, target->s, &ns))
		return;
	if (ns < 0)
		diff_note(d, "%s is older than the base %s: what grew here has shrunk in time", target->name,
			  base->name);
	else if (ns > 0)
		d->seconds[i] = (double)ns / 1e9;
}

static void note_same_gc(struct diff *d, size_t i)
{
	const struct diff_input *base = &d->inputs[0], *target = &d->inputs[i];
	if (of_profile(d) && same_identity(&base->s->id, &target->s->id) == 1 &&
	    base->s->clock.gc_count != ACCOUNT_UNKNOWN && base->s->clock.gc_count == target->s->clock.gc_count)
		diff_note(d,
			  "no garbage collection ended between %s and %s: both profiles are as of the same one, "
			  "and growth since then is in neither",
			  base->name, target->name);
}

static void note_phase(struct diff *d, const struct diff_input *in)
{
	const struct snapshot_clock *c = &in->s->clock;
	bool marks = c->gc_phase && strcmp(c->gc_phase, "off") != 0;
	if (of_profile(d) || d->of_goroutines)
		return;
	if (marks)
		diff_note(d, "%s was taken while the garbage collector marked: what of its heap is live is not told",
			  in->name);
	if (c->gc_count != c->gc_count_end)
		diff_note(d, "a garbage collection ended while %s was taken: its parts are of both sides of it",
			  in->name);
}

void diff_times(struct diff *d)
{
	bool collected = false;
	d->seconds[0] = NAN;
	for (size_t i = 0; i < d->n; i++) {
		if (i)
			set_seconds(d, i);
		if (i)
			note_same_gc(d, i);
		note_phase(d, &d->inputs[i]);
		collected |= d->inputs[i].s->clock.gc_count != ACCOUNT_UNKNOWN;
	}
	if (counts_garbage(d) && collected)
		diff_note(d, "objects that died since the last garbage collection are counted too");
}

/* ---- nodes ---- */

static int64_t main_of(const struct diff *d, struct diff_value v)
{
	int64_t value = diff_main(d, v);
	return value == DIFF_UNKNOWN ? 0 : value;
}

static void look_at_group(struct diff *d, uint32_t number, double matters)
{
	const struct diff_value *v = diff_values(d, &d->groups.v[number]);
	double values[DIFF_INPUTS_MAX], distances[DIFF_INPUTS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (d->inputs[i].node)
			values[n++] = (double)main_of(d, v[i]);
	}
	double middle = num_median(values, n);
	for (size_t i = 0; i < n; i++)
		distances[i] = fabs(values[i] - middle);
	double spread = SPREADS * MAD_TO_SIGMA * num_median(distances, n);
	for (uint32_t i = 0; i < d->n; i++) {
		double value = (double)main_of(d, v[i]), distance = fabs(value - middle);
		bool far = distance > spread && distance > matters && (value > 2 * middle || 2 * value < middle);
		if (d->inputs[i].node && far && d->outliers.n < OUTLIERS_MAX)
			*vec_push(&d->outliers) = (struct diff_outlier){ number, i, (int64_t)value, (int64_t)middle };
	}
}

static int farther(const void *a, const void *b)
{
	const struct diff_outlier *x = a, *y = b;
	double dx = fabs((double)x->value - (double)x->median), dy = fabs((double)y->value - (double)y->median);
	if (dx != dy)
		return dx < dy ? 1 : -1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->input < y->input ? -1 : x->input > y->input;
}

void diff_find_outliers(struct diff *d)
{
	double totals[DIFF_INPUTS_MAX];
	size_t nodes = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (d->inputs[i].node)
			totals[nodes++] = (double)main_of(d, d->totals[i]);
	}
	if (nodes < NODES_MIN) {
		if (nodes)
			diff_note(d, "to tell which node differs from the others takes at least three");
		return;
	}
	double matters = MATTERS * num_median(totals, nodes);
	for (uint32_t g = 0; g < d->groups.n; g++)
		look_at_group(d, g, matters);
	vec_sort(&d->outliers, farther);
}
