/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/variables.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "base/num.h"

enum { WORD = 8, MODULES = GOHEAP_VARIABLES_RANGES / 2 };

static const uint64_t BUDGET = UINT64_C(1) << 26;
static const uint64_t USER_END = UINT64_C(1) << 47;

static void copy(struct goheap_variables *v, uint64_t start, uint64_t end, uint64_t *left)
{
	uint64_t len = end > start ? (end - start) / WORD * WORD : 0;
	uint64_t *words = NULL;
	if (!len || start % WORD || len > *left || v->n_ranges == GOHEAP_VARIABLES_RANGES)
		return;
	struct err *err = alloc_checked(len / WORD, WORD, GOHEAP_VARIABLES_MAX, &words);
	if (err || !memsrc_read(v->shapes->types->g->src, start, words, len)) {
		err_free(err);
		free(words);
		return;
	}
	v->ranges[v->n_ranges].start = start;
	v->ranges[v->n_ranges].end = start + len;
	v->ranges[v->n_ranges++].words = words;
	*left -= len;
}

void goheap_variables_init(struct goheap_variables *v, struct goheap_shapes *shapes, goheap_variable_fn found,
			   void *ctx)
{
	const struct gort *g = shapes->types->g;
	uint64_t left = GOHEAP_VARIABLES_MAX, module = g->module.moduledata;
	*v = (struct goheap_variables){ .shapes = shapes, .found = found, .ctx = ctx, .budget = BUDGET };
	for (unsigned i = 0; i < MODULES && module; i++) {
		copy(v, gort_word(g, module, GORT_moduledata_data), gort_word(g, module, GORT_moduledata_edata), &left);
		copy(v, gort_word(g, module, GORT_moduledata_bss), gort_word(g, module, GORT_moduledata_ebss), &left);
		module = gort_word(g, module, GORT_moduledata_next);
	}
}

void goheap_variables_deinit(struct goheap_variables *v)
{
	for (size_t i = 0; i < v->n_ranges; i++)
		free(v->ranges[i].words);
	hash_map_deinit(&v->done);
	vec_deinit(&v->stack);
}

/* The word at an address and how many follow it, or NULL. */
static const uint64_t *words_at(const struct goheap_variables *v, uint64_t addr, uint64_t *n)
{
	for (size_t i = 0; addr % WORD == 0 && i < v->n_ranges; i++) {
		if (addr >= v->ranges[i].start && addr < v->ranges[i].end) {
			*n = (v->ranges[i].end - addr) / WORD;
			return v->ranges[i].words + (addr - v->ranges[i].start) / WORD;
		}
	}
	*n = 0;
	return NULL;
}

void goheap_variables_add(struct goheap_variables *v, uint32_t type, uint64_t addr, uint64_t n)
{
	uint64_t there = 0;
	bool fresh = false;
	if (!type || !n || !words_at(v, addr, &there) || !v->shapes->list.v[type].ptrdata)
		return;
	uint64_t *known = hash_map_at(&v->done, addr ^ (uint64_t)type << 48, &fresh);
	if (n <= *known)
		return;
	*known = n;
	*vec_push(&v->stack) = (struct goheap_variable){ addr, n, type };
}

void goheap_variables_point(struct goheap_variables *v, struct goheap_link l, uint64_t addr, uint64_t n)
{
	uint64_t there = 0;
	if (!addr || l.how <= GOHEAP_TO_UNKNOWN || l.how == GOHEAP_TO_IFACE)
		return;
	if (!words_at(v, addr, &there))
		v->found(v->ctx, l, addr);
	else if (l.how == GOHEAP_TO_ONE)
		goheap_variables_add(v, l.type, addr, 1);
	else if (l.how == GOHEAP_TO_MANY)
		goheap_variables_add(v, l.type, addr, n);
}

struct goheap_link goheap_link_of_dynamic(struct goheap_shapes *s, uint64_t rtype)
{
	const struct gort_type *t = gort_type_any(s->types, rtype);
	bool direct = t && t->direct;
	uint32_t shape = t ? goheap_shape_of(s, rtype) : 0;
	if (!shape)
		return (struct goheap_link){ GOHEAP_TO_NOTHING, 0 };
	if (direct)
		return goheap_shape_link(goheap_shape_get(s, shape), 0);
	return (struct goheap_link){ GOHEAP_TO_ONE, shape & GOHEAP_TYPES_MAX };
}

static void interface_at(struct goheap_variables *v, uint64_t type, uint64_t data)
{
	uint64_t rtype = gort_type_of_interface(v->shapes->types, type);
	if (rtype)
		goheap_variables_point(v, goheap_link_of_dynamic(v->shapes, rtype), data, 1);
}

void goheap_variables_interfaces(struct goheap_variables *v)
{
	for (size_t r = 0; r < v->n_ranges; r++) {
		uint64_t n = (v->ranges[r].end - v->ranges[r].start) / WORD, there = 0;
		const uint64_t *w = v->ranges[r].words;
		for (uint64_t i = 0; i + 1 < n; i++) {
			uint64_t type = load_u64(&w[i]), data = load_u64(&w[i + 1]);
			bool places = type >= GORT_PAGE && type < USER_END && type % WORD == 0 && data >= GORT_PAGE &&
				      data < USER_END;
			if (places && !words_at(v, type, &there))
				interface_at(v, type, data);
		}
	}
}

static void follow(struct goheap_variables *v, const struct goheap_variable *var)
{
	struct goheap_shape sh = *goheap_shape_get(v->shapes, var->type);
	uint64_t there = 0, stride = sh.stride / WORD;
	const uint64_t *w = words_at(v, var->addr, &there);
	uint64_t words = num_min(there, sh.size / WORD * num_min(var->n, there));
	for (uint64_t i = 0; i < words && v->budget; i++) {
		struct goheap_link l = goheap_shape_link(&sh, stride ? i % stride : i);
		v->budget--;
		if (l.how == GOHEAP_TO_IFACE && i)
			interface_at(v, load_u64(&w[i - 1]), load_u64(&w[i]));
		else if (l.how != GOHEAP_TO_NOTHING)
			goheap_variables_point(v, l, load_u64(&w[i]), i + 2 < there ? load_u64(&w[i + 2]) : 0);
	}
}

void goheap_variables_run(struct goheap_variables *v)
{
	while (v->stack.n) {
		struct goheap_variable var = v->stack.v[--v->stack.n];
		follow(v, &var);
	}
}
