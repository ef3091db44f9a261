/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snapfile.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "base/num.h"
#include "codec/discreet.h"
#include "codec/kind.h"
#include "codec/snaptable.h"
#include "codec/wire.h"

enum {
	FORMAT = 1,
	FORMAT_DIGITS = 9,
	LEVEL = 9, /* of zstd: larger ones take longer and hardly save anything */
	CLASSES_MAX = 256,
};

/* The last bytes of a file: field 15, true. Without them it was cut between two fields. */
static const unsigned char complete[] = { 15 << 3 | WIRE_VARINT, 1 };

struct any_vec {
	void *v;
	size_t n, cap;
};

/* ---- writing: one function a kind ---- */

static void put_table(struct strbuf *out, const struct snap_table *t, const void *object);

/* With its zero, which is not the same as nothing. */
static void put_u64(struct strbuf *out, const struct snap_row *row, const void *p)
{
	uint64_t v = *(const uint64_t *)p;
	if (v == ACCOUNT_UNKNOWN)
		return;
	wire_put_varint(out, (uint64_t)row->number << 3 | WIRE_VARINT);
	wire_put_varint(out, v);
}

static void put_count(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_u64(out, row->number, *(const uint64_t *)p);
}

static void put_u32(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_u64(out, row->number, *(const uint32_t *)p);
}

static void put_int(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_i64(out, row->number, *(const int *)p);
}

static void put_i64(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_i64(out, row->number, *(const int64_t *)p);
}

static void put_bool(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_u64(out, row->number, *(const bool *)p);
}

static void put_double(struct strbuf *out, const struct snap_row *row, const void *p)
{
	if (!isfinite(*(const double *)p))
		return;
	wire_put_varint(out, (uint64_t)row->number << 3 | WIRE_FIXED64);
	strbuf_add(out, p, sizeof(double));
}

static void put_string(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const char *s = *(const char *const *)p;
	if (s)
		wire_put_bytes(out, row->number, s, strlen(s));
}

static void put_text(struct strbuf *out, const struct snap_row *row, const void *p)
{
	wire_put_str(out, row->number, *(const char *const *)p);
}

static void put_strings(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct str_vec *list = p;
	for (size_t i = 0; i < list->n; i++)
		put_string(out, row, &list->v[i]);
}

static void put_numbers(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct u32_vec *list = p;
	size_t at = wire_begin(out, row->number);
	for (size_t i = 0; i < list->n; i++)
		wire_put_varint(out, list->v[i]);
	wire_end(out, at);
}

static void put_numbered(struct strbuf *out, uint32_t field, const struct snap_table *t, const void *object)
{
	size_t at = wire_begin(out, field);
	put_table(out, t, object);
	wire_end(out, at);
}

static void put_message(struct strbuf *out, const struct snap_row *row, const void *p)
{
	put_numbered(out, row->number, row->sub, p);
}

static void put_rows(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct any_vec *list = p;
	for (size_t i = 0; i < list->n; i++)
		put_message(out, row, (const char *)list->v + i * row->sub->size);
}

static void put_array(struct strbuf *out, const struct snap_row *row, const void *p)
{
	for (size_t i = 0; i < row->limit; i++) {
		const void *element = (const char *)p + i * row->sub->size;
		if (*(const char *const *)element)
			put_message(out, row, element);
	}
}

/* Stack 0 is the empty one, and not written. */
static void put_stacks(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct stacks *s = p;
	size_t all = wire_begin(out, row->number);
	for (size_t i = 0; i < s->frames.n; i++)
		put_numbered(out, 1, row->sub, &s->frames.v[i]);
	for (size_t i = 1; i < s->v.n; i++) {
		size_t one = wire_begin(out, 2), packed = wire_begin(out, 1);
		for (uint32_t k = 0; k < s->v.v[i].n; k++)
			wire_put_varint(out, s->pool.v[s->v.v[i].at + k]);
		wire_end(out, packed);
		wire_end(out, one);
	}
	wire_end(out, all);
}

