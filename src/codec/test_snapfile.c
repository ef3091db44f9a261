/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "codec/snapfile.h"
#include "codec/snaptable.h"
#include "codec/wire.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct any_vec {
	void *v;
	size_t n, cap;
};

enum { ROWS = 2, SOME_CLASSES = 3 };

/* ---- every member is in a table ---- */

#if defined(__has_builtin) && __has_builtin(__builtin_clear_padding)
#define HAVE_PADDING 1
#else
#define HAVE_PADDING 0
#endif

struct by_status {
	const char *status;
	uint64_t count;
};

/* clang-format off */
#define TYPES(X) \
	X(account_setting, "Setting") X(account_go, "Go") X(account_integrity, "Integrity") \
	X(account_class, "ClassTotals") X(by_status, "StatusCount") X(account_runtime, "Runtime") \
	X(account_gc, "Gc") X(account_process, "Process") X(account_step, "Step") X(account_count, "Event") \
	X(account_cgroup, "Cgroup") X(account_space, "AddressSpace") X(account_owner, "Owner") \
	X(account_c_arena, "CArena") X(account_c_heap, "CHeap") \
	X(vma, "Mapping") X(account_vma, "Resident") X(account, "Account") X(frame, "Frame") \
	X(profile_label, "Label") X(profile_mapping, "Binary") X(profile_type, "PeriodType") \
	X(profile, "Profile") X(heap_type, "HeapType") X(heap_span, "HeapSpan") X(heap_view, "Heap") \
	X(goroutine, "Goroutine") X(goroutines, "Goroutines") X(timer_group, "TimerGroup") X(timers, "Timers") \
	X(fd_kind, "FdKind") X(fd_socket, "Socket") X(fd_epoll, "Epoll") X(fd_row, "Descriptor") \
	X(fd_cgroup, "CgroupLeft") X(fds, "Fds") X(owners_root, "OwnersRoot") X(owners_type, "OwnersType") \
	X(owners_step, "OwnersStep") X(owners_path, "OwnersPath") X(owners_map, "OwnersMap") \
	X(owners_waste, "OwnersWaste") X(owners_holder, "OwnersHolder") X(owners_stuck, "OwnersStuck") X(owners_iterator, "OwnersIterator") \
	X(owners_finalizers, "OwnersFinalizers") X(owners, "Owners") \
	X(snapshot_identity, "Identity") X(snapshot_clock, "Clock") \
	X(snapshot, "Snapshot")
/* clang-format on */

#if HAVE_PADDING
#define CLEAR(type, message)                                                                                           \
	static void clear_##type(void *p)                                                                              \
	{                                                                                                              \
		__builtin_clear_padding((struct type *)p);                                                             \
	}
TYPES(CLEAR)
#define KNOWN(type, message) { message, sizeof(struct type), clear_##type },
#else
#define KNOWN(type, message) { message, sizeof(struct type), NULL },
#endif

static const struct {
	const char *message;
	size_t size;
	void (*clear_padding)(void *p);
} types[] = { TYPES(KNOWN) };

/* Is byte i what alignment to the next member takes? For structs in which gcc 12 misplaces padding, behind long arrays. */
static bool is_gap(const unsigned char *covered, size_t i, size_t size)
{
	size_t end = i, start = i;
	while (end < size && !covered[end])
		end++;
	while (start && !covered[start - 1])
		start--;
	return end % sizeof(uint32_t) == 0 && end - start < sizeof(uint64_t) && start % sizeof(uint64_t);
}

static void expect_no_gap(const struct snap_table *t, void (*clear_padding)(void *p))
{
	enum { TRUSTED = 256 };
	AUTO_FREE unsigned char *solid = xmalloc(t->size);
	AUTO_FREE unsigned char *covered = xcalloc(t->size, 1);
	memset(solid, 1, t->size);
	if (clear_padding)
		clear_padding(solid);
	for (const struct snap_row *row = t->rows; row->name; row++)
		memset(covered + row->offset, 1, row->size);
	for (size_t i = 0; i < t->size; i++) {
		bool padding = clear_padding && t->size <= TRUSTED ? !solid[i] : is_gap(covered, i, t->size);
		if (!covered[i] && !padding)
			fail_msg("byte %zu of %s is in no row: a member is missing", i, t->message);
	}
}

