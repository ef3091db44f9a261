/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/globals.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"
#include "sym/disasm.h"

enum {
	CODE_MAX = 32 * 1024, /* the longest of the functions has 8 KiB */
	REFS_MAX = 1024,      /* of one function */
	FUNCS_MAX = SYM_PCLNTAB_FIND_MAX,
	WINDOW = 96, /* bytes of code between the address of an argument and the call that takes it */
	VERSION_LEN = 4,

	BSS_CHUNK = 256 * 1024,
	SLICE_LEN = 24,
	SPANS = 8, /* looked at of a slice that may be allspans */
	DEEP_MAX = 4096,
	RUNTIME_PAGE = 8192,
	ARENA_SHIFT = 26,
	ARENA_PAGES = 1 << 13,
};

static const uint64_t ARENA_BASE = UINT64_C(0x800000000000);
static const uint64_t BSS_MAX = UINT64_C(256) << 20;
static const uint64_t SLICE_MAX = UINT64_C(1) << 28;
static const uint64_t SPAN_PAGES_MAX = UINT64_C(1) << 24;

const char *const gort_global_names[GORT_VAR_MAX_] = {
	[GORT_VAR_MHEAP] = "runtime.mheap_",
	[GORT_VAR_MEMSTATS] = "runtime.memstats",
	[GORT_VAR_GCCONTROLLER] = "runtime.gcController",
	[GORT_VAR_ALLGS] = "runtime.allgs",
	[GORT_VAR_ALLM] = "runtime.allm",
	[GORT_VAR_ALLP] = "runtime.allp",
	[GORT_VAR_SCHED] = "runtime.sched",
	[GORT_VAR_MBUCKETS] = "runtime.mbuckets",
	[GORT_VAR_BBUCKETS] = "runtime.bbuckets",
	[GORT_VAR_XBUCKETS] = "runtime.xbuckets",
	[GORT_VAR_BUCKHASH] = "runtime.buckhash",
	[GORT_VAR_MPROFCYCLE] = "runtime.mProfCycle",
	[GORT_VAR_MEMPROFILERATE] = "runtime.MemProfileRate",
	[GORT_VAR_PERSISTENTCHUNKS] = "runtime.persistentChunks",
	[GORT_VAR_GCBITSARENAS] = "runtime.gcBitsArenas",
	[GORT_VAR_GCPHASE] = "runtime.gcphase",
	[GORT_VAR_WAITREASONS] = "runtime.waitReasonStrings",
	[GORT_VAR_BUILDVERSION] = "runtime.buildVersion",
	[GORT_VAR_ALLFIN] = "runtime.allfin",
	[GORT_VAR_GCCLEANUPS] = "runtime.gcCleanups",
};

/* How a function's code gives a variable away. References to anything but data of the module do not count. */
enum pattern {
	NTH_LEA,      /* the n-th address taken, from 0 */
	NTH_LOAD,     /* the n-th load; -1 is the last */
	NTH_RMW,      /* the n-th comparison or change in place */
	LEA_FOR_CALL, /* the address that is taken last before the call to `callee`, its receiver */
	LOAD_PAIR,    /* the first X that is loaded, as is X + 8: pointer and length of a slice */
	LOAD_TRIPLE,  /* the first X that is loaded, as are X + 8 and X + 16 */
	LOAD_AND_LEA, /* the first X that is loaded and also has its address taken */
	LEA_OF_THREE, /* the n-th of the first three different addresses that are taken with no call between */
	VERSION,      /* a string header whose text starts "go1." or "deve" */
};

struct recipe {
	enum gort_global var;
	const char *func, *way;
	enum pattern pattern;
	int n;
	const char *callee;
	int minus;	       /* bytes between the variable and what the code refers to */
	enum gort_field field; /* or the same as a field of the layout; GORT_FIELD_MAX_ for none */
};

/* clang-format off */
#define CODE(var, func) GORT_VAR_##var, "runtime." func, "code of runtime." func
#define RECIPE(var, func, pattern, n) { CODE(var, func), pattern, n, NULL, 0, GORT_FIELD_MAX_ }
#define CALL(var, func, callee) { CODE(var, func), LEA_FOR_CALL, 0, "runtime." callee, 0, GORT_FIELD_MAX_ }