static void put_sample(struct strbuf *out, const struct snap_row *row, const struct profile *p, size_t i)
{
	const struct profile_sample *sample = &p->samples.v[i];
	wire_put_u64(out, 1, sample->stack);
	size_t packed = wire_begin(out, 2);
	for (size_t k = 0; k < p->n_types; k++)
		wire_put_varint(out, (uint64_t)profile_values(p, i)[k]);
	wire_end(out, packed);
	for (uint32_t k = 0; k < sample->label_n; k++) {
		const struct profile_label *l = &p->labels.v[sample->label_at + k];
		if (!l->text)
			put_numbered(out, 3, row->sub, l);
	}
}

static void put_samples(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct profile *profile = (const void *)((const char *)p - row->offset);
	for (size_t i = 0; i < profile->samples.n; i++) {
		size_t at = wire_begin(out, row->number);
		put_sample(out, row, profile, i);
		wire_end(out, at);
	}
}

static void put_names(struct strbuf *out, const struct snap_row *row, const void *p)
{
	(void)p;
	for (size_t i = 0; i < CLASS_MAX_; i++)
		put_string(out, row, &mem_classes[i].name);
}

static void put_classes(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const uint64_t *bytes = p;
	size_t at = wire_begin(out, row->number);
	for (size_t i = 0; i < CLASS_MAX_; i++) {
		if (!bytes[i])
			continue;
		wire_put_varint(out, i);
		wire_put_varint(out, bytes[i]);
	}
	wire_end(out, at);
}

static void put_totals(struct strbuf *out, const struct snap_row *row, const void *p)
{
	const struct account_class *classes = p;
	for (size_t i = 0; i < CLASS_MAX_; i++) {
		size_t at = wire_begin(out, row->number);
		wire_put_u64(out, 1, i);
		put_table(out, row->sub, &classes[i]);
		wire_end(out, at);
	}
}

/* ---- reading: one function a kind ---- */

struct reading {
	const char *name;	    /* of the file */
	const char *message;	    /* that is being read */
	struct arena *arena;	    /* where strings go, */
	struct stacks *stacks;	    /* or where they are interned, when not NULL */
	struct u32_vec frames, ids; /* of the stacks: number in the file to number in the table */
	enum mem_class classes[CLASSES_MAX];
	size_t n_classes;
	uint64_t memory;
	const unsigned char *at;    /* start of the field being read, */
	const unsigned char *start; /* and of the file */
};

static struct err *read_table(struct reading *r, const struct snap_table *t, struct cursor m, void *object);

static bool next_field(struct reading *r, struct cursor *m, struct wire_field *ret)
{
	r->at = m->p;
	return wire_next(m, ret);
}

static struct err *bad(const struct reading *r, const struct snap_row *row, const char *what)
{
	return err_new(ERR_FORMAT, "%s: %s.%s %s at offset %zu", r->name, r->message, row->name, what,
		       (size_t)(r->at - r->start));
}

/* Memory is bounded by what stands in the file, times what one of its bytes may stand for. */
static struct err *spend(struct reading *r, uint64_t bytes)
{
	r->memory += bytes;
	if (r->memory <= SNAPFILE_MEMORY_MAX)
		return NULL;
	return err_new(ERR_LIMIT, "%s: it holds more than %u MiB at offset %zu", r->name,
		       (unsigned)(SNAPFILE_MEMORY_MAX >> 20), (size_t)(r->at - r->start));
}

static struct err *take_u64(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)r;
	(void)row;
	*(uint64_t *)p = f->value;
	return NULL;
}

static struct err *take_u32(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	if (f->value > UINT32_MAX)
		return bad(r, row, "is out of range");
	*(uint32_t *)p = (uint32_t)f->value;
	return NULL;
}

static struct err *take_int(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	int64_t v = (int64_t)f->value;
	if (v < INT_MIN || v > INT_MAX)
		return bad(r, row, "is out of range");
	*(int *)p = (int)v;
	return NULL;
}

static struct err *take_bool(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)r;
	(void)row;
	*(bool *)p = f->value != 0;
	return NULL;
}

/* A value of a later version is the last one, which stands for what has no name. */
static struct err *take_enum(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)r;
	*(uint32_t *)p = (uint32_t)num_min(f->value, row->limit - 1);
	return NULL;
}

