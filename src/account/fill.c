/* SPDX-License-Identifier: Apache-2.0 */
#include "account/fill.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "model/memcache.h"

static const uint64_t NO_MEMORY_LIMIT = INT64_MAX;
enum { PROCS_MAX = 1 << 16, DEFAULT_MAX_MAP_COUNT = 65530 };

/* ---- the build ---- */

static const char *setting(const struct gort_module *m, const char *name)
{
	for (size_t i = 0; i < m->settings.n; i++) {
		if (strcmp(m->settings.v[i].name, name) == 0)
			return m->settings.v[i].value;
	}
	return NULL;
}

/* "a=1,b=2": a later setting of the same name wins. */
static void add_godebug(struct account *a, const char *list)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");
		const char *eq = memchr(list, '=', len);
		if (eq) {
			const char *name = arena_strndup(&a->arena, list, (size_t)(eq - list));
			const char *value = arena_strndup(&a->arena, eq + 1, len - (size_t)(eq - list) - 1);
			struct account_setting *s = NULL;
			for (size_t i = 0; i < a->go.godebug.n; i++) {
				if (strcmp(a->go.godebug.v[i].name, name) == 0)
					s = &a->go.godebug.v[i];
			}
			if (!s)
				s = vec_push(&a->go.godebug);
			*s = (struct account_setting){ name, value };
		}
		list += len + (list[len] == ',');
	}
}

void fill_go(struct target *t, struct account *a)
{
	a->go.is_go = t->is_go;
	a->go.stripped = t->has_elf && !t->elf.has_symtab;
	a->go.pie = t->has_elf && t->elf.pie;
	if (t->has_elf && t->elf.build_id)
		a->go.gnu_build_id = arena_strdup(&a->arena, t->elf.build_id);
	if (!t->is_go)
		return;
	const struct gort_module *m = &t->gort.module;
	a->go.layout_known = t->gort.layout != NULL;
	a->go.version = m->version ? arena_strdup(&a->arena, m->version) : NULL;
	a->go.module = m->main_path ? arena_strdup(&a->arena, m->main_path) : NULL;
	a->go.vcs_revision = m->vcs_revision ? arena_strdup(&a->arena, m->vcs_revision) : NULL;
	if (t->has_elf && t->elf.go_build_id)
		a->go.build_id = arena_strdup(&a->arena, t->elf.go_build_id);
	if (t->gort.layout)
		a->go.layout = arena_printf(&a->arena, "go1.%d%s%s%s", t->gort.layout->minor,
					    *t->gort.layout->experiment ? " " : "", t->gort.layout->experiment,
					    t->gort.unproven ? " (unproven)" : "");
	a->go.cgo = target_uses_cgo(t);
	for (size_t i = 0; i < m->experiments.n; i++)
		*vec_push(&a->go.experiments) = arena_strdup(&a->arena, m->experiments.v[i]);
	add_godebug(a, setting(m, "DefaultGODEBUG"));
	add_godebug(a, target_environ(t, "GODEBUG", &a->arena));
}

/* ---- runtime ---- */

static uint64_t pending_tiny_allocs(const struct target *t, uint64_t *procs)
{
	struct memcache cache AUTO(memcache);
	memcache_init(&cache, t->gort.src);
	struct gort g = t->gort;
	g.src = &cache.src;
	uint64_t var = gort_var(&g, GORT_VAR_ALLP), sum = 0;
	uint64_t list = var ? memsrc_ptr(g.src, var) : 0, n = var ? memsrc_ptr(g.src, var + 8) : 0;
	*procs = n <= PROCS_MAX ? n : 0;
	for (uint64_t i = 0; i < *procs; i++) {
		uint64_t p = memsrc_ptr(g.src, list + i * 8);
		uint64_t mcache = p ? gort_word(&g, p, GORT_p_mcache) : 0;
		if (mcache)
			sum += gort_word(&g, mcache, GORT_mcache_tinyAllocs);
	}
	return sum;
}