/* Seen right on 1.19 and 1.21 to 1.27, with and without cgo, PIE or not, symbols compared. */
static const struct recipe recipes[] = {
	CALL(MHEAP, "mallocinit", "(*mheap).init"),
	CALL(MHEAP, "freeStackSpans", "(*mheap).freeManual"),
	CALL(MEMSTATS, "(*mheap).allocSpan", "(*consistentHeapStats).acquire"), /* memstats starts with them */
	CALL(MEMSTATS, "(*mheap).freeSpanLocked", "(*consistentHeapStats).acquire"),
	CALL(GCCONTROLLER, "gcinit", "(*gcControllerState).init"),
	CALL(GCCONTROLLER, "gcStart", "(*gcControllerState).startCycle"),
	RECIPE(ALLGS, "forEachG", LOAD_PAIR, 0),
	RECIPE(ALLGS, "allgadd", LOAD_TRIPLE, 0),
	RECIPE(ALLM, "mcommoninit", LOAD_AND_LEA, 0),
	RECIPE(ALLM, "mexit", NTH_LEA, 2), /* after m0 and sched.lock */
	RECIPE(ALLP, "gcMarkTinyAllocs", LOAD_PAIR, 0),
	RECIPE(ALLP, "procresize", LOAD_TRIPLE, 0),
	{ CODE(SCHED, "mcommoninit"), NTH_LEA, 0, NULL, 0, GORT_schedt_lock },
	RECIPE(SCHED, "oneNewExtraM", NTH_LEA, 0), /* sched.goidgen, the first field */
	RECIPE(MBUCKETS, "mProf_FlushLocked", NTH_LOAD, 0),
	RECIPE(MBUCKETS, "stkbucket", LEA_OF_THREE, 0),
	RECIPE(XBUCKETS, "stkbucket", LEA_OF_THREE, 1),
	RECIPE(XBUCKETS, "MutexProfile", NTH_LOAD, 0),	       /* to 1.22 */
	RECIPE(XBUCKETS, "mutexProfileInternal", NTH_LOAD, 0), /* 1.23 on */
	RECIPE(BBUCKETS, "stkbucket", LEA_OF_THREE, 2),
	RECIPE(BBUCKETS, "BlockProfile", NTH_LOAD, 0),
	RECIPE(BBUCKETS, "blockProfileInternal", NTH_LOAD, 0),
	RECIPE(BUCKHASH, "stkbucket", NTH_LOAD, 0),
	RECIPE(MPROFCYCLE, "mProf_Flush", NTH_LOAD, 0),
	RECIPE(MPROFCYCLE, "mProf_Free", NTH_LOAD, 0),
	RECIPE(MEMPROFILERATE, "profilealloc", NTH_LOAD, -1),
	RECIPE(MEMPROFILERATE, "allocmcache", NTH_LOAD, -1),
	RECIPE(PERSISTENTCHUNKS, "persistentalloc1", LOAD_AND_LEA, 0),
	RECIPE(GCBITSARENAS, "nextMarkBitArenaEpoch", NTH_LEA, 0),
	{ CODE(GCBITSARENAS, "newArenaMayUnlock"), NTH_LOAD, 0, NULL, 8, GORT_FIELD_MAX_ }, /* .free */
	RECIPE(GCPHASE, "gcSweep", NTH_RMW, 0),
	RECIPE(GCPHASE, "freeSomeWbufs", NTH_RMW, 0),
	RECIPE(WAITREASONS, "waitReason.String", NTH_LEA, 0),
	RECIPE(WAITREASONS, "goroutineheader", NTH_LEA, 1), /* after the names of the states */
	RECIPE(BUILDVERSION, "schedinit", VERSION, 0),
	RECIPE(ALLFIN, "queuefinalizer", NTH_LOAD, 1), /* after finq */
	RECIPE(ALLFIN, "markroot", NTH_LOAD, 2),       /* after work and modulesSlice */
	CALL(GCCLEANUPS, "freeSpecial", "(*cleanupQueue).enqueue"),
	CALL(GCCLEANUPS, "(*activeSweep).end", "(*cleanupQueue).flush"),
};
/* clang-format on */

enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

struct func {
	size_t index; /* in pclntab, or SYM_PCLNTAB_NONE */
	uint64_t entry;
	struct sym_ref *refs; /* NULL until asked for */
	size_t n;
};

struct finder {
	struct memsrc *src;
	const struct gort_module *m;
	struct sym_pclntab *t;
	const struct gort_layout *l;
	const char *names[FUNCS_MAX];
	struct func funcs[FUNCS_MAX];
	size_t n;
};