static struct err *take_string(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)row;
	size_t len = strnlen((const char *)f->bytes.p, cursor_left(&f->bytes));
	TRY(spend(r, len + 1));
	*(const char **)p = r->stacks ? intern_mem(&r->stacks->strings, (const char *)f->bytes.p, len)
				      : arena_strndup(r->arena, (const char *)f->bytes.p, len);
	return NULL;
}

static struct err *take_strings(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	struct str_vec *list = p;
	TRY(spend(r, sizeof(*list->v)));
	return take_string(r, row, f, vec_push(list));
}

static struct err *take_numbers(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	struct u32_vec *list = p;
	uint64_t v = 0;
	TRY(spend(r, cursor_left(&f->bytes) * sizeof(*list->v)));
	while (wire_number(f, &v))
		*vec_push(list) = (uint32_t)v;
	return f->bytes.bad ? bad(r, row, "are damaged") : NULL;
}

static struct err *take_message(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	return read_table(r, row->sub, f->bytes, p);
}

static void set_absent(const struct snap_table *t, void *object);

static struct err *take_rows(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	struct any_vec *list = p;
	size_t size = row->sub->size;
	TRY(spend(r, size));
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 16;
		list->v = xrealloc(list->v, list->cap * size);
	}
	void *element = (char *)list->v + list->n++ * size;
	memset(element, 0, size);
	set_absent(row->sub, element);
	return read_table(r, row->sub, f->bytes, element);
}

static struct err *take_array(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	for (size_t i = 0; i < row->limit; i++) {
		void *element = (char *)p + i * row->sub->size;
		if (!*(const char **)element)
			return read_table(r, row->sub, f->bytes, element);
	}
	return bad(r, row, "are too many");
}

static struct err *take_stack(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	if (f->value > r->ids.n)
		return bad(r, row, "names a stack that is not there");
	*(uint32_t *)p = f->value ? r->ids.v[f->value - 1] : 0;
	return NULL;
}

static struct err *take_frame(struct reading *r, const struct snap_row *row, struct wire_field *f)
{
	struct frame frame = { 0 };
	set_absent(row->sub, &frame);
	TRY(read_table(r, row->sub, f->bytes, &frame));
	TRY(spend(r, sizeof(frame) * 2));
	*vec_push(&r->frames) = stacks_frame(r->stacks, &frame);
	return NULL;
}

static struct err *take_trace(struct reading *r, const struct snap_row *row, struct cursor m)
{
	uint32_t frames[STACK_FRAMES_MAX];
	size_t n = 0;
	struct wire_field f;
	while (wire_next(&m, &f)) {
		uint64_t v = 0;
		while (f.number == 1 && n < STACK_FRAMES_MAX && wire_number(&f, &v)) {
			if (v >= r->frames.n)
				return bad(r, row, "names a frame that is not there");
			frames[n++] = r->frames.v[v];
		}
		m.bad |= f.bytes.bad;
	}
	TRY(wire_check(&m, r->name, "a stack"));
	TRY(spend(r, n * sizeof(frames[0]) + sizeof(struct stack) * 3));
	*vec_push(&r->ids) = stacks_add(r->stacks, frames, n);
	return NULL;
}

static struct err *take_stacks(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)p; /* r->stacks already */
	struct cursor m = f->bytes;
	struct wire_field part;
	while (next_field(r, &m, &part)) {
		if (part.number == 1 && part.type == WIRE_BYTES)
			TRY(take_frame(r, row, &part));
		else if (part.number == 2 && part.type == WIRE_BYTES)
			TRY(take_trace(r, row, part.bytes));
	}
	return wire_check(&m, r->name, "the table of stacks");
}

/* Of one sample: exactly as many values as the profile has types. */
static struct err *take_values(struct reading *r, const struct snap_row *row, struct wire_field *f, struct profile *p)
{
	int64_t *values = &p->values.v[p->values.n - p->n_types];
	uint64_t v = 0;
	size_t n = 0;
	while (wire_number(f, &v)) {
		if (n == p->n_types)
			return bad(r, row, "have too many values");
		values[n++] = (int64_t)v;
	}
	return f->bytes.bad ? bad(r, row, "are damaged") : NULL;
}

