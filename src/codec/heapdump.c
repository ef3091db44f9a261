/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/heapdump.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

enum {
	WORD = 8,
	VARINT_MAX = 10,
	PATTERN_WORDS = 16, /* of an object whose pointers are shown one by one */
	PATTERN_BYTES = PATTERN_WORDS * WORD,
	ROWS_MAX = 2 * HEAPDUMP_SHAPES_MAX,
	PAUSES = 256, /* in a MemStats record */
	DEFAULT_RATE = 512 << 10,
};

static const char magic[] = "go1.7 heap dump\n";

/* Objects of one size with pointers at the same places. */
struct shape {
	uint32_t size, pointers;
	uint32_t pattern; /* bit n: word n is a pointer; 0 for larger objects */
	uint64_t objects;
};

struct bucket {
	uint64_t size, allocs, frees, marked; /* marked: objects in the dump that were sampled here */
	uint32_t stack;
};

struct heapdump {
	struct stream *s;
	struct snapshot *ret;
	VEC(struct shape) shapes;
	struct hash_map shape_index;
	VEC(struct bucket) buckets;
	struct hash_map bucket_index; /* address to number */
	struct u32_vec frames;	      /* of the goroutine or bucket that is being read */
	uint64_t objects, object_bytes;
	bool in_goroutine;
	char *name; /* HEAPDUMP_NAME_MAX */
};

/* ---- numbers and strings ---- */

static struct err *number(struct stream *s, uint64_t *ret)
{
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(s, VARINT_MAX, &p, &have));
	uint64_t v = 0;
	for (size_t i = 0; i < num_min(have, VARINT_MAX); i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (p[i] < 0x80) {
			stream_consume(s, i + 1);
			*ret = v;
			return NULL;
		}
	}
	if (have < VARINT_MAX)
		return stream_bad(s, "the dump ends inside a number");
	return stream_bad(s, "a number of more than ten bytes");
}

static struct err *numbers(struct stream *s, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		TRY(number(s, &ret[i]));
	return NULL;
}

static struct err *skip_numbers(struct stream *s, size_t n)
{
	uint64_t ignored = 0;
	for (size_t i = 0; i < n; i++)
		TRY(number(s, &ignored));
	return NULL;
}

/* Contents are passed over; *len says how many bytes they were. */
static struct err *skip_bytes(struct stream *s, uint64_t *len)
{
	TRY(number(s, len));
	return stream_skip(s, *len);
}

/* A name into d->name, ended by NUL. */
static struct err *name(struct heapdump *d)
{
	uint64_t len = 0;
	TRY(number(d->s, &len));
	if (len >= HEAPDUMP_NAME_MAX)
		return stream_bad(d->s, "a name of %llu bytes", (unsigned long long)len);
	TRY(stream_read(d->s, d->name, len));
	d->name[len] = 0;
	return NULL;
}

static struct err *names_bounded(const struct heapdump *d, const struct stacks *stacks)
{
	if (stacks->strings.arena.used > HEAPDUMP_NAMES_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d bytes of names", d->s->name, HEAPDUMP_NAMES_MAX);
	return NULL;
}

/* ---- objects ---- */

static const char *shape_name(const struct heapdump *d, const struct shape *sh)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u B", sh->size);
	if (!sh->pointers)
		snprintf(text + n, sizeof(text) - (size_t)n, ", no pointers");
	else if (sh->pointers == UINT32_MAX)
		snprintf(text + n, sizeof(text) - (size_t)n, ", of many kinds");
	else if (!sh->pattern)
		snprintf(text + n, sizeof(text) - (size_t)n, ", %u pointer%s", sh->pointers,
			 sh->pointers == 1 ? "" : "s");
	else {
		char words[PATTERN_WORDS + 1] = { 0 };
		for (uint32_t i = 0; i < sh->size / WORD; i++)
			words[i] = sh->pattern >> i & 1 ? 'p' : '.';
		snprintf(text + n, sizeof(text) - (size_t)n, " [%s]", words);
	}
	return arena_strdup(&d->ret->arena, text);
}

