/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/pprof.h"
#include "codec/wire.h"

/* ---- comparing ---- */

static void same_text(const char *a, const char *b)
{
	assert_string_equal(a ? a : "(null)", b ? b : "(null)");
}

static void same_stack(const struct profile *a, const struct profile *b, size_t i)
{
	uint32_t x = a->samples.v[i].stack, y = b->samples.v[i].stack;
	assert_int_equal(stacks_depth(&a->stacks, x), stacks_depth(&b->stacks, y));
	for (uint32_t k = 0; k < stacks_depth(&a->stacks, x); k++) {
		const struct frame *f = stacks_at(&a->stacks, x, k), *g = stacks_at(&b->stacks, y, k);
		same_text(f->function, g->function);
		same_text(f->file, g->file);
		assert_int_equal(f->line, g->line);
		assert_int_equal(f->inlined, g->inlined);
		assert_true(f->addr == g->addr);
	}
}

static void same_labels(const struct profile *a, const struct profile *b, size_t i)
{
	const struct profile_sample *x = &a->samples.v[i], *y = &b->samples.v[i];
	assert_int_equal(x->label_n, y->label_n);
	for (uint32_t k = 0; k < x->label_n; k++) {
		const struct profile_label *l = &a->labels.v[x->label_at + k], *m = &b->labels.v[y->label_at + k];
		same_text(l->key, m->key);
		same_text(l->text, m->text);
		assert_true(l->number == m->number);
		same_text(l->unit, m->unit);
	}
}

static void same_head(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_types, b->n_types);
	for (size_t i = 0; i < a->n_types; i++) {
		same_text(a->types[i].type, b->types[i].type);
		same_text(a->types[i].unit, b->types[i].unit);
	}
	assert_int_equal(a->mappings.n, b->mappings.n);
	for (size_t i = 0; i < a->mappings.n; i++) {
		const struct profile_mapping *m = &a->mappings.v[i], *n = &b->mappings.v[i];
		assert_true(m->start == n->start && m->limit == n->limit && m->offset == n->offset);
		same_text(m->file, n->file);
		same_text(m->build_id, n->build_id);
	}
	assert_int_equal(a->comments.n, b->comments.n);
	for (size_t i = 0; i < a->comments.n; i++)
		same_text(a->comments.v[i], b->comments.v[i]);
	same_text(a->period_type.type, b->period_type.type);
	same_text(a->period_type.unit, b->period_type.unit);
	same_text(a->default_type, b->default_type);
	assert_true(a->period == b->period && a->time_unix_ns == b->time_unix_ns && a->duration_ns == b->duration_ns);
}

static void same_profile(const struct profile *a, const struct profile *b)
{
	same_head(a, b);
	assert_int_equal(a->samples.n, b->samples.n);
	for (size_t i = 0; i < a->samples.n; i++) {
		same_stack(a, b, i);
		same_labels(a, b, i);
		assert_memory_equal(profile_values(a, i), profile_values(b, i), a->n_types * sizeof(int64_t));
	}
}

/* ---- reading ---- */

static struct err *read_memory(const void *data, size_t len, struct profile *ret)
{
	AUTO(stream) struct stream s;
	struct err *err = stream_open_memory(data, len, "file", UINT64_MAX, &s);
	assert_null(err);
	return pprof_read(&s, ret);
}

static void check_round_trip(const struct profile *p)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	pprof_write(p, &out);
	assert_memory_equal(out.buf, "\x1f\x8b", 2);
	struct profile again;
	assert_null(read_memory(out.buf, out.len, &again));
	same_profile(p, &again);
	profile_deinit(&again);
}

/* ---- profiles made here ---- */

static uint32_t frame(struct profile *p, const char *function, uint32_t line, uint64_t addr, bool inlined)
{
	return stacks_frame(&p->stacks, &(struct frame){ function, "/src/a.go", line, inlined, addr });
}

