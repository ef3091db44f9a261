/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analysis/diagnose.h"

/* Each rule from both sides: the leak that it must name, and what only looks like one. */

enum { MIB = 1 << 20, LOOKS = 20, SECOND = 1000000000 };

/* A process that does nothing, watched for 40 seconds, and the parts a test may change. */
struct watch {
	struct diagnosis_sample v[LOOKS];
	struct diagnosis_site sites[4];
	struct snapshot first, last;
	struct diagnosis_input in;
	struct diagnosis d;
};

static void start(struct watch *w)
{
	memset(w, 0, sizeof(*w));
	snapshot_init(&w->first);
	snapshot_init(&w->last);
	for (size_t i = 0; i < LOOKS; i++) {
		w->v[i] = (struct diagnosis_sample){
			.time_ns = (int64_t)(1000 + 2 * i) * SECOND,
			.gc_count = 50 + i,
			.last_gc_ns = (int64_t)(999 + 2 * i) * SECOND,
			.gc_cpu = 0.01,
			.rss = 100 * MIB,
			.rss_anon = 90 * MIB,
			.virtual_size = 900 * MIB,
			.reachable = ACCOUNT_UNKNOWN,
			.heap_live = 50 * MIB,
			.heap_marked = 40 * MIB,
			.heap_goal = 80 * MIB,
			.heap_inuse = 60 * MIB,
			.heap_idle = 2 * MIB,
			.stack_inuse = MIB,
			.go_anon = 70 * MIB,
			.goroutines = 20,
			.threads = 8,
			.fds = 12,
			.timers = 3,
			.vmas = 60,
			.deepest = 1,
			.deepest_stack = 32768,
			.cgroup_usage = 120 * MIB,
			.working_set = 110 * MIB,
			.anon = 92 * MIB,
			.file = 20 * MIB,
			.inactive_file = 10 * MIB,
			.shmem = 0,
			.kernel = 5 * MIB,
			.sock = 0,
		};
	}
	struct snapshot *both[] = { &w->first, &w->last };
	for (size_t i = 0; i < 2; i++) {
		struct account *a = &both[i]->account;
		both[i]->parts = SNAPSHOT_ACCOUNT;
		a->pid = 81;
		a->rss = 100 * MIB;
		a->go.is_go = a->go.layout_known = true;
		a->classes[CLASS_GO_HEAP_LIVE].resident = 50 * MIB;
		a->runtime.gomaxprocs = 2;
		a->runtime.gc_percent = 100;
		a->runtime.memory_limit = ACCOUNT_UNKNOWN;
		a->cgroup = (struct account_cgroup){
			.version = 2,
			.path = "/pod",
			.limit_path = "/pod",
			.limit = 512 * MIB,
			.usage = 120 * MIB,
			.working_set = 110 * MIB,
			.anon = 92 * MIB,
			.file = 20 * MIB,
			.inactive_file = 10 * MIB,
			.kernel = 5 * MIB,
		};
	}
	w->in = (struct diagnosis_input){
		.samples = w->v,
		.n = LOOKS,
		.sites = w->sites,
		.first = &w->first,
		.last = &w->last,
		.age_seconds = 3600,
		.module = "example.org/app",
	};
}

static void judge(struct watch *w)
{
	diagnose(&w->in, &w->d);
}

static void end(struct watch *w)
{
	diagnosis_deinit(&w->d);
	snapshot_deinit(&w->first);
	snapshot_deinit(&w->last);
}

static const struct finding *found(const struct watch *w, const char *kind)
{
	for (size_t i = 0; i < w->d.findings.n; i++) {
		if (strcmp(w->d.findings.v[i].kind, kind) == 0)
			return &w->d.findings.v[i];
	}
	return NULL;
}

static bool says(const struct finding *f, const char *words)
{
	for (size_t i = 0; i < f->evidence.n; i++) {
		if (strstr(f->evidence.v[i], words))
			return true;
	}
	return f->advice && strstr(f->advice, words);
}

static bool is_also(const struct finding *f, const char *kind)
{
	for (size_t i = 0; i < FINDING_ALSO && f->also[i]; i++) {
		if (strcmp(f->also[i], kind) == 0)
			return true;
	}
	return false;
}

/* A member of the samples: from `from`, `step` more each time. */
static void ramp(struct watch *w, size_t offset, int64_t from, int64_t step)
{
	for (size_t i = 0; i < LOOKS; i++)
		*(uint64_t *)(void *)((char *)&w->v[i] + offset) = (uint64_t)(from + step * (int64_t)i);
}

#define RAMP(w, member, from, step) ramp(w, offsetof(struct diagnosis_sample, member), from, step)