static void expect_covered(const struct snap_table *t)
{
	size_t at = 0;
	while (at < LEN(types) && strcmp(types[at].message, t->message) != 0)
		at++;
	if (at == LEN(types))
		fail_msg("message %s is not in the list of this test", t->message);
	assert_int_equal(types[at].size, t->size);
	expect_no_gap(t, types[at].clear_padding);
	for (const struct snap_row *row = t->rows; row->name; row++) {
		for (const struct snap_row *other = t->rows; other < row; other++)
			assert_true(!row->number || other->number != row->number);
		if (row->sub)
			expect_covered(row->sub);
	}
}

static void every_member_of_a_snapshot_is_in_a_table(void **state)
{
	expect_covered(&snap_table);
}

/* ---- filling and comparing by the tables ---- */

struct filling {
	struct arena *arena;
	struct stacks *stacks;
	uint64_t count;
};

static void fill(struct filling *f, const struct snap_table *t, void *object);

static const char *unique(struct filling *f, const struct snap_row *row)
{
	return arena_printf(f->arena, "%s %llu", row->name, (unsigned long long)++f->count);
}

static void fill_stacks(struct filling *f, const struct snap_row *row, struct stacks *s)
{
	uint32_t frames[3];
	f->stacks = s;
	for (size_t i = 0; i < LEN(frames); i++) {
		struct frame frame = { 0 };
		fill(f, row->sub, &frame);
		frame.inlined = i == 1;
		frames[i] = stacks_frame(s, &frame);
	}
	stacks_add(s, frames, 3);
	stacks_add(s, frames + 1, 1);
}

static void fill_samples(struct filling *f, struct profile *p)
{
	for (size_t i = 0; i < ROWS; i++) {
		int64_t *values = profile_sample_add(p, (uint32_t)i + 1);
		for (size_t k = 0; k < p->n_types; k++)
			values[k] = (int64_t)++f->count * (k == 2 ? -1 : 1);
		profile_label_number(p, "bytes", (int64_t)++f->count, "bytes");
	}
}

static void fill_totals(struct filling *f, const struct snap_row *row, struct account_class *classes)
{
	for (size_t i = 0; i < CLASS_MAX_; i++)
		fill(f, row->sub, &classes[i]);
}

static void fill_rows(struct filling *f, const struct snap_row *row, struct any_vec *list)
{
	list->v = xcalloc(ROWS, row->sub->size);
	list->n = list->cap = ROWS;
	for (size_t i = 0; i < ROWS; i++)
		fill(f, row->sub, (char *)list->v + i * row->sub->size);
}

static void fill_list(struct filling *f, const struct snap_row *row, void *object, void *p)
{
	if (row->kind == SNAP_STRINGS) {
		for (size_t i = 0; i < ROWS; i++)
			*vec_push((struct str_vec *)p) = unique(f, row);
	} else if (row->kind == SNAP_NUMBERS) {
		for (size_t i = 0; i < ROWS; i++)
			*vec_push((struct u32_vec *)p) = (uint32_t)++f->count;
	} else if (row->kind == SNAP_ROWS) {
		fill_rows(f, row, p);
	} else if (row->kind == SNAP_ARRAY) {
		for (size_t i = 0; i < row->limit; i++)
			fill(f, row->sub, (char *)p + i * row->sub->size);
	} else if (row->kind == SNAP_STACKS) {
		fill_stacks(f, row, p);
	} else if (row->kind == SNAP_CLASSES) {
		for (size_t i = 0; i < SOME_CLASSES; i++)
			((uint64_t *)p)[i * 5] = ++f->count;
	} else if (row->kind == SNAP_TOTALS) {
		fill_totals(f, row, p);
	} else if (row->kind == SNAP_SAMPLES) {
		fill_samples(f, object);
	} else if (row->kind == SNAP_MESSAGE) {
		fill(f, row->sub, p);
	}
}

