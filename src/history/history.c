/* SPDX-License-Identifier: Apache-2.0 */
#include "history/history.h"

#include <string.h>

#include "base/num.h"
#include "history/moment.h"

static const int64_t second_ns = 1000000000;
enum {
	RECENT_S = 60,	 /* a life whose last look is not older goes on */
	WINDOW_S = 600,	 /* before the end that is shown when nobody says */
	LAST_S = 120,	 /* of which every look is read */
	POINTS = 600,	 /* at most, over the window */
	LAST_MAX = 4000, /* at most, of the last looks */
	EVENTS_MAX = 2000,
	FILES_MAX = 200,
};

const char *const history_ends[] = { "alive", "oom-killed", "exited", "exec", "unknown" };

static void note(struct history *h, const char *text)
{
	*vec_push(&h->notes) = text;
}

/* The event that tells how this life ended. */
static const struct watch_event *end_event(const struct store_event_vec *events, const struct store_life *l)
{
	const struct watch_event *exit = NULL;
	int64_t from = l->first_boot_ns - second_ns,
		to = l->ended_boot_ns ? l->ended_boot_ns + 2 * second_ns : INT64_MAX;
	for (size_t i = 0; i < events->n; i++) {
		const struct store_event_row *e = &events->v[i];
		bool here = e->e.target && strcmp(e->e.target, l->key) == 0 && l->boot && e->boot &&
			    strcmp(e->boot, l->boot) == 0;
		if (!here || e->boot_ns < from || e->boot_ns > to)
			continue;
		/* one that it outlived was of another process in its cgroup */
		if (e->e.kind == WATCH_EVENT_OOM_KILL && l->last_boot_ns <= e->boot_ns + 2 * second_ns)
			return &e->e;
		if (e->e.kind == WATCH_EVENT_EXIT && !exit)
			exit = &e->e;
	}
	return exit;
}

/* A later life of the same process. */
static bool was_followed(const struct history *h, size_t i)
{
	const struct store_life *l = &h->lives.v[i];
	for (size_t j = 0; j < i; j++)
		if (strcmp(h->lives.v[j].key, l->key) == 0 && l->boot && h->lives.v[j].boot &&
		    strcmp(h->lives.v[j].boot, l->boot) == 0)
			return true;
	return false;
}

static enum history_end end_of(const struct history *h, size_t i, const struct watch_event *event)
{
	const struct store_life *l = &h->lives.v[i];
	if (event && event->kind == WATCH_EVENT_OOM_KILL)
		return HISTORY_OOM;
	if (l->ended_wall_ns && was_followed(h, i))
		return HISTORY_EXEC;
	if (event || l->ended_wall_ns)
		return HISTORY_EXIT;
	if (h->holder && h->now_ns - l->last_wall_ns < RECENT_S * second_ns)
		return HISTORY_ALIVE;
	return HISTORY_UNSEEN;
}

/* All ends from one reading of the events that tell them. */
static struct err *find_ends(struct store_reader *r, struct history *h)
{
	struct store_event_vec events = { 0 };
	struct err *err = store_events(r,
				       &(struct store_event_which){
					       .kinds = 1u << WATCH_EVENT_OOM_KILL | 1u << WATCH_EVENT_EXIT,
					       .target = h->lives.n == 1 ? h->lives.v[0].key : NULL,
					       .limit = STORE_LIVES_MAX,
				       },
				       &h->arena, &events);
	h->ends = arena_alloc(&h->arena, (h->lives.n + 1) * sizeof(*h->ends));
	for (size_t i = 0; i < h->lives.n; i++)
		h->ends[i] = end_of(h, i, end_event(&events, &h->lives.v[i]));
	vec_deinit(&events);
	return err;
}

static int64_t life_end(const struct store_life *l)
{
	return l->ended_wall_ns ? l->ended_wall_ns : l->last_wall_ns;
}

