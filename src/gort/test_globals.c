/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fixture/image.h"
#include "gort/globals.h"

/* Where the test's runtime has its variables. */
#define IN_BSS(n) (IMAGE_BSS + 0x22000 + (n)*UINT64_C(0x400))

enum { SCHED_LOCK = 32, M0 = 40, LOCK = 41, OTHER = 42 };

static uint64_t var_addr(unsigned var)
{
	if (var == GORT_VAR_BUILDVERSION || var == GORT_VAR_WAITREASONS)
		return IMAGE_DATA + IMAGE_PTRDATA + 0x100 * (uint64_t)var;
	return IN_BSS(var);
}

enum op_kind { FUNC, LEA, LOAD, STORE, CMP, CALL };

/* One line of the test's runtime: an instruction that refers to variable `var` + plus, or a call. */
struct op {
	enum op_kind kind;
	const char *func;
	unsigned reg, var;
	uint64_t plus;
};

#define FN(name)                                                                                                       \
	{                                                                                                              \
		FUNC, "runtime." name, 0, 0, 0                                                                         \
	}
#define TO(name)                                                                                                       \
	{                                                                                                              \
		CALL, "runtime." name, 0, 0, 0                                                                         \
	}
#define OP(kind, reg, var)                                                                                             \
	{                                                                                                              \
		kind, NULL, reg, var, 0                                                                                \
	}
#define OP_AT(kind, reg, var, plus)                                                                                    \
	{                                                                                                              \
		kind, NULL, reg, var, plus                                                                             \
	}