static struct err *take_sample(struct reading *r, const struct snap_row *row, struct wire_field *f, struct profile *p)
{
	static const struct snap_row stack = { .name = "samples" };
	if (f->number == 1)
		return take_stack(r, &stack, f, &p->samples.v[p->samples.n - 1].stack);
	if (f->number == 2)
		return take_values(r, row, f, p);
	if (f->number != 3 || f->type != WIRE_BYTES)
		return NULL;
	struct profile_label label = { 0 };
	set_absent(row->sub, &label);
	TRY(spend(r, sizeof(label)));
	TRY(read_table(r, row->sub, f->bytes, &label));
	profile_label_number(p, label.key, label.number, label.unit);
	return NULL;
}

static struct err *take_samples(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	struct profile *profile = (void *)((char *)p - row->offset);
	struct cursor m = f->bytes;
	struct wire_field part;
	TRY(spend(r, sizeof(struct profile_sample) + profile->n_types * sizeof(int64_t)));
	profile_sample_add(profile, 0);
	while (next_field(r, &m, &part))
		TRY(take_sample(r, row, &part, profile));
	return wire_check(&m, r->name, "a sample");
}

/* A class that only a later version knows is unexplained here. */
static struct err *take_name(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	(void)p;
	if (r->n_classes == CLASSES_MAX)
		return bad(r, row, "are too many");
	size_t len = cursor_left(&f->bytes), i = 0;
	while (i < CLASS_MAX_ &&
	       (strlen(mem_classes[i].name) != len || memcmp(mem_classes[i].name, f->bytes.p, len) != 0))
		i++;
	r->classes[r->n_classes++] = i < CLASS_MAX_ ? (enum mem_class)i : CLASS_UNEXPLAINED;
	return NULL;
}

static struct err *class_of(struct reading *r, const struct snap_row *row, uint64_t number, enum mem_class *ret)
{
	if (number >= r->n_classes)
		return bad(r, row, "names a class that is not there");
	*ret = r->classes[number];
	return NULL;
}

static struct err *take_class(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	return class_of(r, row, f->value, p);
}

static struct err *take_classes(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	uint64_t *bytes = p, number = 0, v = 0;
	while (wire_number(f, &number) && wire_number(f, &v)) {
		enum mem_class c = CLASS_UNEXPLAINED;
		TRY(class_of(r, row, number, &c));
		bytes[c] += v;
	}
	return f->bytes.bad ? bad(r, row, "are damaged") : NULL;
}

static struct err *take_totals(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p)
{
	struct account_class one = { 0 }, *to = p;
	struct cursor m = f->bytes;
	struct wire_field part;
	uint64_t number = 0;
	while (wire_next(&m, &part))
		number = part.number == 1 ? part.value : number;
	enum mem_class c = CLASS_UNEXPLAINED;
	TRY(class_of(r, row, number, &c));
	TRY(read_table(r, row->sub, f->bytes, &one));
	to += c;
	to->resident += one.resident;
	to->virtual_size += one.virtual_size;
	to->swap += one.swap;
	to->huge += one.huge;
	to->lazyfree += one.lazyfree;
	to->pss += one.pss;
	to->anon += one.anon;
	return NULL;
}

/* ---- the kinds ---- */

