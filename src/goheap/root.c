/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/root.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/root_parts.h"

enum {
	WORD = 8,
	CHUNK = 256 * 1024, /* of data; its mask has a byte for 64 of them */
	MASKED = 64,
	MODULES_MAX = 4096,
	ROOTS_MAX = 128 << 20,
	EARLY_MAX = 64 << 20, /* bytes of data, or of bss */
	EARLY_MODULES = 64,
};

static const uint64_t DATA_MAX = UINT64_C(4) << 30; /* of one module */

void roots_take(struct roots_reader *r, const struct goheap_root *root)
{
	struct goheap_object_at at;
	if (r->out->v.n >= ROOTS_MAX) {
		r->out->damaged = true;
		return;
	}
	struct goheap_root *ret = vec_push(&r->out->v);
	*ret = *root;
	ret->object = GOHEAP_ROOT_OUTSIDE;
	if (root->value && goheap_object_find(r->o, root->value, &at) && at.allocated)
		ret->object = at.number;
}

void roots_take_word(struct roots_reader *r, const struct goheap_root *root)
{
	struct goheap_object_at at;
	if (root->value < r->lo || root->value >= r->hi || !goheap_object_find(r->o, root->value, &at))
		return;
	if (!at.allocated) {
		r->out->dangling++;
		if (!r->o->moving)
			return;
	}
	if (r->out->v.n >= ROOTS_MAX) {
		r->out->damaged = true;
		return;
	}
	struct goheap_root *ret = vec_push(&r->out->v);
	*ret = *root;
	ret->object = at.number;
}

bool roots_next(struct roots_reader *r, uint64_t addr)
{
	bool fresh = false;
	if (!addr)
		return false;
	hash_map_at(&r->seen, addr, &fresh);
	if (!fresh)
		r->out->damaged = true;
	return fresh;
}

/* One stretch of data and the bits of its words; mask NULL: all of them may be pointers. */
static void take_chunk(struct roots_reader *r, uint64_t addr, const unsigned char *words, size_t len,
		       const unsigned char *mask)
{
	for (size_t i = 0; i < len / WORD; i++) {
		if (mask && !mask[i / 8]) {
			i |= 7;
			continue;
		}
		if (mask && !(mask[i / 8] >> (i % 8) & 1))
			continue;
		const struct goheap_root root = {
			.at = addr + i * WORD,
			.value = load_u64(words + i * WORD),
			.kind = GOHEAP_ROOT_GLOBAL,
		};
		roots_take_word(r, &root);
	}
}

/* Words that were copied before the spans were, or as they are now. */
static bool view_read(struct memsrc *src, uint64_t at, void *buf, size_t len)
{
	const struct goheap_roots_view *v = (const struct goheap_roots_view *)src;
	for (size_t i = 0; i < v->roots->early.n; i++) {
		const struct goheap_data *d = &v->roots->early.v[i];
		if (at - d->start < d->len && len <= d->len - (at - d->start)) {
			memcpy(buf, d->bytes + (at - d->start), len);
			return true;
		}
	}
	return memsrc_read(v->under, at, buf, len);
}

static const struct memsrc_ops view_ops = { .read = view_read };

void goheap_roots_view_init(struct goheap_roots_view *v, const struct goheap_roots *roots, struct memsrc *under)
{
	*v = (struct goheap_roots_view){ { &view_ops }, under, roots };
}

/* [start, end) with the struct bitvector at `vector`. */
static void read_range(struct roots_reader *r, uint64_t start, uint64_t end, uint64_t vector)
{
	const struct gort *g = r->g;
	uint64_t bits = gort_word(g, vector, GORT_bitvector_n) & UINT32_MAX;
	uint64_t mask_at = gort_word(g, vector, GORT_bitvector_bytedata);
	if (start >= end || end - start > DATA_MAX || start % WORD) {
		r->out->damaged = r->out->damaged || start != end;
		return;
	}
	if (bits < (end - start) / WORD) {
		r->out->damaged = true;
		end = start + bits * WORD;
	}
	struct goheap_roots_view then;
	goheap_roots_view_init(&then, r->out, g->src);
	AUTO_FREE unsigned char *words = xmalloc(CHUNK);
	AUTO_FREE unsigned char *mask = xmalloc(CHUNK / MASKED);
	for (uint64_t at = start; at < end; at += CHUNK) {
		size_t len = (size_t)num_min(CHUNK, end - at);
		if (!memsrc_read(&then.src, at, words, len)) {
			r->out->unreadable += len;
			continue;
		}
		bool masked = memsrc_read(g->src, mask_at + (at - start) / MASKED, mask, (len + MASKED - 1) / MASKED);
		r->out->damaged = r->out->damaged || !masked;
		take_chunk(r, at, words, len, masked ? mask : NULL);
	}
}

static void read_modules(struct roots_reader *r)
{
	const struct gort *g = r->g;
	const struct gort_layout *l = g->layout;
	uint64_t m = g->module.moduledata;
	for (int i = 0; i < MODULES_MAX && roots_next(r, m); i++) {
		read_range(r, gort_word(g, m, GORT_moduledata_data), gort_word(g, m, GORT_moduledata_edata),
			   gort_at(l, m, GORT_moduledata_gcdatamask));
		read_range(r, gort_word(g, m, GORT_moduledata_bss), gort_word(g, m, GORT_moduledata_ebss),
			   gort_at(l, m, GORT_moduledata_gcbssmask));
		m = gort_word(g, m, GORT_moduledata_next);
	}
}

static void copy_early(const struct gort *g, uint64_t start, uint64_t end, struct goheap_roots *ret)
{
	if (start >= end || end - start > EARLY_MAX)
		return;
	struct goheap_data d = { start, (size_t)(end - start), xmalloc((size_t)(end - start)) };
	if (memsrc_read(g->src, start, d.bytes, d.len))
		*vec_push(&ret->early) = d;
	else
		free(d.bytes);
}

void goheap_roots_early(const struct gort *g, struct goheap_roots *ret)
{
	*ret = (struct goheap_roots){ 0 };
	uint64_t m = g->module.moduledata;
	for (int i = 0; i < EARLY_MODULES && m; i++) {
		copy_early(g, gort_word(g, m, GORT_moduledata_data), gort_word(g, m, GORT_moduledata_edata), ret);
		copy_early(g, gort_word(g, m, GORT_moduledata_bss), gort_word(g, m, GORT_moduledata_ebss), ret);
		m = gort_word(g, m, GORT_moduledata_next);
	}
}

struct err *goheap_roots_read(const struct goheap_objects *o, struct goheap_roots *ret)
{
	*ret = (struct goheap_roots){ .early = ret->early };
	struct roots_reader r = { .o = o, .g = o->g, .out = ret };
	const struct gort_arena_vec *arenas = &o->heap->arenas;
	if (arenas->n) {
		r.lo = arenas->v[0].base;
		r.hi = arenas->v[arenas->n - 1].base + GORT_ARENA_BYTES;
	}
	struct err *err = roots_read_stacks(&r);
	if (!err) {
		read_modules(&r);
		roots_read_specials(&r);
		roots_read_queues(&r);
	}
	hash_map_deinit(&r.seen);
	return err;
}

void goheap_roots_deinit(struct goheap_roots *r)
{
	for (size_t i = 0; i < r->early.n; i++)
		free(r->early.v[i].bytes);
	vec_deinit(&r->early);
	vec_deinit(&r->v);
	vec_deinit(&r->stacks);
	vec_deinit(&r->iterators);
	vec_deinit(&r->places);
}