/* The same references in the same order as in the code of go1.27. */
/* clang-format off */
static const struct op runtime_code[] = {
	FN("(*mheap).init"),
	FN("(*mheap).freeManual"),
	FN("(*consistentHeapStats).acquire"),
	FN("(*gcControllerState).init"),
	FN("(*gcControllerState).startCycle"),
	FN("lock2"),
	FN("mallocinit"), OP(LEA, 6, OTHER), OP(LEA, 0, GORT_VAR_MHEAP), TO("(*mheap).init"), OP(LEA, 0, OTHER),
	FN("freeStackSpans"), OP(LEA, 0, LOCK), TO("lock2"), OP(LEA, 0, GORT_VAR_MHEAP), TO("(*mheap).freeManual"),
	FN("(*mheap).allocSpan"), OP(LOAD, 2, GORT_VAR_GCCONTROLLER), OP(LEA, 0, GORT_VAR_MEMSTATS),
		TO("(*consistentHeapStats).acquire"), OP(LEA, 0, LOCK),
	FN("(*mheap).freeSpanLocked"), OP(LEA, 0, OTHER), TO("lock2"), OP(LEA, 0, GORT_VAR_MEMSTATS),
		TO("(*consistentHeapStats).acquire"),
	FN("gcinit"), OP(LEA, 1, OTHER), OP(LEA, 0, GORT_VAR_GCCONTROLLER), TO("(*gcControllerState).init"),
	FN("gcStart"), OP(LOAD, 1, OTHER), OP(LEA, 0, GORT_VAR_GCCONTROLLER), TO("(*gcControllerState).startCycle"),
	FN("forEachG"), OP(LEA, 0, LOCK), TO("lock2"), OP(LOAD, 1, GORT_VAR_ALLGS), OP_AT(LOAD, 2, GORT_VAR_ALLGS, 8),
	FN("allgadd"), OP(LEA, 0, LOCK), OP_AT(LOAD, 1, GORT_VAR_ALLGS, 16), OP_AT(LOAD, 3, GORT_VAR_ALLGS, 8),
		OP(LOAD, 0, GORT_VAR_ALLGS), OP_AT(STORE, 0, GORT_VAR_ALLGS, 16), OP(LOAD, 1, GORT_VAR_ALLGS),
	FN("mcommoninit"), OP_AT(LEA, 0, GORT_VAR_SCHED, SCHED_LOCK), TO("lock2"), OP(LOAD, 3, OTHER),
		OP(LOAD, 1, GORT_VAR_ALLM), OP(CMP, 0, OTHER), OP(LEA, 0, GORT_VAR_ALLM),
	FN("mexit"), OP(LEA, 0, M0), OP_AT(LEA, 0, GORT_VAR_SCHED, SCHED_LOCK), OP(LEA, 1, GORT_VAR_ALLM),
	FN("gcMarkTinyAllocs"), OP(LOAD, 1, GORT_VAR_ALLP), OP_AT(LOAD, 2, GORT_VAR_ALLP, 8),
	FN("procresize"), OP(LOAD, 1, OTHER), OP_AT(LOAD, 1, GORT_VAR_ALLP, 8), OP_AT(LOAD, 2, GORT_VAR_ALLP, 16),
		OP(LOAD, 1, GORT_VAR_ALLP),
	FN("oneNewExtraM"), OP(CMP, 0, OTHER), OP(LEA, 1, GORT_VAR_SCHED), OP_AT(LEA, 1, GORT_VAR_SCHED, 96),
	FN("mProf_FlushLocked"), OP(LOAD, 0, GORT_VAR_MBUCKETS),
	FN("stkbucket"), OP(LOAD, 2, GORT_VAR_BUCKHASH), OP(LEA, 0, LOCK), TO("lock2"), OP(LOAD, 1, GORT_VAR_BUCKHASH),
		OP(LEA, 3, GORT_VAR_MEMSTATS), TO("lock2"), OP(LEA, 2, GORT_VAR_BUCKHASH), OP(LEA, 0, LOCK),
		TO("lock2"), OP(LEA, 0, GORT_VAR_MBUCKETS), OP(LEA, 0, GORT_VAR_XBUCKETS),
		OP(LEA, 0, GORT_VAR_BBUCKETS), OP(LEA, 0, LOCK), TO("lock2"),
	FN("mutexProfileInternal"), OP(LEA, 0, LOCK), TO("lock2"), OP(LOAD, 0, GORT_VAR_XBUCKETS),
	FN("BlockProfile"), OP(LEA, 0, LOCK), TO("lock2"), OP(LOAD, 0, GORT_VAR_BBUCKETS),
	FN("mProf_Flush"), OP(LOAD, 0, GORT_VAR_MPROFCYCLE), OP(LEA, 0, GORT_VAR_MPROFCYCLE), OP(LEA, 0, LOCK),
	FN("mProf_Free"), OP(LOAD, 0, GORT_VAR_MPROFCYCLE), OP(LEA, 0, LOCK),
	FN("profilealloc"), OP(LOAD, 2, OTHER), OP(LOAD, 6, GORT_VAR_MEMPROFILERATE),
		OP(LOAD, 6, GORT_VAR_MEMPROFILERATE),
	FN("allocmcache"), OP(LEA, 0, OTHER), OP(LOAD, 6, GORT_VAR_MEMPROFILERATE),
	FN("persistentalloc1"), OP(LEA, 0, OTHER), OP(LOAD, 0, GORT_VAR_PERSISTENTCHUNKS),
		OP(LEA, 6, GORT_VAR_PERSISTENTCHUNKS),
	FN("nextMarkBitArenaEpoch"), OP(LEA, 0, GORT_VAR_GCBITSARENAS), OP_AT(LOAD, 1, GORT_VAR_GCBITSARENAS, 32),
	FN("newArenaMayUnlock"), OP_AT(LOAD, 0, GORT_VAR_GCBITSARENAS, 8), OP(LEA, 0, GORT_VAR_GCBITSARENAS),
	FN("gcSweep"), OP(CMP, 0, GORT_VAR_GCPHASE), OP(LEA, 0, GORT_VAR_MHEAP),
	FN("freeSomeWbufs"), OP(LEA, 0, LOCK), OP(CMP, 0, GORT_VAR_GCPHASE), OP(CMP, 0, OTHER),
	FN("waitReason.String"), OP(LEA, 2, GORT_VAR_WAITREASONS),
	FN("goroutineheader"), OP(LOAD, 1, OTHER), OP(LEA, 1, OTHER), OP(LEA, 1, GORT_VAR_WAITREASONS),
	FN("schedinit"), OP(LEA, 0, LOCK), OP_AT(CMP, 0, GORT_VAR_BUILDVERSION, 8),
		OP_AT(STORE, 0, GORT_VAR_BUILDVERSION, 8),
	FN("(*cleanupQueue).enqueue"),
	FN("(*cleanupQueue).flush"),
	FN("queuefinalizer"), OP(CMP, 0, GORT_VAR_GCPHASE), OP(LEA, 0, LOCK), TO("lock2"), OP(LOAD, 1, OTHER),
		OP(LOAD, 2, GORT_VAR_ALLFIN), OP(STORE, 2, GORT_VAR_ALLFIN),
	FN("markroot"), OP(LOAD, 1, OTHER), OP(LOAD, 2, OTHER), OP(LOAD, 2, GORT_VAR_ALLFIN),
	FN("freeSpecial"), OP(LEA, 0, OTHER), TO("lock2"), OP(LEA, 0, GORT_VAR_GCCLEANUPS),
		TO("(*cleanupQueue).enqueue"),
	FN("(*activeSweep).end"), OP(LEA, 0, GORT_VAR_GCCLEANUPS), TO("(*cleanupQueue).flush"),
};
/* clang-format on */

