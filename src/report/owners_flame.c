/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "format/flamegraph.h"
#include "report/owners_words.h"

enum { DEPTH_MAX = 200 }; /* frames of a path; what is behind counts in the last one */

/* A place in the tree of paths: a stack of the profile. */
struct place {
	uint64_t self, total; /* without and with what stands above it */
	bool known;
};

/* The profile under construction, and where the path at hand leads through it. */
struct picture {
	struct profile profile;
	VEC(struct place) places;   /* by number of the stack */
	uint32_t frames[DEPTH_MAX]; /* innermost first, as a stack has them: the root is the last one */
	uint32_t stacks[DEPTH_MAX]; /* of the root, and of each longer start of the path */
	uint32_t depth;
};

static uint32_t frame_of(struct picture *p, const char *name)
{
	return stacks_frame(&p->profile.stacks, &(struct frame){ .function = name });
}

static struct place *place_at(struct picture *p, uint32_t stack)
{
	while (p->places.n <= stack)
		*vec_push(&p->places) = (struct place){ 0 };
	return &p->places.v[stack];
}

static void enter(struct picture *p, const char *name)
{
	if (p->depth == DEPTH_MAX)
		return;
	p->depth++;
	p->frames[DEPTH_MAX - p->depth] = frame_of(p, name);
	p->stacks[p->depth - 1] = stacks_add(&p->profile.stacks, &p->frames[DEPTH_MAX - p->depth], p->depth);
}

/* Bytes of the end of the path at hand. */
static void add(struct picture *p, uint64_t bytes)
{
	place_at(p, p->stacks[p->depth - 1])->self += bytes;
	for (uint32_t i = 0; i < p->depth; i++)
		place_at(p, p->stacks[i])->total += bytes;
}

/* Several paths go through one place, whose own bytes count once. */
static void add_once(struct picture *p, uint64_t bytes)
{
	struct place *at = place_at(p, p->stacks[p->depth - 1]);
	bool known = at->known;
	at->known = true;
	if (!known)
		add(p, bytes);
}

static void begin_root(struct picture *p, const struct owners *o, const struct owners_root *root)
{
	AUTO(strbuf) struct strbuf words;
	strbuf_init(&words);
	owners_root_words(o, root, &words);
	p->depth = 0;
	enter(p, words.buf);
}

static void walk_path(struct picture *p, const struct owners *o, const struct owners_path *path, bool count)
{
	begin_root(p, o, &o->roots.v[path->root]);
	for (uint32_t i = 0; i < path->step_n && p->depth < DEPTH_MAX; i++) {
		const struct owners_step *step = &o->steps.v[path->step_at + i];
		AUTO_FREE char *name = xasprintf("%s%s%s%s", step->field ? "." : "", step->field ? step->field : "",
						 step->field ? " " : "", step->type ? step->type : "(unknown)");
		enter(p, name);
		if (count)
			add_once(p, step->bytes);
	}
}

/* What the place at hand retains beyond what is drawn above it: paths that were too small to be listed. */
static void add_rest(struct picture *p, uint64_t retained)
{
	if (retained != ACCOUNT_UNKNOWN)
		add(p, num_sub(retained, place_at(p, p->stacks[p->depth - 1])->total));
}

static void draw_paths(struct picture *p, const struct owners_report *r)
{
	const struct owners *o = &r->snapshot->owners;
	for (size_t i = 0; i < o->paths.n; i++) {
		if (owners_path_wanted(r, &o->paths.v[i]))
			walk_path(p, o, &o->paths.v[i], true);
	}
	for (size_t i = o->paths.n; i-- > 0;) { /* they are sorted by size: what is inside of another comes first */
		if (!owners_path_wanted(r, &o->paths.v[i]))
			continue;
		walk_path(p, o, &o->paths.v[i], false);
		add_rest(p, o->paths.v[i].retained);
	}
	for (size_t i = 0; i < o->roots.n && !r->type; i++) {
		begin_root(p, o, &o->roots.v[i]);
		add_rest(p, o->roots.v[i].retained);
	}
}

void owners_flame(const struct owners_report *r, struct strbuf *out)
{
	const struct snapshot *s = r->snapshot;
	struct picture p = { 0 };
	profile_init(&p.profile);
	profile_type_add(&p.profile, "retained", "bytes");
	draw_paths(&p, r);
	for (uint32_t i = 0; i < p.places.n; i++) {
		if (p.places.v[i].self)
			profile_sample_add(&p.profile, i)[0] = (int64_t)num_min(p.places.v[i].self, INT64_MAX);
	}
	AUTO_FREE char *title = xasprintf("Who holds the heap of %s", s->id.comm  ? s->id.comm
								      : s->source ? s->source
										  : "a program");
	const struct flamegraph page = {
		.title = title,
		.subtitle = "roots, and above each what it alone keeps alive, by type: as wide as the bytes that would "
			    "go with it",
		.profile = &p.profile,
		.base_type = -1,
	};
	flamegraph_put(&page, out);
	vec_deinit(&p.places);
	profile_deinit(&p.profile);
}