static size_t func_slot(struct finder *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->names[i], name))
			return i;
	if (f->n == FUNCS_MAX)
		return FUNCS_MAX - 1; /* a recipe too many: a test counts them */
	f->names[f->n] = name;
	return f->n++;
}

static void find_funcs(struct finder *f)
{
	size_t index[FUNCS_MAX];
	for (size_t i = 0; i < RECIPES; i++) {
		func_slot(f, recipes[i].func);
		if (recipes[i].callee)
			func_slot(f, recipes[i].callee);
	}
	sym_pclntab_find_names(f->t, f->names, f->n, index);
	for (size_t i = 0; i < f->n; i++) {
		f->funcs[i].index = index[i];
		if (index[i] != SYM_PCLNTAB_NONE)
			f->funcs[i].entry = sym_pclntab_entry(f->t, index[i]);
	}
}

static bool in_range(const struct gort_range *r, uint64_t addr)
{
	return addr >= r->start && addr < r->end;
}

static bool in_data(const struct gort_module *m, uint64_t addr)
{
	return in_range(&m->noptrdata, addr) || in_range(&m->data, addr) || in_range(&m->bss, addr) ||
	       in_range(&m->noptrbss, addr);
}

/*
 * Keep calls and what refers to data. A load from elsewhere that yields an address of data is a load from the GOT, so
 * it takes the address of a variable.
 */
static bool keep_ref(const struct finder *f, struct sym_ref *r)
{
	if (r->kind == SYM_REF_CALL || in_data(f->m, r->target))
		return true;
	uint64_t slot = r->kind == SYM_REF_LOAD ? memsrc_ptr(f->src, r->target) : 0;
	if (!slot || !in_data(f->m, slot))
		return false;
	r->kind = SYM_REF_LEA;
	r->target = slot;
	return true;
}

static const struct func *func_refs(struct finder *f, const char *name)
{
	struct func *fn = &f->funcs[func_slot(f, name)];
	if (fn->refs || fn->index == SYM_PCLNTAB_NONE)
		return fn;
	size_t len = (size_t)num_min(sym_pclntab_entry(f->t, fn->index + 1) - fn->entry, CODE_MAX);
	AUTO_FREE unsigned char *code = xmalloc(len + 1);
	fn->refs = xcalloc(REFS_MAX, sizeof(*fn->refs));
	if (!memsrc_read(f->src, fn->entry, code, len))
		return fn;
	size_t n = sym_disasm_refs(code, len, fn->entry, fn->refs, REFS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct sym_ref r = fn->refs[i];
		if (keep_ref(f, &r))
			fn->refs[fn->n++] = r;
	}
	return fn;
}

/* patterns: each gives an address, or 0 */

static uint64_t nth(const struct func *fn, enum sym_ref_kind kind, int n)
{
	uint64_t last = 0;
	for (size_t i = 0; i < fn->n; i++) {
		if (fn->refs[i].kind != kind)
			continue;
		last = fn->refs[i].target;
		if (n-- == 0)
			return last;
	}
	return n < 0 ? last : 0; /* -1 never gets to 0, and means the last */
}

static bool refers(const struct func *fn, enum sym_ref_kind kind, uint64_t target)
{
	for (size_t i = 0; i < fn->n; i++)
		if (fn->refs[i].kind == kind && fn->refs[i].target == target)
			return true;
	return false;
}

static uint64_t lea_for_call(struct finder *f, const struct func *fn, const char *callee)
{
	const struct func *to = &f->funcs[func_slot(f, callee)];
	const struct sym_ref *lea = NULL;
	if (to->index == SYM_PCLNTAB_NONE)
		return 0;
	for (size_t i = 0; i < fn->n; i++) {
		const struct sym_ref *r = &fn->refs[i];
		if (r->kind == SYM_REF_LEA && r->reg == 0) /* the receiver is in rax */
			lea = r;
		if (r->kind != SYM_REF_CALL)
			continue;
		if (r->target == to->entry && lea && r->at - lea->at <= WINDOW)
			return lea->target;
		lea = NULL; /* a call leaves nothing in rax */
	}
	return 0;
}

