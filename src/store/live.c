/* SPDX-License-Identifier: Apache-2.0 */
#include "store/live.h"

#include <stdio.h>
#include <string.h>

#include "store/parts.h"

/* Strings of a target, in the order of the columns of its row. */
static const size_t texts[TARGET_TEXTS] = {
	offsetof(struct watch_target, comm),	     offsetof(struct watch_target, exe),
	offsetof(struct watch_target, go_version),   offsetof(struct watch_target, build_id),
	offsetof(struct watch_target, module),	     offsetof(struct watch_target, container),
	offsetof(struct watch_target, unit),	     offsetof(struct watch_target, cgroup_path),
	offsetof(struct watch_target, limit_source), offsetof(struct watch_target, group),
};
enum { TEXT_EXE = 1, TEXT_BUILD = 3 };

static const char *text_of(const struct watch_target *t, size_t i)
{
	const char *s;
	memcpy(&s, (const char *)t + texts[i], sizeof(s));
	return s;
}

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strncmp(a, b, STORE_TEXT_MAX) == 0);
}

static uint64_t hash_of(const struct watch_id *id)
{
	return hash_u64(((uint64_t)(unsigned)id->pid << 32 | id->generation) ^ id->start_ticks << 8);
}

struct wanted {
	const struct store *s;
	const struct watch_id *id;
};

static bool same_id(const void *ctx, uint32_t i)
{
	const struct wanted *w = ctx;
	const struct watch_id *a = &w->s->live.v[i]->id, *b = w->id;
	return a->pid == b->pid && a->start_ticks == b->start_ticks && a->generation == b->generation;
}

static struct live *live_find(const struct store *s, const struct watch_id *id)
{
	uint32_t i = hash_index_find(&s->by_id, hash_of(id), same_id, &(struct wanted){ s, id });
	return i == HASH_NONE ? NULL : s->live.v[i];
}

/* The newest of that key. Events are rare: no index. */
struct live *live_by_key(const struct store *s, const char *key)
{
	for (size_t i = s->live.n; i-- > 0;)
		if (strcmp(s->live.v[i]->key, key) == 0)
			return s->live.v[i];
	return NULL;
}

void live_free(struct live *l)
{
	for (size_t i = 0; i < TARGET_TEXTS; i++)
		free(l->text[i]);
	strbuf_deinit(&l->chunk);
	free(l);
}

/*
 * A daemon that was started anew sees processes that another saw, which may have counted execs otherwise; and one may come back
 * that was not looked at for long: they go on in the row that they have.
 */
void live_row(struct store *s, struct live *l)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_TARGET_FIND);
	bool row = false;
	l->row = 0;
	db_bind_text(st, 1, l->key);
	sqlite3_bind_int64(st, 2, s->boot);
	sqlite3_bind_int64(st, 3, s->first_target);
	sqlite3_bind_int64(st, 4, l->id.generation);
	struct err *err = db_step(&s->db, st, &row);
	if (row && equal((const char *)sqlite3_column_text(st, 2), l->text[TEXT_EXE]) &&
	    equal((const char *)sqlite3_column_text(st, 3), l->text[TEXT_BUILD])) {
		l->row = sqlite3_column_int64(st, 0);
		l->no = (uint32_t)sqlite3_column_int64(st, 1) + 1;
		l->first_ms = sqlite3_column_int64(st, 4);
		l->first_boot_ms = sqlite3_column_int64(st, 5);
	}
	if (row)
		err = db_run(&s->db, st);
	err_free(err);
	if (!l->row) /* also when it cannot be read */
		l->row = s->next_target++;
}

/* What is known of it beside figures. Pointers first: they rarely change, and this is asked for every look. */
static void describe(struct live *l, const struct watch_target *t, bool thorough)
{
	bool other = thorough || l->is_go != t->is_go;
	for (size_t i = 0; i < TARGET_TEXTS; i++) {
		other |= text_of(t, i) != l->seen[i];
		l->seen[i] = text_of(t, i);
	}
	if (!other)
		return;
	l->dirty |= l->is_go != t->is_go;
	l->is_go = t->is_go;
	for (size_t i = 0; i < TARGET_TEXTS; i++) {
		if (equal(l->seen[i], l->text[i]))
			continue;
		free(l->text[i]);
		l->text[i] = l->seen[i] ? xstrndup(l->seen[i], STORE_TEXT_MAX) : NULL;
		l->dirty = true;
	}
}

void live_begin_chunk(struct live *l)
{
	l->no++;
	l->n = l->unjournaled = 0;
	l->journaled = 0;
	l->journal_from = 0;
	strbuf_clear(&l->chunk);
	memset(&l->written, 0, sizeof(l->written));
	memset(&l->skipped, 0, sizeof(l->skipped));
}

static void put(struct live *l, int64_t boot_ms, int64_t offset_ms, const uint64_t values[STORE_COLUMNS])
{
	if (!l->n) {
		l->from_boot_ms = boot_ms;
		l->from_ms = boot_ms + offset_ms;
	}
	delta_put(&l->written, boot_ms, offset_ms, values, &l->chunk);
	l->skipped.boot_ms = 0;
	l->n++;
	l->unjournaled++;
}

void live_settle(struct live *l)
{
	if (l->skipped.boot_ms > l->written.boot_ms)
		put(l, l->skipped.boot_ms, l->skipped.offset_ms, l->written.values);
}

void live_end(struct live *l, int64_t boot_ms, int64_t wall_ms)
{
	if (l->ended)
		return;
	live_settle(l);
	l->ended = l->dirty = true;
	l->ended_ms = wall_ms;
	l->ended_boot_ms = boot_ms;
}