static void fill_value(struct filling *f, const struct snap_row *row, void *object, void *p)
{
	switch (row->kind) {
	case SNAP_U64:
	case SNAP_COUNT:
		*(uint64_t *)p = ++f->count;
		break;
	case SNAP_U32:
		*(uint32_t *)p = (uint32_t)++f->count;
		break;
	case SNAP_INT:
		*(int *)p = -(int)++f->count;
		break;
	case SNAP_I64:
		*(int64_t *)p = -(int64_t)++f->count;
		break;
	case SNAP_BOOL:
		*(bool *)p = true;
		break;
	case SNAP_DOUBLE:
		*(double *)p = (double)++f->count + 0.5;
		break;
	case SNAP_STRING:
	case SNAP_TEXT:
		*(const char **)p = unique(f, row);
		break;
	case SNAP_ENUM:
		*(uint32_t *)p = row->limit - 2;
		break;
	case SNAP_STACK:
		*(uint32_t *)p = 1 + (uint32_t)(++f->count % (f->stacks->v.n - 1));
		break;
	case SNAP_CLASS:
		*(uint32_t *)p = (uint32_t)(++f->count % CLASS_MAX_);
		break;
	default:
		fill_list(f, row, object, p);
	}
}

static void fill(struct filling *f, const struct snap_table *t, void *object)
{
	for (const struct snap_row *row = t->rows; row->name; row++)
		fill_value(f, row, object, (char *)object + row->offset);
}

/* A snapshot without a member that is zero, and with nothing that would be left out. */
static void fill_snapshot(struct snapshot *s)
{
	struct filling f = { .arena = &s->arena };
	snapshot_init(s);
	fill(&f, &snap_table, s);
	s->parts = SNAPSHOT_ALL | SNAPSHOT_OWNERS;
	s->heap.profile.default_type = "alloc_space";
	struct account *a = &s->account;
	for (size_t i = 0; i < a->go.godebug.n; i++)
		a->go.godebug.v[i] = (struct account_setting){ i ? "madvdontneed" : "gctrace", i ? "1" : "0" };
	for (size_t i = 0; i < a->integrity.preloaded.n; i++)
		a->integrity.preloaded.v[i] = a->maps.v[i].name;
}

static void expect_same(const struct snap_table *t, const void *x, const void *y);

static void expect_text(const struct snap_row *row, const char *x, const char *y)
{
	if (!x || !y || strcmp(x, y) != 0)
		fail_msg("%s: '%s' became '%s'", row->name, x ? x : "NULL", y ? y : "NULL");
}

static void expect_same_list(const struct snap_row *row, const void *x, const void *y)
{
	const struct any_vec *a = x, *b = y;
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		size_t size = row->kind == SNAP_STRINGS ? sizeof(char *) : row->sub->size;
		const void *p = (const char *)a->v + i * size, *q = (const char *)b->v + i * size;
		if (row->kind == SNAP_STRINGS)
			expect_text(row, *(const char *const *)p, *(const char *const *)q);
		else
			expect_same(row->sub, p, q);
	}
}

static void expect_same_numbers(const struct u32_vec *a, const struct u32_vec *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->v, b->v, a->n * sizeof(a->v[0]));
}

static void expect_same_stacks(const struct snap_row *row, const struct stacks *a, const struct stacks *b)
{
	assert_int_equal(a->frames.n, b->frames.n);
	assert_int_equal(a->v.n, b->v.n);
	for (size_t i = 0; i < a->frames.n; i++)
		expect_same(row->sub, &a->frames.v[i], &b->frames.v[i]);
	assert_memory_equal(a->pool.v, b->pool.v, a->pool.n * sizeof(a->pool.v[0]));
	assert_memory_equal(a->v.v, b->v.v, a->v.n * sizeof(a->v.v[0]));
}