void fill_runtime(struct target *t, const struct gort_heap *h, const struct gort_stats *s,
		  const struct gort_goroutines *gs, struct account *a)
{
	struct account_runtime *r = &a->runtime;
	uint64_t tiny = s->tiny_allocs + pending_tiny_allocs(t, &r->gomaxprocs);
	r->heap_alloc = h->object_bytes;
	r->heap_objects = h->objects;
	r->heap_inuse = h->heap_bytes;
	r->heap_idle = s->heap_free + s->heap_released;
	r->heap_released = s->heap_released;
	r->stack_inuse = h->stack_bytes;
	/* frees are counted when a span is swept, allocations when a cache is flushed: so allocations are what was
	   freed and what is still there */
	r->total_alloc = s->freed_bytes + h->object_bytes;
	r->frees = s->freed_objects + tiny;
	r->mallocs = r->frees + h->objects;
	r->gc_percent = s->gc_percent;
	r->memory_limit = s->memory_limit >= NO_MEMORY_LIMIT ? ACCOUNT_UNKNOWN : s->memory_limit;
	r->spans = h->spans.n;
	r->heap_inuse_counter = s->heap_in_use;
	r->stack_inuse_counter = s->in_stacks;
	r->goroutines = gs->user;
	size_t n = 0;
	for (size_t i = 0; i < GORT_G_STATUS_MAX_ && n < ACCOUNT_G_STATUS; i++) {
		if (!gs->by_status[i])
			continue;
		r->by_status[n].status = gort_g_status_names[i];
		r->by_status[n++].count = gs->by_status[i];
	}
}

/* ---- collector ---- */

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

void fill_gc(const struct gort_stats *s, struct account *a)
{
	static const char *const phases[] = { "off", "mark", "mark termination" };
	struct account_gc *gc = &a->gc;
	*gc = (struct account_gc){
		.count = s->num_gc,
		.forced = s->num_forced_gc,
		.last_unix_ns = (int64_t)s->last_gc_unix_ns,
		.phase = s->gc_phase < 3 ? phases[s->gc_phase] : NULL,
		.interval_seconds = NAN,
		.pause_p50_ms = NAN,
		.pause_p99_ms = NAN,
		.pause_total_ms = (double)s->pause_total_ns / 1e6,
		.cpu_fraction = s->gc_cpu_fraction,
		.heap_goal = s->heap_goal,
		.heap_marked = s->heap_marked,
	};
	size_t n = s->num_gc < GORT_PAUSES ? s->num_gc : GORT_PAUSES;
	if (!n)
		return;
	uint64_t sorted[GORT_PAUSES], first = UINT64_MAX, last = 0;
	for (size_t i = 0; i < n; i++) {
		sorted[i] = s->pause_ns[i];
		first = num_min(first, s->pause_end[i]);
		last = num_max(last, s->pause_end[i]);
	}
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	size_t p50 = (n - 1) / 2, p99 = (n - 1) * 99 / 100;
	gc->pause_p50_ms = (double)sorted[p50] / 1e6;
	gc->pause_p99_ms = (double)sorted[p99] / 1e6;
	if (n > 1)
		gc->interval_seconds = (double)(last - first) / 1e9 / (double)(n - 1);
}

/* ---- address space ---- */

static uint64_t max_map_count(void)
{
	AUTO_CLOSE int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	char buf[32];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	uint64_t v = 0;
	return n > 1 && num_dec(buf, (size_t)n - 1, &v) && v ? v : DEFAULT_MAX_MAP_COUNT;
}

void fill_space(const struct target *t, struct account *a)
{
	struct account_space *sp = &a->space;
	uint64_t gap = 0, first = 0, last = 0;
	*sp = (struct account_space){ 0 };
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (v->start >= UINT64_C(1) << 63) /* vsyscall: the kernel's half */
			continue;
		if (!sp->regions) {
			first = v->start;
		} else if (v->start > last) {
			gap += v->start - last;
			sp->gaps++;
		}
		last = v->end;
		sp->regions++;
	}
	sp->span = last - first;
	sp->mean_gap = sp->gaps ? gap / sp->gaps : 0;
	sp->vma_limit_ratio = t->live ? (double)t->maps.n / (double)max_map_count() : (double)NAN;
}
