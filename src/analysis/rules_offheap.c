/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/rules.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define KIB 1024.0
#define MIB (1024.0 * 1024)

/* The rules about memory outside of the Go heap, by what a record says of who took it, and by what the kernel calls it. */

enum { NAMED = 3, FEW = 16 };

/* ---- what all of them say ---- */

static const char *per_second(struct rule_context *c, double bytes)
{
	return rule_text(c, "%s/s", rule_size(c, bytes / c->off.seconds));
}

static double first_half(const struct offheap_group *g)
{
	double first = 0, all = 0;
	for (size_t i = 0; i < RECORD_PARTS; i++) {
		first += i < RECORD_PARTS / 2 ? g->parts[i] : 0;
		all += g->parts[i];
	}
	return all > 0 ? first / all : (double)NAN;
}

static struct finding *report_group(struct rule_context *c, const struct rule *r, const struct offheap_group *g)
{
	struct finding *f = rule_report(c, r);
	double certain = fmin(g->sure, 1);
	f->bytes = (uint64_t)g->bytes;
	f->rate = g->bytes * certain / c->off.seconds;
	f->count = (uint64_t)g->count;
	f->count_rate = g->count * certain / c->off.seconds;
	if (g->site)
		rule_site(c, f, g->site);
	rule_stack(c, f, &c->off.stacks, g->stack);
	return f;
}

/* "3.2 MiB in 51 blocks", or an interval. */
static const char *amount(struct rule_context *c, const struct offheap_group *g, const char *what)
{
	if (g->low >= g->high)
		return rule_text(c, "%s in %.0f %s", rule_size(c, g->bytes), g->count, what);
	return rule_text(c, "between %s and %s (%.0f to %.0f %s)", rule_size(c, g->low), rule_size(c, g->high),
			 g->low_count, g->high_count, what);
}

/* The part of a name that says what it does: without its import path. */
static bool names_cache(const char *function)
{
	const char *slash = strrchr(function, '/');
	return strcasestr(slash ? slash : function, "cache") || strcasestr(slash ? slash : function, "lru");
}

/* A function on the way from the allocator to the place that is called a cache, or NULL. */
static const char *cache_of(const struct rule_context *c, const struct offheap_group *g)
{
	for (uint32_t i = 0; i < stacks_depth(&c->off.stacks, g->stack); i++) {
		const struct frame *f = stacks_at(&c->off.stacks, g->stack, i);
		if (names_cache(f->function))
			return f->function;
		if (f == g->site)
			break;
	}
	return NULL;
}

/* What makes it less sure: what fills once looks the same until it is full. */
static void doubt(struct rule_context *c, struct finding *f, const struct offheap_group *g)
{
	static const double FEW_COSTS = 0.1, YOUNG = 3, YOUNG_COSTS = 0.1, CACHE_COSTS = 0.35;
	const char *cache = cache_of(c, g);
	if (g->count < FEW)
		f->confidence -= FEW_COSTS;
	if (cache) {
		f->confidence -= CACHE_COSTS;
		rule_evidence(c, f, "By its name %s keeps a cache: it may only be filling.", cache);
	}
	if (c->in->age_seconds < YOUNG * c->seconds) {
		f->confidence -= YOUNG_COSTS;
		rule_evidence(c, f,
			      "It started only %s ago: a cache that fills once looks the same; a longer window tells "
			      "them apart.",
			      rule_time(c, c->in->age_seconds));
	}
}

static const char *place_words(const struct finding *f)
{
	return *f->site.function ? f->site.function : "a path that is not known";
}

static void describe_pace(struct rule_context *c, struct finding *f, const struct offheap_group *g)
{
	double half = first_half(g);
	if (isfinite(half))
		rule_evidence(c, f, "It went on evenly: %.0f%% of it in the first half of %s, %.0f%% in the second.",
			      100 * half, rule_time(c, c->off.seconds), 100 - 100 * half);
	doubt(c, f, g);
}