/* What it was before an exec has ended. */
static void end_earlier(struct store *s, const struct live *l, int64_t boot_ms, int64_t wall_ms)
{
	struct live *earlier = live_by_key(s, l->key);
	if (earlier)
		live_end(earlier, boot_ms, wall_ms);
}

static struct live *live_new(struct store *s, const struct watch_target *t, int64_t boot_ms, int64_t wall_ms)
{
	struct live *l = xcalloc(1, sizeof(*l));
	l->id = t->id;
	strbuf_init(&l->chunk);
	if (t->key)
		snprintf(l->key, sizeof(l->key), "%s", t->key);
	else
		snprintf(l->key, sizeof(l->key), "%d-%llu", t->id.pid, (unsigned long long)t->id.start_ticks);
	end_earlier(s, l, boot_ms, wall_ms);
	describe(l, t, true);
	l->first_ms = t->first_wall_ns ? t->first_wall_ns / 1000000 : wall_ms;
	l->first_boot_ms = boot_ms - (wall_ms - l->first_ms);
	live_row(s, l);
	l->dirty = true;
	hash_index_add(&s->by_id, hash_of(&l->id), (uint32_t)s->live.n);
	*vec_push(&s->live) = l;
	return l;
}

static bool loud_change(const struct live *l, const uint64_t values[STORE_COLUMNS])
{
	for (size_t i = 0; i < STORE_COLUMNS; i++)
		if (values[i] != l->written.values[i] && !store_columns[i].quiet)
			return true;
	return false;
}

/* Clocks drift apart by a fraction of a millisecond a second; only what a person would notice is written. */
static int64_t settled_offset(const struct live *l, int64_t offset_ms)
{
	enum { NOTICED_MS = 10 };
	int64_t d = offset_ms - l->written.offset_ms;
	return l->n && d > -NOTICED_MS && d < NOTICED_MS ? l->written.offset_ms : offset_ms;
}

/* Nothing could be written for so long: what is on no disk goes, and the chunk goes on after what is. */
static void lose(struct store *s, struct live *l)
{
	struct cursor c;
	s->stats.lost += l->unjournaled;
	l->n -= l->unjournaled;
	l->unjournaled = 0;
	l->chunk.len = l->journaled;
	l->chunk.buf[l->chunk.len] = 0;
	memset(&l->written, 0, sizeof(l->written));
	memset(&l->skipped, 0, sizeof(l->skipped));
	cursor_init(&c, l->chunk.buf, l->chunk.len);
	while (delta_next(&l->written, &c))
		;
}

void store_sample(struct store *s, int64_t wall_ns, const struct watch_target *t)
{
	int64_t boot_ns = t->process.time_ns > t->cgroup.time_ns ? t->process.time_ns : t->cgroup.time_ns;
	int64_t boot_ms = boot_ns / 1000000, wall_ms = wall_ns / 1000000;
	if (boot_ms <= 0)
		return;
	struct live *l = live_find(s, &t->id);
	if (!l)
		l = live_new(s, t, boot_ms, wall_ms);
	s->stats.samples++;
	s->latest_ms = boot_ms > s->latest_ms ? boot_ms : s->latest_ms;
	if (l->chunk.len - l->journaled >= CHUNK_BYTES_MAX)
		lose(s, l);
	describe(l, t, !l->n);
	if (l->ended) { /* it was not */
		l->ended = false;
		l->dirty = true;
		l->ended_ms = l->ended_boot_ms = 0;
	}
	struct store_point p = {
		.process = t->process,
		.cgroup = t->cgroup,
		.forecast = t->forecast,
		.state = t->state,
	};
	uint64_t values[STORE_COLUMNS];
	store_columns_get(&p, values);
	boot_ms = boot_ms > l->written.boot_ms ? boot_ms : l->written.boot_ms;
	int64_t offset_ms = settled_offset(l, wall_ms - boot_ms);
	bool loud = !l->n || offset_ms != l->written.offset_ms || loud_change(l, values);
	if (!loud && boot_ms - l->written.boot_ms < HEARTBEAT_MS) {
		l->skipped.boot_ms = boot_ms;
		l->skipped.offset_ms = offset_ms;
		return;
	}
	if (loud && l->n)
		live_settle(l);
	put(l, boot_ms, offset_ms, values);
}

/* The first `kept` of the list are all that are left. */
static void keep_first(struct store *s, size_t kept)
{
	if (kept == s->live.n)
		return;
	s->live.n = kept;
	hash_index_deinit(&s->by_id);
	memset(&s->by_id, 0, sizeof(s->by_id));
	for (size_t i = 0; i < kept; i++)
		hash_index_add(&s->by_id, hash_of(&s->live.v[i]->id), (uint32_t)i);
}

void live_forget_ended(struct store *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->live.n; i++) {
		struct live *l = s->live.v[i];
		if ((l->ended || l->stale) && !l->chunk.len && !l->dirty)
			live_free(l);
		else
			s->live.v[kept++] = l;
	}
	keep_first(s, kept);
}

void live_lose_ended(struct store *s)
{
	size_t ended = 0, kept = 0;
	for (size_t i = 0; i < s->live.n; i++)
		ended += s->live.v[i]->ended;
	for (size_t i = 0; i < s->live.n; i++) {
		struct live *l = s->live.v[i];
		if (!l->ended || ended <= STORE_ENDED_MAX) {
			s->live.v[kept++] = l;
			continue;
		}
		ended--;
		s->stats.lost += l->n;
		live_free(l);
	}
	keep_first(s, kept);
}