static void make(struct profile *p)
{
	profile_init(p);
	profile_type_add(p, "inuse_objects", "count");
	profile_type_add(p, "inuse_space", "bytes");
	uint32_t inner = frame(p, "main.inner", 3, 0x1010, true), middle = frame(p, "main.middle", 7, 0x1010, true);
	uint32_t outer = frame(p, "main.outer", 9, 0x1010, false), root = frame(p, "main.main", 20, 0x2000, false);
	uint32_t bare = stacks_frame(&p->stacks, &(struct frame){ .function = "0x9999", .addr = 0x9999 });
	int64_t *v = profile_sample_add(p, stacks_add(&p->stacks, (uint32_t[]){ inner, middle, outer, root }, 4));
	v[0] = 1;
	v[1] = INT64_MIN;
	profile_label_text(p, "tenant", "t42");
	profile_label_number(p, "bytes", -8, "bytes");
	v = profile_sample_add(p, stacks_add(&p->stacks, (uint32_t[]){ outer, bare, root }, 3));
	v[0] = -2;
	v = profile_sample_add(p, 0);
	v[1] = INT64_MAX;
	profile_label_number(p, "zero", 0, "");
	struct intern *in = &p->stacks.strings;
	*vec_push(&p->mappings) =
		(struct profile_mapping){ 0x1000, 0x3000, 0x400, intern_str(in, "/bin/x"), intern_str(in, "abcdef") };
	*vec_push(&p->mappings) = (struct profile_mapping){ 0x9000, 0xa000, 0, intern_str(in, "/lib/y"), "" };
	*vec_push(&p->comments) = intern_str(in, "limit 512 MiB");
	*vec_push(&p->comments) = intern_str(in, "");
	p->period_type = (struct profile_type){ intern_str(in, "space"), intern_str(in, "bytes") };
	p->period = 524288;
	p->default_type = "inuse_space";
	p->time_unix_ns = 1764000000000000000;
	p->duration_ns = 10000000000;
}

static void what_is_written_is_read_again(void **state)
{
	struct profile p;
	make(&p);
	check_round_trip(&p);
	profile_deinit(&p);
}

static char *seed_folder(void)
{
	const char *root = getenv("ULLAGE_SOURCE");
	return xasprintf("%s/tests/corpora/pprof/seed", root ? root : ".");
}

static void real_profiles_survive_a_round_trip(void **state)
{
	AUTO_FREE char *folder = seed_folder();
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	size_t n = 0;
	for (struct dirent *e = NULL; (e = readdir(dir)) != NULL;) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, e->d_name);
		if (strncmp(e->d_name, "go", 2) != 0)
			continue;
		AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
		AUTO(stream) struct stream s;
		assert_null(stream_open(fd, path, UINT64_MAX, &s));
		struct profile p;
		assert_null(pprof_read(&s, &p));
		check_round_trip(&p);
		profile_deinit(&p);
		n++;
	}
	closedir(dir);
	assert_true(n >= 9);
}

/* What is known of the recorded process: see its description. */
static void a_real_heap_profile_has_the_known_totals(void **state)
{
	AUTO_FREE char *folder = seed_folder(), *path = xasprintf("%s/go1.27-heap", folder);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(stream) struct stream s;
	assert_null(stream_open(fd, "heap", UINT64_MAX, &s));
	struct profile p;
	assert_null(pprof_read(&s, &p));
	assert_int_equal(profile_type_find(&p, NULL), 3);
	assert_string_equal(p.types[3].type, "inuse_space");
	assert_true(p.mappings.n > 0);
	int64_t objects = 0, bytes = 0;
	for (size_t i = 0; i < p.samples.n; i++) {
		const char *leaf = "";
		for (uint32_t k = 0; k < stacks_depth(&p.stacks, p.samples.v[i].stack); k++) {
			const char *function = stacks_at(&p.stacks, p.samples.v[i].stack, k)->function;
			if (strncmp(function, "main.alloc", 10) == 0)
				leaf = function;
		}
		if (strcmp(leaf, "main.allocList") == 0) {
			objects += profile_values(&p, i)[2];
			bytes += profile_values(&p, i)[3];
		}
	}
	assert_int_equal(objects, 2000);
	assert_int_equal(bytes, 176000);
	profile_deinit(&p);
}

