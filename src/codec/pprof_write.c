/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pprof.h"

#include <string.h>
#include <zlib.h>

#include "base/bisect.h"
#include "base/num.h"
#include "codec/pprof_fields.h"
#include "codec/wire.h"

enum {
	GZIP_BITS = 15 + 16, /* zlib: the largest window, with a gzip header */
	GZIP_LEVEL = 5,	     /* two thirds of the time of 6 for a hundredth more bytes */
	GZIP_MEMORY = 8,
	GZIP_STEP = 1 << 30, /* zlib counts in unsigned */
};

/*
 * Everything is numbered when it is first used, and written at once to the part it belongs to. A location is a frame
 * with those inlined into it: a run of frame numbers in the pool of the stacks.
 */
struct writer {
	const struct profile *p;
	struct strbuf samples, locations, functions, strings;
	struct intern texts;
	struct hash_map text_ids, function_ids; /* by address of the interned text; by name and file */
	struct u32_vec alone; /* by frame number: its location when nothing is inlined into it; 0 = none */
	struct hash_index group_index;
	VEC(struct stack) groups; /* runs in the pool; group i is location group_ids[i] */
	struct u32_vec group_ids;
	struct u32_vec by_start; /* mappings, sorted */
	unsigned char *bare;	 /* by mapping: it has locations without a function */
	uint32_t n_locations;
};

static void writer_init(struct writer *w, const struct profile *p)
{
	*w = (struct writer){ .p = p };
	strbuf_init(&w->samples);
	strbuf_init(&w->locations);
	strbuf_init(&w->functions);
	strbuf_init(&w->strings);
	intern_init(&w->texts);
	w->alone.v = xcalloc(p->stacks.frames.n + 1, sizeof(*w->alone.v));
	w->bare = xcalloc(p->mappings.n + 1, 1);
}

static void writer_deinit(struct writer *w)
{
	strbuf_deinit(&w->samples);
	strbuf_deinit(&w->locations);
	strbuf_deinit(&w->functions);
	strbuf_deinit(&w->strings);
	intern_deinit(&w->texts);
	hash_map_deinit(&w->text_ids);
	hash_map_deinit(&w->function_ids);
	hash_index_deinit(&w->group_index);
	vec_deinit(&w->alone);
	vec_deinit(&w->groups);
	vec_deinit(&w->group_ids);
	vec_deinit(&w->by_start);
	free(w->bare);
}

static uint64_t string_id(struct writer *w, const char *s)
{
	const char *own = intern_str(&w->texts, s);
	bool fresh = false;
	uint64_t *id = hash_map_at(&w->text_ids, (uint64_t)(uintptr_t)own, &fresh);
	if (fresh) {
		*id = w->texts.list.n - 1;
		wire_put_bytes(&w->strings, PROFILE_STRING, own, strlen(own));
	}
	return *id;
}

/* ---- functions and locations ---- */

static uint64_t function_id(struct writer *w, const struct frame *f)
{
	uint64_t name = string_id(w, f->function), file = string_id(w, f->file);
	bool fresh = false;
	uint64_t *id = hash_map_at(&w->function_ids, name << 32 | file, &fresh);
	if (!fresh)
		return *id;
	*id = w->function_ids.n;
	size_t at = wire_begin(&w->functions, PROFILE_FUNCTION);
	wire_put_u64(&w->functions, FUNCTION_ID, *id);
	wire_put_u64(&w->functions, FUNCTION_NAME, name);
	wire_put_u64(&w->functions, FUNCTION_SYSTEM_NAME, name);
	wire_put_u64(&w->functions, FUNCTION_FILE, file);
	wire_end(&w->functions, at);
	return *id;
}

static int by_start(const void *a, const void *b, void *ctx)
{
	const struct profile_mapping *m = ctx;
	uint64_t x = m[*(const uint32_t *)a].start, y = m[*(const uint32_t *)b].start;
	return x < y ? -1 : x > y;
}

static void sort_mappings(struct writer *w)
{
	for (uint32_t i = 0; i < w->p->mappings.n; i++)
		*vec_push(&w->by_start) = i;
	if (w->by_start.n > 1)
		qsort_r(w->by_start.v, w->by_start.n, sizeof(*w->by_start.v), by_start, w->p->mappings.v);
}

/* Number of the mapping that holds the address, from 1; 0 where none does. */
static uint32_t mapping_id(const struct writer *w, uint64_t addr)
{
	size_t lo = bisect(w->by_start.n, i, w->p->mappings.v[w->by_start.v[i]].start <= addr);
	if (!lo || addr >= w->p->mappings.v[w->by_start.v[lo - 1]].limit)
		return 0;
	return w->by_start.v[lo - 1] + 1;
}

