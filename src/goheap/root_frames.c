/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"
#include "goheap/root_parts.h"

/*
 * Source: runtime/stkframe.go (getStackMap), mgcmark.go (scanstack, scanframeworker). A frame's words that may hold pointers
 * that are needed again are in maps of its function, one for each place where it calls; variables whose address was taken
 * are apart, and alive when a live word points to them. All is the same from 1.19 to 1.27.
 */

enum {
	WORD = 8,
	MAP_HEAD = 8,		 /* n, nbit: two int32 */
	MAP_WORDS_MAX = 1 << 16, /* of one frame; it has stacks of a gigabyte, but no such frame */
	OBJECTS_MAX = 1 << 12,
	OBJECT = 16, /* off, size, ptrdata, gcdataoff: four int32 */
	MAPS_MAX = 1 << 22,
};

struct frame_object {
	int32_t off; /* from the frame's end, bytes */
	uint32_t size;
};

/* What there is to know of a frame by the address that its callee returns to. */
struct frame_map {
	bool known, top;
	int32_t spdelta;
	uint32_t live_at, live_n;     /* in frames.live: words, counted from the frame's end */
	uint32_t object_at, object_n; /* in frames.objects */
};

/* A variable of the stack at hand whose address was taken: words of the copy. */
struct stack_object {
	uint32_t first, n;
	bool live;
};

struct roots_frames {
	const struct gort *g;
	struct hash_map by_pc; /* -> index in maps + 1 */
	VEC(struct frame_map) maps;
	VEC(int32_t) live;
	struct goheap_frame_place_vec places; /* row by row with `live` */
	VEC(struct frame_object) objects;
	VEC(struct stack_object) here;
	VEC(uint32_t) todo; /* objects of `here` */
};

struct roots_frames *roots_frames_new(const struct gort *g)
{
	struct roots_frames *f = xcalloc(1, sizeof(*f));
	f->g = g;
	return f;
}

void roots_frames_free(struct roots_frames *f)
{
	hash_map_deinit(&f->by_pc);
	vec_deinit(&f->maps);
	vec_deinit(&f->live);
	vec_deinit(&f->places);
	vec_deinit(&f->objects);
	vec_deinit(&f->here);
	vec_deinit(&f->todo);
	free(f);
}

/* ---- the maps of a place in code ---- */

/* Functions whose frames hold more than their maps say: registers of those they interrupted, arguments of any form. */
static bool opaque(const char *function)
{
	static const char *const names[] = {
		"runtime.asyncPreempt",	      "runtime.debugCallV2",	 "runtime.sigpanic",	 "runtime.gopanic",
		"reflect.makeFuncStub",	      "reflect.methodValueCall", "runtime.cgocallback",	 "runtime.cgocallbackg",
		"runtime.systemstack_switch", "runtime.deferreturn",	 "runtime.goPanicIndex", "runtime.recovery",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(function, names[i]) == 0)
			return true;
	}
	return false;
}

/* Bits of the stack map number `index` at `at`, of words from `base` (bytes from the frame's end); locals end at the base. */
static bool add_bits(struct roots_frames *f, uint64_t at, int32_t index, int32_t base, bool locals)
{
	unsigned char head[MAP_HEAD];
	if (!memsrc_read(f->g->src, at, head, sizeof(head)))
		return false;
	uint32_t n = load_u32(head), nbit = load_u32(head + 4);
	if (!nbit)
		return true;
	if (nbit > MAP_WORDS_MAX || index < 0 || (uint32_t)index >= n)
		return false;
	size_t len = (nbit + 7) / 8;
	AUTO_FREE unsigned char *bits = xmalloc(len);
	if (!memsrc_read(f->g->src, at + MAP_HEAD + (uint64_t)(uint32_t)index * len, bits, len))
		return false;
	int32_t word = base / WORD - (locals ? (int32_t)nbit : 0);
	for (uint32_t i = 0; i < nbit; i++) {
		if (bits[i / 8] >> (i % 8) & 1)
			*vec_push(&f->live) = word + (int32_t)i;
	}
	return true;
}

static bool add_objects(struct roots_frames *f, uint64_t at, int32_t varp)
{
	uint64_t n = 0;
	if (!memsrc_u64(f->g->src, at, &n) || n > OBJECTS_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		unsigned char rec[OBJECT];
		if (!memsrc_read(f->g->src, at + WORD + i * OBJECT, rec, sizeof(rec)))
			return false;
		int32_t off = (int32_t)load_u32(rec);
		uint32_t size = load_u32(rec + 4);
		if (off % WORD || off < INT32_MIN / 2 || size > INT32_MAX / 2)
			return false;
		*vec_push(&f->objects) = (struct frame_object){ off + (off < 0 ? varp : 0), size };
	}
	return true;
}