/* Thresholds of every row here: 0 bytes, 1 of RSS, 2 the share that must be growth, 3 how many of them. */
static bool large(const struct rule_context *c, const struct rule *r, double bytes)
{
	double rss = KNOWN(c->last->rss) ? (double)c->last->rss : 0;
	return bytes >= r->threshold[0].value && bytes >= r->threshold[1].value * rss;
}

static uint64_t with_finalizer(const struct snapshot *s)
{
	if (!s || !(s->parts & SNAPSHOT_OWNERS))
		return ACCOUNT_UNKNOWN;
	return s->owners.finalizers.set + s->owners.finalizers.cleanups;
}

/*
 * Objects of Go that free memory of C when they are collected: until a collection has ended, and another one after their
 * finalizers ran, what they hold cannot be told from a leak.
 */
bool rule_awaits_collection(const struct rule_context *c, const struct offheap_group *g)
{
	static const double LEAST = 8, BLOCKS_OF_ONE = 64;
	enum { ENOUGH = 2 };
	uint64_t was = with_finalizer(c->in->first), is = with_finalizer(c->in->last);
	uint64_t collections = 0;
	for (size_t i = c->in->n; i-- > 0;) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if ((double)(c->last->time_ns - s->time_ns) / 1e9 > c->off.seconds)
			break;
		if (KNOWN(s->gc_count) && KNOWN(c->last->gc_count))
			collections = c->last->gc_count - s->gc_count;
	}
	if (!KNOWN(was) || !KNOWN(is) || collections >= ENOUGH)
		return false;
	double more = (double)is - (double)was;
	return more >= LEAST && more * c->off.seconds / fmax(c->seconds, 0.001) * BLOCKS_OF_ONE >= g->count;
}

static bool grows(const struct rule_context *c, const struct rule *r, const struct offheap_group *g)
{
	return large(c, r, g->low) && g->low_count >= r->threshold[3].value && g->sure >= r->threshold[2].value &&
	       offheap_steady(&c->off, g) && !rule_awaits_collection(c, g);
}

static bool has_function(const struct stacks *s, uint32_t stack, const char *part)
{
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		if (strstr(stacks_at(s, stack, i)->function, part))
			return true;
	}
	return false;
}

/* ---- C memory ---- */

static const char *c_class(const struct rule_context *c)
{
	bool split = c->after && c->after->classes[CLASS_C_HEAP_INUSE].resident;
	return mem_classes[split ? CLASS_C_HEAP_INUSE : CLASS_C_HEAP].name;
}

/* What Go calls, as its source has it, else the C function that takes memory: "C.make()", "make()". */
static const char *called(struct rule_context *c, const struct offheap_group *g)
{
	static const char wrapper[] = "._Cfunc_";
	for (uint32_t i = 0; i < stacks_depth(&c->off.stacks, g->stack); i++) {
		const char *at = strstr(stacks_at(&c->off.stacks, g->stack, i)->function, wrapper);
		if (at)
			return rule_text(c, "C.%s()", at + sizeof(wrapper) - 1);
	}
	return g->c ? rule_text(c, "%s()", g->c->function) : "that call";
}

static const char *free_advice(struct rule_context *c, const struct finding *f, const struct offheap_group *g)
{
	static const struct {
		const char *function, *advice;
	} usual[] = {
		{ "_Cfunc_CString",
		  "C.CString allocates with malloc: C.free(unsafe.Pointer(s)) after each use, best by "
		  "defer in the next line." },
		{ "_Cfunc_CBytes",
		  "C.CBytes allocates with malloc: C.free(p) after each use, best by defer in the next "
		  "line." },
		{ "_Cfunc__CMalloc", "What C.malloc gives is the program's to free: C.free(p) on every way out." },
	};
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (has_function(&c->off.stacks, g->stack, usual[i].function))
			return usual[i].advice;
	}
	bool go = g->site && g->site != g->c;
	return rule_text(
		c,
		"Give back what %s allocates: free() it, or call the library's own function that closes, frees "
		"or unreferences it, on every path out of %s. %s",
		called(c, g), place_words(f),
		go ? "The garbage collector does not see memory of C." : "A restart is the only relief until then.");
}