static void expect_same_samples(const struct snap_row *row, const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->samples.n, b->samples.n);
	assert_memory_equal(a->samples.v, b->samples.v, a->samples.n * sizeof(a->samples.v[0]));
	assert_memory_equal(a->values.v, b->values.v, a->values.n * sizeof(a->values.v[0]));
	assert_int_equal(a->labels.n, b->labels.n);
	for (size_t i = 0; i < a->labels.n; i++)
		expect_same(row->sub, &a->labels.v[i], &b->labels.v[i]);
}

static void expect_same_member(const struct snap_row *row, const void *x, const void *y)
{
	const char *p = (const char *)x + row->offset, *q = (const char *)y + row->offset;
	if (row->kind == SNAP_LEFT_OUT || row->kind == SNAP_ARENA || row->kind == SNAP_NAMES)
		return;
	if (row->kind == SNAP_STRING || row->kind == SNAP_TEXT)
		expect_text(row, *(const char *const *)p, *(const char *const *)q);
	else if (row->kind == SNAP_STRINGS || row->kind == SNAP_ROWS)
		expect_same_list(row, p, q);
	else if (row->kind == SNAP_NUMBERS)
		expect_same_numbers((const void *)p, (const void *)q);
	else if (row->kind == SNAP_MESSAGE)
		expect_same(row->sub, p, q);
	else if (row->kind == SNAP_STACKS)
		expect_same_stacks(row, (const void *)p, (const void *)q);
	else if (row->kind == SNAP_SAMPLES)
		expect_same_samples(row, x, y);
	else if (row->kind == SNAP_ARRAY) {
		for (size_t i = 0; i < row->limit; i++)
			expect_same(row->sub, p + i * row->sub->size, q + i * row->sub->size);
	} else if (memcmp(p, q, row->size) != 0)
		fail_msg("%s differs after writing and reading", row->name);
}

static void expect_same(const struct snap_table *t, const void *x, const void *y)
{
	for (const struct snap_row *row = t->rows; row->name; row++)
		expect_same_member(row, x, y);
}

static struct err *read_back(const void *data, size_t len, struct snapshot *ret)
{
	AUTO(stream) struct stream s = { 0 };
	snapshot_init(ret);
	TRY(stream_open_memory(data, len, "test.ullage", UINT64_MAX, &s));
	return snapfile_read(&s, ret);
}

static void what_is_written_is_read_again(void **state)
{
	struct snapshot a, b;
	AUTO(strbuf) struct strbuf file;
	strbuf_init(&file);
	fill_snapshot(&a);
	assert_null(snapfile_write(&a, &file));
	assert_null(read_back(file.buf, file.len, &b));
	expect_same(&snap_table, &a, &b);
	snapshot_deinit(&a);
	snapshot_deinit(&b);
}

static void what_is_unknown_stays_unknown(void **state)
{
	struct snapshot a, b;
	AUTO(strbuf) struct strbuf file;
	strbuf_init(&file);
	snapshot_init(&a);
	a.account.pss = ACCOUNT_UNKNOWN;
	a.account.gc.pause_p50_ms = NAN;
	assert_null(snapfile_write(&a, &file));
	assert_null(read_back(file.buf, file.len, &b));
	assert_true(b.account.pss == ACCOUNT_UNKNOWN && b.clock.gc_count == ACCOUNT_UNKNOWN && b.account.rss == 0);
	assert_true(isnan(b.account.gc.pause_p50_ms) && isnan(b.heap.typed_ratio));
	assert_null(b.id.comm);
	assert_int_equal(b.heap.profile.n_types, HEAP_VALUES);
	assert_string_equal(b.heap.profile.default_type, "inuse_space");
	snapshot_deinit(&a);
	snapshot_deinit(&b);
}