enum { OPS = sizeof(runtime_code) / sizeof(runtime_code[0]), CODE = 256 };

/* How many ways lead to each variable without symbols and without a heap. */
static const unsigned ways[GORT_VAR_MAX_] = {
	[GORT_VAR_MHEAP] = 2,	       [GORT_VAR_MEMSTATS] = 2,
	[GORT_VAR_GCCONTROLLER] = 2,   [GORT_VAR_ALLGS] = 2,
	[GORT_VAR_ALLM] = 2,	       [GORT_VAR_ALLP] = 2,
	[GORT_VAR_SCHED] = 2,	       [GORT_VAR_MBUCKETS] = 2,
	[GORT_VAR_BBUCKETS] = 2,       [GORT_VAR_XBUCKETS] = 2,
	[GORT_VAR_BUCKHASH] = 1,       [GORT_VAR_MPROFCYCLE] = 2,
	[GORT_VAR_MEMPROFILERATE] = 2, [GORT_VAR_PERSISTENTCHUNKS] = 1,
	[GORT_VAR_GCBITSARENAS] = 2,   [GORT_VAR_GCPHASE] = 2,
	[GORT_VAR_WAITREASONS] = 2,    [GORT_VAR_BUILDVERSION] = 1,
	[GORT_VAR_ALLFIN] = 2,	       [GORT_VAR_GCCLEANUPS] = 2,
};

struct runtime {
	struct fixture f;
	struct gort_module m;
	struct sym_pclntab *t;
	struct image_func funcs[IMAGE_FUNCS_MAX];
	size_t nfuncs;
	unsigned char code[IMAGE_FUNCS_MAX][CODE];
};

static size_t func_index(const struct runtime *r, const char *name)
{
	size_t i = 0;
	while (strcmp(r->funcs[i].name, name) != 0)
		i++;
	return i;
}

static void assemble(struct runtime *r, struct image_func *fn, const struct op *op)
{
	static const unsigned char opcode[] = { [LEA] = 0x8d, [LOAD] = 0x8b, [STORE] = 0x89, [CMP] = 0x3b };
	unsigned char *p = r->code[fn - r->funcs] + fn->len;
	uint64_t target = op->kind == CALL	    ? image_func_addr(func_index(r, op->func))
			  : op->var < GORT_VAR_MAX_ ? var_addr(op->var) + op->plus
						    : IN_BSS(op->var);
	size_t head = op->kind == CALL ? 1 : 3;
	if (op->kind == CALL) {
		p[0] = 0xe8;
	} else {
		p[0] = 0x48;
		p[1] = opcode[op->kind];
		p[2] = (unsigned char)(op->reg << 3 | 5);
	}
	uint32_t disp = (uint32_t)(target - (image_func_addr((size_t)(fn - r->funcs)) + fn->len + head + 4));
	memcpy(p + head, &disp, sizeof(disp));
	fn->len += head + 4;
}

