/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/gort.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gort/goroutine.h"
#include "gort/heap.h"
#include "gort/stats.h"
#include "model/memcache.h"

enum {
	SAMPLE = 256, /* spans and goroutines looked at by a check */
	CHECKS = 4,
	MINOR_MIN = 19,
	LIST_MAX = 1 << 28,
	ARENAS_MAX = 1 << 22,
	SLACK = 4 << 20, /* counters of a small, busy heap may be this far apart */
};

static const uint64_t STACKS_MAX = UINT64_C(1) << 40;

uint64_t gort_word(const struct gort *g, uint64_t base, enum gort_field f)
{
	unsigned char b[8] = { 0 };
	struct gort_offset o = g->layout->f[f];
	if (o.off < 0 || !o.size || !memsrc_read(g->src, base + (uint64_t)o.off, b, o.size < 8 ? o.size : 8))
		return 0;
	uint64_t v = 0;
	memcpy(&v, b, sizeof(v));
	return v;
}

/* ---- self-checks ---- */

static bool result(struct gort *g, const char *check, bool ok, const char *found)
{
	g->checks[g->nchecks++] = (struct gort_check_result){ check, ok, found };
	return ok;
}

static bool check_variables(struct gort *g)
{
	static const enum gort_global needed[] = { GORT_VAR_MHEAP, GORT_VAR_MEMSTATS, GORT_VAR_GCCONTROLLER,
						   GORT_VAR_ALLGS };
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!gort_var(g, needed[i]))
			return result(g, "the runtime's variables are found", false,
				      arena_printf(&g->arena, "%s is not", gort_global_names[needed[i]]));
	}
	return result(g, "the runtime's variables are found", true, "all that are needed");
}

/* Up to SAMPLE addresses out of the slice of pointers at `slice`, evenly spread. False when it makes no sense. */
static bool sample(const struct gort *g, uint64_t slice, uint64_t *out, size_t *ret)
{
	uint64_t list = memsrc_ptr(g->src, slice), n = memsrc_ptr(g->src, slice + 8);
	uint64_t cap = memsrc_ptr(g->src, slice + 16);
	if (!list || !n || n > cap || cap > LIST_MAX)
		return false;
	uint64_t step = (n + SAMPLE - 1) / SAMPLE;
	*ret = 0;
	for (uint64_t i = 0; i < n; i += step) {
		uint64_t at = memsrc_ptr(g->src, list + i * 8);
		if (at)
			out[(*ret)++] = at;
	}
	return *ret > 0;
}

/* What the arena index says lies at the span's first page: the address of an mspan. */
static uint64_t index_entry(const struct gort *g, uint64_t start)
{
	const struct gort_layout *l = g->layout;
	uint64_t l2 = memsrc_ptr(g->src, gort_at(l, gort_var(g, GORT_VAR_MHEAP), GORT_mheap_arenas));
	uint64_t arena = (start + UINT64_C(0x800000000000)) >> 26;
	uint64_t meta = l2 && arena < ARENAS_MAX ? memsrc_ptr(g->src, l2 + arena * 8) : 0;
	if (!meta)
		return 0;
	uint64_t page = start % GORT_ARENA_BYTES / GORT_PAGE;
	return memsrc_ptr(g->src, gort_at(l, meta, GORT_heapArena_spans) + page * 8);
}

/* Every span in use must be what the arena index says lies at its first page. */
static bool check_index(struct gort *g)
{
	static const char name[] = "spans point back from the arena index";
	uint64_t at[SAMPLE + 1];
	size_t n = 0, looked = 0, agree = 0;
	if (!sample(g, gort_at(g->layout, gort_var(g, GORT_VAR_MHEAP), GORT_mheap_allspans), at, &n))
		return result(g, name, false, "no list of spans");
	for (size_t i = 0; i < n; i++) {
		uint64_t state = gort_word(g, at[i], GORT_mspan_state);
		if (state != GORT_SPAN_HEAP && state != GORT_SPAN_MANUAL)
			continue;
		looked++;
		agree += index_entry(g, gort_word(g, at[i], GORT_mspan_startAddr)) == at[i];
	}
	return result(g, name, looked && agree * 10 >= looked * 8,
		      arena_printf(&g->arena, "%zu of %zu", agree, looked));
}