static const struct {
	void (*put)(struct strbuf *out, const struct snap_row *row, const void *p);
	struct err *(*take)(struct reading *r, const struct snap_row *row, struct wire_field *f, void *p);
	enum wire_type type;
} kinds[SNAP_KIND_MAX_] = {
	[SNAP_U64] = { put_u64, take_u64, WIRE_VARINT },
	[SNAP_COUNT] = { put_count, take_u64, WIRE_VARINT },
	[SNAP_U32] = { put_u32, take_u32, WIRE_VARINT },
	[SNAP_INT] = { put_int, take_int, WIRE_VARINT },
	[SNAP_I64] = { put_i64, take_u64, WIRE_VARINT },
	[SNAP_BOOL] = { put_bool, take_bool, WIRE_VARINT },
	[SNAP_DOUBLE] = { put_double, take_u64, WIRE_FIXED64 },
	[SNAP_STRING] = { put_string, take_string, WIRE_BYTES },
	[SNAP_TEXT] = { put_text, take_string, WIRE_BYTES },
	[SNAP_STRINGS] = { put_strings, take_strings, WIRE_BYTES },
	[SNAP_NUMBERS] = { put_numbers, take_numbers, WIRE_BYTES },
	[SNAP_ENUM] = { put_u32, take_enum, WIRE_VARINT },
	[SNAP_MESSAGE] = { put_message, take_message, WIRE_BYTES },
	[SNAP_ROWS] = { put_rows, take_rows, WIRE_BYTES },
	[SNAP_ARRAY] = { put_array, take_array, WIRE_BYTES },
	[SNAP_STACK] = { put_u32, take_stack, WIRE_VARINT },
	[SNAP_STACKS] = { put_stacks, take_stacks, WIRE_BYTES },
	[SNAP_CLASS] = { put_u32, take_class, WIRE_VARINT },
	[SNAP_CLASSES] = { put_classes, take_classes, WIRE_BYTES },
	[SNAP_TOTALS] = { put_totals, take_totals, WIRE_BYTES },
	[SNAP_NAMES] = { put_names, take_name, WIRE_BYTES },
	[SNAP_SAMPLES] = { put_samples, take_samples, WIRE_BYTES },
};

static void put_table(struct strbuf *out, const struct snap_table *t, const void *object)
{
	for (const struct snap_row *row = t->rows; row->name; row++) {
		if (kinds[row->kind].put)
			kinds[row->kind].put(out, row, (const char *)object + row->offset);
	}
}

/* What a member is that the file does not have. */
static void set_absent(const struct snap_table *t, void *object)
{
	for (const struct snap_row *row = t->rows; row->name; row++) {
		void *p = (char *)object + row->offset;
		if (row->kind == SNAP_U64)
			*(uint64_t *)p = ACCOUNT_UNKNOWN;
		else if (row->kind == SNAP_DOUBLE)
			*(double *)p = NAN;
		else if (row->kind == SNAP_TEXT)
			*(const char **)p = "";
		else if (row->kind == SNAP_MESSAGE)
			set_absent(row->sub, p);
	}
}

static const struct snap_row *find_row(const struct snap_table *t, uint32_t number)
{
	for (const struct snap_row *row = t->rows; row->name; row++) {
		if (row->number == number)
			return row;
	}
	return NULL;
}

/* Where the strings of this message go. */
static void choose_home(struct reading *r, const struct snap_table *t, void *object)
{
	for (const struct snap_row *row = t->rows; row->name; row++) {
		void *p = (char *)object + row->offset;
		if (row->kind == SNAP_ARENA) {
			r->arena = p;
			r->stacks = NULL;
		} else if (row->kind == SNAP_STACKS) {
			r->stacks = p;
			r->frames.n = r->ids.n = 0;
		}
	}
}

static struct err *read_fields(struct reading *r, const struct snap_table *t, struct cursor *m, void *object)
{
	struct wire_field f;
	while (next_field(r, m, &f)) {
		const struct snap_row *row = find_row(t, f.number);
		if (!row || !kinds[row->kind].take)
			continue; /* of a later version */
		r->message = t->message;
		if (f.type != kinds[row->kind].type)
			return bad(r, row, "has the wrong type");
		TRY(kinds[row->kind].take(r, row, &f, (char *)object + row->offset));
	}
	return wire_check(m, r->name, t->message);
}

/* The tables bound the depth: a message holds only what its table names. */
static struct err *read_table(struct reading *r, const struct snap_table *t, struct cursor m, void *object)
{
	struct arena *arena = r->arena;
	struct stacks *stacks = r->stacks;
	choose_home(r, t, object);
	struct err *err = read_fields(r, t, &m, object);
	r->arena = arena;
	r->stacks = stacks;
	return err;
}

/* ---- the file ---- */

