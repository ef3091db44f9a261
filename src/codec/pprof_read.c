/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pprof.h"

#include <string.h>

#include "base/num.h"
#include "codec/pprof_fields.h"
#include "codec/wire.h"

/*
 * The fields of a profile may stand in any order: the strings mostly come last, and samples first. So the file is
 * unpacked as a whole and gone through twice: once for all tables, once for the samples, which refer to them.
 */

enum {
	DENSE_MAX = 1 << 20,	/* ids below are looked up in an array */
	EXPECTED_MAX = 1 << 20, /* samples that room is made for before they are read */
};

struct text {
	uint32_t at, len; /* in the file; PPROF_MAX fits */
	const char *kept; /* interned when first used */
};

/* A sample type, or a comment (the name only). */
struct type {
	uint64_t name, unit;
	size_t offset;
};

struct function {
	uint64_t name, file;
	uint32_t offset;
};

struct line {
	uint64_t function;
	uint32_t line;
};

/* First a run in `lines`, then a run in `frames`. */
struct location {
	uint64_t addr;
	uint32_t at, n, offset;
};

/* id of the file to index. Writers number from 1, but need not. */
struct ids {
	struct u32_vec dense; /* index + 1 */
	struct hash_map sparse;
};

struct reader {
	const char *name;
	const unsigned char *data;
	size_t len;
	struct profile *p;
	VEC(struct text) texts;
	VEC(struct function) functions;
	VEC(struct line) lines;
	VEC(struct location) locations;
	struct u32_vec frames;	/* of locations: numbers in p->stacks */
	struct u32_vec singles; /* frame + 1 of the location with this id, where it has one only: nearly all */
	uint32_t stack[STACK_FRAMES_MAX]; /* of the sample at hand */
	size_t depth;
	struct ids function_ids, location_ids;
	struct type types[PROFILE_TYPES_MAX], period_type, default_type; /* period_type.offset 0: none */
	VEC(struct type) comments;
	size_t n_types, n_samples;
};

static void reader_deinit(struct reader *r)
{
	vec_deinit(&r->texts);
	vec_deinit(&r->functions);
	vec_deinit(&r->lines);
	vec_deinit(&r->locations);
	vec_deinit(&r->frames);
	vec_deinit(&r->singles);
	vec_deinit(&r->function_ids.dense);
	vec_deinit(&r->location_ids.dense);
	hash_map_deinit(&r->function_ids.sparse);
	hash_map_deinit(&r->location_ids.sparse);
	vec_deinit(&r->comments);
}

static struct err *bad(const struct reader *r, size_t offset, const char *what, uint64_t id)
{
	return err_new(ERR_FORMAT, "%s: %s %" PRIu64 " is not in the profile, at offset %zu", r->name, what, id,
		       offset);
}

static struct err *too_many(const struct reader *r, const char *what, size_t max)
{
	return err_new(ERR_LIMIT, "%s: more than %zu %s", r->name, max, what);
}

/* ---- ids ---- */

static void id_put(struct ids *ids, uint64_t id, size_t index)
{
	if (id >= DENSE_MAX) {
		*hash_map_at(&ids->sparse, id, NULL) = index;
		return;
	}
	while (ids->dense.n <= id)
		vec_push(&ids->dense);
	ids->dense.v[id] = (uint32_t)index + 1;
}

/* Of `n` things: the index, or n when none has this id. */
static size_t id_get(const struct ids *ids, uint64_t id, size_t n)
{
	if (id < DENSE_MAX)
		return id < ids->dense.n && ids->dense.v[id] ? ids->dense.v[id] - 1 : n;
	const uint64_t *found = hash_map_get(&ids->sparse, id);
	return found ? (size_t)*found : n;
}

static const struct function *function_of(const struct reader *r, uint64_t id)
{
	size_t i = id_get(&r->function_ids, id, r->functions.n);
	return i < r->functions.n ? &r->functions.v[i] : NULL;
}

