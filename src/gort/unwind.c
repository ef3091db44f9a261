/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/unwind.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

enum {
	WORD = 8,
	INLINED_MAX = 64, /* frames of one place in code */
	STEPS_MAX = STACK_FRAMES_MAX,
	PLACES_MAX = 8 << 20, /* a program has a call in every 20 bytes of code */
};

/* What traceback.go asks of a function before it shows it. */
enum kind {
	KIND_SHOWN = 1u << 0,
	KIND_WRAPPER = 1u << 1,
	KIND_PANICS = 1u << 2,	/* a wrapper that called it is shown */
	KIND_GOPANIC = 1u << 3, /* shown where it is not the innermost */
	KIND_ALWAYS = 1u << 4,
	KIND_INJECTED = 1u << 5, /* entered without a call: the caller's pc is that of the instruction itself */
	KIND_SPWRITE_OK = 1u << 6,
};

static const struct {
	const char *name;
	unsigned kinds;
} special[] = {
	{ "runtime.gopanic", KIND_PANICS | KIND_GOPANIC },
	{ "runtime.sigpanic", KIND_PANICS | KIND_INJECTED },
	{ "runtime.panicwrap", KIND_PANICS },
	{ "runtime.asyncPreempt", KIND_INJECTED },
	{ "runtime.debugCallV2", KIND_INJECTED },
	{ "runtime.cgocallback", KIND_SPWRITE_OK },
	{ "runtime.runFinalizers", KIND_ALWAYS }, /* 1.25 on, as is the next */
	{ "runtime.runCleanups", KIND_ALWAYS },
};

/* A frame as the source has it. */
struct logical {
	uint32_t frame; /* in `out` */
	unsigned kinds;
};

/* A place in code that stacks go through. */
struct place {
	int32_t spdelta;
	unsigned flags, kinds; /* of the physical function */
	bool known;
	uint32_t at, n; /* in `logical` */
};

/* A stack seen before. */
struct seen {
	uint32_t at, n; /* in `pool` */
	uint32_t stack;
};

struct gort_unwinder {
	struct sym_pclntab *tab;
	struct stacks *out;
	unsigned wrapper;
	struct hash_map place_index; /* pc * 2 + injected -> index + 1 */
	VEC(struct place) places;
	VEC(struct logical) logical;
	struct hash_index seen_index;
	VEC(struct seen) seen;
	struct u32_vec pool;	  /* places of the stacks seen */
	uint32_t walk[STEPS_MAX]; /* places of the stack at hand, */
	size_t n;		  /* so many of them */
	uint32_t shown[STACK_FRAMES_MAX];
};

struct gort_unwinder *gort_unwinder_new(const struct gort *g, struct stacks *out)
{
	if (!g->pclntab)
		return NULL;
	struct gort_unwinder *u = xcalloc(1, sizeof(*u));
	u->tab = g->pclntab;
	u->out = out;
	u->wrapper = sym_pclntab_wrapper_id(g->pclntab);
	return u;
}

void gort_unwinder_free(struct gort_unwinder *u)
{
	if (!u)
		return;
	hash_map_deinit(&u->place_index);
	vec_deinit(&u->places);
	vec_deinit(&u->logical);
	hash_index_deinit(&u->seen_index);
	vec_deinit(&u->seen);
	vec_deinit(&u->pool);
	free(u);
}

/* Is it the runtime's, and not one of those that programs call by name? */
static bool internal(const char *name)
{
	if (strncmp(name, "runtime.", 8) != 0)
		return !strchr(name, '.');
	const char *last = strrchr(name, '.') + 1, *receiver = name + 8;
	receiver += strspn(receiver, "(*");
	bool exported = *last >= 'A' && *last <= 'Z';
	return !exported || (receiver < last && !(*receiver >= 'A' && *receiver <= 'Z'));
}

static unsigned kinds_of(const struct gort_unwinder *u, const struct sym_frame *f)
{
	unsigned kinds = (f->func_id && f->func_id == u->wrapper ? KIND_WRAPPER : 0u) |
			 (internal(f->function) ? 0u : KIND_SHOWN);
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (strcmp(f->function, special[i].name) == 0)
			kinds |= special[i].kinds;
	}
	return kinds;
}