/* A stack of the given functions, innermost first, with so many bytes in use. */
static void allocate(struct snapshot *s, int64_t bytes, int64_t objects, uint32_t line, const char *const *functions,
		     size_t n)
{
	struct profile *p = &s->heap.profile;
	static const char *const types[] = { "alloc_objects", "alloc_space", "inuse_objects", "inuse_space" };
	for (size_t i = p->n_types; i < 4; i++)
		profile_type_add(p, types[i], i % 2 ? "bytes" : "count");
	s->parts |= SNAPSHOT_HEAP;
	s->heap.enabled = true;
	uint32_t frames[8];
	for (size_t i = 0; i < n; i++)
		frames[i] = stacks_frame(
			&p->stacks,
			&(struct frame){ .function = functions[i], .file = "app.go", .line = line + (uint32_t)i });
	int64_t *v = profile_sample_add(p, stacks_add(&p->stacks, frames, n));
	v[HEAP_INUSE_SPACE] = bytes;
	v[HEAP_INUSE_OBJECTS] = objects;
}

#define ALLOCATE(s, bytes, objects, line, ...)                                                                         \
	allocate(s, bytes, objects, line, (const char *const[]){ __VA_ARGS__ },                                        \
		 sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* ---- nothing ---- */

static void what_stands_still_is_no_leak(void **state)
{
	struct watch w;
	start(&w);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_int_equal(w.d.findings.n, 0);
	assert_int_equal(w.d.open.n, 0);
	assert_true(isnan(w.d.oom.eta));
	assert_int_equal(w.d.oom.limit, 512 * MIB);
	end(&w);
}

static void nothing_seen_is_inconclusive(void **state)
{
	struct watch w;
	start(&w);
	w.in.n = 0;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	end(&w);
	start(&w);
	w.in.n = 2;
	w.in.cut = true;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_non_null(w.d.open.v[0].settle);
	end(&w);
}

/* ---- heap ---- */

static void a_heap_whose_marked_bytes_rise_leaks(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
	RAMP(&w, rss_anon, 90 * MIB, 4 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 4 * MIB);
	RAMP(&w, working_set, 110 * MIB, 4 * MIB);
	ALLOCATE(&w.first, 30 * MIB, 3000, 10, "strings.Repeat", "example.org/app/store.(*Map).Put", "main.main");
	ALLOCATE(&w.last, 100 * MIB, 10000, 10, "strings.Repeat", "example.org/app/store.(*Map).Put", "main.main");
	ALLOCATE(&w.last, 4 * MIB, 100, 50, "example.org/app/other.New", "main.main");
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = found(&w, "heap");
	assert_non_null(f);
	assert_string_equal(f->site.function, "example.org/app/store.(*Map).Put");
	assert_int_equal(f->site.line, 11);
	assert_int_equal(f->stack.n, 3);
	assert_int_equal(f->bytes, 100 * MIB);
	assert_int_equal(f->count, 10000);
	assert_true(fabs(f->rate - 2 * MIB) < 1000);
	assert_true(f->confidence > 0.8);
	assert_true(says(f, "GOMEMLIMIT="));
	/* 512 MiB - (110 + 76) MiB at 2 MiB/s */
	assert_true(fabs(w.d.oom.eta - 163) < 5);
	assert_int_equal(f->level, DIAGNOSIS_CRITICAL);
	end(&w);
}

static void four_collections_must_rise_by_more(void **state)
{
	struct watch w;
	for (int64_t step = 1; step <= 4; step += 3) { /* 3 * 1 MiB of 40 is 7 %, 3 * 4 MiB is 30 % */
		start(&w);
		RAMP(&w, heap_marked, 40 * MIB, step * MIB);
		for (size_t i = 0; i < LOOKS; i++) {
			w.v[i].gc_count = 50 + i / 5;
			w.v[i].last_gc_ns = (int64_t)(999 + 2 * (i / 5) * 5) * SECOND;
			w.v[i].heap_marked = (uint64_t)(40 + step * (int64_t)(i / 5)) * MIB;
		}
		judge(&w);
		assert_int_equal(w.d.verdict, step == 1 ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_LEAK);
		end(&w);
	}
}

static void a_heap_that_breathes_is_no_leak(void **state)
{
	static const int64_t wave[] = { 0, 3, 6, 2, 5, 1, 4, 7, 0, 3 };
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].heap_marked = (uint64_t)(40 + wave[i % 10]) * MIB;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void garbage_between_collections_is_headroom(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, heap_live, 40 * MIB, 18 * MIB); /* up to 382 MiB */
	RAMP(&w, rss, 100 * MIB, 15 * MIB);
	RAMP(&w, rss_anon, 90 * MIB, 15 * MIB);
	RAMP(&w, heap_goal, 440 * MIB, 0);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].gc_count = i < 10 ? 50 : 51;
	w.last.account.runtime.gc_percent = 1000;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	const struct finding *f = found(&w, "gc-headroom");
	assert_non_null(f);
	/* The goal and what is outside of the heap, 440 + 60 MiB, stay below the limit of 512. */
	assert_int_equal(f->level, DIAGNOSIS_INFO);
	assert_true(says(f, "GOMEMLIMIT=426MiB")); /* 512 - 60 outside - 25.6 margin */
	end(&w);
	start(&w);
	RAMP(&w, heap_goal, 500 * MIB, 0);
	judge(&w);
	f = found(&w, "gc-headroom");
	assert_non_null(f);
	assert_int_equal(f->level, DIAGNOSIS_WARNING); /* it may be killed before it collects */
	end(&w);
}