static void what_may_be_private_is_left_out(void **state)
{
	struct snapshot a, b;
	AUTO(strbuf) struct strbuf file;
	strbuf_init(&file);
	fill_snapshot(&a);
	struct account *acc = &a.account;
	acc->go.godebug.v[0] = (struct account_setting){ "gctrace", "hunter2" };
	acc->go.godebug.v[1] = (struct account_setting){ "hunter2", "1" };
	acc->integrity.preloaded.v[0] = "/hunter2/libmine.so";
	acc->maps.v[0].name = "/usr/lib/libmine.so";
	acc->integrity.preloaded.v[1] = "/hunter2/libother.so";
	*vec_push(&a.goroutines.labels) = (struct goroutine_label){ "hunter2", "hunter2" };
	a.goroutines.v.v[0].label_n = 1;
	profile_label_text(&a.heap.profile, "hunter2", "hunter2");
	assert_null(snapfile_write(&a, &file));
	assert_null(read_back(file.buf, file.len, &b));
	assert_int_equal(b.account.go.godebug.n, 0);
	assert_int_equal(b.account.integrity.preloaded.n, 1);
	assert_string_equal(b.account.integrity.preloaded.v[0], "/usr/lib/libmine.so");
	assert_int_equal(b.goroutines.labels.n, 0);
	assert_int_equal(b.heap.profile.labels.n, 2);
	assert_int_equal(b.notes.n, a.notes.n + 2);
	static char plain[1 << 20];
	size_t n = ZSTD_decompress(plain, sizeof(plain), file.buf, file.len);
	assert_false(ZSTD_isError(n));
	assert_non_null(memmem(plain, n, "/usr/lib/libmine.so", 19));
	assert_null(memmem(plain, n, "hunter2", 7));
	snapshot_deinit(&a);
	snapshot_deinit(&b);
}

/* ---- the schema for people ---- */

static const char *const schema_types[SNAP_KIND_MAX_] = {
	[SNAP_U64] = "optional uint64",	    [SNAP_COUNT] = "optional uint64",	[SNAP_U32] = "optional uint32",
	[SNAP_INT] = "optional int32",	    [SNAP_I64] = "optional int64",	[SNAP_BOOL] = "optional bool",
	[SNAP_DOUBLE] = "optional double",  [SNAP_STRING] = "optional string",	[SNAP_TEXT] = "optional string",
	[SNAP_STRINGS] = "repeated string", [SNAP_ENUM] = "optional uint32",	[SNAP_STACK] = "optional uint32",
	[SNAP_CLASS] = "optional uint32",   [SNAP_CLASSES] = "repeated uint64", [SNAP_NAMES] = "repeated string",
	[SNAP_NUMBERS] = "repeated uint32", [SNAP_STACKS] = "optional Stacks",	[SNAP_SAMPLES] = "repeated Sample",
};

static void put_schema(const struct snap_table *t, struct strbuf *out)
{
	strbuf_printf(out, "message %s {\n", t->message);
	if (t == &snap_table_totals)
		strbuf_puts(out, "optional uint32 class = 1;\n");
	for (const struct snap_row *row = t->rows; row->name; row++) {
		if (!row->number)
			continue;
		if (schema_types[row->kind])
			strbuf_puts(out, schema_types[row->kind]);
		else
			strbuf_printf(out, "%s %s", row->kind == SNAP_MESSAGE ? "optional" : "repeated",
				      row->sub->message);
		strbuf_printf(out, " %s = %u%s;\n", row->name, row->number,
			      row->kind == SNAP_CLASSES || row->kind == SNAP_NUMBERS ? " [packed = true]" : "");
	}
	if (t == &snap_table)
		strbuf_puts(out, "optional bool complete = 15;\n");
	strbuf_puts(out, "}\n");
}

/* Without comments, indentation and empty lines. */
static void read_schema(struct strbuf *out)
{
	const char *root = getenv("ULLAGE_SOURCE");
	if (!root)
		skip();
	AUTO_FREE char *path = xasprintf("%s/docs/formats/snapshot.proto", root);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	char line[512];
	while (fgets(line, sizeof(line), file)) {
		char *text = line + strspn(line, " \t"), *comment = strstr(text, "//");
		size_t n = comment ? (size_t)(comment - text) : strlen(text);
		while (n && strchr(" \t\n", text[n - 1]))
			n--;
		strbuf_add(out, text, n);
		if (n)
			strbuf_putc(out, '\n');
	}
	fclose(file);
}

