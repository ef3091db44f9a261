/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "sym/pclntab.h"

/*
 * A table of three functions:
 *   main.main      0x000-0x100  a.go:10, from 0x20 to 0x40 main.inner inlined (b.go:50), a.go:11
 *   runtime.goexit 0x100-0x140  nothing known
 *   main.leaf      0x140-0x200  b.go:70
 */
enum {
	BASE = 0x10000,
	NAMES = BASE + 0x1000,
	CUTAB = BASE + 0x2000,
	FILES = BASE + 0x3000,
	PCTAB = BASE + 0x4000,
	PCLN = BASE + 0x5000,
	GOFUNC = BASE + 0x6000,
	SIZE = 0x8000,
	TABLE = 0x1000, /* room of each part */
	TEXT = 0x400000,
	MAIN = TEXT,
	GOEXIT = TEXT + 0x100,
	LEAF = TEXT + 0x140,
	END = TEXT + 0x200,
	HEAD_118 = 40,
	HEAD_120 = 44,
};

struct memory {
	struct memsrc src; /* first */
	unsigned char bytes[SIZE];
	unsigned reads, fail_at;
	struct sym_pclntab_layout l;
	size_t pctab, names, files, funcs; /* used of each part */
};

static bool memory_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memory *m = (struct memory *)src;
	if (++m->reads == m->fail_at || addr < BASE || addr - BASE > SIZE || len > SIZE - (addr - BASE))
		return false;
	memcpy(buf, m->bytes + (addr - BASE), len);
	return true;
}

static const struct memsrc_ops ops = { .read = memory_read };

static void put32(struct memory *m, uint64_t addr, uint32_t v)
{
	memcpy(m->bytes + (addr - BASE), &v, sizeof(v));
}

static uint32_t put_string(struct memory *m, uint64_t table, size_t *used, const char *s)
{
	size_t at = *used;
	memcpy(m->bytes + (table - BASE) + at, s, strlen(s) + 1);
	*used += strlen(s) + 1;
	return (uint32_t)at;
}

static uint32_t name(struct memory *m, const char *s)
{
	return put_string(m, NAMES, &m->names, s);
}