static void report_malloc(struct rule_context *c, const struct rule *r, const struct offheap_group *g)
{
	struct finding *f = report_group(c, r, g);
	bool exact = g->low >= g->high;
	f->class = c_class(c);
	f->confidence = !c->off.exact ? 0.75 : exact ? 0.95 : 0.85;
	rule_evidence(c, f, "Allocated in C on calls from %s in %s and not freed: %s, %s.", place_words(f),
		      rule_time(c, c->off.seconds), amount(c, g, "blocks"), per_second(c, g->bytes));
	if (c->off.exact)
		rule_evidence(c, f, "By the allocator's own figures what is in use grew by %s in the same time.",
			      rule_size(c, c->off.grown[RECORD_MALLOC]));
	else if (isfinite(c->off.grown[RECORD_MALLOC]))
		rule_evidence(c, f, "Private memory outside of the Go heap grew by %s in the same time.",
			      rule_size(c, c->off.grown[RECORD_MALLOC]));
	if (g->c && g->c != g->site)
		rule_evidence(c, f, "The C function that allocates is %s.", g->c->function);
	if (!exact && c->off.malloc_on < 1)
		rule_evidence(c, f,
			      "malloc was watched for %.0f%% of the time, to keep the cost down: the truth lies in the "
			      "interval.",
			      100 * c->off.malloc_on);
	describe_pace(c, f, g);
	f->advice = free_advice(c, f, g);
}

/* An allocator that cannot be watched still asks the kernel for more, and the path that was unlucky shows whose it is. */
static void report_allocator(struct rule_context *c, const struct rule *r, const struct offheap_group *g)
{
	struct finding *f = report_group(c, r, g);
	f->class = mem_classes[CLASS_C_HEAP].name;
	f->confidence = 0.7;
	rule_evidence(c, f,
		      "On calls from there the C allocator had to ask the kernel for more: %s, %s, and gave none back. "
		      "Single "
		      "blocks could not be watched.",
		      amount(c, g, "times"), per_second(c, g->bytes));
	describe_pace(c, f, g);
	f->advice = free_advice(c, f, g);
}

/* The largest group of a sort that came evenly and is most of its sort; NULL. */
static const struct offheap_group *most_of(const struct rule_context *c, const struct rule *r, enum offheap_sort sort)
{
	const struct offheap_group *most = NULL;
	double all = 0;
	for (size_t i = 0; i < c->off.v.n; i++) { /* largest first */
		const struct offheap_group *g = &c->off.v.v[i];
		if (g->sort != sort || (sort == OFFHEAP_TOUCHED && g->what != RECORD_WHAT_ANON))
			continue;
		most = most ? most : g;
		all += g->bytes;
	}
	bool even = most && most->count >= r->threshold[3].value && offheap_steady(&c->off, most);
	return even && most->bytes >= all / 2 ? most : NULL;
}

/*
 * A program that calls malloc so often that few calls can be watched: that memory in use grows is known from the allocator,
 * and where memory was fresh is known from the kernel. Whoever keeps what it takes is who needs fresh memory.
 */
static void rule_cgo_unseen(struct rule_context *c, const struct rule *r)
{
	static const double RARELY = 0.5;
	double grown = c->off.grown[RECORD_MALLOC];
	if (!c->off.exact || !(c->off.malloc_on < RARELY) || rule_found(c, "cgo") || !large(c, r, grown))
		return;
	const struct offheap_group *g = most_of(c, r, OFFHEAP_ALLOCATOR), *touched = most_of(c, r, OFFHEAP_TOUCHED);
	g = g && g->bytes >= grown / 2 ? g : touched;
	if (!g || g->bytes < grown / 2 || !g->site || rule_awaits_collection(c, g))
		return;
	struct finding *f = report_group(c, r, g);
	f->class = c_class(c);
	f->bytes = (uint64_t)grown;
	f->rate = grown / c->off.seconds;
	f->count = ACCOUNT_UNKNOWN;
	f->count_rate = (double)NAN;
	f->confidence = 0.8;
	rule_evidence(c, f, "By the allocator's own figures what is in use grew by %s in %s.", rule_size(c, grown),
		      rule_time(c, c->off.seconds));
	rule_evidence(
		c, f,
		"Its calls are too many to be watched, but for %.0f%% of the time: which blocks stay was not seen. "
		"Fresh memory for them was taken on calls from there: %s of it.",
		100 * c->off.malloc_on, rule_size(c, g->bytes));
	describe_pace(c, f, g);
	f->advice =
		rule_text(c, "%s A larger `ullage record --budget` sees the blocks themselves.", free_advice(c, f, g));
}