/* A name as the runtime prints it: type arguments are "[...]". */
static const char *printed(struct stacks *out, const char *name)
{
	const char *open = strchr(name, '['), *close = strrchr(name, ']');
	char buf[1024];
	if (strcmp(name, "runtime.gopanic") == 0)
		return "panic";
	if (!open || !close || close < open || (size_t)(open - name) + strlen(close) + 8 > sizeof(buf))
		return name;
	snprintf(buf, sizeof(buf), "%.*s[...]%s", (int)(open - name), name, close + 1);
	return intern_str(&out->strings, buf);
}

static uint32_t frame_number(struct stacks *out, const struct sym_frame *f)
{
	return stacks_frame(out, &(struct frame){ .function = printed(out, f->function),
						  .file = strcmp(f->file, "?") == 0 ? "" : f->file,
						  .line = f->line,
						  .inlined = f->inlined });
}

static uint32_t place_new(struct gort_unwinder *u, uint64_t pc, bool injected)
{
	struct sym_frame frames[INLINED_MAX];
	struct sym_step step;
	struct place p = { .known = sym_pclntab_step(u->tab, pc, &step), .at = (uint32_t)u->logical.n };
	if (p.known) {
		uint64_t inside = injected || pc == step.entry ? pc : pc - 1;
		p.n = (uint32_t)sym_pclntab_frames(u->tab, inside, frames, INLINED_MAX);
		p.spdelta = step.spdelta;
		p.flags = step.flags;
	}
	for (uint32_t i = 0; i < p.n; i++) {
		struct logical l = { frame_number(u->out, &frames[i]), kinds_of(u, &frames[i]) };
		*vec_push(&u->logical) = l;
		p.kinds = l.kinds;
	}
	*vec_push(&u->places) = p;
	return (uint32_t)u->places.n;
}

/* Index of the place of a return address, or of an instruction that was interrupted. */
static uint32_t place_at(struct gort_unwinder *u, uint64_t pc, bool injected)
{
	bool fresh = false;
	uint64_t key = pc << 1 | injected;
	if (u->places.n >= PLACES_MAX)
		key = 0; /* of nowhere */
	uint64_t *id = hash_map_at(&u->place_index, key, &fresh);
	if (fresh)
		*id = place_new(u, key >> 1, injected); /* nothing else enters this map meanwhile */
	return (uint32_t)*id - 1;
}

/* From a frame to its caller; *sp is that of the callee before, of the caller after. False: it ends here, as *end says. */
static bool step(const struct place *p, bool innermost, const struct gort_stack_bytes *mem, uint64_t *pc, uint64_t *sp,
		 enum gort_unwound *end)
{
	*end = p->flags & SYM_FUNC_TOP ? GORT_UNWOUND_WHOLE : GORT_UNWOUND_CUT;
	bool moves = p->flags & SYM_FUNC_SPWRITE && !(p->kinds & KIND_SPWRITE_OK) && !innermost;
	if (p->flags & SYM_FUNC_TOP || moves || p->spdelta < 0 || *sp < mem->addr)
		return false;
	uint64_t off = *sp - mem->addr + (uint32_t)p->spdelta;
	if (off > mem->len || mem->len - off < WORD) {
		*end = GORT_UNWOUND_SHORT;
		return false;
	}
	*pc = load_u64(mem->bytes + off);
	*sp = mem->addr + off + WORD;
	return true;
}

static enum gort_unwound walk(struct gort_unwinder *u, uint64_t pc, uint64_t sp, const struct gort_stack_bytes *mem)
{
	enum gort_unwound end = GORT_UNWOUND_CUT;
	bool injected = false;
	for (u->n = 0; u->n < STEPS_MAX;) {
		uint32_t at = place_at(u, pc, injected);
		const struct place *p = &u->places.v[at];
		if (!p->known)
			return GORT_UNWOUND_CUT;
		u->walk[u->n++] = at;
		injected = p->kinds & KIND_INJECTED;
		if (!step(p, u->n == 1, mem, &pc, &sp, &end))
			return end;
	}
	return GORT_UNWOUND_CUT;
}