static void growth_without_a_collection_proves_nothing(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].gc_count = 50;
		w.v[i].last_gc_ns = 999 * (int64_t)SECOND;
	}
	RAMP(&w, heap_live, 40 * MIB, MIB);
	RAMP(&w, rss_anon, 90 * MIB, MIB);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_string_equal(w.d.open.v[0].class, "go.heap.live");
	assert_non_null(strstr(w.d.open.v[0].settle, "--for"));
	assert_null(found(&w, "heap"));
	end(&w);
}

/* ---- with the heap walked ---- */

/* No collection meanwhile: the heap grows by 3 MiB from look to look, `step` of which stay reachable. */
static void walk(struct watch *w, int64_t step)
{
	for (size_t i = 0; i < LOOKS; i++) {
		w->v[i].gc_count = 50;
		w->v[i].last_gc_ns = 999 * (int64_t)SECOND;
	}
	RAMP(w, heap_live, 40 * MIB, 3 * MIB);
	RAMP(w, rss_anon, 90 * MIB, 3 * MIB);
	RAMP(w, reachable, 40 * MIB, step);
}

/* Owners at one end: a map of sessions below a global, in so many MiB. */
static void own(struct snapshot *s, uint64_t mib, const char *holds, const char *element)
{
	struct owners *o = &s->owners;
	s->parts |= SNAPSHOT_OWNERS;
	o->reachable = mib * MIB;
	*vec_push(&o->roots) = (struct owners_root){
		.kind = OWNERS_GLOBAL,
		.name = "main.sessions",
		.site = { .function = "", .file = "" },
		.retained = mib * MIB,
	};
	*vec_push(&o->steps) = (struct owners_step){ holds, NULL, 1, MIB };
	*vec_push(&o->steps) = (struct owners_step){ element, NULL, 10 * mib, (mib - 1) * MIB };
	*vec_push(&o->paths) = (struct owners_path){
		.step_n = 2,
		.retained = mib * MIB,
		.objects = 10 * mib,
		.text = "main.sessions (global) -> map -> session",
	};
}

static void own_both(struct watch *w, uint64_t then, uint64_t now, const char *holds, const char *element)
{
	own(&w->first, then, holds, element);
	own(&w->last, now, holds, element);
}

static void what_is_reachable_proves_a_leak_without_a_collection(void **state)
{
	struct watch w;
	start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "map[string]*main.Session", "*main.Session");
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = found(&w, "map");
	assert_non_null(f);
	assert_true(is_also(f, "heap"));
	assert_string_equal(f->holder, "main.sessions (global) -> map -> session");
	assert_true(says(f, "Reachable bytes at 20 looks: 40"));
	assert_true(says(f, "570 objects more"));
	assert_true(says(f, "Delete entries of the map below main.sessions"));
	assert_true(f->confidence >= 0.8); /* 0.95, less what a growth that began lately costs */
	end(&w);
}

static void growth_that_only_floats_is_no_leak(void **state)
{
	struct watch w;
	start(&w);
	walk(&w, 0);
	own_both(&w, 40, 40, "map[string]*main.Session", "*main.Session");
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_int_equal(w.d.open.n, 0);
	assert_true(w.d.notes.n == 1 && strstr(w.d.notes.v[0], "the rest is garbage"));
	end(&w);
}

static void two_walks_alone_name_the_holder_and_prove_nothing(void **state)
{
	struct watch w;
	start(&w);
	walk(&w, 3 * MIB);
	RAMP(&w, reachable, -1, 0);
	own_both(&w, 40, 97, "map[string]*main.Session", "*main.Session");
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_non_null(strstr(w.d.open.v[0].why, "held by main.sessions"));
	end(&w);
}

static void a_cache_that_stops_is_no_leak_by_what_is_reachable(void **state)
{
	struct watch w;
	start(&w);
	walk(&w, 3 * MIB);
	for (size_t i = 7; i < LOOKS; i++)
		w.v[i].reachable = w.v[7].reachable;
	own_both(&w, 40, 61, "[][]byte", "[]byte");
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

/* The array of the cache has one size at both ends, and room for more than stands in it. */
static void what_fills_a_container_of_fixed_size_is_not_accused(void **state)
{
	struct watch w;
	start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "[][]byte", "[]byte");
	w.in.age_seconds = 50;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	end(&w);
	start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "[][]byte", "[]byte");
	w.last.owners.steps.v[0].bytes = 2 * MIB; /* by append: a larger array */
	w.in.age_seconds = 50;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	assert_non_null(found(&w, "heap"));
	end(&w);
}