static bool near(uint64_t a, uint64_t b)
{
	uint64_t diff = a > b ? a - b : b - a, more = a > b ? a : b;
	return diff <= SLACK || diff * 4 <= more;
}

/* Three figures kept in three structures for one thing: the bytes of heap spans in use. */
static bool check_counters(struct gort *g)
{
	static const char name[] = "the runtime's counters agree with each other";
	struct gort_stats s;
	if (!gort_stats_read(g, &s))
		return result(g, name, false, "they cannot be read");
	uint64_t pages = gort_word(g, gort_var(g, GORT_VAR_MHEAP), GORT_mheap_pagesInUse);
	bool ok = s.heap_in_use && pages < UINT64_MAX / GORT_PAGE && near(s.heap_in_use, pages * GORT_PAGE) &&
		  near(s.heap_in_use, s.in_heap) && s.in_stacks && s.in_stacks < STACKS_MAX;
	return result(g, name, ok,
		      arena_printf(&g->arena, "heap in use %llu, %llu and %llu bytes",
				   (unsigned long long)s.heap_in_use, (unsigned long long)pages * GORT_PAGE,
				   (unsigned long long)s.in_heap));
}

static bool good_goroutine(const struct gort *g, uint64_t at)
{
	uint64_t id = gort_word(g, at, GORT_g_goid);
	uint64_t lo = gort_word(g, at, GORT_g_stack_lo), hi = gort_word(g, at, GORT_g_stack_hi);
	size_t f = 0;
	return id && id < UINT64_C(1) << 48 && lo < hi && hi - lo < STACKS_MAX &&
	       sym_pclntab_find(g->pclntab, gort_word(g, at, GORT_g_startpc), &f);
}

static bool check_goroutines(struct gort *g)
{
	static const char name[] = "goroutines make sense";
	uint64_t at[SAMPLE + 1];
	size_t n = 0, looked = 0, good = 0;
	if (!sample(g, gort_var(g, GORT_VAR_ALLGS), at, &n))
		return result(g, name, false, "no list of goroutines");
	for (size_t i = 0; i < n; i++) {
		uint64_t status = gort_word(g, at[i], GORT_g_atomicstatus) & 0xfff;
		if (status == GORT_G_DEAD || status == GORT_G_DEADEXTRA)
			continue;
		looked++;
		good += status < GORT_G_STATUS_MAX_ && good_goroutine(g, at[i]);
	}
	return result(g, name, looked && good * 10 >= looked * 8, arena_printf(&g->arena, "%zu of %zu", good, looked));
}

static bool check(struct gort *g)
{
	struct memcache cache AUTO(memcache);
	memcache_init(&cache, g->src);
	struct memsrc *src = g->src;
	g->checks = arena_alloc(&g->arena, CHECKS * sizeof(*g->checks));
	g->nchecks = 0;
	g->src = &cache.src;
	bool ok = check_variables(g) && check_counters(g) && check_index(g) && check_goroutines(g);
	g->src = src;
	return ok;
}

/* ---- choice of a layout ---- */

struct candidate {
	const struct gort_layout *layout;
	int cost; /* lower is tried first */
};

static bool has_experiment(const struct gort_module *m, const char *name)
{
	for (size_t i = 0; i < m->experiments.n; i++) {
		if (strcmp(m->experiments.v[i], name) == 0)
			return true;
	}
	return false;
}

static int by_cost(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return x->cost - y->cost;
}

/* All layouts, the likeliest first. A version without a table of its own (1.20) has neighbours on both sides. */
static size_t rank(const struct gort_module *m, struct candidate *out)
{
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		const struct gort_layout *l = &gort_layouts[i];
		int away = m->minor > 0 ? abs(m->minor - l->minor) * 4 - (l->minor > m->minor) : (int)i * 4;
		bool wanted = *l->experiment ? has_experiment(m, l->experiment) : true;
		out[i] = (struct candidate){ l, away * 2 + (wanted ? -(*l->experiment != 0) : 1) };
	}
	qsort(out, gort_layouts_count, sizeof(*out), by_cost);
	return gort_layouts_count;
}