static void rule_cgo(struct rule_context *c, const struct rule *r)
{
	bool watched = c->in->record && c->in->record->have & 1u << RECORD_MALLOC;
	for (size_t i = 0, named = 0; i < c->off.v.n && named < NAMED; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		bool malloc = g->sort == OFFHEAP_MALLOC;
		if ((!malloc && (watched || g->sort != OFFHEAP_ALLOCATOR)) || !grows(c, r, g))
			continue;
		(malloc ? report_malloc : report_allocator)(c, r, g);
		named++;
	}
}

/* ---- mappings ---- */

static enum mem_class class_of(const struct rule_context *c, const struct offheap_group *g)
{
	if (has_function(&c->off.stacks, g->stack, "sbrk") || has_function(&c->off.stacks, g->stack, "brk"))
		return CLASS_C_HEAP;
	switch (g->what) {
	case RECORD_WHAT_FILE_CLEAN:
	case RECORD_WHAT_FILE_DIRTY:
		return CLASS_FILE_MAPPED;
	case RECORD_WHAT_SHARED:
		return CLASS_SHM;
	case RECORD_WHAT_UNKNOWN:
	case RECORD_WHAT_ANON:
	case RECORD_WHAT_UNTOUCHED:
	case RECORD_WHAT_STACK:
	case RECORD_WHAT_GO:
	case RECORD_WHAT_MAX_:
		break;
	}
	return CLASS_MMAP_ANON;
}

/* How many mappings the process has, and when there are no more to be had. */
static void describe_mappings(struct rule_context *c, struct finding *f)
{
	static const double LEAST = 8;
	struct trend t = rule_trend(c, SAMPLE(vmas));
	double ratio = c->after ? c->after->space.vma_limit_ratio : (double)NAN;
	if (t.n < 2 || t.growth < LEAST)
		return;
	rule_evidence(c, f, "Mappings of the process: %.0f at first, %.0f at last.", t.first, t.last);
	double rate = t.slope > 0 ? t.slope : t.growth / t.span, limit = t.last / ratio;
	if (isfinite(limit) && ratio > 0 && rate > 0)
		rule_evidence(c, f, "At %.0f (vm.max_map_count) mmap and munmap fail: in about %s.", limit,
			      rule_time(c, fmax(limit - t.last, 0) / rate));
}

static void describe_cost(struct rule_context *c, struct finding *f, const struct offheap_group *g)
{
	static const double HARDLY = 0.1;
	const char *cost = isfinite(g->resident) ? rule_size(c, g->resident) : "an unknown part";
	if (f->class == mem_classes[CLASS_FILE_MAPPED].name)
		rule_evidence(c, f, "They are mappings of files, of which %s are resident%s.", cost,
			      g->what == RECORD_WHAT_FILE_DIRTY
				      ? ": written and not yet stored, or of deleted files, so the "
					"kernel cannot drop them"
				      : ": copies that the kernel can drop");
	else if (g->untouched > g->bytes / 2 || g->resident < HARDLY * g->bytes)
		rule_evidence(c, f, "Of it %s are resident: it costs address space and mappings, and no memory yet.",
			      cost);
	else
		rule_evidence(c, f, "Of it %s are resident%s.", cost,
			      g->what == RECORD_WHAT_SHARED ? ", as shared memory" : "");
}

