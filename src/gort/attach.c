/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/gort.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gort/goroutine.h"
#include "gort/heap.h"
#include "gort/stats.h"

enum {
	SAMPLE = 256, /* spans and goroutines looked at by a check */
	CHECKS = 4,
	MINOR_MIN = 19,
};

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

/* Every span must be what the arena index says lies at its first page. */
static bool check_index(struct gort *g, const struct gort_heap *h)
{
	size_t step = h->spans.n / SAMPLE + 1, looked = 0, agree = 0;
	uint64_t spans_off = (uint64_t)(uint32_t)g->layout->f[GORT_heapArena_spans].off;
	for (size_t i = 0; i < h->spans.n; i += step) {
		const struct gort_span *s = &h->spans.v[i];
		const struct gort_arena *a = gort_heap_arena(h, s->start);
		if (!a || s->state == GORT_SPAN_DEAD)
			continue;
		uint64_t page = (s->start - a->base) / GORT_PAGE;
		uint64_t mspan = memsrc_ptr(g->src, a->meta + spans_off + page * 8);
		looked++;
		agree += mspan && gort_word(g, mspan, GORT_mspan_startAddr) == s->start;
	}
	return result(g, "spans point back from the arena index", looked && agree * 10 >= looked * 8,
		      arena_printf(&g->arena, "%zu of %zu", agree, looked));
}

static bool near(uint64_t a, uint64_t b, uint64_t slack)
{
	uint64_t diff = a > b ? a - b : b - a, more = a > b ? a : b;
	return diff <= slack || diff * 2 <= more;
}

static bool check_sums(struct gort *g, const struct gort_heap *h)
{
	struct gort_stats s;
	bool read = gort_stats_read(g, &s);
	bool ok = read && s.heap_in_use && near(h->heap_bytes, s.heap_in_use, 1 << 20) &&
		  near(h->stack_bytes, s.in_stacks, 1 << 20);
	return result(g, "spans add up to the runtime's counters", ok,
		      arena_printf(&g->arena, "heap %llu of %llu, stacks %llu of %llu bytes",
				   (unsigned long long)h->heap_bytes, (unsigned long long)(read ? s.heap_in_use : 0),
				   (unsigned long long)h->stack_bytes, (unsigned long long)(read ? s.in_stacks : 0)));
}

static bool check_goroutines(struct gort *g)
{
	struct gort_goroutines gs;
	struct err *err AUTO(err) = gort_goroutines_read(g, &gs);
	if (err)
		return result(g, "goroutines make sense", false, arena_strdup(&g->arena, err_text(err)));
	size_t step = gs.v.n / SAMPLE + 1, looked = 0, good = 0;
	for (size_t i = 0; i < gs.v.n; i += step, looked++) {
		size_t f = 0;
		const struct gort_goroutine *gr = &gs.v.v[i];
		good += gr->id && gr->id < UINT64_C(1) << 48 && g->pclntab &&
			sym_pclntab_find(g->pclntab, gr->startpc, &f);
	}
	bool ok = looked && good * 10 >= looked * 8 && gs.torn * 10 <= gs.v.n + gs.dead + 10;
	const char *found = arena_printf(&g->arena, "%zu of %zu, %llu torn", good, looked, (unsigned long long)gs.torn);
	gort_goroutines_deinit(&gs);
	return result(g, "goroutines make sense", ok, found);
}

static bool check(struct gort *g)
{
	g->checks = arena_alloc(&g->arena, CHECKS * sizeof(*g->checks));
	g->nchecks = 0;
	if (!check_variables(g))
		return false;
	struct gort_heap h;
	struct err *err AUTO(err) = gort_heap_read(g, 2, &h);
	if (err)
		return result(g, "the list of spans is readable", false, arena_strdup(&g->arena, err_text(err)));
	bool ok = check_index(g, &h) && check_sums(g, &h) && check_goroutines(g);
	gort_heap_deinit(&h);
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

static const char *refuse(struct gort *g)
{
	const char *v = g->module.version ? g->module.version : "of unknown version";
	const char *failed = g->nchecks ? g->checks[g->nchecks - 1].check : "";
	const char *found = g->nchecks ? g->checks[g->nchecks - 1].found : "";
	if (g->module.minor > newest_minor())
		return arena_printf(&g->arena,
				    "Go %s is newer than the newest layout known here (go1.%d), and no known "
				    "layout fits it; a newer ullage is needed",
				    v, newest_minor());
	if (g->module.minor > 0 && g->module.minor < MINOR_MIN)
		return arena_printf(&g->arena, "Go %s is older than go1.%d, the oldest version supported", v,
				    MINOR_MIN);
	return arena_printf(&g->arena,
			    "no known layout of the Go runtime fits this process (Go %s): check \"%s\" found %s", v,
			    failed, found);
}

static void choose(struct gort *g, gort_symbol_fn symbol, void *ctx)
{
	AUTO_FREE struct candidate *c = xcalloc(gort_layouts_count, sizeof(*c));
	size_t n = rank(&g->module, c);
	struct gort_check_result *first = NULL;
	size_t nfirst = 0;
	for (size_t i = 0; i < n; i++) {
		g->layout = c[i].layout;
		gort_globals_find(g->src, &g->module, g->pclntab, g->layout, symbol, ctx, &g->globals);
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

static struct sym_pclntab_layout pclntab_layout(const struct gort *g)
{
	const struct gort_module *m = &g->module;
	return (struct sym_pclntab_layout){
		.src = g->src,
		.magic = m->magic,
		.text = m->text.start,
		.funcnametab = m->funcnametab,
		.cutab = m->cutab,
		.filetab = m->filetab,
		.pctab = m->pctab,
		.pclntable = m->pclntable,
		.funcnametab_len = m->funcnametab_len,
		.cutab_len = m->cutab_len,
		.filetab_len = m->filetab_len,
		.pctab_len = m->pctab_len,
		.pclntable_len = m->pclntable_len,
		.nfunc = m->nfunc,
	};
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
	struct sym_pclntab_layout pl = pclntab_layout(ret);
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