static void holders_have_kinds(void **state)
{
	static const struct {
		const char *holds, *element, *kind, *release;
	} table[] = {
		{ "*context.cancelCtx", "*context.cancelCtx", "context", "Call cancel()" },
		{ "[]sync.poolLocal", "*bytes.Buffer", "pool", "only buffers up to a size" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct watch w;
		start(&w);
		walk(&w, 3 * MIB);
		own_both(&w, 40, 97, table[i].holds, table[i].element);
		w.last.owners.steps.v[0].bytes = 2 * MIB;
		judge(&w);
		const struct finding *f = found(&w, table[i].kind);
		assert_non_null(f);
		assert_true(says(f, table[i].release));
		end(&w);
	}
}

static void a_blocked_finalizer_with_a_longer_queue_leaks(void **state)
{
	for (int blocked = 0; blocked < 2; blocked++) {
		struct watch w;
		start(&w);
		own_both(&w, 40, 40, "map[int]*main.T", "*main.T");
		w.first.owners.finalizers = (struct owners_finalizers){ .queued = 10, .blocked = true, .at = "main.f" };
		w.last.owners.finalizers = w.first.owners.finalizers;
		w.last.owners.finalizers.queued = 400;
		w.last.owners.finalizers.blocked = blocked;
		judge(&w);
		assert_int_equal(w.d.verdict, blocked ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		const struct finding *f = found(&w, "finalizer");
		assert_true(blocked ? f && says(f, "main.f") && f->count == 400 : !f);
		end(&w);
	}
}

static void a_map_that_was_larger_once_is_told(void **state)
{
	for (uint64_t recoverable = 1; recoverable <= 30; recoverable += 29) {
		struct watch w;
		start(&w);
		own_both(&w, 40, 40, "map[int]*main.T", "*main.T");
		*vec_push(&w.last.owners.maps) = (struct owners_map){ .type = "map[int]int",
								      .owner = "main.index (global)",
								      .maps = 1,
								      .entries = 100,
								      .capacity = 1000000,
								      .bytes = 32 * MIB,
								      .recoverable = recoverable * MIB };
		judge(&w);
		const struct finding *f = found(&w, "map-capacity");
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		assert_true(recoverable > 1 ? f && strcmp(f->holder, "main.index (global)") == 0 : !f);
		end(&w);
	}
}

static void a_heap_that_was_not_walked_says_why(void **state)
{
	struct watch w;
	start(&w);
	w.in.unwalked = "it is too large";
	judge(&w);
	assert_int_equal(w.d.notes.n, 1);
	end(&w);
}

/* Collections at 40 and 80 MiB; the live heap rises by 3 MiB from look to look, and drops to what was marked. */
static void rare_collections(struct watch *w, uint64_t kept)
{
	for (size_t i = 0; i < LOOKS; i++) {
		struct diagnosis_sample *s = &w->v[i];
		bool after = i >= 14;
		s->gc_count = after ? 51 : 50;
		s->last_gc_ns = after ? (int64_t)1027 * SECOND : (int64_t)999 * SECOND;
		s->heap_marked = after ? kept : 40 * MIB;
		s->heap_live = after ? kept + (i - 13) * 3 * MIB : (40 + 3 * i) * (uint64_t)MIB;
		s->rss_anon = (90 + 3 * i) * (uint64_t)MIB;
	}
}

static void one_collection_that_frees_nothing_is_enough(void **state)
{
	static const struct {
		uint64_t kept;
		int64_t by_one_stack;
		enum diagnosis_verdict verdict;
	} table[] = {
		{ 78 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_LEAK },
		{ 78 * (uint64_t)MIB, 5 * MIB, DIAGNOSIS_INCONCLUSIVE },  /* everywhere at once: it warms up */
		{ 55 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_INCONCLUSIVE }, /* much of it was garbage */
		{ 41 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_NO_LEAK },	  /* nearly all */
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct watch w;
		start(&w);
		rare_collections(&w, table[i].kept);
		ALLOCATE(&w.first, MIB, 10, 5, "main.keep", "main.main");
		ALLOCATE(&w.last, table[i].by_one_stack, 1000, 5, "main.keep", "main.main");
		ALLOCATE(&w.last, 8 * MIB, 1000, 50, "main.other", "main.main");
		ALLOCATE(&w.last, 8 * MIB, 1000, 60, "main.another", "main.main");
		w.in.age_seconds = 60;
		judge(&w);
		assert_int_equal(w.d.verdict, table[i].verdict);
		end(&w);
	}
}

static void a_young_heap_that_grows_everywhere_is_inconclusive(void **state)
{
	for (int young = 0; young < 2; young++) {
		struct watch w;
		start(&w);
		RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
		for (uint32_t i = 0; i < 4; i++) {
			static const char *const functions[] = { "main.a", "main.b", "main.c", "main.d" };
			ALLOCATE(&w.first, MIB, 10, 5, functions[i], "main.main");
			ALLOCATE(&w.last, 19 * MIB, 1000, 5, functions[i], "main.main");
		}
		w.in.age_seconds = young ? 60 : 150;
		judge(&w);
		assert_int_equal(w.d.verdict, young ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_LEAK);
		end(&w);
	}
}

/* What one collection shows of a young process without a profile names no place, and accuses nothing. */
static void a_young_heap_without_a_profile_is_inconclusive(void **state)
{
	for (int young = 0; young < 2; young++) {
		struct watch w;
		start(&w);
		rare_collections(&w, 78 * (uint64_t)MIB);
		w.in.age_seconds = young ? 60 : 150;
		judge(&w);
		assert_int_equal(w.d.verdict, young ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_LEAK);
		end(&w);
	}
}

/* Between two looks several collections ended: what they freed was not seen. */
static void unseen_collections_prove_nothing_survived(void **state)
{
	struct watch w;
	start(&w);
	rare_collections(&w, 78 * (uint64_t)MIB);
	for (size_t i = 14; i < LOOKS; i++)
		w.v[i].gc_count = 60;
	w.in.age_seconds = 150;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	end(&w);
}

static void a_cache_that_fills_is_warm_up(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].heap_marked = (uint64_t)(40 + 4 * (i < 12 ? i : 12)) * MIB;
		w.v[i].rss_anon = w.v[i].heap_marked + 50 * MIB;
	}
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(found(&w, "warm-up"));
	end(&w);
}