static const struct location *location_of(const struct reader *r, uint64_t id)
{
	size_t i = id_get(&r->location_ids, id, r->locations.n);
	return i < r->locations.n ? &r->locations.v[i] : NULL;
}

/* ---- strings ---- */

static struct err *string(struct reader *r, uint64_t id, size_t offset, const char **ret)
{
	*ret = "";
	if (!id)
		return NULL;
	if (id >= r->texts.n)
		return bad(r, offset, "string", id);
	struct text *t = &r->texts.v[id];
	if (!t->kept)
		t->kept = intern_mem(&r->p->stacks.strings, (const char *)r->data + t->at, t->len);
	*ret = t->kept;
	return NULL;
}

/* ---- first round: tables ---- */

static struct err *read_type(struct reader *r, struct cursor m, struct type *ret)
{
	struct wire_field f;
	*ret = (struct type){ .offset = cursor_offset(&m) };
	while (wire_next(&m, &f)) {
		if (f.number == TYPE_NAME)
			ret->name = f.value;
		else if (f.number == TYPE_UNIT)
			ret->unit = f.value;
	}
	return wire_check(&m, r->name, "a sample type");
}

static struct err *read_sample_type(struct reader *r, struct cursor m)
{
	if (r->n_types == PROFILE_TYPES_MAX)
		return too_many(r, "sample types", PROFILE_TYPES_MAX);
	return read_type(r, m, &r->types[r->n_types++]);
}

static struct err *read_string(struct reader *r, struct cursor m)
{
	if (r->texts.n == PPROF_STRINGS_MAX)
		return too_many(r, "strings", PPROF_STRINGS_MAX);
	if (!r->texts.n && cursor_left(&m))
		return err_new(ERR_FORMAT, "%s: the first string is not empty, at offset %zu", r->name,
			       cursor_offset(&m));
	*vec_push(&r->texts) = (struct text){ (uint32_t)cursor_offset(&m), (uint32_t)cursor_left(&m), NULL };
	return NULL;
}

static struct err *read_function(struct reader *r, struct cursor m)
{
	struct function fn = { .offset = (uint32_t)cursor_offset(&m) };
	struct wire_field f;
	uint64_t id = 0, system_name = 0;
	while (wire_next(&m, &f)) {
		switch (f.number) {
		case FUNCTION_ID:
			id = f.value;
			break;
		case FUNCTION_NAME:
			fn.name = f.value;
			break;
		case FUNCTION_SYSTEM_NAME:
			system_name = f.value;
			break;
		case FUNCTION_FILE:
			fn.file = f.value;
			break;
		default:
			break;
		}
	}
	if (!fn.name)
		fn.name = system_name;
	if (r->functions.n == PPROF_STRINGS_MAX)
		return too_many(r, "functions", PPROF_STRINGS_MAX);
	id_put(&r->function_ids, id, r->functions.n);
	*vec_push(&r->functions) = fn;
	return wire_check(&m, r->name, "a function");
}

static struct err *read_line(struct reader *r, struct cursor m)
{
	struct line line = { 0 };
	struct wire_field f;
	while (wire_next(&m, &f)) {
		if (f.number == LINE_FUNCTION)
			line.function = f.value;
		else if (f.number == LINE_LINE)
			line.line = f.value <= UINT32_MAX ? (uint32_t)f.value : 0;
	}
	if (r->lines.n == PPROF_STRINGS_MAX)
		return too_many(r, "lines", PPROF_STRINGS_MAX);
	*vec_push(&r->lines) = line;
	return wire_check(&m, r->name, "a line");
}

