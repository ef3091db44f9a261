/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_types PID [ROWS] - how many of the reachable bytes of a heap have a type, and for who looks for the next rule: where
 * the ways lead from what has a type, or from a root, into what has none, with all that lies behind.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/num.h"
#include "owners/owners.h"
#include "target/target.h"

enum { ROWS = 30, NAME = 512 };

/* A way in: a word of a kind, or a root, to a slot of a size. */
struct row {
	uint32_t kind, word, root; /* root: GRAPH_NONE where a kind leads there */
	uint64_t size;
	bool noscan, interior;
	uint64_t bytes, objects, behind_bytes, behind_objects;
};

struct rows {
	struct owners_work *w;
	VEC(struct row) v;
	struct hash_map index;
	uint64_t *met;
	VEC(uint32_t) todo;
};

static size_t row_of(struct rows *rows, const struct row *key)
{
	char text[NAME];
	int n = snprintf(text, sizeof(text), "%u %u %u %" PRIu64 " %d %d", key->kind, key->word, key->root, key->size,
			 key->noscan, key->interior);
	bool fresh = false;
	uint64_t *at = hash_map_at(&rows->index, hash_bytes(text, (size_t)n), &fresh);
	if (fresh) {
		*vec_push(&rows->v) = *key;
		*at = rows->v.n;
	}
	return *at - 1;
}

static bool meet(struct rows *rows, uint32_t object)
{
	uint64_t bit = UINT64_C(1) << (object & 63);
	if (rows->w->typing.kind[object] || rows->met[object >> 6] & bit)
		return false;
	rows->met[object >> 6] |= bit;
	*vec_push(&rows->todo) = object;
	return true;
}

/* A pointer from something known: what is behind it that has no type. */
static void enter(struct rows *rows, uint32_t kind, uint32_t root, graph_edge e)
{
	struct owners_work *w = rows->w;
	uint32_t object = graph_target(e), n = 0;
	if (!meet(rows, object))
		return;
	uint64_t size = goheap_object_get(&w->objects, object).size;
	const struct row key = { .kind = kind,
				 .word = root == GRAPH_NONE ? graph_word(e) : 0,
				 .root = root,
				 .size = size,
				 .noscan = object >= w->objects.n_inner,
				 .interior = e & GRAPH_INTERIOR };
	size_t row = row_of(rows, &key);
	struct row *r = &rows->v.v[row];
	r->bytes += size;
	r->objects++;
	while (rows->todo.n) {
		object = rows->todo.v[--rows->todo.n];
		r->behind_bytes += goheap_object_get(&w->objects, object).size;
		r->behind_objects++;
		const graph_edge *out = graph_out(&w->graph, object, &n);
		for (uint32_t i = 0; i < n; i++)
			meet(rows, graph_target(out[i]));
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	return x->behind_bytes > y->behind_bytes ? -1 : x->behind_bytes < y->behind_bytes;
}

static void show(struct rows *rows, uint64_t max)
{
	struct owners_work *w = rows->w;
	vec_sort(&rows->v, by_bytes);
	for (size_t i = 0; i < rows->v.n && i < max; i++) {
		const struct row *r = &rows->v.v[i];
		uint32_t word = r->word;
		printf("%9" PRIu64 " bytes %7" PRIu64 " objects behind %5" PRIu64 " of %6" PRIu64 " %s %s: ",
		       r->behind_bytes, r->behind_objects, r->objects, r->size, r->noscan ? "noscan" : "scan",
		       r->interior ? "inner" : "start");
		if (r->root == GRAPH_NONE) {
			const char *field = goheap_typing_field(&w->typing, r->kind, &word);
			printf("%s word %u %s\n", w->typing.kinds.v[r->kind].name, r->word, field ? field : "");
		} else {
			const struct owners_root *root = &w->out->roots.v[w->root_of.v[r->root]];
			printf("root %s%s%.90s%s%s\n", root->name, root->used_by ? ", used by " : "",
			       root->used_by ? root->used_by : "", root->blocked_at ? ", in " : "",
			       root->blocked_at ? root->blocked_at : "");
		}
	}
}

static void walk(struct rows *rows)
{
	struct owners_work *w = rows->w;
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->graph.n_inner; i++) {
		bool known = w->typing.kind[i] && graph_reached(&w->reach, i);
		const graph_edge *e = known ? graph_out(&w->graph, i, &n) : NULL;
		for (uint32_t k = 0; e && k < n; k++)
			enter(rows, w->typing.kind[i], GRAPH_NONE, e[k]);
	}
	for (uint32_t r = 0; r < w->graph.n_roots; r++) {
		const graph_edge *e = graph_out(&w->graph, w->graph.n + r, &n);
		for (uint32_t k = 0; k < n; k++)
			enter(rows, 0, r, e[k]);
	}
}

static void look(struct owners_work *w, uint64_t max)
{
	struct rows rows = { .w = w };
	uint64_t typed = 0, all = 0;
	rows.met = xcalloc(w->objects.n / 64 + 1, sizeof(*rows.met));
	for (uint32_t i = 0; i < w->objects.n; i++) {
		uint64_t size = graph_reached(&w->reach, i) ? goheap_object_get(&w->objects, i).size : 0;
		all += size;
		typed += w->typing.kind[i] ? size : 0;
	}
	printf("typed %.4f of %" PRIu64 " reachable bytes, conflicts %" PRIu64 "\n", (double)typed / (double)all, all,
	       w->typing.conflicts);
	walk(&rows);
	show(&rows, max);
	vec_deinit(&rows.v);
	vec_deinit(&rows.todo);
	hash_map_deinit(&rows.index);
	free(rows.met);
}

static struct err *run(struct target *t, uint64_t max)
{
	struct snapshot s;
	struct owners_work w;
	struct rusage r;
	snapshot_init(&s);
	target_find_refs(t);
	TRY(target_find_declared(t));
	const struct owners_input in = {
		.g = &t->gort, .symbols = &t->symbols, .refs = &t->refs, .declared = &t->declared, .bias = t->bias
	};
	owners_work_init(&w, &in, &s);
	TRY(owners_copy_roots(&w, OWNERS_RUNS));
	TRY(owners_copy_heap(&w));
	TRY(owners_finish(&w));
	look(&w, max);
	getrusage(RUSAGE_SELF, &r);
	printf("user %ld.%03ld s\n", r.ru_utime.tv_sec, r.ru_utime.tv_usec / 1000);
	owners_work_deinit(&w);
	snapshot_deinit(&s);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t pid = 0, rows = ROWS;
	struct target AUTO(target) t = { 0 };
	if (argc < 2 || !num_str(argv[1], &pid) || (argc > 2 && !num_str(argv[2], &rows))) {
		fprintf(stderr, "usage: bench_types PID [ROWS]\n");
		return 2;
	}
	struct err *err AUTO(err) = target_open("/proc", (int)pid, &t);
	if (!err)
		err = target_attach(&t, NULL);
	if (!err)
		err = run(&t, rows);
	if (err)
		fprintf(stderr, "bench_types: %s\n", err_text(err));
	return err != NULL;
}
