/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/tally.h"

#include <string.h>

#include "base/alloc.h"
#include "base/num.h"

void tally_init(struct tally *t, struct account *a, bool cells)
{
	*t = (struct tally){ .a = a, .cells = cells, .index_size = 1024 };
	t->index = xcalloc(t->index_size, sizeof(*t->index));
	vec_push(&t->owners);
}

void tally_deinit(struct tally *t)
{
	vec_deinit(&t->owners);
	free(t->index);
	t->index = NULL;
}

/* ---- owners ---- */

static uint64_t hash(enum mem_class class, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) class; /* FNV-1a */
	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* The slot of (class, name): holds its owner number, or 0 where it would go. */
static uint32_t *slot(struct tally *t, enum mem_class class, const char *name)
{
	size_t i = hash(class, name) & (t->index_size - 1);
	while (t->index[i]) {
		const struct tally_owner *o = &t->owners.v[t->index[i]];
		if (o->class == class && strcmp(o->name, name) == 0)
			break;
		i = (i + 1) & (t->index_size - 1);
	}
	return &t->index[i];
}

static void grow(struct tally *t)
{
	free(t->index);
	t->index_size *= 2;
	t->index = xcalloc(t->index_size, sizeof(*t->index));
	for (uint32_t i = 1; i < t->owners.n; i++)
		*slot(t, t->owners.v[i].class, t->owners.v[i].name) = i;
}

uint32_t tally_owner(struct tally *t, enum mem_class class, const char *name)
{
	uint32_t *s = slot(t, class, name);
	if (*s)
		return *s;
	uint32_t number = (uint32_t)t->owners.n;
	*s = number;
	*vec_push(&t->owners) = (struct tally_owner){ class, arena_strdup(&t->a->arena, name), 0 };
	if (t->owners.n * 2 > t->index_size)
		grow(t);
	return number;
}

void tally_credit(struct tally *t, uint32_t owner, uint64_t bytes)
{
	if (owner && owner < t->owners.n)
		t->owners.v[owner].resident += bytes;
}

/* ---- pieces ---- */

static void make_cells(struct tally *t, const struct vma *v)
{
	uint64_t pages = (vma_size(v) + 4095) / 4096;
	uint64_t each = (pages + ACCOUNT_CELLS - 1) / ACCOUNT_CELLS * 4096;
	t->first_cell = t->a->cells.n;
	for (uint64_t at = v->start; at < v->end; at += each) {
		struct account_cell *c = vec_push(&t->a->cells);
		c->start = at;
		c->end = num_min(at + each, v->end);
	}
	t->ncells = t->a->cells.n - t->first_cell;
}

void tally_vma(struct tally *t, size_t vma)
{
	t->vma = vma;
	t->ncells = 0;
	while (t->a->vmas.n <= vma)
		vec_push(&t->a->vmas);
	struct account *a = t->a;
	for (int c = 0; c < CLASS_MAX_; c++)
		a->vmas.v[vma].classes[c] = 0;
}

static void paint(struct tally *t, const struct piece *p)
{
	const struct vma *v = &t->a->maps.v[t->vma];
	if (!t->ncells)
		make_cells(t, v);
	struct account_cell *cells = &t->a->cells.v[t->first_cell];
	uint64_t each = cells[0].end - cells[0].start, len = p->end - p->start;
	for (uint64_t i = (p->start - v->start) / each; i < t->ncells; i++) {
		struct account_cell *c = &cells[i];
		if (c->start >= p->end)
			break;
		uint64_t part = num_min(c->end, p->end) - num_max(c->start, p->start);
		c->classes[p->class] += (uint64_t)((double)p->bytes * (double)part / (double)len);
	}
}

void tally_piece(void *ctx, const struct piece *p)
{
	struct tally *t = ctx;
	struct account_class *class = &t->a->classes[p->class];
	struct account_vma *vma = &t->a->vmas.v[t->vma];
	if (p->run->kind == PAGE_SWAP) {
		class->swap += p->bytes;
		vma->swap += p->bytes;
		return;
	}
	class->resident += p->bytes;
	class->huge += p->run->huge ? p->bytes : 0;
	class->anon += p->run->kind == PAGE_ANON ? p->bytes : 0;
	vma->rss += p->bytes;
	vma->classes[p->class] += p->bytes;
	tally_credit(t, p->owner, p->bytes);
	if (t->cells)
		paint(t, p);
}

/* ---- the list of owners ---- */

static const char not_sampled[] = "(not sampled)", no_owner[] = "(no owner known)";

static bool is_rest(const struct account_owner *o)
{
	return o->owner == not_sampled || o->owner == no_owner;
}

static int by_class_and_size(const void *a, const void *b)
{
	const struct account_owner *x = a, *y = b;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (is_rest(x) != is_rest(y))
		return is_rest(x) ? 1 : -1;
	if (x->resident != y->resident)
		return x->resident > y->resident ? -1 : 1;
	return strcmp(x->owner, y->owner);
}

/* Estimates may add up to more than the class holds: shrink them to it. */
static void fit(struct tally *t, enum mem_class class, uint64_t sum)
{
	uint64_t have = t->a->classes[class].resident;
	for (size_t i = 1; sum > have && i < t->owners.n; i++) {
		struct tally_owner *o = &t->owners.v[i];
		if (o->class == class)
			o->resident = (uint64_t)((double)o->resident * ((double)have / (double)sum));
	}
}

void tally_finish(struct tally *t)
{
	uint64_t sum[CLASS_MAX_] = { 0 }, left[CLASS_MAX_] = { 0 };
	for (size_t i = 1; i < t->owners.n; i++)
		sum[t->owners.v[i].class] += t->owners.v[i].resident;
	for (int c = 0; c < CLASS_MAX_; c++) {
		fit(t, (enum mem_class)c, sum[c]);
		left[c] = t->a->classes[c].resident;
	}
	for (size_t i = 1; i < t->owners.n; i++) {
		const struct tally_owner *o = &t->owners.v[i];
		if (!o->resident)
			continue;
		*vec_push(&t->a->owners) = (struct account_owner){ o->class, o->name, o->resident };
		left[o->class] = num_sub(left[o->class], o->resident);
	}
	for (int c = 0; c < CLASS_MAX_; c++) {
		const char *rest = c == CLASS_GO_HEAP_LIVE ? not_sampled : no_owner;
		if (left[c] && (sum[c] || rest == not_sampled))
			*vec_push(&t->a->owners) = (struct account_owner){ (enum mem_class)c, rest, left[c] };
	}
	vec_sort(&t->a->owners, by_class_and_size);
}