/* How far a life is from a moment: 0 when that is in it. */
static int64_t distance(const struct store_life *l, int64_t at)
{
	if (at < l->first_wall_ns)
		return l->first_wall_ns - at;
	return at > life_end(l) ? at - life_end(l) : 0;
}

static bool was_end(const struct history *h, size_t i)
{
	return h->ends[i] == HISTORY_OOM || h->ends[i] == HISTORY_EXIT;
}

/*
 * Who is meant. With a moment: the life nearest to it, and of those that had it the one that ended first, because one asks
 * why something died. Else by number: the newest; by name: the newest that has ended, as a service that was started again
 * is not what one asks about.
 */
static size_t choose(const struct history *h, const struct history_options *opt)
{
	size_t best = 0;
	uint64_t pid;
	if (opt->at_ns) {
		for (size_t i = 1; i < h->lives.n; i++) {
			int64_t d = distance(&h->lives.v[i], opt->at_ns), b = distance(&h->lives.v[best], opt->at_ns);
			bool worse = h->ends[i] == HISTORY_OOM && h->ends[best] != HISTORY_OOM;
			if (d < b || (d == b && (worse || life_end(&h->lives.v[i]) < life_end(&h->lives.v[best]))))
				best = i;
		}
		return best;
	}
	if (num_str(opt->any, &pid) || strcmp(opt->any, h->lives.v[0].key) == 0)
		return 0;
	for (size_t i = h->lives.n; i-- > 0;)
		if (was_end(h, i) && (!was_end(h, best) || life_end(&h->lives.v[i]) >= life_end(&h->lives.v[best])))
			best = i;
	for (size_t i = h->lives.n; i-- > 0;) /* who was killed takes others along */
		if (h->ends[i] == HISTORY_OOM && h->ends[best] == HISTORY_EXIT &&
		    life_end(&h->lives.v[best]) - life_end(&h->lives.v[i]) < RECENT_S * second_ns)
			best = i;
	return best;
}

/* What came on and did not go off again before the end. */
static void find_signals(struct history *h)
{
	for (size_t i = 0; i < h->events.n; i++) {
		const struct watch_event *e = &h->events.v[i].e;
		bool off = false;
		if (e->kind != WATCH_EVENT_ALARM || e->wall_ns > h->end_ns + second_ns || !e->name)
			continue;
		for (size_t j = 0; j < i && !off; j++) {
			const struct watch_event *later = &h->events.v[j].e;
			off = (later->kind == WATCH_EVENT_CLEAR || later->kind == WATCH_EVENT_ALARM) && later->name &&
			      strcmp(later->name, e->name) == 0 && later->wall_ns <= h->end_ns + second_ns;
		}
		if (!off)
			vec_push(&h->on)->event = e;
	}
	/* events are newest first */
	for (size_t i = 0; i + 1 < h->on.n - i; i++) {
		struct history_on other = h->on.v[i];
		h->on.v[i] = h->on.v[h->on.n - 1 - i];
		h->on.v[h->on.n - 1 - i] = other;
	}
}

static struct err *read_looks(struct store_reader *r, const struct history_options *opt, const struct store_life *l,
			      struct history *h)
{
	h->to_ns = opt->until_ns ? opt->until_ns : h->end_ns + second_ns;
	h->from_ns = opt->since_ns ? opt->since_ns : h->to_ns - WINDOW_S * second_ns;
	TRY(store_series(r, l, h->from_ns, h->to_ns, POINTS, &h->points));
	return store_series(r, l, h->to_ns - LAST_S * second_ns, h->to_ns, LAST_MAX, &h->last);
}

/* Who asks of a moment when none was there gets the nearest, and is told. */
static void note_moment(struct history *h, int64_t at_ns)
{
	char at[MOMENT_LEN];
	if (at_ns && distance(&h->lives.v[h->chosen], at_ns))
		note(h, arena_printf(&h->arena, "at %s UTC none that matches was there: this is the one nearest to it",
				     moment_text(at_ns, at)));
}