static int newest_minor(void)
{
	int newest = 0;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		if (gort_layouts[i].minor > newest)
			newest = gort_layouts[i].minor;
	}
	return newest;
}

static bool known_minor(int minor)
{
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		if (gort_layouts[i].minor == minor)
			return true;
	}
	return false;
}

/*
 * A neighbour is one minor version away: its table may fit, and the self-checks will tell. Further into the future too
 * much may have changed that no check looks at.
 */
static bool too_new(const struct gort_module *m)
{
	return m->minor > newest_minor() + 1 || (m->version && m->minor < 0);
}

static const char *refuse(struct gort *g)
{
	const char *v = g->module.version ? g->module.version : "a Go of unknown version";
	if (too_new(&g->module))
		return arena_printf(&g->arena,
				    "%s is not among the Go versions known here (go1.%d to go1.%d); a newer ullage is "
				    "needed for its runtime",
				    v, MINOR_MIN, newest_minor());
	const char *failed = g->nchecks ? g->checks[g->nchecks - 1].check : "";
	const char *found = g->nchecks ? g->checks[g->nchecks - 1].found : "";
	if (g->module.minor > 0 && g->module.minor < MINOR_MIN)
		return arena_printf(&g->arena, "%s is older than go1.%d, the oldest version supported", v, MINOR_MIN);
	return arena_printf(&g->arena,
			    "no known layout of the Go runtime fits this process (%s): check \"%s\" found %s", v,
			    failed, found);
}

static void choose(struct gort *g, gort_symbol_fn symbol, void *ctx)
{
	if (too_new(&g->module)) {
		g->refusal = refuse(g);
		return;
	}
	AUTO_FREE struct candidate *c = xcalloc(gort_layouts_count, sizeof(*c));
	size_t n = rank(&g->module, c);
	struct gort_check_result *first = NULL;
	size_t nfirst = 0;
	for (size_t i = 0; i < n; i++) {
		g->layout = c[i].layout;
		gort_globals_find(g->src, &g->module, g->pclntab, g->layout, (struct gort_symbols){ symbol, ctx },
				  &g->globals);
		if (check(g)) {
			g->unproven = g->layout->minor != g->module.minor;
			return;
		}
		if (!first) { /* the likeliest layout's complaint is the telling one */
			first = g->checks;
			nfirst = g->nchecks;
		}
	}
	g->layout = NULL;
	g->checks = first;
	g->nchecks = nfirst;
	g->refusal = refuse(g);
}

/* moduledata.gofunc is where a guessed layout says; it is only used for inlined frames. */
static uint64_t gofunc_of(const struct gort *g)
{
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		const struct gort_layout *l = &gort_layouts[i];
		if (l->minor == g->module.minor || (i + 1 == gort_layouts_count && !known_minor(g->module.minor)))
			return memsrc_ptr(g->src, gort_at(l, g->module.moduledata, GORT_moduledata_gofunc));
	}
	return 0;
}

struct err *gort_attach(struct memsrc *src, const struct vma *vmas, size_t n, gort_symbol_fn symbol, void *ctx,
			struct gort *ret)
{
	*ret = (struct gort){ .src = src };
	TRY(gort_module_find(src, vmas, n, &ret->module));
	arena_init(&ret->arena);
	struct sym_pclntab_layout pl = gort_module_pclntab(&ret->module, src);
	pl.gofunc = gofunc_of(ret);
	struct err *err AUTO(err) = sym_pclntab_new(&pl, &ret->pclntab);
	if (err) {
		ret->refusal = arena_printf(&ret->arena, "the function table is damaged: %s", err_text(err));
		return NULL;
	}
	choose(ret, symbol, ctx);
	return NULL;
}

void gort_detach(struct gort *g)
{
	sym_pclntab_free(g->pclntab);
	gort_module_deinit(&g->module);
	arena_deinit(&g->arena);
	*g = (struct gort){ 0 };
}