static const char *unmap_advice(struct rule_context *c, const struct finding *f)
{
	const char *where = *f->site.function ? f->site.function : "there";
	if (f->class == mem_classes[CLASS_C_HEAP].name)
		return rule_text(c,
				 "brk() grows the heap of C from %s and nothing ever lowers it: reuse what was taken.",
				 where);
	return rule_text(
		c,
		"Unmap what %s maps when its user ends: munmap(), syscall.Munmap(), or the Close() of what holds it.",
		where);
}

static void rule_mmap(struct rule_context *c, const struct rule *r)
{
	static const double MANY = 64; /* mappings in the window, however small */
	for (size_t i = 0, named = 0; i < c->off.v.n && named < NAMED; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		bool enough = large(c, r, g->low) || g->low_count >= MANY;
		if (g->sort != OFFHEAP_MAPPED || !enough || g->low_count < r->threshold[3].value ||
		    g->sure < r->threshold[2].value || !offheap_steady(&c->off, g) || rule_awaits_collection(c, g))
			continue;
		struct finding *f = report_group(c, r, g);
		f->class = mem_classes[class_of(c, g)].name;
		f->confidence = 0.9;
		rule_evidence(c, f, "Mapped by %s in %s and not unmapped: %s, %s.", place_words(f),
			      rule_time(c, c->off.seconds), amount(c, g, g->count == 1 ? "mapping" : "mappings"),
			      per_second(c, g->bytes));
		if (isfinite(c->off.grown[RECORD_MMAP]))
			rule_evidence(c, f, "All that the process maps grew by %s in the same time.",
				      rule_size(c, c->off.grown[RECORD_MMAP]));
		describe_cost(c, f, g);
		describe_mappings(c, f);
		describe_pace(c, f, g);
		f->advice = unmap_advice(c, f);
		named++;
	}
}

/* ---- memory that had been mapped before ---- */

static double class_growth(const struct rule_context *c, enum mem_class k)
{
	if (!c->before || !c->after)
		return 0;
	return (double)c->after->classes[k].resident - (double)c->before->classes[k].resident;
}

static bool found_leak(const struct rule_context *c, const char *kind)
{
	const struct finding *f = rule_found(c, kind);
	return f && f->leak;
}

/*
 * An allocator of the program's own takes its memory long before it uses it: then no mapping grows, and only the faults
 * tell. Said only where nothing else explains the growth, and where it is of that kind of memory.
 */
static void rule_touched(struct rule_context *c, const struct rule *r)
{
	double resident = c->off.grown[RECORD_RESIDENT], anon = class_growth(c, CLASS_MMAP_ANON);
	if (!c->off.known || found_leak(c, "cgo") || found_leak(c, "mmap") || !(resident >= r->threshold[0].value))
		return;
	for (size_t i = 0; i < c->off.v.n; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		bool ours =
			g->sort == OFFHEAP_TOUCHED && (g->what == RECORD_WHAT_ANON || g->what == RECORD_WHAT_UNKNOWN);
		if (!ours || !large(c, r, g->bytes) || g->bytes < resident / 2 || anon < resident / 2 ||
		    g->sure < r->threshold[2].value || !offheap_steady(&c->off, g))
			continue;
		struct finding *f = report_group(c, r, g);
		f->class = mem_classes[CLASS_MMAP_ANON].name;
		f->count = ACCOUNT_UNKNOWN;
		f->count_rate = (double)NAN;
		f->confidence = 0.75;
		rule_evidence(c, f,
			      "Pages first touched there in %s, and resident still: about %s, %s; from samples of "
			      "page faults.",
			      rule_time(c, c->off.seconds), rule_size(c, g->bytes), per_second(c, g->bytes));
		rule_evidence(c, f,
			      "Private memory outside of the Go heap grew by %s; nothing was mapped for it in that "
			      "time: it was reserved before.",
			      rule_size(c, resident));
		describe_pace(c, f, g);
		f->advice = rule_text(c,
				      "Reuse what %s takes from memory that was reserved before, or return it with "
				      "madvise(MADV_DONTNEED): nothing there is ever given back.",
				      *f->site.function ? f->site.function : "that path");
		return;
	}
}

/* ---- threads ---- */

