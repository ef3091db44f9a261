/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/embed.h"

#include <stdlib.h>

#include "base/bisect.h"
#include "base/cursor.h"

enum { WORD = 8, FIELD_WORDS = 3, RECORD_WORDS = 10, KIND_MASK = 31 };

void goheap_embed_deinit(struct goheap_embed *e)
{
	vec_deinit(&e->v);
}

static int by_inner(const void *a, const void *b)
{
	const struct goheap_outer *x = a, *y = b;
	if (x->inner != y->inner)
		return x->inner < y->inner ? -1 : 1;
	return x->rtype < y->rtype ? -1 : x->rtype > y->rtype;
}

/* The descriptor at word i, if it looks like a struct's: its kind, and a list of fields inside the descriptors. */
static void look(struct goheap_embed *e, const struct gort_layout *l, const uint64_t *words, uint64_t n, uint64_t i,
		 uint64_t start)
{
	const unsigned char *p = (const unsigned char *)(words + i);
	uint64_t slice = gort_at(l, 0, GORT_structtype_fields) / WORD;
	if ((p[gort_at(l, 0, GORT_type_kind)] & KIND_MASK) != GORT_KIND_STRUCT)
		return;
	uint64_t fields = load_u64(&words[i + slice]), len = load_u64(&words[i + slice + 1]);
	uint64_t at = (fields - start) / WORD;
	if (fields < start || fields % WORD || at + FIELD_WORDS > n || !len || len != load_u64(&words[i + slice + 2]))
		return;
	if (!load_u64(&words[at + 2])) /* a name, a type, an offset */
		*vec_push(&e->v) = (struct goheap_outer){ load_u64(&words[at + 1]), start + i * WORD };
}

/* Of the first module. */
static void read_all(struct goheap_embed *e, const struct gort_types *types)
{
	const struct gort_layout *l = types->g->layout;
	uint64_t start = types->n_modules ? types->modules[0].start : 1, *words = NULL;
	uint64_t n = types->n_modules ? (types->modules[0].end - start) / WORD : 0;
	if (start % WORD || gort_at(l, 0, GORT_structtype_fields) + UINT64_C(3) * WORD > RECORD_WORDS * UINT64_C(8))
		return;
	struct err *err = alloc_checked(n + 1, WORD, GOHEAP_EMBED_MAX, &words);
	if (!err && memsrc_read(types->g->src, start, words, n * WORD)) {
		for (uint64_t i = 0; i + RECORD_WORDS <= n; i++)
			look(e, l, words, n, i, start);
	}
	err_free(err);
	free(words);
	vec_sort(&e->v, by_inner);
}

const struct goheap_outer *goheap_embed_outer(struct goheap_embed *e, const struct gort_types *types, uint64_t inner,
					      size_t *n)
{
	if (!e->read)
		read_all(e, types);
	e->read = true;
	size_t low = bisect(e->v.n, i, e->v.v[i].inner < inner);
	size_t high = low;
	while (high < e->v.n && e->v.v[high].inner == inner)
		high++;
	*n = high - low;
	return *n ? e->v.v + low : NULL;
}
