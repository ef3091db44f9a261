/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/reader.h"

/* Looks in their order, handed on one by one. */
struct walk {
	int64_t from_ms, to_ms;
	void (*fn)(struct walk *w, const struct delta *d);
	size_t n;	     /* looks so far */
	int64_t first, last; /* CLOCK_BOOTTIME of the first and the latest so far, ms */
	int64_t end;	     /* of the last one of all */
	struct store_point_vec *ret;
	size_t before; /* points that were there */
	size_t max, total;
	uint64_t best;	/* of the stretch that the last point stands for */
	size_t stretch; /* its number */
};

static void walk_chunk(struct walk *w, const void *data, size_t len)
{
	struct delta d = { 0 };
	struct cursor c;
	cursor_init(&c, data, len);
	while (delta_next(&d, &c)) {
		int64_t wall = d.boot_ms + d.offset_ms;
		if (wall < w->from_ms || wall > w->to_ms || (w->n && d.boot_ms < w->last))
			continue;
		if (!w->n)
			w->first = d.boot_ms;
		w->last = d.boot_ms;
		w->fn(w, &d);
		w->n++;
	}
}

static struct err *walk_all(struct store_reader *r, const struct store_life *life, const struct journal *j,
			    struct walk *w)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_CHUNKS);
	bool row;
	int64_t last = -1;
	sqlite3_bind_int64(st, 1, life->row);
	sqlite3_bind_int64(st, 2, w->from_ms);
	sqlite3_bind_int64(st, 3, w->to_ms);
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			break;
		last = sqlite3_column_int64(st, 0);
		walk_chunk(w, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
	}
	for (size_t i = 0; i < j->chunks.n; i++)
		if (j->chunks.v[i].no > last)
			walk_chunk(w, j->chunks.v[i].data.buf, j->chunks.v[i].data.len);
	return NULL;
}

static void only_count(struct walk *w, const struct delta *d)
{
}

static uint64_t pressure(const struct store_point *p)
{
	return p->cgroup.working_set != WATCH_UNKNOWN ? p->cgroup.working_set
	       : p->process.rss != WATCH_UNKNOWN      ? p->process.rss
						      : 0;
}

static void keep(struct walk *w, const struct delta *d)
{
	struct store_point p;
	delta_point(d, &p);
	if (w->total <= w->max) {
		*vec_push(w->ret) = p;
		return;
	}
	/* the first and the last stand for themselves: stretch 0 and the one after all others */
	size_t inner = w->max > 2 ? w->max - 2 : 1;
	size_t stretch =
		1 + (size_t)((double)(d->boot_ms - w->first) / (double)(w->end + 1 - w->first) * (double)inner);
	if (w->n == 0)
		stretch = 0;
	else if (w->n + 1 == w->total)
		stretch = inner + 1;
	bool first = w->ret->n == w->before;
	if (!first && stretch == w->stretch && pressure(&p) < w->best)
		return;
	if (first || stretch != w->stretch)
		vec_push(w->ret);
	w->ret->v[w->ret->n - 1] = p;
	w->stretch = stretch;
	w->best = pressure(&p);
}

static struct err *series(struct store_reader *r, const struct store_life *life, const struct journal *j,
			  struct walk *w)
{
	w->fn = only_count;
	TRY(walk_all(r, life, j, w));
	w->total = w->n;
	w->end = w->last;
	w->n = 0;
	w->fn = keep;
	return walk_all(r, life, j, w);
}

struct err *store_series(struct store_reader *r, const struct store_life *life, int64_t from_wall_ns,
			 int64_t to_wall_ns, size_t max, struct store_point_vec *ret)
{
	struct journal j;
	struct walk w = {
		.from_ms = from_wall_ns ? from_wall_ns / 1000000 : INT64_MIN,
		.to_ms = to_wall_ns ? to_wall_ns / 1000000 : INT64_MAX,
		.max = max && max < STORE_POINTS_MAX ? max : STORE_POINTS_MAX,
		.ret = ret,
		.before = ret->n,
	};
	TRY(reader_begin(r));
	struct err *err = reader_journal(r, life->row, &j);
	if (!err)
		err = series(r, life, &j, &w);
	reader_end(r);
	journal_deinit(&j);
	return err;
}

struct err *store_series_of(struct store_reader *r, const char *key, int64_t from_wall_ns, int64_t to_wall_ns,
			    size_t max, struct store_point_vec *ret)
{
	struct arena arena;
	struct store_life_vec lives = { 0 };
	arena_init(&arena);
	struct err *err = store_lives(r, &(struct store_which){ .key = key }, &arena, &lives);
	if (!err && !lives.n)
		err = err_new(ERR_NOT_FOUND, "nothing is known of a target %s", key);
	size_t n = 1; /* lives of this boot, the newest first */
	while (!err && n < lives.n && lives.v[n].boot && lives.v[0].boot &&
	       strcmp(lives.v[n].boot, lives.v[0].boot) == 0)
		n++;
	for (size_t i = n; !err && i-- > 0;)
		err = store_series(r, &lives.v[i], from_wall_ns, to_wall_ns, max > n ? max / n : max, ret);
	vec_deinit(&lives);
	arena_deinit(&arena);
	return err;
}