static void one_large_allocation_is_a_burst(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].heap_marked = (i < 8 ? 40 : 140) * (uint64_t)MIB;
		w.v[i].rss_anon = (i < 8 ? 90 : 190) * (uint64_t)MIB;
	}
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(found(&w, "burst"));
	assert_null(found(&w, "warm-up"));
	end(&w);
}

static void a_young_process_is_less_sure(void **state)
{
	struct watch w;
	double sure[2];
	for (int young = 0; young < 2; young++) {
		start(&w);
		RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
		w.in.age_seconds = young ? 50 : 150;
		judge(&w);
		sure[young] = found(&w, "heap")->confidence;
		end(&w);
	}
	assert_true(sure[1] < sure[0]);
}

/* ---- counts ---- */

static void count_site(struct watch *w, uint64_t *counts, enum diagnosis_site_kind kind, uint64_t gone)
{
	w->sites[w->in.n_sites++] = (struct diagnosis_site){
		.kind = kind,
		.function = "main.serve",
		.file = "main.go",
		.line = 7,
		.counts = counts,
		.gone = gone,
		.gone_known = kind == DIAGNOSIS_GOROUTINE,
	};
}

static void linear(uint64_t counts[LOOKS], uint64_t from, uint64_t step)
{
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = from + step * i;
}

static void two_looks_say_what_grew_and_prove_nothing(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS] = { 10, 900 };
	start(&w);
	w.v[1].time_ns = w.v[0].time_ns + 600 * (int64_t)SECOND;
	w.in.n = 2;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK); /* nothing grew in ten minutes */
	end(&w);
	start(&w);
	w.v[1].time_ns = w.v[0].time_ns + 600 * (int64_t)SECOND;
	w.v[1].heap_marked = 200 * (uint64_t)MIB;
	w.in.n = 2;
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_int_equal(w.d.open.n, 2);
	assert_string_equal(w.d.open.v[0].class, "go.heap.live");
	assert_non_null(strstr(w.d.open.v[1].why, "10 at first, 900 at last"));
	end(&w);
}

static void goroutines_of_one_place_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	start(&w);
	linear(counts, 10, 5);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	RAMP(&w, stack_inuse, MIB, 64 << 10);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = found(&w, "goroutine");
	assert_string_equal(f->site.function, "main.serve");
	assert_int_equal(f->site.line, 7);
	assert_int_equal(f->count, 105);
	assert_true(fabs(f->count_rate - 2.5) < 0.01);
	assert_true(is_also(f, "stack"));
	end(&w);
}

/* Heap that goroutines keep is the same cause; a store that grows beside them is another. */
static void heap_of_goroutines_is_the_same_cause(void **state)
{
	for (int same = 0; same < 2; same++) {
		struct watch w;
		uint64_t counts[LOOKS];
		start(&w);
		linear(counts, 10, 5);
		count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
		RAMP(&w, heap_marked, 40 * MIB, same ? 100 << 10 : 8 * MIB);
		RAMP(&w, rss_anon, 90 * MIB, same ? 100 << 10 : 8 * MIB);
		ALLOCATE(&w.first, MIB, 100, 1, "main.handle", "main.serve");
		ALLOCATE(&w.last, same ? 3 * MIB : 160 * MIB, same ? 200 : 90000, 1, "main.handle", "main.serve");
		judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
		assert_non_null(found(&w, "goroutine"));
		assert_int_equal(is_also(found(&w, "goroutine"), "heap"), same);
		assert_int_equal(found(&w, "heap") != NULL, !same);
		end(&w);
	}
}