static struct err *read_location(struct reader *r, struct cursor m)
{
	struct location l = { .at = (uint32_t)r->lines.n, .offset = (uint32_t)cursor_offset(&m) };
	struct wire_field f;
	uint64_t id = 0;
	while (wire_next(&m, &f)) {
		if (f.number == LOCATION_ID)
			id = f.value;
		else if (f.number == LOCATION_ADDRESS)
			l.addr = f.value;
		else if (f.number == LOCATION_LINE)
			TRY(read_line(r, f.bytes));
	}
	l.n = (uint32_t)r->lines.n - l.at;
	if (r->locations.n == PPROF_STRINGS_MAX)
		return too_many(r, "locations", PPROF_STRINGS_MAX);
	id_put(&r->location_ids, id, r->locations.n);
	*vec_push(&r->locations) = l;
	return wire_check(&m, r->name, "a location");
}

static struct err *read_comments(struct reader *r, struct wire_field *f, size_t offset)
{
	uint64_t id = 0;
	while (wire_number(f, &id)) {
		if (r->comments.n == PPROF_STRINGS_MAX)
			return too_many(r, "comments", PPROF_STRINGS_MAX);
		*vec_push(&r->comments) = (struct type){ .name = id, .offset = offset };
	}
	return wire_check(&f->bytes, r->name, "a list of comments");
}

static struct err *read_table(struct reader *r, struct wire_field *f, size_t offset)
{
	switch (f->number) {
	case PROFILE_SAMPLE_TYPE:
		return read_sample_type(r, f->bytes);
	case PROFILE_SAMPLE:
		r->n_samples++;
		break;
	case PROFILE_STRING:
		return read_string(r, f->bytes);
	case PROFILE_FUNCTION:
		return read_function(r, f->bytes);
	case PROFILE_LOCATION:
		return read_location(r, f->bytes);
	case PROFILE_COMMENT:
		return read_comments(r, f, offset);
	case PROFILE_PERIOD_TYPE:
		return read_type(r, f->bytes, &r->period_type);
	case PROFILE_PERIOD:
		r->p->period = (int64_t)f->value;
		break;
	case PROFILE_TIME:
		r->p->time_unix_ns = (int64_t)f->value;
		break;
	case PROFILE_DURATION:
		r->p->duration_ns = (int64_t)f->value;
		break;
	case PROFILE_DEFAULT_TYPE:
		r->default_type = (struct type){ .name = f->value, .offset = offset };
		break;
	default:
		break;
	}
	return NULL;
}

/* ---- between the rounds: names for numbers ---- */

static struct err *name_type(struct reader *r, const struct type *t, struct profile_type *ret)
{
	TRY(string(r, t->name, t->offset, &ret->type));
	return string(r, t->unit, t->offset, &ret->unit);
}

static struct err *name_types(struct reader *r)
{
	struct profile *p = r->p;
	struct profile_type named;
	if (!r->n_types)
		return err_new(ERR_FORMAT, "%s: no profile: it has no sample types", r->name);
	for (size_t i = 0; i < r->n_types; i++) {
		TRY(name_type(r, &r->types[i], &named));
		profile_type_add(p, named.type, named.unit);
	}
	if (r->period_type.offset)
		TRY(name_type(r, &r->period_type, &p->period_type));
	if (r->default_type.name)
		TRY(string(r, r->default_type.name, r->default_type.offset, &p->default_type));
	for (size_t i = 0; i < r->comments.n; i++) {
		TRY(name_type(r, &r->comments.v[i], &named));
		*vec_push(&p->comments) = named.type;
	}
	return NULL;
}

static struct err *name_line(struct reader *r, const struct location *l, uint32_t i, struct frame *ret)
{
	const struct line *line = &r->lines.v[l->at + i];
	*ret = (struct frame){
		.line = line->line, .addr = l->addr, .inlined = i + 1 < l->n, .function = "", .file = ""
	};
	if (!line->function)
		return NULL;
	const struct function *fn = function_of(r, line->function);
	if (!fn)
		return bad(r, l->offset, "function", line->function);
	TRY(string(r, fn->name, fn->offset, &ret->function));
	return string(r, fn->file, fn->offset, &ret->file);
}