/* ---- other writers ---- */

/* Strings last or first, ids with gaps, numbers unpacked, fields nobody knows, a location without functions. */
static void put_odd(struct strbuf *out, bool strings_first)
{
	static const char *const strings[] = { "", "samples", "count", "f", "sys", "a.c", "key", "text" };
	for (size_t i = 0; strings_first && i < 8; i++)
		wire_put_bytes(out, 6, strings[i], strlen(strings[i]));
	size_t at = wire_begin(out, 2);
	wire_put_u64(out, 1, UINT64_MAX); /* location ids, one field each */
	wire_put_u64(out, 1, 7);
	wire_put_u64(out, 1, 1 << 20);
	wire_put_fixed64(out, 99, 5);
	wire_put_i64(out, 2, -3);
	size_t label = wire_begin(out, 3);
	wire_put_u64(out, 1, 6);
	wire_put_u64(out, 2, 7);
	wire_end(out, label);
	wire_end(out, at);
	at = wire_begin(out, 4);
	wire_put_u64(out, 1, UINT64_MAX);
	wire_put_u64(out, 2, 12345); /* a mapping that is not there */
	wire_put_u64(out, 3, 0xabc);
	wire_end(out, at);
	static const uint64_t ids[] = { 7, 1 << 20 };
	for (size_t i = 0; i < 2; i++) {
		at = wire_begin(out, 4);
		size_t line = wire_begin(out, 4);
		wire_put_u64(out, 1, 1000000 + i);
		wire_put_i64(out, 2, i ? -1 : 11);
		wire_end(out, line);
		wire_put_u64(out, 1, ids[i]);
		wire_end(out, at);
		at = wire_begin(out, 5);
		wire_put_u64(out, 1, 1000000 + i);
		wire_put_u64(out, i ? 2 : 3, i ? 3 : 4); /* one has only a system name */
		wire_put_u64(out, 4, 5);
		wire_end(out, at);
	}
	wire_put_str(out, 500, "the future");
	at = wire_begin(out, 1);
	wire_put_u64(out, 1, 1);
	wire_put_u64(out, 2, 2);
	wire_end(out, at);
	for (size_t i = 0; !strings_first && i < 8; i++)
		wire_put_bytes(out, 6, strings[i], strlen(strings[i]));
}

static void profiles_of_other_writers_are_read(void **state)
{
	for (int order = 0; order < 2; order++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		put_odd(&out, order);
		struct profile p;
		assert_null(read_memory(out.buf, out.len, &p));
		assert_int_equal(p.samples.n, 1);
		assert_int_equal(profile_values(&p, 0)[0], -3);
		assert_int_equal(stacks_depth(&p.stacks, p.samples.v[0].stack), 3);
		assert_string_equal(stacks_at(&p.stacks, p.samples.v[0].stack, 0)->function, "0xabc");
		const struct frame *f = stacks_at(&p.stacks, p.samples.v[0].stack, 1);
		assert_string_equal(f->function, "sys");
		assert_string_equal(f->file, "a.c");
		assert_int_equal(f->line, 11);
		f = stacks_at(&p.stacks, p.samples.v[0].stack, 2);
		assert_string_equal(f->function, "f");
		assert_int_equal(f->line, 0);
		assert_string_equal(p.labels.v[0].key, "key");
		assert_string_equal(p.labels.v[0].text, "text");
		profile_deinit(&p);
	}
}

/* ---- damage ---- */

static void expect_bad(const struct strbuf *data, enum err_code code, const char *text)
{
	struct profile p;
	struct err *err AUTO(err) = read_memory(data->buf, data->len, &p);
	assert_non_null(err);
	assert_int_equal(err_code(err), code);
	if (!strstr(err_text(err), text))
		fail_msg("\"%s\" does not say \"%s\"", err_text(err), text);
	profile_deinit(&p);
}