static void goroutines_that_come_and_go_are_load(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	start(&w);
	linear(counts, 10, 5);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 400);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void a_pool_that_has_its_size_is_no_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = 10 + 10 * (i < 13 ? i : 13);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = i < 9 ? 10 : 110; /* all at once */
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void timers_of_one_callback_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	start(&w);
	linear(counts, 5, 30);
	count_site(&w, counts, DIAGNOSIS_TIMER, 0);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	assert_non_null(found(&w, "timer"));
	end(&w);
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = 5 + i % 3 * 40;
	count_site(&w, counts, DIAGNOSIS_TIMER, 0);
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

/* Tickers that something keeps, but nobody waits for, are in no heap of timers since 1.23. */
static void heap_of_tickers_is_a_timer_leak(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
	ALLOCATE(&w.first, MIB, 100, 1, "time.newTimer", "time.NewTicker", "main.poll");
	ALLOCATE(&w.last, 70 * MIB, 7000, 1, "time.newTimer", "time.NewTicker", "main.poll");
	judge(&w);
	const struct finding *f = found(&w, "timer");
	assert_non_null(f);
	assert_string_equal(f->site.function, "main.poll");
	assert_true(is_also(f, "heap"));
	assert_null(found(&w, "heap"));
	end(&w);
}

static void threads_leak_when_they_only_grow(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, threads, 8, 1);
	judge(&w);
	assert_non_null(found(&w, "thread"));
	end(&w);
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].threads = 8 + (i > 3 ? 3 : 0); /* the runtime made some and stopped */
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void descriptors_leak_when_they_only_grow(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, fds, 12, 4);
	w.first.parts |= SNAPSHOT_FDS;
	w.last.parts |= SNAPSHOT_FDS;
	w.last.fds.limit = 1024;
	*vec_push(&w.last.fds.kinds) = (struct fd_kind){ "tcp", 70 };
	*vec_push(&w.last.fds.sockets) =
		(struct fd_socket){ .protocol = "tcp", .peer = "10.0.0.1:5432", .state = "CLOSE-WAIT", .count = 70 };
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = found(&w, "fd");
	assert_true(says(f, "10.0.0.1:5432"));
	assert_true(says(f, "never did"));
	assert_true(says(f, "1024 descriptors"));
	end(&w);
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].fds = 12 + i % 5 * 20;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void a_stack_that_only_doubles_leaks(void **state)
{
	for (int shrinks = 0; shrinks < 2; shrinks++) {
		struct watch w;
		start(&w);
		for (size_t i = 0; i < LOOKS; i++)
			w.v[i].deepest_stack = (uint64_t)MIB << (i / 5);
		if (shrinks)
			w.v[LOOKS - 1].deepest_stack = MIB;
		judge(&w);
		assert_int_equal(w.d.verdict, shrinks ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_LEAK);
		end(&w);
	}
}

static void a_recursion_is_named_where_it_recurs(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].deepest_stack = (uint64_t)MIB << (i / 5);
	struct goroutines *gs = &w.last.goroutines;
	uint32_t frames[9] = { stacks_frame(&gs->stacks,
					    &(struct frame){ .function = "main.visit", .file = "a.go", .line = 3 }) };
	for (size_t i = 1; i < 9; i++)
		frames[i] = stacks_frame(&gs->stacks,
					 &(struct frame){ .function = "main.visit", .file = "a.go", .line = 8 });
	*vec_push(&gs->v) =
		(struct goroutine){ .id = 1, .state = "waiting", .stack = stacks_add(&gs->stacks, frames, 9) };
	w.last.parts |= SNAPSHOT_GOROUTINES;
	judge(&w);
	assert_int_equal(found(&w, "stack")->site.line, 8);
	end(&w);
}

static void cgroups_left_behind_leak(void **state)
{
	for (uint64_t more = 0; more < 10; more += 9) {
		struct watch w;
		start(&w);
		w.first.parts |= SNAPSHOT_FDS;
		w.last.parts |= SNAPSHOT_FDS;
		w.first.fds.cgroups_left = 5;
		w.last.fds.cgroups_left = 5 + more;
		w.last.fds.cgroups_charged = 3 * MIB;
		judge(&w);
		assert_int_equal(w.d.verdict, more ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		end(&w);
	}
}

/* ---- explanations ---- */

static void gc_thrash_needs_a_busy_collector(void **state)
{
	for (int busy = 0; busy < 2; busy++) {
		struct watch w;
		start(&w);
		for (size_t i = 0; i < LOOKS; i++) {
			w.v[i].gc_count = 50 + i * (busy ? 20 : 1);
			w.v[i].gc_cpu = busy ? 0.01 + 0.0003 * (double)i : 0.01;
		}
		w.in.age_seconds = 3600;
		judge(&w);
		assert_int_equal(found(&w, "gc-thrash") != NULL, busy);
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		end(&w);
	}
}

static void gomemlimit_without_room_is_named(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].gc_count = 50 + i * 40;
	w.last.account.runtime.memory_limit = 72 * MIB;
	judge(&w);
	assert_true(says(found(&w, "gc-thrash"), "GOMEMLIMIT is 72.0 MiB"));
	end(&w);
}

