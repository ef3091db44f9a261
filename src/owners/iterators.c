/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/strbuf.h"
#include "owners/owners.h"

enum { NAMED = 4 /* goroutines of a row */ };

/* ---- which there are ---- */

/* The name of the map's type, when what the iterator says of the map agrees with what is known of it; else NULL. */
static const char *map_type(struct owners_work *w, const struct goheap_iterator *it, struct goheap_object_at *at)
{
	const struct gort_type *t = gort_type_any(&w->typing.types, it->type);
	if (!t || t->kind != GORT_KIND_MAP || !goheap_object_find(&w->objects, it->map, at))
		return NULL;
	const struct goheap_kind *kind = &w->typing.kinds.v[w->typing.kind[at->number]];
	if (kind->form == GOHEAP_FORM_MAP ? kind->rtype != it->type : kind->name != NULL)
		return NULL;
	t = gort_type_any(&w->typing.types, it->type);
	return arena_strdup(&w->snapshot->arena, t->name);
}

static void take_maps(struct owners_work *w)
{
	for (size_t i = 0; i < w->raw_roots.iterators.n && w->typing.objects; i++) {
		const struct goheap_iterator *it = &w->raw_roots.iterators.v[i];
		struct goheap_object_at at;
		const char *type = map_type(w, it, &at);
		if (type)
			*vec_push(&w->out->iterators) = (struct owners_iterator){
				.goroutine = it->goid,
				.depth = it->depth,
				.map = it->map,
				.mark = it->mark,
				.type = type,
				.owner = owners_path_text(w, at.number),
			};
	}
}

/* What iter.Pull made has a goroutine of its own, which waits in between. */
static void take_pulls(struct owners_work *w)
{
	for (size_t i = 0; i < w->goroutines.n && i < w->raw_roots.stacks.n; i++) {
		const char *state = w->goroutines.v[i].state;
		if (state && strcmp(state, "coroutine") == 0)
			*vec_push(&w->out->iterators) = (struct owners_iterator){
				.goroutine = w->raw_roots.stacks.v[i].goid,
				.map = w->raw_roots.stacks.v[i].g,
				.type = "iter.Pull",
			};
	}
}

/* ---- rows ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int by_owner(const void *a, const void *b)
{
	const struct owners_iterator *x = a, *y = b;
	int order = strcmp(x->type, y->type);
	if (!order)
		order = strcmp(x->owner ? x->owner : "", y->owner ? y->owner : "");
	return order ? order : (x->goroutine > y->goroutine) - (x->goroutine < y->goroutine);
}

/* "2 under way, by goroutines 18, 34"; those of iter.Pull wait "in" theirs. */
static const char *words(struct owners_work *w, const struct owners_iterator *it, size_t n)
{
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	strbuf_printf(&sb, "%zu under way, %s goroutine%s", n, it->depth ? "by" : "waiting in", n == 1 ? "" : "s");
	for (size_t i = 0; i < n && i < NAMED; i++)
		strbuf_printf(&sb, "%s %" PRIu64, i ? "," : "", it[i].goroutine);
	if (n > NAMED)
		strbuf_puts(&sb, ", ...");
	return arena_strdup(&w->snapshot->arena, sb.buf);
}

static void say(struct owners_work *w, const struct owners_iterator *it, size_t n)
{
	*vec_push(&w->out->holders) = (struct owners_holder){
		.kind = "iterator",
		.type = it->type,
		.owner = it->owner,
		.count = n,
		.elements = ACCOUNT_UNKNOWN,
		.retained = ACCOUNT_UNKNOWN,
		.text = words(w, it, n),
	};
}

struct err *owners_iterators_fill(struct owners_work *w)
{
	struct owners_iterator_vec *v = &w->out->iterators;
	take_maps(w);
	take_pulls(w);
	vec_sort(v, by_owner);
	for (size_t i = 0, j = 0; i < v->n && !w->in->quick; i = j) {
		while (j < v->n && same_text(v->v[i].type, v->v[j].type) && same_text(v->v[i].owner, v->v[j].owner))
			j++;
		say(w, &v->v[i], j - i);
	}
	return NULL;
}