static void count_shape(struct heapdump *d, struct shape sh)
{
	if (d->shapes.n >= HEAPDUMP_SHAPES_MAX)
		sh = (struct shape){ .size = sh.size, .pointers = UINT32_MAX };
	/* sizes are below 2^32; large ones have no pattern: one word holds what tells shapes apart */
	uint64_t key = (uint64_t)sh.size << 32 | (sh.pattern ? sh.pattern : ~sh.pointers);
	bool fresh = false;
	if (d->shapes.n >= ROWS_MAX && !hash_map_get(&d->shape_index, key))
		key = 0; /* more sizes than a Go heap can have: all into one */
	uint64_t *at = hash_map_at(&d->shape_index, key, &fresh);
	if (fresh) {
		*at = d->shapes.n;
		*vec_push(&d->shapes) = sh;
	}
	d->shapes.v[*at].objects++;
}

/* The list of pointer fields behind an object, a segment or a frame. */
static struct err *fields(struct stream *s, uint64_t limit, uint32_t *pointers, uint32_t *pattern)
{
	for (uint32_t n = 0;; n++) {
		uint64_t kind = 0, at = 0;
		TRY(number(s, &kind));
		if (!kind) {
			*pointers = n;
			return NULL;
		}
		if (kind != 1)
			return stream_bad(s, "a field of unknown kind %llu", (unsigned long long)kind);
		TRY(number(s, &at));
		if (at >= limit)
			return stream_bad(s, "a pointer field at %llu, beyond the %llu bytes it is in",
					  (unsigned long long)at, (unsigned long long)limit);
		if (at < PATTERN_BYTES)
			*pattern |= 1u << at / WORD;
	}
}

static struct err *read_object(struct heapdump *d)
{
	uint64_t size = 0;
	struct shape sh = { 0 };
	TRY(skip_numbers(d->s, 1));
	TRY(skip_bytes(d->s, &size));
	TRY(fields(d->s, size, &sh.pointers, &sh.pattern));
	d->objects++;
	d->object_bytes += size;
	sh.size = (uint32_t)num_min(size, UINT32_MAX);
	if (size > PATTERN_BYTES)
		sh.pattern = 0;
	count_shape(d, sh);
	return NULL;
}

static struct err *read_segment(struct heapdump *d)
{
	uint64_t size = 0;
	uint32_t pointers = 0, pattern = 0;
	TRY(skip_numbers(d->s, 1));
	TRY(skip_bytes(d->s, &size));
	return fields(d->s, size, &pointers, &pattern);
}

/* ---- goroutines ---- */