static void put_varint(struct memory *m, uint32_t v)
{
	do {
		m->bytes[PCTAB - BASE + m->pctab++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
}

struct step {
	int32_t value;
	uint32_t len;
};

/* A pc-value table of `n` steps; gives its offset. */
static uint32_t values(struct memory *m, const struct step *steps, size_t n)
{
	uint32_t at = (uint32_t)m->pctab;
	int32_t last = -1;
	for (size_t i = 0; i < n; i++) {
		int32_t diff = steps[i].value - last;
		put_varint(m, diff < 0 ? ((uint32_t)~diff << 1) | 1 : (uint32_t)diff << 1);
		put_varint(m, steps[i].len);
		last = steps[i].value;
	}
	put_varint(m, 0);
	return at;
}

struct record {
	uint32_t entry, name, pcsp, pcfile, pcln, inl_index, inl_tree;
	unsigned char func_id, flag;
};

/* A function record with three pcdata and four funcdata; it goes behind the function table. */
static void put_func(struct memory *m, size_t index, const struct record *r)
{
	bool old = m->l.magic == 0xf0;
	uint32_t off = (uint32_t)(0x100 + m->funcs), head = old ? HEAD_118 : HEAD_120;
	uint64_t at = PCLN + off;
	put32(m, PCLN + index * 8, r->entry);
	put32(m, PCLN + index * 8 + 4, off);
	put32(m, at, r->entry);
	put32(m, at + 4, r->name);
	put32(m, at + 16, r->pcsp);
	put32(m, at + 20, r->pcfile);
	put32(m, at + 24, r->pcln);
	put32(m, at + 28, 3);
	put32(m, at + 32, 1); /* compilation unit: files from cutab[1] */
	m->bytes[at + head - 4 - BASE] = r->func_id;
	m->bytes[at + head - 3 - BASE] = r->flag;
	m->bytes[at + head - 1 - BASE] = 4;
	put32(m, at + head + 8, r->inl_index);
	for (uint32_t i = 0; i < 4; i++)
		put32(m, at + head + 12 + i * 4, i == 3 ? r->inl_tree : UINT32_MAX);
	m->funcs += head + 28;
}

enum { INLINED_ID = 7, GOEXIT_ID = 9, LEAF_ID = 21 };

static void put_inlined(struct memory *m, uint32_t at, uint32_t nameoff, uint32_t parent_pc)
{
	bool old = m->l.magic == 0xf0;
	m->bytes[GOFUNC + at + (old ? 2 : 0) - BASE] = INLINED_ID;
	put32(m, GOFUNC + at + (old ? 12 : 4), nameoff);
	put32(m, GOFUNC + at + (old ? 16 : 8), parent_pc);
}

static const struct step sp_steps[] = { { 0, 4 }, { 0x20, 0xf8 }, { 0, 4 } };
static const struct step main_files[] = { { 0, 0x20 }, { 1, 0x20 }, { 0, 0xc0 } };
static const struct step main_lines[] = { { 10, 0x20 }, { 50, 0x20 }, { 11, 0xc0 } };
static const struct step main_inlined[] = { { -1, 0x20 }, { 0, 0x20 }, { -1, 0xc0 } };
static const struct step leaf_files[] = { { 1, 0xc0 } };
static const struct step leaf_lines[] = { { 70, 0xc0 } };

#define STEPS(m, s) values(m, s, sizeof(s) / sizeof(s[0]))

static void build(struct memory *m, unsigned magic)
{
	*m = (struct memory){ .src = { &ops }, .pctab = 1 };
	m->l = (struct sym_pclntab_layout){
		.src = &m->src,
		.magic = magic,
		.text = TEXT,
		.funcnametab = NAMES,
		.cutab = CUTAB,
		.filetab = FILES,
		.pctab = PCTAB,
		.pclntable = PCLN,
		.funcnametab_len = TABLE,
		.cutab_len = TABLE,
		.filetab_len = TABLE,
		.pctab_len = TABLE,
		.pclntable_len = TABLE,
		.nfunc = 3,
		.gofunc = GOFUNC,
	};
	put32(m, CUTAB + 4, put_string(m, FILES, &m->files, "a.go"));
	put32(m, CUTAB + 8, put_string(m, FILES, &m->files, "b.go"));
	put_func(m, 0,
		 &(struct record){ 0, name(m, "main.main"), STEPS(m, sp_steps), STEPS(m, main_files),
				   STEPS(m, main_lines), STEPS(m, main_inlined), 0x40, 0, 0 });
	put_func(m, 1,
		 &(struct record){ 0x100, name(m, "runtime.goexit"), 0, 0, 0, 0, UINT32_MAX, GOEXIT_ID, SYM_FUNC_TOP });
	put_func(m, 2,
		 &(struct record){ 0x140, name(m, "main.leaf"), 0, STEPS(m, leaf_files), STEPS(m, leaf_lines), 0,
				   UINT32_MAX, LEAF_ID, SYM_FUNC_SPWRITE });
	put32(m, PCLN + 24, 0x200);
	put_inlined(m, 0x40, name(m, "main.inner"), 0x1f);
}

static const unsigned magics[] = { 0xf0, 0xf1 };

#define FOR_MAGICS(m) for (size_t i_ = 0; i_ < 2 && (build(&(m), magics[i_]), true); i_++)

static struct sym_pclntab *open_table(struct memory *m)
{
	struct sym_pclntab *t = NULL;
	assert_null(sym_pclntab_new(&m->l, &t));
	return t;
}

static void functions_are_found_by_address(void **state)
{
	(void)state;
	static const struct {
		uint64_t pc;
		bool found;
		size_t index;
	} cases[] = { { MAIN, true, 0 }, { MAIN + 0xff, true, 0 }, { GOEXIT, true, 1 }, { LEAF - 1, true, 1 },
		      { LEAF, true, 2 }, { END - 1, true, 2 },	   { END, false, 0 },	{ TEXT - 1, false, 0 },
		      { 0, false, 0 },	 { UINT64_MAX, false, 0 } };
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		assert_int_equal(sym_pclntab_count(t), 3);
		assert_int_equal(sym_pclntab_entry(t, 3), END);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			size_t index = 0;
			assert_int_equal(sym_pclntab_find(t, cases[i].pc, &index), cases[i].found);
			assert_int_equal(index, cases[i].index);
		}
	}
}

static void functions_have_names(void **state)
{
	(void)state;
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		assert_string_equal(sym_pclntab_name(t, 0), "main.main");
		assert_string_equal(sym_pclntab_name(t, 1), "runtime.goexit");
		assert_ptr_equal(sym_pclntab_name(t, 2), sym_pclntab_name(t, 2));
		assert_string_equal(sym_pclntab_name(t, 3), "?");
	}
}

static void functions_are_found_by_name(void **state)
{
	(void)state;
	static const char *const names[] = { "main.leaf", "main.lea", "main.main", "", "main.inner", "main.leaf" };
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		size_t index[6] = { 0 };
		assert_int_equal(sym_pclntab_find_names(t, names, 6, index), 3);
		assert_int_equal(index[0], 2);
		assert_true(index[1] == SYM_PCLNTAB_NONE && index[3] == SYM_PCLNTAB_NONE);
		assert_int_equal(index[2], 0);
		assert_true(index[4] == SYM_PCLNTAB_NONE); /* only ever inlined: a name, no function */
		assert_int_equal(index[5], 2);
		assert_false(sym_pclntab_find_name(t, "main.other", &index[0]));
		assert_true(sym_pclntab_find_name(t, "runtime.goexit", &index[0]));
		assert_int_equal(index[0], 1);
	}
}