/* The first load of X with loads of the `words` - 1 words behind it. */
static uint64_t load_words(const struct func *fn, unsigned words)
{
	for (size_t i = 0; i < fn->n; i++) {
		unsigned k = 1;
		if (fn->refs[i].kind != SYM_REF_LOAD)
			continue;
		while (k < words && refers(fn, SYM_REF_LOAD, fn->refs[i].target + UINT64_C(8) * k))
			k++;
		if (k == words)
			return fn->refs[i].target;
	}
	return 0;
}

static uint64_t load_and_lea(const struct func *fn)
{
	for (size_t i = 0; i < fn->n; i++)
		if (fn->refs[i].kind == SYM_REF_LOAD && refers(fn, SYM_REF_LEA, fn->refs[i].target))
			return fn->refs[i].target;
	return 0;
}

static uint64_t lea_of_three(const struct func *fn, int n)
{
	uint64_t run[3] = { 0 };
	unsigned len = 0;
	for (size_t i = 0; i < fn->n; i++) {
		const struct sym_ref *r = &fn->refs[i];
		if (r->kind != SYM_REF_LEA) {
			len = 0;
			continue;
		}
		if ((len > 0 && r->target == run[0]) || (len > 1 && r->target == run[1]))
			len = 0;
		run[len++] = r->target;
		if (len == 3)
			return run[n];
	}
	return 0;
}

static bool is_version(struct finder *f, uint64_t header)
{
	unsigned char text[VERSION_LEN];
	uint64_t len = memsrc_ptr(f->src, header + 8);
	return len >= VERSION_LEN && len < 256 && in_data(f->m, header) &&
	       memsrc_read(f->src, memsrc_ptr(f->src, header), text, sizeof(text)) &&
	       (!memcmp(text, "go1.", sizeof(text)) || !memcmp(text, "deve", sizeof(text)));
}

static uint64_t version_string(struct finder *f, const struct func *fn)
{
	for (size_t i = 0; i < fn->n; i++) {
		const struct sym_ref *r = &fn->refs[i];
		if (r->kind == SYM_REF_CALL)
			continue;
		if (is_version(f, r->target))
			return r->target;
		if (is_version(f, r->target - 8)) /* the length is compared first */
			return r->target - 8;
	}
	return 0;
}

static uint64_t match(struct finder *f, const struct recipe *r, const struct func *fn)
{
	switch (r->pattern) {
	case NTH_LEA:
		return nth(fn, SYM_REF_LEA, r->n);
	case NTH_LOAD:
		return nth(fn, SYM_REF_LOAD, r->n);
	case NTH_RMW:
		return nth(fn, SYM_REF_RMW, r->n);
	case LEA_FOR_CALL:
		return lea_for_call(f, fn, r->callee);
	case LOAD_PAIR:
		return load_words(fn, 2);
	case LOAD_TRIPLE:
		return load_words(fn, 3);
	case LOAD_AND_LEA:
		return load_and_lea(fn);
	case LEA_OF_THREE:
		return lea_of_three(fn, r->n);
	case VERSION:
		return version_string(f, fn);
	}
	return 0;
}

static uint64_t apply(struct finder *f, const struct recipe *r)
{
	uint64_t addr = match(f, r, func_refs(f, r->func));
	uint64_t minus = (uint64_t)r->minus;
	if (r->field != GORT_FIELD_MAX_)
		minus = gort_at(f->l, 0, r->field);
	return addr && in_data(f->m, addr - minus) ? addr - minus : 0;
}

/* structure: mheap_ without any name */

/* Is the record at `addr` a span that the heap's index of arenas knows? 1 yes, 0 it is a free record, -1 no. */
static int check_span(struct finder *f, uint64_t heap, uint64_t addr)
{
	const struct gort_layout *l = f->l;
	unsigned char rec[512];
	uint32_t len = gort_sizeof(l, GORT_mspan_SIZEOF);
	if (!addr || addr % 8 || len > sizeof(rec) || !memsrc_read(f->src, addr, rec, len))
		return -1;
	uint64_t start = gort_load(l, rec, len, GORT_mspan_startAddr);
	uint64_t pages = gort_load(l, rec, len, GORT_mspan_npages);
	uint64_t state = gort_load(l, rec, len, GORT_mspan_state);
	if (start % RUNTIME_PAGE || !pages || pages >= SPAN_PAGES_MAX || state > 2)
		return -1;
	if (!state)
		return 0;
	uint64_t l2 = memsrc_ptr(f->src, gort_at(l, heap, GORT_mheap_arenas));
	uint64_t arena = memsrc_ptr(f->src, l2 + ((start + ARENA_BASE) >> ARENA_SHIFT) * 8);
	uint64_t page = start / RUNTIME_PAGE % ARENA_PAGES;
	if (!l2 || !arena || memsrc_ptr(f->src, gort_at(l, arena, GORT_heapArena_spans) + page * 8) != addr)
		return -1;
	return 1;
}