/* `without` (may be NULL) is left out, as if it had no name. */
static void runtime_build(struct runtime *r, const char *without)
{
	static const char version[] = "go1.27.4";
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < OPS; i++)
		if (runtime_code[i].kind == FUNC)
			r->funcs[r->nfuncs++] = (struct image_func){ runtime_code[i].func, NULL, 0 };
	struct image_func *fn = NULL;
	for (size_t i = 0; i < OPS; i++) {
		const struct op *op = &runtime_code[i];
		if (op->kind == FUNC) {
			fn = &r->funcs[func_index(r, op->func)];
			fn->code = r->code[fn - r->funcs];
		} else {
			assemble(r, fn, op);
		}
	}
	if (without)
		r->funcs[func_index(r, without)].name = "x";
	fixture_init(&r->f);
	image_build(&r->f, &(struct image){ 0xf1, r->funcs, r->nfuncs, version, NULL });
	for (size_t i = 0; i < sizeof(version); i++)
		fixture_put(&r->f, IMAGE_RODATA + IMAGE_TEXTS + i, (unsigned char)version[i], 1);
	fixture_put(&r->f, var_addr(GORT_VAR_BUILDVERSION), IMAGE_RODATA + IMAGE_TEXTS, 8);
	fixture_put(&r->f, var_addr(GORT_VAR_BUILDVERSION) + 8, strlen(version), 8);
	assert_null(gort_module_find(&r->f.src, image_vmas, IMAGE_VMAS, &r->m));
	struct sym_pclntab_layout l = {
		.src = &r->f.src,
		.magic = r->m.magic,
		.text = r->m.text.start,
		.funcnametab = r->m.funcnametab,
		.funcnametab_len = r->m.funcnametab_len,
		.pclntable = r->m.pclntable,
		.pclntable_len = r->m.pclntable_len,
		.nfunc = r->m.nfunc,
	};
	assert_null(sym_pclntab_new(&l, &r->t));
}

static void runtime_free(struct runtime *r)
{
	sym_pclntab_free(r->t);
	gort_module_deinit(&r->m);
	fixture_deinit(&r->f);
}

static const struct gort_layout *newest(void)
{
	const struct gort_layout *l = &gort_layouts[0];
	for (unsigned i = 0; i < gort_layouts_count; i++)
		if (gort_layouts[i].minor > l->minor)
			l = &gort_layouts[i];
	return l;
}

static void find(struct runtime *r, gort_symbol_fn symbol, void *ctx, struct gort_globals *g)
{
	gort_globals_find(&r->f.src, &r->m, r->t, newest(), (struct gort_symbols){ symbol, ctx }, g);
}

static void every_variable_is_found_in_code(void **state)
{
	(void)state;
	static struct runtime r;
	struct gort_globals g;
	runtime_build(&r, NULL);
	find(&r, NULL, NULL, &g);
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++) {
		if (g.addr[v] != var_addr(v) || g.agree[v] != ways[v])
			fail_msg("%s: %#llx by %u ways", gort_global_names[v], (unsigned long long)g.addr[v],
				 g.agree[v]);
		for (size_t i = 0; i < GORT_WAYS; i++)
			assert_true(!g.ways[v][i].addr || g.ways[v][i].addr == var_addr(v));
	}
	assert_string_equal(g.ways[GORT_VAR_MHEAP][0].way, "code of runtime.mallocinit");
	runtime_free(&r);
}