static void idle_spans_are_returnable(void **state)
{
	for (int much = 0; much < 2; much++) {
		struct watch w;
		start(&w);
		w.last.account.returnable = (much ? 40 : 8) * (uint64_t)MIB;
		judge(&w);
		assert_int_equal(found(&w, "returnable") != NULL, much);
		end(&w);
	}
}

static void spans_that_cannot_fill_are_fragmentation(void **state)
{
	for (int much = 0; much < 2; much++) {
		struct watch w;
		start(&w);
		RAMP(&w, heap_inuse, (much ? 160 : 90) * MIB, 0);
		judge(&w);
		assert_int_equal(found(&w, "fragmentation") != NULL, much);
		end(&w);
	}
}

static void huge_pages_bring_back_what_was_returned(void **state)
{
	for (int huge = 0; huge < 2; huge++) {
		struct watch w;
		start(&w);
		w.last.account.classes[CLASS_GO_HEAP_IDLE].resident = 14 * MIB;
		w.last.account.classes[CLASS_GO_HEAP_IDLE].huge = huge ? 12 * MIB : 0;
		w.last.account.runtime.heap_idle = 80 * MIB;
		w.last.account.runtime.heap_released = 78 * MIB;
		judge(&w);
		assert_int_equal(found(&w, "huge-pages") != NULL, huge);
		end(&w);
	}
}

static void page_cache_alone_is_never_a_leak(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, file, 20 * MIB, 15 * MIB);
	RAMP(&w, inactive_file, 10 * MIB, 15 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 15 * MIB);
	w.last.account.cgroup.file = 305 * MIB;
	w.last.account.cgroup.inactive_file = 295 * MIB;
	w.last.account.cgroup.usage = 405 * MIB;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(found(&w, "page-cache"));
	assert_true(isnan(w.d.oom.eta));
	assert_null(found(&w, "limit-too-low"));
	end(&w);
}

static void tmpfs_is_named_and_has_an_end_in_sight(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, shmem, 0, 10 * MIB);
	RAMP(&w, file, 20 * MIB, 10 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 10 * MIB);
	RAMP(&w, working_set, 110 * MIB, 10 * MIB);
	w.last.account.cgroup.shmem = 190 * MIB;
	judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(found(&w, "tmpfs"));
	assert_null(found(&w, "page-cache"));
	assert_true(fabs(w.d.oom.eta - (512 - 300) / 5.0) < 2);
	end(&w);
}

static void kernel_memory_is_named(void **state)
{
	struct watch w;
	start(&w);
	RAMP(&w, kernel, 5 * MIB, 4 * MIB);
	w.last.account.cgroup.kernel = 81 * MIB;
	judge(&w);
	assert_non_null(found(&w, "kernel-memory"));
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	end(&w);
}

static void another_process_is_named(void **state)
{
	for (int grows = 0; grows < 2; grows++) {
		struct watch w;
		start(&w);
		struct account_process other = { .pid = 99, .comm = "sidecar", .rss = 10 * MIB };
		*vec_push(&w.first.account.cgroup.processes) = other;
		other.rss = (grows ? 120 : 10) * (uint64_t)MIB;
		*vec_push(&w.last.account.cgroup.processes) = other;
		*vec_push(&w.last.account.cgroup.processes) =
			(struct account_process){ .pid = 81, .comm = "app", .rss = 100 * MIB };
		w.last.account.cgroup.anon = (grows ? 210 : 95) * (uint64_t)MIB;
		if (grows)
			RAMP(&w, anon, 92 * MIB, 6 * MIB);
		judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		assert_int_equal(found(&w, "other-process") != NULL, grows);
		if (grows)
			assert_true(says(found(&w, "other-process"), "sidecar"));
		end(&w);
	}
}

static void a_limit_near_the_working_set_is_too_low(void **state)
{
	struct watch w;
	start(&w);
	w.last.account.cgroup.limit = 120 * MIB;
	judge(&w);
	assert_true(says(found(&w, "limit-too-low"), "set the limit to 144 MiB")); /* 110 and a quarter, in 16 MiB */
	end(&w);
	start(&w);
	w.last.account.cgroup.limit = 200 * MIB;
	judge(&w);
	assert_null(found(&w, "limit-too-low"));
	end(&w);
}

static void gomaxprocs_is_held_against_the_quota(void **state)
{
	for (int over = 0; over < 2; over++) {
		struct watch w;
		start(&w);
		w.last.account.runtime.cpu_quota = over ? 0.5 : 2;
		judge(&w);
		assert_int_equal(found(&w, "cpu-quota") != NULL, over);
		if (over)
			assert_true(says(found(&w, "cpu-quota"), "GOMAXPROCS=1"));
		end(&w);
	}
}

/* ---- what cannot be proved ---- */