/* The frames of a location: one where it has no lines, or says nothing in its line; that one has its address as name. */
static struct err *name_location(struct reader *r, struct location *l)
{
	char text[PPROF_ADDRESS_LEN];
	struct frame f = { .addr = l->addr, .function = "", .file = "" };
	uint32_t at = (uint32_t)r->frames.n, n = l->n ? l->n : 1;
	for (uint32_t i = 0; i < n; i++) {
		if (l->n)
			TRY(name_line(r, l, i, &f));
		if (n == 1 && f.addr && !*f.function && !*f.file && !f.line)
			f.function = pprof_address(f.addr, text);
		*vec_push(&r->frames) = stacks_frame(&r->p->stacks, &f);
	}
	l->at = at;
	l->n = n;
	return NULL;
}

static struct err *name_locations(struct reader *r)
{
	for (size_t i = 0; i < r->locations.n; i++)
		TRY(name_location(r, &r->locations.v[i]));
	for (size_t id = 0; id < r->location_ids.dense.n; id++) {
		uint32_t at = r->location_ids.dense.v[id];
		const struct location *l = at ? &r->locations.v[at - 1] : NULL;
		*vec_push(&r->singles) = l && l->n == 1 ? r->frames.v[l->at] + 1 : 0;
	}
	return NULL;
}

/* ---- second round: samples and mappings ---- */

static struct err *read_stack(struct reader *r, struct wire_field *f, size_t offset)
{
	uint64_t id = 0;
	while (wire_number(f, &id)) {
		if (id < r->singles.n && r->singles.v[id] && r->depth < STACK_FRAMES_MAX) {
			r->stack[r->depth++] = r->singles.v[id] - 1;
			continue;
		}
		const struct location *l = location_of(r, id);
		if (!l || !r->frames.v)
			return bad(r, offset, "location", id);
		size_t n = num_min(l->n, STACK_FRAMES_MAX - r->depth);
		for (size_t i = 0; i < n; i++)
			r->stack[r->depth++] = r->frames.v[l->at + i];
	}
	return wire_check(&f->bytes, r->name, "a stack");
}

static struct err *read_label(struct reader *r, struct cursor m)
{
	size_t offset = cursor_offset(&m);
	uint64_t v[LABEL_UNIT + 1] = { 0 };
	struct wire_field f;
	while (wire_next(&m, &f)) {
		if (f.number <= LABEL_UNIT)
			v[f.number] = f.value;
	}
	TRY(wire_check(&m, r->name, "a label"));
	const char *key = NULL, *text = NULL, *unit = NULL;
	TRY(string(r, v[LABEL_KEY], offset, &key));
	TRY(string(r, v[LABEL_TEXT], offset, &text));
	TRY(string(r, v[LABEL_UNIT], offset, &unit));
	if (r->p->labels.n == PPROF_LABELS_MAX)
		return too_many(r, "labels", PPROF_LABELS_MAX);
	if (v[LABEL_TEXT])
		profile_label_text(r->p, key, text);
	else
		profile_label_number(r->p, key, (int64_t)v[LABEL_NUMBER], unit);
	return NULL;
}

static struct err *read_labels(struct reader *r, struct cursor m)
{
	struct wire_field f;
	while (wire_next(&m, &f)) {
		if (f.number == SAMPLE_LABEL)
			TRY(read_label(r, f.bytes));
	}
	return NULL;
}