static void expect_in_schema(const struct snap_table *t, const char *schema)
{
	AUTO(strbuf) struct strbuf own;
	strbuf_init(&own);
	put_schema(t, &own);
	if (!strstr(schema, own.buf))
		fail_msg("docs/formats/snapshot.proto should have:\n%s", own.buf);
	for (const struct snap_row *row = t->rows; row->name; row++) {
		if (row->sub)
			expect_in_schema(row->sub, schema);
	}
}

static void the_schema_says_what_the_tables_say(void **state)
{
	AUTO(strbuf) struct strbuf schema;
	strbuf_init(&schema);
	read_schema(&schema);
	expect_in_schema(&snap_table, schema.buf);
	size_t messages = 0;
	for (const char *p = schema.buf; (p = strstr(p, "message ")); p++)
		messages++;
	assert_int_equal(messages, LEN(types) + 3); /* Stacks, Stack, Sample */
}

/* ---- damage ---- */

struct hostile {
	const char *bytes;
	size_t len;
	enum err_code code;
	const char *text;
};

#define HEAD "ullage-snapshot 1\n"
#define TAIL "\x78\x01"
#define ROW(text, code, sentence)                                                                                      \
	{                                                                                                              \
		text, sizeof(text) - 1, code, sentence                                                                 \
	}

static void damage_is_one_sentence_with_the_place(void **state)
{
	static const struct hostile rows[] = {
		ROW("", ERR_FORMAT, "test.ullage: no snapshot begins here at offset 0"),
		ROW("ullage-snapshot", ERR_FORMAT, "no snapshot begins here at offset 0"),
		ROW("ullage-snapshot x\n" TAIL, ERR_FORMAT, "no snapshot begins here at offset 0"),
		ROW("ullage-snapshot 1", ERR_FORMAT, "no snapshot begins here at offset 0"),
		ROW("ullage-snapshot 2\n", ERR_UNSUPPORTED,
		    "test.ullage was written by a later version of ullage, in format 2; this one reads format 1"),
		ROW(HEAD, ERR_FORMAT, "test.ullage: the snapshot is cut short at offset 18"),
		ROW(HEAD "\x08\x01", ERR_FORMAT, "cut short at offset 20"),
		ROW(HEAD "\x2a\x7f" TAIL, ERR_FORMAT, "Snapshot is damaged at offset 18"),
		ROW(HEAD "\x0a\x00" TAIL, ERR_FORMAT, "Snapshot.parts has the wrong type at offset 18"),
		ROW(HEAD "\x08\xff\xff\xff\xff\x7f" TAIL, ERR_FORMAT, "Snapshot.parts is out of range at offset 18"),
		/* a goroutine with stack 5 of none */
		ROW(HEAD "\x3a\x04\x12\x02\x38\x05" TAIL, ERR_FORMAT,
		    "Goroutine.stack names a stack that is not there at offset 22"),
		/* a stack with frame 3 of none */
		ROW(HEAD "\x3a\x07\x0a\x05\x12\x03\x0a\x01\x03" TAIL, ERR_FORMAT, "names a frame that is not there"),
		/* a sample of five values */
		ROW(HEAD "\x32\x0b\x0a\x09\x12\x07\x12\x05\1\2\3\4\5" TAIL, ERR_FORMAT,
		    "Profile.samples have too many values at offset 24"),
		/* an owner of class 9 of none */
		ROW(HEAD "\x2a\x05\xaa\x01\x02\x08\x09" TAIL, ERR_FORMAT,
		    "Owner.class names a class that is not there"),
		/* a mapping without its sizes */
		ROW(HEAD "\x2a\x03\xb2\x01\x00" TAIL, ERR_FORMAT, "1 mappings and the sizes of 0"),
		/* mappings out of order */
		ROW(HEAD
		    "\x2a\x13\xb2\x01\x04\x08\x05\x10\x06\xb2\x01\x04\x08\x05\x10\x06\xba\x01\x00\xba\x01\x00" TAIL,
		    ERR_FORMAT, NULL),
		/* the length of a message is 10 GB */
		ROW(HEAD "\x3a\x80\xc8\xaf\xa0\x25" TAIL, ERR_FORMAT, "Snapshot is damaged at offset 18"),
	};
	for (size_t i = 0; i < LEN(rows); i++) {
		struct snapshot s;
		struct err *err = read_back(rows[i].bytes, rows[i].len, &s);
		if (err_code(err) != rows[i].code || (rows[i].text && !strstr(err_text(err), rows[i].text)))
			fail_msg("row %zu: %s", i, err ? err_text(err) : "no error");
		err_free(err);
		snapshot_deinit(&s);
	}
}