static struct err *read_goroutine(struct heapdump *d)
{
	static const char *const states[] = { "idle", "runnable", "running", "syscall", "waiting" };
	enum { ADDRESS, SP, ID, CREATED, STATUS, SYSTEM, BACKGROUND, SINCE, FIELDS };
	uint64_t f[FIELDS];
	struct goroutines *gs = &d->ret->goroutines;
	TRY(numbers(d->s, f, FIELDS));
	TRY(name(d));
	TRY(skip_numbers(d->s, 4)); /* context, thread, defers, panics */
	if (gs->v.n >= HEAPDUMP_RECORDS_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d goroutines", d->s->name, HEAPDUMP_RECORDS_MAX);
	bool waiting = f[STATUS] == 4;
	*vec_push(&gs->v) = (struct goroutine){
		.id = f[ID],
		.state = f[STATUS] < sizeof(states) / sizeof(states[0]) ? states[f[STATUS]] : "unknown",
		.wait_reason = waiting ? intern_str(&gs->stacks.strings, d->name) : NULL,
		.wait_ns = -1,
		.stack_bytes = ACCOUNT_UNKNOWN,
		.count = 1,
		.fd = -1,
		.flags = f[SYSTEM] ? GOROUTINE_SYSTEM : 0,
	};
	gs->total += !f[SYSTEM];
	d->in_goroutine = true;
	return names_bounded(d, &gs->stacks);
}

/* All frames of a goroutine follow it; what comes next ends them. */
static void end_goroutine(struct heapdump *d)
{
	struct goroutines *gs = &d->ret->goroutines;
	if (d->in_goroutine)
		gs->v.v[gs->v.n - 1].stack = stacks_add(&gs->stacks, d->frames.v, d->frames.n);
	d->frames.n = 0;
	d->in_goroutine = false;
}

static struct err *read_frame(struct heapdump *d)
{
	uint64_t size = 0;
	uint32_t pointers = 0, pattern = 0;
	struct stacks *stacks = &d->ret->goroutines.stacks;
	if (!d->in_goroutine)
		return stream_bad(d->s, "a stack frame without a goroutine");
	TRY(skip_numbers(d->s, 3)); /* stack pointer, depth, callee */
	TRY(skip_bytes(d->s, &size));
	TRY(skip_numbers(d->s, 3)); /* entry, where it is, where it goes on */
	TRY(name(d));
	if (d->frames.n < STACK_FRAMES_MAX) /* without addresses: goroutines of one place share their stack */
		*vec_push(&d->frames) = stacks_frame(stacks, &(struct frame){ .function = d->name });
	/* arguments are counted from the frame's end, and may lie beyond it */
	TRY(fields(d->s, UINT64_MAX, &pointers, &pattern));
	return names_bounded(d, stacks);
}

/* ---- the profile ---- */

/* How many of the innermost frames are the allocator's own, which pprof leaves out too; 0 where all are. */
static size_t allocator_frames(const struct heapdump *d)
{
	const struct stacks *stacks = &d->ret->heap.profile.stacks;
	for (size_t i = 0; i < d->frames.n; i++) {
		if (strncmp(stacks->frames.v[d->frames.v[i]].function, "runtime.", strlen("runtime.")) != 0)
			return i;
	}
	return 0;
}

static struct err *read_stack(struct heapdump *d, uint32_t *ret)
{
	uint64_t n = 0, line = 0;
	struct stacks *stacks = &d->ret->heap.profile.stacks;
	TRY(number(d->s, &n));
	if (n > STACK_FRAMES_MAX)
		return stream_bad(d->s, "a stack of %llu frames", (unsigned long long)n);
	d->frames.n = 0;
	for (uint64_t i = 0; i < n; i++) {
		TRY(name(d));
		const char *function = intern_str(&stacks->strings, d->name);
		TRY(name(d));
		TRY(number(d->s, &line));
		struct frame f = {
			.function = function,
			.file = strcmp(d->name, "?") == 0 ? "" : d->name,
			.line = (uint32_t)num_min(line, UINT32_MAX),
		};
		*vec_push(&d->frames) = stacks_frame(stacks, &f);
	}
	size_t skip = allocator_frames(d);
	*ret = stacks_add(stacks, d->frames.n ? &d->frames.v[skip] : NULL, d->frames.n - skip);
	d->frames.n = 0;
	return names_bounded(d, stacks);
}

static struct err *read_bucket(struct heapdump *d)
{
	uint64_t address = 0;
	struct bucket b = { 0 };
	TRY(number(d->s, &address));
	TRY(number(d->s, &b.size));
	TRY(read_stack(d, &b.stack));
	TRY(number(d->s, &b.allocs));
	TRY(number(d->s, &b.frees));
	if (d->buckets.n >= HEAPDUMP_RECORDS_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d buckets", d->s->name, HEAPDUMP_RECORDS_MAX);
	*hash_map_at(&d->bucket_index, address, NULL) = d->buckets.n;
	*vec_push(&d->buckets) = b;
	return NULL;
}

static struct err *read_alloc_sample(struct heapdump *d)
{
	uint64_t f[2]; /* object, bucket */
	TRY(numbers(d->s, f, 2));
	const uint64_t *at = hash_map_get(&d->bucket_index, f[1]);
	if (!at)
		return stream_bad(d->s, "an allocation sample of an unknown bucket");
	d->buckets.v[*at].marked++;
	return NULL;
}

/* How many objects one sample of this size stands for. */
static double scale(uint64_t size, double rate)
{
	return rate <= 1 || !size ? 1 : 1 / -expm1(-(double)size / rate);
}

/* Bytes of the heap as the marked objects say, if the rate was this. */
static double scaled_bytes(const struct heapdump *d, double rate)
{
	double sum = 0;
	for (size_t i = 0; i < d->buckets.n; i++) {
		const struct bucket *b = &d->buckets.v[i];
		sum += (double)b->marked * (double)b->size * scale(b->size, rate);
	}
	return sum;
}

/*
 * The rate that explains how many of the dump's objects were sampled. Few samples tell it only roughly, so Go's
 * default is taken where it is anywhere near; a rate of 1 marks nearly all objects.
 */
static uint64_t find_rate(struct heapdump *d)
{
	double want = (double)d->object_bytes, low = 1, high = (double)(1ULL << 40);
	double all = scaled_bytes(d, 1), usual = scaled_bytes(d, DEFAULT_RATE);
	if (all <= 0)
		return DEFAULT_RATE;
	if (all > 0.5 * want) /* objects from before the profile began have no sample */
		return 1;
	if (usual > 0.5 * want && usual < 2 * want)
		return DEFAULT_RATE;
	for (int i = 0; i < 64; i++) {
		double middle = sqrt(low * high);
		*(scaled_bytes(d, middle) < want ? &low : &high) = middle;
	}
	snapshot_note(d->ret, "the dump does not say MemProfileRate; about %.0f bytes explains its samples", low);
	return (uint64_t)low;
}

static int64_t bounded(double v)
{
	return v >= 9e18 ? INT64_MAX : (int64_t)v;
}

static void finish_profile(struct heapdump *d)
{
	struct heap_view *h = &d->ret->heap;
	if (!d->buckets.n) {
		h->reason = "the program does not sample its allocations";
		return;
	}
	h->enabled = true;
	h->rate = find_rate(d);
	h->buckets = d->buckets.n;
	for (size_t i = 0; i < d->buckets.n; i++) {
		const struct bucket *b = &d->buckets.v[i];
		double factor = scale(b->size, (double)h->rate), size = (double)b->size;
		double allocs = (double)b->allocs * factor, inuse = (double)num_sub(b->allocs, b->frees) * factor;
		int64_t *v = profile_sample_add(&h->profile, b->stack);
		v[HEAP_ALLOC_OBJECTS] = bounded(allocs);
		v[HEAP_ALLOC_SPACE] = bounded(allocs * size);
		v[HEAP_INUSE_OBJECTS] = bounded(inuse);
		v[HEAP_INUSE_SPACE] = bounded(inuse * size);
		profile_label_number(&h->profile, "bytes", bounded(size), "bytes");
	}
	h->profile.time_unix_ns = d->ret->clock.last_gc_wall;
	d->ret->parts |= SNAPSHOT_HEAP;
}

static int more_bytes(const void *a, const void *b)
{
	const struct heap_type *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

static void finish(struct heapdump *d)
{
	struct snapshot *ret = d->ret;
	for (size_t i = 0; i < d->shapes.n; i++) {
		const struct shape *sh = &d->shapes.v[i];
		*vec_push(&ret->heap.types) =
			(struct heap_type){ shape_name(d, sh), sh->objects, sh->objects * sh->size };
	}
	vec_sort(&ret->heap.types, more_bytes);
	ret->heap.typed_ratio = 0;
	ret->parts |= SNAPSHOT_CENSUS | SNAPSHOT_GOROUTINES;
	finish_profile(d);
}

/* ---- the rest ---- */

static struct err *read_params(struct heapdump *d)
{
	uint64_t big_endian = 0, word = 0;
	TRY(number(d->s, &big_endian));
	TRY(number(d->s, &word));
	if (word != WORD && word != WORD / 2)
		return stream_bad(d->s, "pointers of %llu bytes", (unsigned long long)word);
	TRY(skip_numbers(d->s, 2)); /* where the arenas begin and end */
	TRY(name(d));		    /* the architecture */
	TRY(name(d));
	/* "go1.22.12", behind it what it was built with */
	d->ret->id.go_version = arena_strndup(&d->ret->arena, d->name, strcspn(d->name, " "));
	return skip_numbers(d->s, 1); /* processors */
}

static struct err *read_memstats(struct heapdump *d)
{
	enum { ALLOC, TOTAL, SYS, LOOKUPS, MALLOCS, FREES, HEAP_ALLOC, HEAP_SYS, HEAP_IDLE, HEAP_INUSE, HEAP_RELEASED };
	enum { HEAP_OBJECTS = HEAP_RELEASED + 1, STACK_INUSE, NEXT_GC = 21, LAST_GC, PAUSE_TOTAL, FIELDS };
	uint64_t f[FIELDS], gcs = 0;
	struct account *a = &d->ret->account;
	TRY(numbers(d->s, f, FIELDS));
	TRY(skip_numbers(d->s, PAUSES));
	TRY(number(d->s, &gcs));
	a->runtime.heap_alloc = f[HEAP_ALLOC];
	a->runtime.heap_inuse = f[HEAP_INUSE];
	a->runtime.heap_idle = f[HEAP_IDLE];
	a->runtime.heap_released = f[HEAP_RELEASED];
	a->runtime.heap_objects = f[HEAP_OBJECTS];
	a->runtime.stack_inuse = f[STACK_INUSE];
	a->runtime.total_alloc = f[TOTAL];
	a->runtime.mallocs = f[MALLOCS];
	a->runtime.frees = f[FREES];
	a->gc.heap_goal = f[NEXT_GC];
	a->gc.count = gcs;
	d->ret->clock.gc_count = d->ret->clock.gc_count_end = gcs;
	d->ret->clock.gc_phase = "off"; /* the dump stops the world, and sweeps first */
	d->ret->clock.last_gc_wall = (int64_t)num_min(f[LAST_GC], INT64_MAX);
	return NULL;
}

static struct err *read_type(struct heapdump *d)
{
	TRY(skip_numbers(d->s, 2)); /* address, size */
	TRY(name(d));
	return skip_numbers(d->s, 1); /* is it an interface's pointer */
}

static struct err *read_root(struct heapdump *d)
{
	TRY(name(d));
	return skip_numbers(d->s, 1);
}

/* Records by their tag: how many numbers, or how to read it. */
static const struct {
	struct err *(*read)(struct heapdump *d);
	unsigned char numbers;
	bool of_goroutine;
} records[] = {
	[1] = { .read = read_object },
	[2] = { .read = read_root },
	[3] = { .read = read_type },
	[4] = { .read = read_goroutine },
	[5] = { .read = read_frame, .of_goroutine = true },
	[6] = { .read = read_params },
	[7] = { .numbers = 5 }, /* a finalizer */
	[8] = { .numbers = 2 }, /* an interface's method table */
	[9] = { .numbers = 3 }, /* a thread */
	[10] = { .read = read_memstats },
	[11] = { .numbers = 5 }, /* a finalizer that waits to run */
	[12] = { .read = read_segment },
	[13] = { .read = read_segment },
	[14] = { .numbers = 7, .of_goroutine = true }, /* a defer */
	[15] = { .numbers = 6, .of_goroutine = true }, /* a panic */
	[16] = { .read = read_bucket },
	[17] = { .read = read_alloc_sample },
};

static struct err *read_records(struct heapdump *d)
{
	char head[sizeof(magic) - 1];
	TRY(stream_read(d->s, head, sizeof(head)));
	if (memcmp(head, magic, sizeof(head)) != 0)
		return err_new(ERR_FORMAT, "%s: not a Go heap dump: it does not begin with \"go1.7 heap dump\"",
			       d->s->name);
	for (;;) {
		uint64_t tag = 0;
		TRY(number(d->s, &tag));
		if (tag >= sizeof(records) / sizeof(records[0]))
			return stream_bad(d->s, "a record of unknown kind %llu", (unsigned long long)tag);
		if (!records[tag].of_goroutine || tag == 4)
			end_goroutine(d);
		if (!tag)
			return NULL;
		TRY(records[tag].read ? records[tag].read(d) : skip_numbers(d->s, records[tag].numbers));
	}
}

struct err *heapdump_read(struct stream *s, struct snapshot *ret)
{
	struct heapdump d = { .s = s, .ret = ret, .name = xmalloc(HEAPDUMP_NAME_MAX) };
	struct err *err = read_records(&d);
	if (!err)
		finish(&d);
	vec_deinit(&d.shapes);
	hash_map_deinit(&d.shape_index);
	vec_deinit(&d.buckets);
	hash_map_deinit(&d.bucket_index);
	vec_deinit(&d.frames);
	free(d.name);
	return err;
}