/* A variable with two ways survives the loss of any function. */
static void any_function_may_have_no_name(void **state)
{
	(void)state;
	static struct runtime r;
	for (size_t i = 0; i < OPS; i++) {
		struct gort_globals g;
		if (runtime_code[i].kind != FUNC)
			continue;
		runtime_build(&r, runtime_code[i].func);
		find(&r, NULL, NULL, &g);
		for (unsigned v = 0; v < GORT_VAR_MAX_; v++) {
			assert_true(g.addr[v] == var_addr(v) || g.addr[v] == 0);
			if (g.addr[v] == 0)
				assert_true(ways[v] == 1 || !strcmp(runtime_code[i].func, "runtime.stkbucket") ||
					    !strcmp(runtime_code[i].func, "runtime.(*consistentHeapStats).acquire"));
		}
		runtime_free(&r);
	}
}

static uint64_t right_symbol(void *ctx, const char *name)
{
	(void)ctx;
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++)
		if (!strcmp(name, gort_global_names[v]))
			return var_addr(v);
	return 0;
}

static uint64_t wrong_symbol(void *ctx, const char *name)
{
	(void)name;
	return *(const uint64_t *)ctx;
}

static void symbols_are_one_way_more(void **state)
{
	(void)state;
	static struct runtime r;
	struct gort_globals g;
	runtime_build(&r, NULL);
	find(&r, right_symbol, NULL, &g);
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++) {
		assert_int_equal(g.addr[v], var_addr(v));
		assert_int_equal(g.agree[v], ways[v] + 1);
		assert_string_equal(g.ways[v][0].way, "symbol");
	}
	runtime_free(&r);
}

static void most_ways_win_and_the_symbol_at_a_tie(void **state)
{
	(void)state;
	static struct runtime r;
	struct gort_globals g;
	uint64_t wrong = IN_BSS(OTHER);
	runtime_build(&r, NULL);
	find(&r, wrong_symbol, &wrong, &g);
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++) {
		assert_int_equal(g.addr[v], ways[v] > 1 ? var_addr(v) : wrong);
		assert_int_equal(g.agree[v], ways[v]);
	}
	runtime_free(&r);
}

/* mov rax, [rip + slot of the GOT] takes an address as lea does. */
static void addresses_may_come_from_the_got(void **state)
{
	(void)state;
	static struct runtime r;
	struct gort_globals g;
	const uint64_t slot = IMAGE_RODATA + IMAGE_TEXTS + 0x100;
	runtime_build(&r, NULL);
	fixture_put(&r.f, slot, var_addr(GORT_VAR_MHEAP), 8);
	uint64_t at = image_func_addr(func_index(&r, "runtime.mallocinit")) + 7; /* its second instruction */
	fixture_put(&r.f, at + 1, 0x8b, 1);
	fixture_put(&r.f, at + 3, slot - (at + 7), 4);
	find(&r, NULL, NULL, &g);
	assert_int_equal(g.ways[GORT_VAR_MHEAP][0].addr, var_addr(GORT_VAR_MHEAP));
	runtime_free(&r);
}

static void what_is_no_data_of_the_module_is_not_believed(void **state)
{
	(void)state;
	static struct runtime r;
	struct gort_globals g;
	runtime_build(&r, NULL);
	r.m.bss = r.m.noptrbss = (struct gort_range){ 0, 0 };
	find(&r, NULL, NULL, &g);
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++)
		assert_int_equal(g.addr[v] != 0, v == GORT_VAR_BUILDVERSION || v == GORT_VAR_WAITREASONS);
	runtime_free(&r);
}