static void fields_of_a_later_version_are_passed_over(void **state)
{
	static const char file[] = HEAD "\xa2\x06\x03"
					"abc"
					"\xa8\x06\x05"
					"\x1a\x05\x08\x07\xa8\x06\x05" TAIL;
	struct snapshot s;
	assert_null(read_back(file, sizeof(file) - 1, &s));
	assert_int_equal(s.id.pid, 7);
	snapshot_deinit(&s);
}

/* Written when the format was made: what is in it must be found by every later version. */
static void a_file_of_the_first_version_is_read(void **state)
{
	const char *root = getenv("ULLAGE_SOURCE");
	if (!root)
		skip();
	AUTO_FREE char *path = xasprintf("%s/tests/corpora/snapfile/seed/go1.27.ullage", root);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(stream) struct stream stream = { 0 };
	AUTO(snapshot) struct snapshot s;
	snapshot_init(&s);
	assert_null(stream_open(fd, path, UINT64_MAX, &stream));
	assert_null(snapfile_read(&stream, &s));
	assert_int_equal(s.parts, SNAPSHOT_ALL);
	assert_string_equal(s.id.go_version, "go1.27.4");
	assert_int_equal(s.clock.gc_count, 2);
	assert_int_equal(s.account.maps.n, 30);
	assert_int_equal(s.account.rss, 5296128);
	assert_int_equal(s.account.classes[CLASS_GO_HEAP_LIVE].resident, 932296);
	assert_int_equal(s.goroutines.total, 17);
	assert_int_equal(s.heap.profile.samples.n, 3);
	assert_int_equal(s.heap.types.n, 8);
	assert_int_equal(s.timers.total, 1);
	assert_int_equal(s.fds.total, 9);
}

/* A file cut anywhere, or with any byte changed, is an error or a snapshot, never a crash. */
static void every_cut_is_an_error(void **state)
{
	struct snapshot a, b;
	AUTO(strbuf) struct strbuf file;
	strbuf_init(&file);
	fill_snapshot(&a);
	assert_null(snapfile_write(&a, &file));
	static char plain[1 << 20];
	size_t n = ZSTD_decompress(plain, sizeof(plain), file.buf, file.len);
	assert_false(ZSTD_isError(n));
	for (size_t cut = 0; cut < file.len; cut += 1 + file.len / 200) {
		struct err *err = read_back(file.buf, cut, &b);
		assert_int_equal(err_code(err), ERR_FORMAT);
		err_free(err);
		snapshot_deinit(&b);
	}
	for (size_t cut = 0; cut < n; cut += 1 + n / 500) {
		struct err *err = read_back(plain, cut, &b);
		assert_int_equal(err_code(err), ERR_FORMAT);
		err_free(err);
		snapshot_deinit(&b);
	}
	for (size_t at = 18; at < n; at += 1 + n / 2000) {
		plain[at] ^= 0x15;
		err_free(read_back(plain, n, &b));
		snapshot_deinit(&b);
		plain[at] ^= 0x15;
	}
	snapshot_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_of_a_snapshot_is_in_a_table),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_is_unknown_stays_unknown),
		cmocka_unit_test(what_may_be_private_is_left_out),
		cmocka_unit_test(the_schema_says_what_the_tables_say),
		cmocka_unit_test(damage_is_one_sentence_with_the_place),
		cmocka_unit_test(fields_of_a_later_version_are_passed_over),
		cmocka_unit_test(a_file_of_the_first_version_is_read),
		cmocka_unit_test(every_cut_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