static void read_map(struct roots_frames *f, uint64_t pc, struct frame_map *m)
{
	struct sym_pclntab *t = f->g->pclntab;
	struct sym_stack_map s;
	size_t index = 0;
	if (!sym_pclntab_find(t, pc, &index) || !sym_pclntab_stack_map(t, pc, &s))
		return;
	m->top = s.flags & SYM_FUNC_TOP;
	m->spdelta = s.spdelta;
	if (m->top || s.spdelta < 0 || s.spdelta % WORD || s.flags & SYM_FUNC_SPWRITE ||
	    s.args_size == SYM_ARGS_UNKNOWN || opaque(sym_pclntab_name(t, index))) {
		m->known = m->top;
		return;
	}
	/* below the frame's end are the return address and, where there are locals, the frame pointer */
	int32_t varp = s.spdelta > 0 ? -2 * WORD : -WORD;
	m->known = (s.spdelta + WORD + varp <= 0 || (s.locals && add_bits(f, s.locals, s.map, varp, true))) &&
		   (!s.args_size || (s.args && add_bits(f, s.args, s.map, 0, false))) &&
		   (!s.objects || add_objects(f, s.objects, varp));
}

static const struct frame_map *map_of(struct roots_frames *f, uint64_t pc)
{
	static const struct frame_map none;
	bool fresh = false;
	if (f->maps.n >= MAPS_MAX)
		return &none;
	uint64_t *id = hash_map_at(&f->by_pc, pc, &fresh);
	if (!fresh)
		return &f->maps.v[*id - 1];
	struct frame_map m = { .live_at = (uint32_t)f->live.n, .object_at = (uint32_t)f->objects.n };
	read_map(f, pc, &m);
	m.live_n = (uint32_t)f->live.n - m.live_at;
	for (size_t i = m.live_at; i < f->live.n; i++)
		*vec_push(&f->places) =
			(struct goheap_frame_place){ pc, (uint32_t)(m.spdelta / WORD + 1 + f->live.v[i]) };
	m.object_n = (uint32_t)f->objects.n - m.object_at;
	*vec_push(&f->maps) = m;
	*id = f->maps.n;
	return &f->maps.v[f->maps.n - 1];
}

/* ---- the words of a stack ---- */

static void set(uint64_t *bits, size_t word)
{
	bits[word / 64] |= UINT64_C(1) << word % 64;
}

/* Marks the live words of the frame that ends at word `end` of the copy of `n` words. */
static void mark_frame(struct roots_frames *f, const struct frame_map *m, int64_t end, int64_t n,
		       const struct roots_live *ret)
{
	for (uint32_t i = 0; i < m->live_n; i++) {
		int64_t at = end + f->live.v[m->live_at + i];
		if (at < 0 || at >= n)
			continue;
		set(ret->bits, (size_t)at);
		if (ret->place)
			ret->place[at] = m->live_at + i + 1;
	}
	for (uint32_t i = 0; i < m->object_n; i++) {
		struct frame_object o = f->objects.v[m->object_at + i];
		int64_t at = end + o.off / WORD, words = (o.size + WORD - 1) / WORD;
		if (at < 0 || at >= n) /* not made yet, when the frame is not all there */
			continue;
		if (words > n - at)
			words = n - at;
		*vec_push(&f->here) = (struct stack_object){ (uint32_t)at, (uint32_t)words, false };
	}
}

static int by_first(const void *a, const void *b)
{
	const struct stack_object *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* When the word points to a variable on the stack, that is alive. */
static void look_at_word(struct roots_frames *f, uint64_t value, uint64_t sp, size_t n)
{
	uint64_t word = (value - sp) / WORD;
	if (value < sp || word >= n)
		return;
	size_t lo = bisect(f->here.n, i, f->here.v[i].first <= word);
	struct stack_object *o = lo ? &f->here.v[lo - 1] : NULL;
	if (!o || o->live || word - o->first >= o->n)
		return;
	o->live = true;
	*vec_push(&f->todo) = (uint32_t)(lo - 1);
}

static void mark_objects(struct roots_frames *f, uint64_t sp, const unsigned char *bytes, size_t n, uint64_t *bits)
{
	if (!f->here.n)
		return;
	vec_sort(&f->here, by_first);
	for (size_t i = 0; i < n; i++) {
		if (bits[i / 64] >> (i % 64) & 1)
			look_at_word(f, load_u64(bytes + i * WORD), sp, n);
	}
	while (f->todo.n) {
		struct stack_object o = f->here.v[f->todo.v[--f->todo.n]];
		for (size_t i = o.first; i < (size_t)o.first + o.n; i++) {
			set(bits, i);
			look_at_word(f, load_u64(bytes + i * WORD), sp, n);
		}
	}
}

void roots_frames_places(struct roots_frames *f, struct goheap_frame_place_vec *ret)
{
	*ret = f->places;
	f->places = (struct goheap_frame_place_vec){ 0 };
}

bool roots_frames_live(struct roots_frames *f, uint64_t pc, uint64_t sp, const unsigned char *bytes, size_t len,
		       const struct roots_live *ret)
{
	size_t n = len / WORD, at = 0;
	memset(ret->bits, 0, (n / 64 + 1) * sizeof(*ret->bits));
	if (ret->place)
		memset(ret->place, 0, n * sizeof(*ret->place));
	f->here.n = 0;
	f->todo.n = 0;
	if (!f->g->pclntab)
		return false;
	for (;;) {
		const struct frame_map *m = map_of(f, pc);
		if (!m->known)
			return false;
		if (m->top)
			break;
		size_t end = at + (size_t)m->spdelta / WORD; /* the return address */
		if (end >= n)
			return false;
		mark_frame(f, m, (int64_t)end + 1, (int64_t)n, ret);
		pc = load_u64(bytes + end * WORD);
		at = end + 1;
	}
	mark_objects(f, sp, bytes, n, ret->bits);
	return true;
}