static struct err *read_sample(struct reader *r, struct cursor m)
{
	size_t offset = cursor_offset(&m), n = 0;
	int64_t values[PROFILE_TYPES_MAX];
	uint64_t v = 0;
	bool labels = false;
	struct cursor again = m;
	struct wire_field f;
	r->depth = 0;
	while (wire_next(&m, &f)) {
		if (f.number == SAMPLE_LOCATION)
			TRY(read_stack(r, &f, offset));
		for (; f.number == SAMPLE_VALUE && wire_number(&f, &v); n++) {
			if (n < PROFILE_TYPES_MAX)
				values[n] = (int64_t)v;
		}
		TRY(wire_check(&f.bytes, r->name, "a list of values"));
		labels |= f.number == SAMPLE_LABEL;
	}
	TRY(wire_check(&m, r->name, "a sample"));
	if (n != r->n_types)
		return err_new(ERR_FORMAT, "%s: a sample has %zu values for %zu types, at offset %zu", r->name, n,
			       r->n_types, offset);
	if (r->p->samples.n == PPROF_SAMPLES_MAX)
		return too_many(r, "samples", PPROF_SAMPLES_MAX);
	if (r->p->stacks.pool.n + r->depth > PPROF_FRAMES_MAX)
		return too_many(r, "frames", PPROF_FRAMES_MAX);
	memcpy(profile_sample_add(r->p, stacks_add(&r->p->stacks, r->stack, r->depth)), values, n * sizeof(*values));
	return labels ? read_labels(r, again) : NULL;
}

static struct err *read_mapping(struct reader *r, struct cursor m)
{
	size_t offset = cursor_offset(&m);
	uint64_t v[MAPPING_BUILD_ID + 1] = { 0 };
	struct wire_field f;
	while (wire_next(&m, &f)) {
		if (f.number <= MAPPING_BUILD_ID)
			v[f.number] = f.value;
	}
	TRY(wire_check(&m, r->name, "a mapping"));
	struct profile_mapping mapping = { v[MAPPING_START], v[MAPPING_LIMIT], v[MAPPING_OFFSET], NULL, NULL };
	TRY(string(r, v[MAPPING_FILE], offset, &mapping.file));
	TRY(string(r, v[MAPPING_BUILD_ID], offset, &mapping.build_id));
	if (r->p->mappings.n == PPROF_STRINGS_MAX)
		return too_many(r, "mappings", PPROF_STRINGS_MAX);
	*vec_push(&r->p->mappings) = mapping;
	return NULL;
}

/* All fields up to here hold messages or text. */
static struct err *check_kind(const struct reader *r, const struct wire_field *f, size_t offset)
{
	if (f->number > PROFILE_STRING || f->type == WIRE_BYTES)
		return NULL;
	return err_new(ERR_FORMAT, "%s: field %u is no message, at offset %zu", r->name, f->number, offset);
}

static struct err *read_tables(struct reader *r)
{
	struct cursor m;
	struct wire_field f;
	cursor_init(&m, r->data, r->len);
	for (size_t offset = 0; wire_next(&m, &f); offset = cursor_offset(&m)) {
		TRY(check_kind(r, &f, offset));
		TRY(read_table(r, &f, offset));
	}
	return wire_check(&m, r->name, "the profile");
}

static struct err *read_samples(struct reader *r)
{
	struct cursor m;
	struct wire_field f;
	size_t expected = num_min(r->n_samples, EXPECTED_MAX);
	hash_index_reserve(&r->p->stacks.stack_index, expected);
	vec_reserve(&r->p->samples, expected);
	vec_reserve(&r->p->values, expected * r->n_types);
	cursor_init(&m, r->data, r->len);
	while (wire_next(&m, &f)) {
		if (f.number == PROFILE_SAMPLE)
			TRY(read_sample(r, f.bytes));
		else if (f.number == PROFILE_MAPPING)
			TRY(read_mapping(r, f.bytes));
	}
	return NULL;
}

static struct err *read_profile(struct reader *r)
{
	TRY(read_tables(r));
	TRY(name_types(r));
	TRY(name_locations(r));
	return read_samples(r);
}

struct err *pprof_read(struct stream *s, struct profile *ret)
{
	AUTO_FREE unsigned char *data = NULL;
	size_t len = 0;
	profile_init(ret);
	TRY(stream_all(s, PPROF_MAX, &data, &len));
	struct reader r = { .name = s->name, .data = data, .len = len, .p = ret };
	struct err *err = read_profile(&r);
	reader_deinit(&r);
	return err;
}