/* The odd profile with one field more. */
#define WITH(text, ...)                                                                                                \
	do {                                                                                                           \
		AUTO(strbuf) struct strbuf out_;                                                                       \
		strbuf_init(&out_);                                                                                    \
		put_odd(&out_, true);                                                                                  \
		size_t at = 0;                                                                                         \
		struct strbuf *o = &out_;                                                                              \
		__VA_ARGS__;                                                                                           \
		(void)at;                                                                                              \
		expect_bad(o, ERR_FORMAT, text);                                                                       \
	} while (0)

static void references_to_nothing_are_told(void **state)
{
	WITH("file: string 999 is not in the profile, at offset", at = wire_begin(o, 1); wire_put_u64(o, 1, 999);
	     wire_end(o, at));
	WITH("string 999", at = wire_begin(o, 11); wire_put_u64(o, 2, 999); wire_end(o, at));
	WITH("string 999", wire_put_u64(o, 14, 999));
	WITH("string 999", wire_put_u64(o, 13, 999));
	WITH("string 18446744073709551615", wire_put_u64(o, 13, UINT64_MAX));
	WITH("string 8 ", at = wire_begin(o, 3); wire_put_u64(o, 5, 8); wire_end(o, at));
	WITH("location 8 is not", at = wire_begin(o, 2); wire_put_u64(o, 1, 8); wire_put_u64(o, 2, 8); wire_end(o, at));
	WITH("location 0 is not", at = wire_begin(o, 2); wire_put_bytes(o, 1, "", 1); wire_end(o, at));
	WITH("function 5 is not", at = wire_begin(o, 4); size_t line = wire_begin(o, 4); wire_put_u64(o, 1, 5);
	     wire_end(o, line); wire_end(o, at));
	WITH("a sample has 2 values for 1 types", at = wire_begin(o, 2); wire_put_u64(o, 2, 8); wire_put_u64(o, 2, 8);
	     wire_end(o, at));
	WITH("a sample has 0 values for 1 types", at = wire_begin(o, 2); wire_end(o, at));
	WITH("field 2 is no message", wire_put_u64(o, 2, 1));
	WITH("field 6 is no message", wire_put_fixed64(o, 6, 1));
	WITH("the profile is damaged at offset", strbuf_puts(o, "\x12\x7f"));
	WITH("a location is damaged at offset", strbuf_puts(o, "\x22\x02\x22\x7f"));
}

static void what_is_no_profile_is_told(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	expect_bad(&out, ERR_FORMAT, "file: no profile: it has no sample types");
	strbuf_puts(&out, "\x32\x01x");
	expect_bad(&out, ERR_FORMAT, "the first string is not empty, at offset 2");
	strbuf_clear(&out);
	for (size_t i = 0; i <= PROFILE_TYPES_MAX; i++)
		wire_put_bytes(&out, 1, "", 0);
	expect_bad(&out, ERR_LIMIT, "more than 16 sample types");
}

static void a_small_file_that_claims_much_is_refused(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	strbuf_add(&out, "\x0a\x80\xc8\xaf\xa0\x25", 6); /* ten billion bytes follow, it says */
	expect_bad(&out, ERR_FORMAT, "the profile is damaged at offset 0");
}

static void a_profile_that_is_cut_anywhere_is_told(void **state)
{
	struct profile p;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	make(&p);
	pprof_write(&p, &out);
	profile_deinit(&p);
	for (size_t len = 3; len < out.len; len++) {
		struct strbuf cut = { .buf = out.buf, .len = len };
		expect_bad(&cut, ERR_FORMAT, "file: ");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(real_profiles_survive_a_round_trip),
		cmocka_unit_test(a_real_heap_profile_has_the_known_totals),
		cmocka_unit_test(profiles_of_other_writers_are_read),
		cmocka_unit_test(references_to_nothing_are_told),
		cmocka_unit_test(what_is_no_profile_is_told),
		cmocka_unit_test(a_small_file_that_claims_much_is_refused),
		cmocka_unit_test(a_profile_that_is_cut_anywhere_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