static bool made_by_runtime(const struct stacks *s, uint32_t stack)
{
	return has_function(s, stack, "cgo_thread_start") || has_function(s, stack, "cgo_sys_thread_start") ||
	       has_function(s, stack, "runtime.newm") || has_function(s, stack, "runtime.newosproc");
}

/* The stack of a thread is kept for whoever joins it: threads that end and are not joined leave it. */
static void rule_thread_stacks(struct rule_context *c, const struct rule *r)
{
	struct finding *f = rule_found(c, "thread");
	for (size_t i = 0; i < c->off.v.n; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		if (g->sort != OFFHEAP_STACKS || made_by_runtime(&c->off.stacks, g->stack) ||
		    g->low_count < r->threshold[3].value || g->sure < r->threshold[2].value ||
		    !offheap_steady(&c->off, g))
			continue;
		bool ended = !f;
		f = f ? f : report_group(c, r, g);
		if (g->site && (ended || !*f->site.function)) {
			rule_site(c, f, g->site);
			rule_stack(c, f, &c->off.stacks, g->stack);
		}
		rule_evidence(c, f, "Stacks of threads that were made there in %s and are mapped still: %.0f, of %s.",
			      rule_time(c, c->off.seconds), g->count, rule_size(c, g->bytes));
		if (!ended) {
			f->advice = rule_text(
				c,
				"Each call of %s makes a thread that stays: let threads end when their work is "
				"done, and use a pool of so many as there is work for at a time.",
				*f->site.function ? f->site.function : "that path");
			return;
		}
		f->class = mem_classes[CLASS_C_STACK].name;
		f->confidence = 0.85;
		rule_evidence(c, f, "The number of threads did not grow: they end, and nothing joins them.");
		describe_pace(c, f, g);
		f->advice =
			"Join each thread that ends (pthread_join), or make it detached (pthread_detach): until then "
			"its stack stays.";
		return;
	}
}

/* ---- what is no leak ---- */

static void rule_retained(struct rule_context *c, const struct rule *r)
{
	if (!c->after)
		return;
	double kept = (double)c->after->classes[CLASS_C_HEAP_FREE].resident;
	double used = (double)c->after->classes[CLASS_C_HEAP_INUSE].resident;
	if (!large(c, r, kept))
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_C_HEAP_FREE].name;
	f->bytes = (uint64_t)kept;
	f->confidence = 0.9;
	rule_evidence(
		c, f,
		"The C allocator holds %s that are free, beside %s in use: memory of blocks that were freed, and that "
		"it keeps for reuse.",
		rule_size(c, kept), rule_size(c, used));
	double more = class_growth(c, CLASS_C_HEAP_FREE);
	if (more > MIB)
		rule_evidence(c, f, "It grew by %s over the window: what is in use grew by %s.", rule_size(c, more),
			      rule_size(c, class_growth(c, CLASS_C_HEAP_INUSE)));
	f->advice =
		"No leak: malloc_trim(0) returns it; MALLOC_ARENA_MAX=2 lets fewer arenas keep some of their own, and "
		"MALLOC_TRIM_THRESHOLD_ makes glibc return more by itself.";
}

/* Of mapped files: resident bytes, and those of files that are deleted. */
static double deleted_bytes(const struct account *a)
{
	double sum = 0;
	for (size_t i = 0; a && i < a->vmas.n && i < a->maps.n; i++) {
		if (a->maps.v[i].flags & VMA_DELETED)
			sum += (double)a->vmas.v[i].classes[CLASS_FILE_MAPPED];
	}
	return sum;
}