/* Ten spans, with the index of arenas that leads back to them, and a list at `array`. */
static void put_heap(struct fixture *f, const struct gort_layout *l, uint64_t heap, uint64_t array)
{
	enum { SPANS = 10 };
	const uint64_t arena = UINT64_C(0xc000000000), spans = 0x3000000, l2 = UINT64_C(0x7f0000000000),
		       meta = UINT64_C(0x7e0000000000);
	uint64_t size = gort_sizeof(l, GORT_mspan_SIZEOF), slot = l2 + ((arena + (UINT64_C(1) << 47)) >> 26) * 8;
	fixture_region(f, spans, SPANS * size);
	fixture_region(f, array, 4096);
	fixture_region(f, slot, 8);
	fixture_region(f, gort_at(l, meta, GORT_heapArena_spans), 8192 * 8);
	fixture_put(f, slot, meta, 8);
	fixture_put(f, gort_at(l, heap, GORT_mheap_arenas), l2, 8);
	fixture_put(f, gort_at(l, heap, GORT_mheap_allspans), array, 8);
	fixture_put(f, gort_at(l, heap, GORT_mheap_allspans) + 8, SPANS, 8);
	fixture_put(f, gort_at(l, heap, GORT_mheap_allspans) + 16, 512, 8);
	for (uint64_t i = 0; i < SPANS; i++) {
		uint64_t span = spans + i * size;
		fixture_put(f, array + i * 8, span, 8);
		fixture_put(f, gort_at(l, span, GORT_mspan_startAddr), arena + i * 8192, 8);
		fixture_put(f, gort_at(l, span, GORT_mspan_npages), 1, 8);
		fixture_put(f, gort_at(l, span, GORT_mspan_state), i % 3, 1);
		fixture_put(f, gort_at(l, meta, GORT_heapArena_spans) + i * 8, span, 8);
	}
}

static const struct gort_global_way *structure(const struct gort_globals *g)
{
	for (size_t i = 0; i < GORT_WAYS; i++)
		if (g->ways[GORT_VAR_MHEAP][i].way && !strcmp(g->ways[GORT_VAR_MHEAP][i].way, "structure"))
			return &g->ways[GORT_VAR_MHEAP][i];
	return NULL;
}

static void the_heap_is_known_by_its_structure(void **state)
{
	(void)state;
	static struct runtime r;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		const struct gort_layout *l = &gort_layouts[i];
		const uint64_t heap = IMAGE_BSS + 0x20008, array = 0x3100000;
		struct gort_globals g;
		runtime_build(&r, NULL);
		put_heap(&r.f, l, heap, array);
		/* slices that only look like the list: of nothing, of words */
		fixture_put(&r.f, IMAGE_BSS + 0x18000, 0x5000, 8);
		fixture_put(&r.f, IMAGE_BSS + 0x18008, 100, 8);
		fixture_put(&r.f, IMAGE_BSS + 0x18010, 100, 8);
		fixture_put(&r.f, IMAGE_BSS + 0x18020, IMAGE_RODATA, 8);
		fixture_put(&r.f, IMAGE_BSS + 0x18028, 100, 8);
		fixture_put(&r.f, IMAGE_BSS + 0x18030, 100, 8);
		gort_globals_find(&r.f.src, &r.m, r.t, l, (struct gort_symbols){ 0 }, &g);
		assert_non_null(structure(&g));
		assert_int_equal(structure(&g)->addr, heap);
		/* spans that the index of arenas does not know are none */
		fixture_put(&r.f, gort_at(l, heap, GORT_mheap_arenas), 0, 8);
		gort_globals_find(&r.f.src, &r.m, r.t, l, (struct gort_symbols){ 0 }, &g);
		assert_int_equal(structure(&g)->addr, 0);
		runtime_free(&r);
	}
}

static void any_read_may_fail(void **state)
{
	(void)state;
	static struct runtime r;
	for (unsigned fail = 1; fail < 80; fail++) {
		struct gort_globals g;
		runtime_build(&r, NULL);
		r.f.reads = 0;
		r.f.fail_at = fail;
		find(&r, NULL, NULL, &g);
		for (unsigned v = 0; v < GORT_VAR_MAX_; v++)
			assert_true(g.addr[v] == 0 || g.addr[v] == var_addr(v));
		runtime_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variable_is_found_in_code),
		cmocka_unit_test(any_function_may_have_no_name),
		cmocka_unit_test(symbols_are_one_way_more),
		cmocka_unit_test(most_ways_win_and_the_symbol_at_a_tie),
		cmocka_unit_test(addresses_may_come_from_the_got),
		cmocka_unit_test(what_is_no_data_of_the_module_is_not_believed),
		cmocka_unit_test(the_heap_is_known_by_its_structure),
		cmocka_unit_test(any_read_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