/* Nothing is known but the address: pprof may look it up itself, when no name stands there. */
static bool is_bare(const struct frame *f)
{
	char text[PPROF_ADDRESS_LEN];
	return f->addr && !*f->file && !f->line &&
	       (!*f->function || strcmp(f->function, pprof_address(f->addr, text)) == 0);
}

static uint32_t put_location(struct writer *w, const uint32_t *frames, uint32_t n)
{
	const struct frame *all = w->p->stacks.frames.v;
	uint64_t addr = all[frames[n - 1]].addr;
	uint32_t mapping = addr ? mapping_id(w, addr) : 0;
	size_t at = wire_begin(&w->locations, PROFILE_LOCATION);
	wire_put_u64(&w->locations, LOCATION_ID, ++w->n_locations);
	wire_put_u64(&w->locations, LOCATION_MAPPING, mapping);
	wire_put_u64(&w->locations, LOCATION_ADDRESS, addr);
	if (n == 1 && is_bare(&all[frames[0]])) {
		if (mapping)
			w->bare[mapping - 1] = 1;
		n = 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct frame *f = &all[frames[i]];
		size_t line = wire_begin(&w->locations, LOCATION_LINE);
		wire_put_u64(&w->locations, LINE_FUNCTION, function_id(w, f));
		wire_put_u64(&w->locations, LINE_LINE, f->line);
		wire_end(&w->locations, line);
	}
	wire_end(&w->locations, at);
	return w->n_locations;
}

struct wanted_group {
	const struct writer *w;
	struct stack group;
};

static bool same_group(const void *ctx, uint32_t id)
{
	const struct wanted_group *want = ctx;
	const uint32_t *pool = want->w->p->stacks.pool.v;
	struct stack a = want->w->groups.v[id], b = want->group;
	return a.n == b.n && memcmp(pool + a.at, pool + b.at, a.n * sizeof(*pool)) == 0;
}

static uint32_t location_id(struct writer *w, struct stack group)
{
	const uint32_t *frames = w->p->stacks.pool.v + group.at;
	if (group.n == 1) {
		uint32_t *alone = &w->alone.v[frames[0]];
		if (!*alone)
			*alone = put_location(w, frames, 1);
		return *alone;
	}
	struct wanted_group want = { w, group };
	uint64_t hash = hash_bytes(frames, group.n * sizeof(*frames));
	uint32_t id = hash_index_find(&w->group_index, hash, same_group, &want);
	if (id == HASH_NONE) {
		hash_index_add(&w->group_index, hash, (uint32_t)w->groups.n);
		*vec_push(&w->groups) = group;
		*vec_push(&w->group_ids) = put_location(w, frames, group.n);
		return w->n_locations;
	}
	return w->group_ids.v[id];
}

/* ---- samples ---- */

static void put_locations(struct writer *w, uint32_t stack)
{
	const struct stacks *s = &w->p->stacks;
	struct stack st = s->v.v[stack];
	size_t at = wire_begin(&w->samples, SAMPLE_LOCATION);
	for (uint32_t i = 0, k = 0; i < st.n; i = k) {
		for (k = i + 1; k < st.n && stacks_at(s, stack, k - 1)->inlined; k++)
			;
		wire_put_varint(&w->samples, location_id(w, (struct stack){ st.at + i, k - i }));
	}
	wire_end(&w->samples, at);
}

static void put_label(struct writer *w, const struct profile_label *l)
{
	size_t at = wire_begin(&w->samples, SAMPLE_LABEL);
	wire_put_u64(&w->samples, LABEL_KEY, string_id(w, l->key));
	if (l->text) {
		wire_put_u64(&w->samples, LABEL_TEXT, string_id(w, l->text));
	} else {
		wire_put_i64(&w->samples, LABEL_NUMBER, l->number);
		wire_put_u64(&w->samples, LABEL_UNIT, string_id(w, l->unit));
	}
	wire_end(&w->samples, at);
}