static void rule_file_pages(struct rule_context *c, const struct rule *r)
{
	double more = class_growth(c, CLASS_FILE_MAPPED);
	if (!large(c, r, more) || rule_found(c, "page-cache"))
		return;
	double deleted = deleted_bytes(c->after), was = deleted_bytes(c->before);
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_FILE_MAPPED].name;
	f->bytes = c->after->classes[CLASS_FILE_MAPPED].resident;
	f->rate = more / fmax(c->seconds, 0.001);
	f->confidence = 0.9;
	rule_evidence(
		c, f,
		"Resident pages of mapped files grew by %s: page cache, which the kernel drops when memory is short.",
		rule_size(c, more));
	f->advice = "Nothing to do: they count in RSS and cost nothing that could not be taken back.";
	if (deleted - was < more / 2)
		return;
	f->level = DIAGNOSIS_WARNING;
	rule_evidence(c, f,
		      "%s of them are of files that are deleted: their memory and their disk space are held until "
		      "they are unmapped.",
		      rule_size(c, deleted));
	f->advice = "Unmap deleted files (`ullage map PID --vmas` lists them); clean pages of others cost nothing.";
}

static void rule_shared(struct rule_context *c, const struct rule *r)
{
	double more = class_growth(c, CLASS_SHM);
	const struct finding *leak = rule_found(c, "mmap");
	bool leaks = leak && leak->class == mem_classes[CLASS_SHM].name;
	if (!large(c, r, more) || leaks || rule_found(c, "tmpfs"))
		return;
	struct finding *f = rule_report(c, r);
	f->class = mem_classes[CLASS_SHM].name;
	f->bytes = c->after->classes[CLASS_SHM].resident;
	f->rate = more / fmax(c->seconds, 0.001);
	f->confidence = 0.85;
	rule_evidence(c, f,
		      "Resident shared memory (tmpfs, memfd, SysV) grew by %s: without swap the kernel cannot drop it.",
		      rule_size(c, more));
	for (size_t i = 0; i < c->off.v.n; i++) {
		const struct offheap_group *g = &c->off.v.v[i];
		if (g->what != RECORD_WHAT_SHARED || !g->site)
			continue;
		rule_site(c, f, g->site);
		rule_stack(c, f, &c->off.stacks, g->stack);
		break;
	}
	f->advice = "It ends at the size of the file or segment behind it; `ullage map PID --vmas` names that. Delete "
		    "or shorten "
		    "it when it is no longer needed.";
}

/* ---- the table ---- */

#define GROWTH_SHARE                                                                                                   \
	{                                                                                                              \
		0.5, "of what was taken must be growth even if all that was given back came from there"                \
	}

const struct rule rules_offheap[] = {
	{ "cgo",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_cgo,
	  { { 128 * KIB, "bytes: libraries keep some state of each user for a while" },
	    { 0.0005, "of RSS: a large process has large habits" },
	    GROWTH_SHARE,
	    { 4, "blocks: fewer are events, not a rate" } } },
	{ "cgo",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_cgo_unseen,
	  { { 1 * MIB, "bytes in use more, by the allocator's figures" },
	    { 0.001, "of RSS" },
	    GROWTH_SHARE,
	    { 4, "times fresh memory was taken" } } },
	{ "mmap",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_mmap,
	  { { 1 * MIB, "bytes of address space" },
	    { 0.001, "of RSS" },
	    GROWTH_SHARE,
	    { 4, "mappings: fewer are events, not a rate" } } },
	{ "mmap",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_touched,
	  { { 4 * MIB, "bytes: samples of faults see no less" }, { 0.01, "of RSS" }, GROWTH_SHARE } },
	{ "thread",
	  true,
	  DIAGNOSIS_WARNING,
	  rule_thread_stacks,
	  { { 0, "stacks count, not bytes" },
	    { 0, "of RSS" },
	    GROWTH_SHARE,
	    { 8, "stacks: a pool of threads has its size at once" } } },
	{ 0 },
};

const struct rule rules_kept[] = {
	{ "returnable",
	  false,
	  DIAGNOSIS_INFO,
	  rule_retained,
	  { { 16 * MIB, "bytes: an allocator keeps some in hand anyway" }, { 0.2, "of RSS" } } },
	{ "page-cache", false, DIAGNOSIS_INFO, rule_file_pages, { { 8 * MIB, "bytes grown" }, { 0.05, "of RSS" } } },
	{ "tmpfs", false, DIAGNOSIS_WARNING, rule_shared, { { 8 * MIB, "bytes grown" }, { 0.05, "of RSS" } } },
	{ 0 },
};