static bool check_allspans(struct finder *f, uint64_t heap, uint64_t array)
{
	uint64_t spans[SPANS];
	unsigned known = 0;
	if (!memsrc_read(f->src, array, spans, sizeof(spans)))
		return false;
	for (size_t i = 0; i < SPANS; i++) {
		int is = check_span(f, heap, load_u64(&spans[i]));
		if (is < 0)
			return false;
		known += (unsigned)is;
	}
	return known > 0;
}

/* Words of bss that look like allspans: a page-aligned array with a length and a capacity. */
static uint64_t search_chunk(struct finder *f, const unsigned char *buf, size_t len, uint64_t addr, unsigned *tries)
{
	uint64_t off = gort_at(f->l, 0, GORT_mheap_allspans);
	for (size_t i = 0; i + SLICE_LEN <= len; i += 8) {
		uint64_t array = load_u64(buf + i), n = load_u64(buf + i + 8), cap = load_u64(buf + i + 16);
		if (!array || array % 4096 || n < SPANS || cap < n || cap >= SLICE_MAX ||
		    addr + i < f->m->bss.start + off)
			continue;
		if (++*tries > DEEP_MAX)
			return 0;
		if (check_allspans(f, addr + i - off, array))
			return addr + i - off;
	}
	return 0;
}

static uint64_t search_mheap(struct finder *f)
{
	AUTO_FREE unsigned char *buf = xmalloc(BSS_CHUNK);
	uint64_t at = (f->m->bss.start + 7) & ~UINT64_C(7);
	uint64_t end = num_min(f->m->bss.end, at + BSS_MAX);
	unsigned tries = 0;
	for (; at < end; at += BSS_CHUNK - SLICE_LEN + 8) {
		size_t len = (size_t)num_min(BSS_CHUNK, end - at);
		uint64_t found = 0;
		if (memsrc_read(f->src, at, buf, len))
			found = search_chunk(f, buf, len, at, &tries);
		if (found)
			return found;
	}
	return 0;
}

/* the choice */

static void add_way(struct gort_globals *g, enum gort_global var, const char *way, uint64_t addr)
{
	for (size_t i = 0; i < GORT_WAYS; i++) {
		if (g->ways[var][i].way)
			continue;
		g->ways[var][i] = (struct gort_global_way){ addr, way };
		return;
	}
}

static void choose(struct gort_globals *g, enum gort_global var)
{
	const struct gort_global_way *ways = g->ways[var];
	for (size_t i = 0; i < GORT_WAYS; i++) {
		unsigned votes = 0;
		for (size_t k = 0; k < GORT_WAYS; k++)
			votes += ways[i].addr && ways[k].addr == ways[i].addr;
		if (votes > g->agree[var]) {
			g->agree[var] = votes;
			g->addr[var] = ways[i].addr;
		}
	}
}

void gort_globals_find(struct memsrc *src, const struct gort_module *m, struct sym_pclntab *t,
		       const struct gort_layout *l, struct gort_symbols symbols, struct gort_globals *ret)
{
	AUTO_FREE struct finder *f = xcalloc(1, sizeof(*f));
	f->src = src;
	f->m = m;
	f->t = t;
	f->l = l;
	*ret = (struct gort_globals){ .addr = { 0 } };
	find_funcs(f);
	for (unsigned v = 0; symbols.find && v < GORT_VAR_MAX_; v++)
		add_way(ret, v, "symbol", symbols.find(symbols.ctx, gort_global_names[v]));
	for (size_t i = 0; i < RECIPES; i++)
		add_way(ret, recipes[i].var, recipes[i].way, apply(f, &recipes[i]));
	add_way(ret, GORT_VAR_MHEAP, "structure", search_mheap(f));
	for (unsigned v = 0; v < GORT_VAR_MAX_; v++)
		choose(ret, v);
	for (size_t i = 0; i < f->n; i++)
		free(f->funcs[i].refs);
}