static void native_growth_is_inconclusive(void **state)
{
	static const enum mem_class classes[] = { CLASS_C_HEAP, CLASS_C_HEAP_INUSE, CLASS_MMAP_ANON };
	for (size_t i = 0; i < 3; i++) {
		struct watch w;
		start(&w);
		w.last.account.classes[classes[i]].resident = 30 * MIB;
		judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
		assert_string_equal(w.d.open.v[0].class, mem_classes[classes[i]].name);
		assert_int_equal(w.d.findings.n, 0);
		end(&w);
	}
}

static void the_root_cgroup_is_not_judged(void **state)
{
	struct watch w;
	start(&w);
	w.last.account.cgroup.path = "/";
	w.last.account.cgroup.shmem = w.last.account.cgroup.usage = 4000u * (uint64_t)MIB;
	RAMP(&w, shmem, 0, 100 * MIB);
	judge(&w);
	assert_int_equal(w.d.findings.n, 0);
	end(&w);
}

static void unknown_figures_are_no_findings(void **state)
{
	struct watch w;
	start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		memset(&w.v[i], 0xff, sizeof(w.v[i]));
		w.v[i].time_ns = (int64_t)(1000 + i) * SECOND;
		w.v[i].last_gc_ns = 0;
		w.v[i].gc_cpu = (double)NAN;
	}
	w.in.first = w.in.last = NULL;
	w.in.age_seconds = (double)NAN;
	judge(&w);
	assert_int_equal(w.d.findings.n, 0);
	assert_int_equal(w.d.notes.n, 1);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_still_is_no_leak),
		cmocka_unit_test(nothing_seen_is_inconclusive),
		cmocka_unit_test(a_heap_whose_marked_bytes_rise_leaks),
		cmocka_unit_test(four_collections_must_rise_by_more),
		cmocka_unit_test(a_heap_that_breathes_is_no_leak),
		cmocka_unit_test(garbage_between_collections_is_headroom),
		cmocka_unit_test(growth_without_a_collection_proves_nothing),
		cmocka_unit_test(what_is_reachable_proves_a_leak_without_a_collection),
		cmocka_unit_test(growth_that_only_floats_is_no_leak),
		cmocka_unit_test(two_walks_alone_name_the_holder_and_prove_nothing),
		cmocka_unit_test(a_cache_that_stops_is_no_leak_by_what_is_reachable),
		cmocka_unit_test(what_fills_a_container_of_fixed_size_is_not_accused),
		cmocka_unit_test(holders_have_kinds),
		cmocka_unit_test(a_blocked_finalizer_with_a_longer_queue_leaks),
		cmocka_unit_test(a_map_that_was_larger_once_is_told),
		cmocka_unit_test(a_heap_that_was_not_walked_says_why),
		cmocka_unit_test(one_collection_that_frees_nothing_is_enough),
		cmocka_unit_test(a_young_heap_that_grows_everywhere_is_inconclusive),
		cmocka_unit_test(a_young_heap_without_a_profile_is_inconclusive),
		cmocka_unit_test(unseen_collections_prove_nothing_survived),
		cmocka_unit_test(a_cache_that_fills_is_warm_up),
		cmocka_unit_test(two_looks_say_what_grew_and_prove_nothing),
		cmocka_unit_test(one_large_allocation_is_a_burst),
		cmocka_unit_test(a_young_process_is_less_sure),
		cmocka_unit_test(goroutines_of_one_place_leak),
		cmocka_unit_test(heap_of_goroutines_is_the_same_cause),
		cmocka_unit_test(goroutines_that_come_and_go_are_load),
		cmocka_unit_test(a_pool_that_has_its_size_is_no_leak),
		cmocka_unit_test(timers_of_one_callback_leak),
		cmocka_unit_test(heap_of_tickers_is_a_timer_leak),
		cmocka_unit_test(threads_leak_when_they_only_grow),
		cmocka_unit_test(descriptors_leak_when_they_only_grow),
		cmocka_unit_test(a_stack_that_only_doubles_leaks),
		cmocka_unit_test(a_recursion_is_named_where_it_recurs),
		cmocka_unit_test(cgroups_left_behind_leak),
		cmocka_unit_test(gc_thrash_needs_a_busy_collector),
		cmocka_unit_test(gomemlimit_without_room_is_named),
		cmocka_unit_test(idle_spans_are_returnable),
		cmocka_unit_test(spans_that_cannot_fill_are_fragmentation),
		cmocka_unit_test(huge_pages_bring_back_what_was_returned),
		cmocka_unit_test(page_cache_alone_is_never_a_leak),
		cmocka_unit_test(tmpfs_is_named_and_has_an_end_in_sight),
		cmocka_unit_test(kernel_memory_is_named),
		cmocka_unit_test(another_process_is_named),
		cmocka_unit_test(a_limit_near_the_working_set_is_too_low),
		cmocka_unit_test(gomaxprocs_is_held_against_the_quota),
		cmocka_unit_test(native_growth_is_inconclusive),
		cmocka_unit_test(the_root_cgroup_is_not_judged),
		cmocka_unit_test(unknown_figures_are_no_findings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