static struct err *read_format(struct stream *s, size_t *ret)
{
	static const char magic[] = CODEC_SNAPSHOT_MAGIC;
	const size_t start = sizeof(magic) - 1;
	const unsigned char *p = NULL;
	size_t have = 0;
	uint64_t format = 0;
	TRY(stream_peek(s, start + FORMAT_DIGITS + 1, &p, &have));
	const unsigned char *end = have > start ? memchr(p, '\n', num_min(have, start + FORMAT_DIGITS + 1)) : NULL;
	if (!end || memcmp(p, magic, start) != 0 ||
	    !num_dec((const char *)p + start, (size_t)(end - p) - start, &format))
		return stream_bad(s, "no snapshot begins here");
	if (format > FORMAT)
		return err_new(ERR_UNSUPPORTED,
			       "%s was written by a later version of ullage, in format %llu; this one reads format %d",
			       s->name, (unsigned long long)format, FORMAT);
	*ret = (size_t)(end - p) + 1;
	return NULL;
}

/* What the model promises of its lists, and the tables cannot say. */
static struct err *check_account(const char *name, const struct account *a)
{
	if (a->maps.n != a->vmas.n)
		return err_new(ERR_FORMAT, "%s: %zu mappings and the sizes of %zu, at the end of the account", name,
			       a->maps.n, a->vmas.n);
	uint64_t last = 0;
	for (size_t i = 0; i < a->maps.n; i++) {
		if (a->maps.v[i].start < last || a->maps.v[i].end <= a->maps.v[i].start)
			return err_new(ERR_FORMAT, "%s: mapping %zu is out of order", name, i);
		last = a->maps.v[i].end;
	}
	return NULL;
}

static struct err *decode(struct reading *r, struct cursor m, struct snapshot *ret)
{
	if (cursor_left(&m) < sizeof(complete) || memcmp(m.end - sizeof(complete), complete, sizeof(complete)) != 0)
		return err_new(ERR_FORMAT, "%s: the snapshot is cut short at offset %zu", r->name,
			       (size_t)(m.end - m.start));
	set_absent(&snap_table, ret);
	TRY(read_table(r, &snap_table, m, ret));
	ret->parts &= SNAPSHOT_ALL | SNAPSHOT_OWNERS;
	struct profile *p = &ret->heap.profile;
	if (!p->default_type || profile_type_find(p, p->default_type) < 0)
		p->default_type = p->types[HEAP_INUSE_SPACE].type;
	while (ret->note_parts.n < ret->notes.n)
		*vec_push(&ret->note_parts) = 0;
	return check_account(r->name, &ret->account);
}

struct err *snapfile_read(struct stream *s, struct snapshot *ret)
{
	AUTO_FREE unsigned char *data = NULL;
	size_t start = 0, len = 0;
	struct cursor m;
	TRY(read_format(s, &start));
	TRY(stream_all(s, SNAPFILE_MAX, &data, &len));
	cursor_init(&m, data, len);
	cursor_skip(&m, start);
	struct reading r = { .name = s->name, .arena = &ret->arena, .start = data };
	struct err *err = decode(&r, m, ret);
	vec_deinit(&r.frames);
	vec_deinit(&r.ids);
	return err;
}

static struct err *compress(const struct strbuf *plain, struct strbuf *out)
{
	size_t room = ZSTD_compressBound(plain->len);
	AUTO_FREE char *packed = NULL;
	TRY(alloc_checked(room, 1, SNAPFILE_MAX + (SNAPFILE_MAX >> 4), &packed));
	ZSTD_CCtx *z = ZSTD_createCCtx();
	if (!z)
		return err_nomem();
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	size_t n = ZSTD_compress2(z, packed, room, plain->buf, plain->len);
	ZSTD_freeCCtx(z);
	if (ZSTD_isError(n))
		return err_new(ERR_INTERNAL, "packing the snapshot: %s", ZSTD_getErrorName(n));
	strbuf_add(out, packed, n);
	return NULL;
}

struct err *snapfile_write(const struct snapshot *s, struct strbuf *out)
{
	AUTO(strbuf) struct strbuf plain;
	strbuf_init(&plain);
	struct discreet d;
	discreet_init(&d, s);
	strbuf_printf(&plain, "%s%d\n", CODEC_SNAPSHOT_MAGIC, FORMAT);
	put_table(&plain, &snap_table, &d.s);
	strbuf_add(&plain, complete, sizeof(complete));
	discreet_deinit(&d);
	if (plain.len > SNAPFILE_MAX)
		return err_new(ERR_LIMIT, "the snapshot is larger than %u MiB", (unsigned)(SNAPFILE_MAX >> 20));
	return compress(&plain, out);
}
