/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/num.h"
#include "store/reader.h"

static void life_of(struct db *db, sqlite3_stmt *st, struct arena *arena, struct store_life *l)
{
	*l = (struct store_life){
		.row = sqlite3_column_int64(st, 0),
		.key = db_text(db, st, 1, arena),
		.id = { .pid = sqlite3_column_int(st, 2),
			.start_ticks = (uint64_t)sqlite3_column_int64(st, 3),
			.generation = (uint32_t)sqlite3_column_int64(st, 4) },
		.boot = db_text(db, st, 5, arena),
		.is_go = sqlite3_column_int(st, 6) != 0,
		.first_wall_ns = db_ms(st, 7),
		.first_boot_ns = db_ms(st, 8),
		.ended_wall_ns = db_ms(st, 9),
		.ended_boot_ns = db_ms(st, 10),
		.last_wall_ns = db_ms(st, 11),
		.last_boot_ns = db_ms(st, 12),
	};
	const char **const texts[] = { &l->comm,      &l->exe,	&l->go_version,	 &l->build_id,	   &l->module,
				       &l->container, &l->unit, &l->cgroup_path, &l->limit_source, &l->group };
	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
		*texts[i] = db_text(db, st, 13 + i, arena);
	if (!l->key)
		l->key = "?";
	if (!l->last_boot_ns) {
		l->last_wall_ns = l->first_wall_ns;
		l->last_boot_ns = l->first_boot_ns;
	}
}

/* What is in the journal is later than any chunk. */
static void last_of_journal(const struct journal *j, struct store_life_vec *lives)
{
	struct hash_map last = { 0 };
	for (size_t i = 0; i < j->chunks.n; i++) {
		bool fresh;
		uint64_t *at = hash_map_at(&last, (uint64_t)j->chunks.v[i].target, &fresh);
		if (fresh || j->chunks.v[*at].no < j->chunks.v[i].no)
			*at = i;
	}
	for (size_t i = 0; i < lives->n; i++) {
		const uint64_t *at = hash_map_get(&last, (uint64_t)lives->v[i].row);
		struct delta d = { 0 };
		struct cursor c;
		if (!at)
			continue;
		cursor_init(&c, j->chunks.v[*at].data.buf, j->chunks.v[*at].data.len);
		while (delta_next(&d, &c))
			;
		if (d.boot_ms * 1000000 <= lives->v[i].last_boot_ns)
			continue;
		lives->v[i].last_boot_ns = d.boot_ms * 1000000;
		lives->v[i].last_wall_ns = (d.boot_ms + d.offset_ms) * 1000000;
	}
	hash_map_deinit(&last);
}

static bool same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

/* With or without the slashes around it. */
static bool same_path(const char *a, const char *b)
{
	if (!a)
		return false;
	a += strspn(a, "/");
	b += strspn(b, "/");
	size_t n = strlen(a), m = strlen(b);
	while (n && a[n - 1] == '/')
		n--;
	while (m && b[m - 1] == '/')
		m--;
	return n && n == m && memcmp(a, b, n) == 0;
}

static bool is_called(const struct store_life *l, const char *any)
{
	enum { ID_LEN = 8 }; /* so much of a container's id tells it from others */
	uint64_t pid;
	const char *base = l->exe ? strrchr(l->exe, '/') : NULL;
	if (same(l->key, any) || same(l->comm, any) || same(l->exe, any) || same(l->unit, any) ||
	    (base && same(base + 1, any)))
		return true;
	if (num_str(any, &pid) && (int64_t)pid == l->id.pid)
		return true;
	if (l->container && strlen(any) >= ID_LEN && strncmp(l->container, any, strlen(any)) == 0)
		return true;
	return same_path(l->cgroup_path, any);
}

static bool is_wanted(const struct store_life *l, const struct store_which *w)
{
	int64_t end = l->ended_wall_ns ? l->ended_wall_ns : l->last_wall_ns;
	if (w->key && !same(l->key, w->key))
		return false;
	if (w->any && !is_called(l, w->any))
		return false;
	return (!w->from_wall_ns || end >= w->from_wall_ns) && (!w->to_wall_ns || l->first_wall_ns <= w->to_wall_ns);
}

static struct err *read_lives(struct store_reader *r, struct arena *arena, struct store_life_vec *ret)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_LIVES);
	bool row;
	sqlite3_bind_int(st, 1, STORE_LIVES_MAX);
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			break;
		life_of(&r->db, st, arena, vec_push(ret));
	}
	struct journal j;
	struct err *err = reader_journal(r, 0, &j);
	if (!err)
		last_of_journal(&j, ret);
	journal_deinit(&j);
	return err;
}

struct err *store_lives(struct store_reader *r, const struct store_which *which, struct arena *arena,
			struct store_life_vec *ret)
{
	TRY(reader_begin(r));
	struct err *err = read_lives(r, arena, ret);
	reader_end(r);
	size_t kept = 0;
	for (size_t i = 0; i < ret->n; i++)
		if (is_wanted(&ret->v[i], which))
			ret->v[kept++] = ret->v[i];
	ret->n = kept;
	return err;
}