/* The frames to show, into u->shown: all of them, or those that runtime.Stack shows. */
static size_t choose(struct gort_unwinder *u, bool all)
{
	size_t n = 0;
	unsigned callee = 0;
	for (size_t i = 0; i < u->n; i++) {
		const struct place *p = &u->places.v[u->walk[i]];
		for (uint32_t k = p->at; k < p->at + p->n && n < STACK_FRAMES_MAX; k++) {
			const struct logical *l = &u->logical.v[k];
			bool elided = l->kinds & KIND_WRAPPER && !(callee & KIND_PANICS);
			bool shown = l->kinds & (KIND_SHOWN | KIND_ALWAYS) || (l->kinds & KIND_GOPANIC && n > 0);
			callee = l->kinds;
			if (all || (shown && !elided))
				u->shown[n++] = l->frame;
		}
	}
	return n;
}

static bool same_walk(const void *ctx, uint32_t id)
{
	const struct gort_unwinder *u = ctx;
	const struct seen *s = &u->seen.v[id];
	return s->n == u->n && memcmp(u->pool.v + s->at, u->walk, u->n * sizeof(*u->walk)) == 0;
}

/* The number of the stack that was walked. */
static uint32_t stack_number(struct gort_unwinder *u)
{
	uint64_t hash = hash_bytes(u->walk, u->n * sizeof(*u->walk));
	uint32_t id = hash_index_find(&u->seen_index, hash, same_walk, u);
	if (id != HASH_NONE)
		return u->seen.v[id].stack;
	size_t n = choose(u, false);
	if (!n)
		n = choose(u, true);
	struct seen s = { (uint32_t)u->pool.n, (uint32_t)u->n, stacks_add(u->out, u->shown, n) };
	hash_index_add(&u->seen_index, hash, (uint32_t)u->seen.n);
	*vec_push(&u->seen) = s;
	vec_reserve(&u->pool, u->pool.n + u->n > u->pool.cap ? (u->pool.n + u->n) * 2 : u->pool.cap);
	memcpy(u->pool.v + u->pool.n, u->walk, u->n * sizeof(*u->walk));
	u->pool.n += u->n;
	return s.stack;
}

enum gort_unwound gort_unwind(struct gort_unwinder *u, uint64_t pc, uint64_t sp, const struct gort_stack_bytes *mem,
			      uint32_t *ret)
{
	*ret = 0;
	enum gort_unwound end = walk(u, pc, sp, mem);
	if (end == GORT_UNWOUND_SHORT || !u->n)
		return end;
	if (u->pool.n >= GORT_UNWIND_POOL)
		return GORT_UNWOUND_CUT;
	*ret = stack_number(u);
	return end;
}

uint32_t gort_unwind_place(struct gort_unwinder *u, uint64_t pc)
{
	struct sym_frame frames[INLINED_MAX];
	struct sym_step s;
	if (!sym_pclntab_step(u->tab, pc, &s))
		return 0;
	size_t n = sym_pclntab_frames(u->tab, pc == s.entry ? pc : pc - 1, frames, INLINED_MAX);
	if (!n)
		return 0;
	/* The runtime says the physical function and the innermost line. */
	frames[0].function = frames[n - 1].function;
	frames[0].inlined = false;
	uint32_t frame = frame_number(u->out, &frames[0]);
	return stacks_add(u->out, &frame, 1);
}

uint32_t gort_unwind_function(struct gort_unwinder *u, uint64_t pc)
{
	struct sym_step s;
	return sym_pclntab_step(u->tab, pc, &s) ? gort_unwind_place(u, s.entry) : 0;
}

size_t gort_unwind_frames(struct gort_unwinder *u, uint64_t pc, bool exact, uint32_t *ret, size_t max)
{
	uint32_t at = place_at(u, pc, exact);
	const struct place *p = &u->places.v[at];
	size_t n = 0;
	for (uint32_t i = p->at; i < p->at + p->n && n < max; i++) {
		if (!(u->logical.v[i].kinds & KIND_WRAPPER))
			ret[n++] = u->logical.v[i].frame;
	}
	return n;
}