static void assert_frame(const struct sym_frame *f, const char *function, const char *file, uint32_t line, bool inlined)
{
	assert_string_equal(f->function, function);
	assert_string_equal(f->file, file);
	assert_int_equal(f->line, line);
	assert_int_equal(f->inlined, inlined);
}

static void frames_have_lines_and_inlined_calls(void **state)
{
	(void)state;
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		struct sym_frame f[4];
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x10, f, 4), 1);
		assert_frame(&f[0], "main.main", "a.go", 10, false);
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x30, f, 4), 2);
		assert_frame(&f[0], "main.inner", "b.go", 50, true);
		assert_frame(&f[1], "main.main", "a.go", 10, false);
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x40, f, 4), 1);
		assert_frame(&f[0], "main.main", "a.go", 11, false);
		assert_int_equal(sym_pclntab_frames(t, GOEXIT, f, 4), 1);
		assert_frame(&f[0], "runtime.goexit", "?", 0, false);
		assert_int_equal(sym_pclntab_frames(t, LEAF + 5, f, 4), 1);
		assert_frame(&f[0], "main.leaf", "b.go", 70, false);
		assert_int_equal(sym_pclntab_frames(t, END, f, 4), 0);
		assert_int_equal(sym_pclntab_frames(t, MAIN, f, 0), 0);
		/* no room for the inlined one: the physical function it is */
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x30, f, 1), 1);
		assert_string_equal(f[0].function, "main.main");
	}
}

static void without_gofunc_nothing_is_inlined(void **state)
{
	(void)state;
	static struct memory m;
	build(&m, 0xf1);
	m.l.gofunc = 0;
	AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
	struct sym_frame f[4];
	assert_int_equal(sym_pclntab_frames(t, MAIN + 0x30, f, 4), 1);
	assert_frame(&f[0], "main.main", "b.go", 50, false);
}

static int32_t spdelta(struct sym_pclntab *t, uint64_t pc)
{
	struct sym_step step = { .spdelta = -1 };
	return sym_pclntab_step(t, pc, &step) ? step.spdelta : -1;
}

static void functions_have_ids_and_flags(void **state)
{
	(void)state;
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		struct sym_frame f[4];
		struct sym_step step;
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x30, f, 4), 2);
		assert_int_equal(f[0].func_id, INLINED_ID);
		assert_int_equal(f[1].func_id, 0);
		assert_true(sym_pclntab_step(t, GOEXIT + 1, &step));
		assert_int_equal(step.entry, GOEXIT);
		assert_int_equal(step.flags, SYM_FUNC_TOP);
		assert_true(sym_pclntab_step(t, LEAF, &step));
		assert_int_equal(step.flags, SYM_FUNC_SPWRITE);
		assert_false(sym_pclntab_step(t, END, &step));
		assert_int_equal(sym_pclntab_wrapper_id(t), LEAF_ID);
	}
}

static void stack_adjustment_is_that_of_the_instruction(void **state)
{
	(void)state;
	static struct memory m;
	FOR_MAGICS(m)
	{
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		assert_int_equal(spdelta(t, MAIN), 0);
		assert_int_equal(spdelta(t, MAIN + 3), 0);
		assert_int_equal(spdelta(t, MAIN + 4), 0x20);
		assert_int_equal(spdelta(t, MAIN + 4), 0x20);
		assert_int_equal(spdelta(t, MAIN + 0xff), 0);
		assert_int_equal(spdelta(t, GOEXIT), -1);
		assert_int_equal(spdelta(t, END), -1);
	}
}

/* A tree whose node is its own parent ends where the room ends. */
static void circles_of_inlined_calls_end(void **state)
{
	(void)state;
	static struct memory m;
	FOR_MAGICS(m)
	{
		put_inlined(&m, 0x40, 0, 0x30);
		AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
		struct sym_frame f[16];
		assert_int_equal(sym_pclntab_frames(t, MAIN + 0x30, f, 16), 16);
		assert_true(f[14].inlined);
		assert_false(f[15].inlined);
	}
}

static void assert_refused(struct memory *m, enum err_code code)
{
	struct sym_pclntab *t = NULL;
	AUTO(err) struct err *err = sym_pclntab_new(&m->l, &t);
	assert_non_null(err);
	assert_int_equal(err_code(err), code);
	assert_null(t);
}