/* Was nobody there when it ended? */
static void note_gaps(struct history *h, const struct store_life *l)
{
	if (h->ends[h->chosen] == HISTORY_UNSEEN)
		note(h, h->holder ? "it was not looked at any more, and its end was not seen"
				  : "no daemon runs: what came after the last look is not known");
	for (size_t i = 0; i < h->runs.n; i++)
		if (h->runs.v[i].started_wall_ns > l->first_wall_ns && h->runs.v[i].started_wall_ns < h->end_ns) {
			note(h, "the daemon was started anew during this life: there is a time without looks");
			return;
		}
}

static struct err *read_chosen(struct store_reader *r, const struct history_options *opt, struct history *h)
{
	const struct store_life *l = &h->lives.v[h->chosen];
	const struct store_event_which which = {
		.target = l->key,
		.boot = l->boot,
		.limit = EVENTS_MAX,
	};
	TRY(store_events(r, &which, &h->arena, &h->events));
	h->end = was_end(h, h->chosen) ? end_event(&h->events, l) : NULL;
	h->end_ns = h->end ? h->end->wall_ns : life_end(l);
	find_signals(h);
	TRY(read_looks(r, opt, l, h));
	const struct store_file_which kept = { .target = l->key, .limit = FILES_MAX };
	TRY(store_files(r, &kept, &h->arena, &h->files));
	note_moment(h, opt->at_ns);
	note_gaps(h, l);
	return NULL;
}

static struct err *not_found(const struct history_options *opt)
{
	if (!opt->any)
		return err_new(ERR_NOT_FOUND, "the black box in %s has nothing yet", opt->directory);
	bool narrow = !opt->at_ns && (opt->since_ns || opt->until_ns);
	return err_new(ERR_NOT_FOUND, "nothing is known of %s%s: `ullage history` lists what is (data directory %s)",
		       *opt->any ? opt->any : "''", narrow ? " in this time" : "", opt->directory);
}

static struct err *read_all(struct store_reader *r, const struct history_options *opt, struct history *h)
{
	TRY(store_runs(r, &h->runs));
	const struct store_which which = {
		.any = opt->any,
		.from_wall_ns = opt->at_ns ? 0 : opt->since_ns,
		.to_wall_ns = opt->at_ns ? 0 : opt->until_ns,
	};
	TRY(store_lives(r, &which, &h->arena, &h->lives));
	if (!h->lives.n)
		return not_found(opt);
	TRY(find_ends(r, h));
	h->chosen = opt->any ? choose(h, opt) : h->lives.n;
	return opt->any ? read_chosen(r, opt, h) : NULL;
}

static void forget(struct history *h)
{
	vec_deinit(&h->runs);
	vec_deinit(&h->lives);
	vec_deinit(&h->events);
	vec_deinit(&h->on);
	vec_deinit(&h->points);
	vec_deinit(&h->last);
	vec_deinit(&h->files);
	vec_deinit(&h->notes);
	arena_deinit(&h->arena);
}

/* The database is damaged: all again from what can be read of it. */
static struct err *read_again(struct store_reader *r, const struct history_options *opt, struct history *h)
{
	struct history again = { .now_ns = h->now_ns, .directory = h->directory, .holder = h->holder };
	forget(h);
	*h = again;
	arena_init(&h->arena);
	return read_all(r, opt, h);
}

struct err *history_read(const struct history_options *opt, struct history *ret)
{
	struct store_reader *r;
	*ret = (struct history){ .now_ns = opt->now_ns, .directory = opt->directory };
	arena_init(&ret->arena);
	TRY(store_reader_open(opt->directory, false, &r));
	ret->holder = store_holder(opt->directory);
	struct err *err = read_all(r, opt, ret);
	if (store_reader_mend(r, err))
		err = read_again(r, opt, ret);
	if (store_reader_damage(r))
		note(ret, arena_strdup(&ret->arena, store_reader_damage(r)));
	err = store_reader_blame(r, err);
	store_reader_close(r);
	return err;
}

void history_deinit(struct history *h)
{
	forget(h);
}