static void put_sample(struct writer *w, size_t i)
{
	const struct profile *p = w->p;
	const struct profile_sample *s = &p->samples.v[i];
	size_t at = wire_begin(&w->samples, PROFILE_SAMPLE);
	put_locations(w, s->stack);
	size_t values = wire_begin(&w->samples, SAMPLE_VALUE);
	for (size_t t = 0; t < p->n_types; t++)
		wire_put_varint(&w->samples, (uint64_t)profile_values(p, i)[t]);
	wire_end(&w->samples, values);
	for (uint32_t l = 0; l < s->label_n; l++)
		put_label(w, &p->labels.v[s->label_at + l]);
	wire_end(&w->samples, at);
}

/* ---- the rest ---- */

static void put_type(struct writer *w, uint32_t field, const struct profile_type *t, struct strbuf *out)
{
	size_t at = wire_begin(out, field);
	wire_put_u64(out, TYPE_NAME, string_id(w, t->type));
	wire_put_u64(out, TYPE_UNIT, string_id(w, t->unit));
	wire_end(out, at);
}

static void put_mapping(struct writer *w, size_t i, struct strbuf *out)
{
	const struct profile_mapping *m = &w->p->mappings.v[i];
	size_t at = wire_begin(out, PROFILE_MAPPING);
	wire_put_u64(out, MAPPING_ID, i + 1);
	wire_put_u64(out, MAPPING_START, m->start);
	wire_put_u64(out, MAPPING_LIMIT, m->limit);
	wire_put_u64(out, MAPPING_OFFSET, m->offset);
	wire_put_u64(out, MAPPING_FILE, string_id(w, m->file));
	wire_put_u64(out, MAPPING_BUILD_ID, string_id(w, m->build_id));
	for (uint32_t has = MAPPING_HAS_FUNCTIONS; has <= MAPPING_HAS_INLINED; has++)
		wire_put_u64(out, has, !w->bare[i]);
	wire_end(out, at);
}

static void put_profile(struct writer *w, struct strbuf *out)
{
	const struct profile *p = w->p;
	string_id(w, ""); /* the first string must be empty */
	sort_mappings(w);
	for (size_t i = 0; i < p->n_types; i++)
		put_type(w, PROFILE_SAMPLE_TYPE, &p->types[i], out);
	for (size_t i = 0; i < p->samples.n; i++)
		put_sample(w, i);
	strbuf_add(out, w->samples.buf, w->samples.len);
	for (size_t i = 0; i < p->mappings.n; i++)
		put_mapping(w, i, out);
	strbuf_add(out, w->locations.buf, w->locations.len);
	strbuf_add(out, w->functions.buf, w->functions.len);
	wire_put_i64(out, PROFILE_TIME, p->time_unix_ns);
	wire_put_i64(out, PROFILE_DURATION, p->duration_ns);
	if (p->period_type.type)
		put_type(w, PROFILE_PERIOD_TYPE, &p->period_type, out);
	wire_put_i64(out, PROFILE_PERIOD, p->period);
	size_t comments = wire_begin(out, PROFILE_COMMENT);
	for (size_t i = 0; i < p->comments.n; i++)
		wire_put_varint(out, string_id(w, p->comments.v[i]));
	wire_end(out, comments);
	wire_put_u64(out, PROFILE_DEFAULT_TYPE, string_id(w, p->default_type));
	strbuf_add(out, w->strings.buf, w->strings.len);
}

static void *zlib_alloc(void *opaque, unsigned n, unsigned size)
{
	return xcalloc(n, size);
}

static void zlib_free(void *opaque, void *p)
{
	free(p);
}

/* Nothing can fail: what zlib needs is memory, and xcalloc() gives it or ends the program. */
static void gzip(const struct strbuf *in, struct strbuf *out)
{
	unsigned char buf[64 << 10];
	z_stream z = { .zalloc = zlib_alloc, .zfree = zlib_free };
	deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, GZIP_MEMORY, Z_DEFAULT_STRATEGY);
	for (size_t at = 0, step = 0; at <= in->len; at += step) {
		step = (size_t)num_min(in->len - at, GZIP_STEP);
		bool last = at + step == in->len;
		z.next_in = (unsigned char *)in->buf + at;
		z.avail_in = (unsigned)step;
		do {
			z.next_out = buf;
			z.avail_out = sizeof(buf);
			deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
			strbuf_add(out, buf, sizeof(buf) - z.avail_out);
		} while (!z.avail_out);
		if (last)
			break;
	}
	deflateEnd(&z);
}

void pprof_write(const struct profile *p, struct strbuf *out)
{
	struct writer w;
	AUTO(strbuf) struct strbuf plain;
	strbuf_init(&plain);
	writer_init(&w, p);
	put_profile(&w, &plain);
	writer_deinit(&w);
	gzip(&plain, out);
}