static void a_table_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static struct memory m;
	build(&m, 0xf1);
	put32(&m, PCLN + 8, 0x1000); /* above the next */
	assert_refused(&m, ERR_FORMAT);
	build(&m, 0xf1);
	m.l.nfunc = 0;
	assert_refused(&m, ERR_FORMAT);
	build(&m, 0xf1);
	m.l.nfunc = TABLE;
	assert_refused(&m, ERR_FORMAT);
	build(&m, 0xf1);
	m.l.nfunc = UINT64_MAX / 8 + 1;
	assert_refused(&m, ERR_LIMIT);
	build(&m, 0xf1);
	m.l.pclntable = BASE + SIZE - 8;
	assert_refused(&m, ERR_FAULT);
}

/* Every offset that leads out of its table gives "?", 0 or -1. */
static void offsets_out_of_their_tables_lead_nowhere(void **state)
{
	(void)state;
	static struct memory m;
	for (uint32_t field = 4; field <= 32; field += 4) {
		FOR_MAGICS(m)
		{
			put32(&m, PCLN + 0x100 + field, UINT32_MAX - field);
			AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
			struct sym_frame f[4];
			size_t n = sym_pclntab_frames(t, MAIN + 0x30, f, 4);
			assert_true(n >= 1);
			assert_non_null(f[n - 1].function);
			assert_non_null(f[n - 1].file);
			(void)spdelta(t, MAIN + 0x30);
		}
	}
	build(&m, 0xf1);
	put32(&m, PCLN + 4, UINT32_MAX); /* the record itself */
	AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
	struct sym_frame f[4];
	assert_int_equal(sym_pclntab_frames(t, MAIN, f, 4), 0);
	assert_string_equal(sym_pclntab_name(t, 0), "?");
	assert_int_equal(spdelta(t, MAIN), -1);
}

static void damaged_values_are_unknown(void **state)
{
	(void)state;
	static struct memory m;
	build(&m, 0xf1);
	uint32_t at = (uint32_t)m.pctab;
	put_varint(&m, 2);
	put_varint(&m, 0); /* a step of no length */
	put32(&m, PCLN + 0x100 + 16, at);
	AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
	assert_int_equal(spdelta(t, MAIN), -1);
	build(&m, 0xf1);
	at = (uint32_t)m.pctab;
	for (int i = 0; i < 6; i++)
		m.bytes[PCTAB - BASE + m.pctab++] = 0xff; /* a number of six bytes */
	put32(&m, PCLN + 0x100 + 16, at);
	AUTO(sym_pclntab) struct sym_pclntab *t2 = open_table(&m);
	assert_int_equal(spdelta(t2, MAIN), -1);
}

static void a_name_without_end_is_unknown(void **state)
{
	(void)state;
	static struct memory m;
	build(&m, 0xf1);
	m.l.funcnametab_len = 4;
	AUTO(sym_pclntab) struct sym_pclntab *t = open_table(&m);
	assert_string_equal(sym_pclntab_name(t, 0), "?");
	size_t index = 0;
	assert_false(sym_pclntab_find_name(t, "main.main", &index));
}

/* Whichever read fails, something defined comes back. */
static void any_read_may_fail(void **state)
{
	(void)state;
	static struct memory m;
	for (unsigned fail = 1; fail < 40; fail++) {
		build(&m, 0xf1);
		m.fail_at = fail;
		AUTO(sym_pclntab) struct sym_pclntab *t = NULL;
		AUTO(err) struct err *err = sym_pclntab_new(&m.l, &t);
		if (err) {
			assert_int_equal(err_code(err), ERR_FAULT);
			continue;
		}
		struct sym_frame f[4];
		size_t index = 0;
		(void)sym_pclntab_find_name(t, "main.leaf", &index);
		for (uint64_t pc = MAIN; pc < END; pc += 0x10) {
			size_t n = sym_pclntab_frames(t, pc, f, 4);
			for (size_t i = 0; i < n; i++)
				assert_true(f[i].function && f[i].file);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_by_address),
		cmocka_unit_test(functions_have_names),
		cmocka_unit_test(functions_are_found_by_name),
		cmocka_unit_test(frames_have_lines_and_inlined_calls),
		cmocka_unit_test(without_gofunc_nothing_is_inlined),
		cmocka_unit_test(functions_have_ids_and_flags),
		cmocka_unit_test(stack_adjustment_is_that_of_the_instruction),
		cmocka_unit_test(circles_of_inlined_calls_end),
		cmocka_unit_test(a_table_that_cannot_be_is_refused),
		cmocka_unit_test(offsets_out_of_their_tables_lead_nowhere),
		cmocka_unit_test(damaged_values_are_unknown),
		cmocka_unit_test(a_name_without_end_is_unknown),
		cmocka_unit_test(any_read_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
