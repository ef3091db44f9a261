/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gotext.h"

#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "codec/goheader.h"
#include "codec/goproto.h"

enum {
	NAMES = 4096, /* slots of the memories below; powers of two */
	PLACES = 4096,
	FRAMES = 8192,
	PLACE_TEXT = 208,	/* longer ones are not remembered */
	RUNTIME_CUT = 64 << 20, /* net/http/pprof prints no more than this */
};

/*
 * A dump repeats few lines many times. These three memories, found by a cheap hash and compared in full, spare the tables
 * of model/stack nearly all look-ups; what falls out of them is only looked up again.
 */
struct name_slot {
	const char *name; /* interned */
	size_t len;
};

struct place_slot {
	size_t len;
	const char *file; /* interned */
	uint32_t line;
	char text[PLACE_TEXT]; /* "/dir/file.go:72" */
};

struct frame_slot {
	const char *function, *file;
	uint32_t line, id;
	uint32_t alone; /* the stack of this frame alone, 0: not made yet */
	bool inlined;
};

/* For what runs once a line, with a word whose length is known: a call would be half of the work. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum owner { OWNER_UNKNOWN, OWNER_USER, OWNER_RUNTIME };

struct gotext {
	struct stream *s;
	struct goroutines *to;
	const char *base, *p, *end; /* the window, and what is left of it */
	uint64_t line;		    /* number of the line given last */
	bool whole;		    /* that line ended with a newline */
	/* the goroutine that is being read */
	bool open;
	struct goroutine g;
	size_t first; /* row in to->v of the first of this dump */
	uint32_t frames[STACK_FRAMES_MAX];
	size_t n_frames;
	const char *function; /* interned: waits for its place */
	bool inlined, creator, doubtful, ancestors;
	bool unavailable;     /* its stack is on another thread */
	size_t section;	      /* row of the first goroutine of this crash */
	bool threads;	      /* what follows are the threads of a crash, with the goroutines that they ran */
	struct hash_map rows; /* row + 1 of each goroutine of the crash, by id */
	/* of the dump */
	bool crash, cut_header;
	bool records;	       /* a debug=1 dump: */
	unsigned record_flags; /* of its rows */
	uint64_t total;	       /* goroutines that it says it has */
	uint64_t counted;
	struct name_slot names[NAMES];
	struct place_slot places[PLACES];
	struct frame_slot slots[FRAMES];
	struct goheader_memory headers;
	VEC(enum owner) owners; /* of each stack */
};

/* ---- lines ---- */

/* The rest of the window to its start, and more behind it; *more tells whether anything came. */
static struct err *refill(struct gotext *t, bool *more)
{
	const unsigned char *p = NULL;
	size_t left = (size_t)(t->end - t->p), have = 0;
	stream_consume(t->s, (size_t)(t->p - t->base));
	TRY(stream_peek(t->s, num_min(left + 1, STREAM_WINDOW), &p, &have));
	t->base = t->p = (const char *)p;
	t->end = t->p + have;
	*more = have > left;
	return NULL;
}

/* The next line, without its end; *ret is NULL at the end of the text. A line that fills the window is cut there. */
static struct err *next_line(struct gotext *t, const char **ret, size_t *len)
{
	const char *newline = memchr(t->p, '\n', (size_t)(t->end - t->p));
	for (bool more = true; !newline && more;) {
		size_t left = (size_t)(t->end - t->p);
		TRY(refill(t, &more));
		newline = memchr(t->p + left, '\n', (size_t)(t->end - t->p) - left);
	}
	t->whole = newline;
	*ret = !newline && t->p == t->end ? NULL : t->p;
	*len = (size_t)((newline ? newline : t->end) - t->p);
	t->p = newline ? newline + 1 : t->end;
	t->line++;
	if (*len && (*ret)[*len - 1] == '\r')
		--*len;
	return NULL;
}

static ALWAYS_INLINE bool starts(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);
	return len >= n && memcmp(line, word, n) == 0;
}

/* ---- memories ---- */

static const char *name_of(struct gotext *t, const char *s, size_t len)
{
	struct name_slot *slot = &t->names[goheader_spread(s, len) % NAMES];
	if (!slot->name || slot->len != len || memcmp(slot->name, s, len) != 0)
		*slot = (struct name_slot){ intern_mem(&t->to->stacks.strings, s, len), len };
	return slot->name;
}

struct place {
	const char *file; /* interned, "" unknown */
	uint32_t line;
};

/* "/dir/file.go:72 +0x1c fp=..." or "C:/dir/file.go:72": the number is behind the last colon. */
static struct place place_of(struct gotext *t, const char *s, size_t len)
{
	const char *colon = memrchr(s, ':', len);
	const char *digit = colon ? colon + 1 : s + len;
	while (digit < s + len && *digit >= '0' && *digit <= '9')
		digit++;
	size_t n = (size_t)(digit - s);
	struct place_slot *slot = &t->places[goheader_spread(s, n) % PLACES];
	if (colon && slot->file && slot->len == n && memcmp(slot->text, s, n) == 0)
		return (struct place){ slot->file, slot->line };
	uint64_t line = 0;
	if (!colon || !num_dec(colon + 1, (size_t)(digit - colon - 1), &line) || line > UINT32_MAX)
		return (struct place){ intern_str(&t->to->stacks.strings, ""), 0 };
	struct place p = { intern_mem(&t->to->stacks.strings, s, (size_t)(colon - s)), (uint32_t)line };
	if (n <= PLACE_TEXT) {
		slot->len = n;
		slot->file = p.file;
		slot->line = p.line;
		memcpy(slot->text, s, n);
	}
	return p;
}

static struct frame_slot *frame_of(struct gotext *t, const char *function, struct place p, bool inlined)
{
	uint64_t h = ((uintptr_t)function * 31 ^ (uintptr_t)p.file) * 0x9e3779b97f4a7c15 +
		     (uint64_t)p.line * 0x85ebca6b + inlined;
	struct frame_slot *slot = &t->slots[(h >> 32 ^ h) % FRAMES];
	if (slot->function == function && slot->file == p.file && slot->line == p.line && slot->inlined == inlined)
		return slot;
	struct frame f = { .function = function, .file = p.file, .line = p.line, .inlined = inlined };
	*slot = (struct frame_slot){ function, p.file, p.line, stacks_frame(&t->to->stacks, &f), 0, inlined };
	return slot;
}

/* ---- a goroutine ---- */

static void push_frame(struct gotext *t, uint32_t frame)
{
	if (t->n_frames < STACK_FRAMES_MAX)
		t->frames[t->n_frames++] = frame;
	else
		t->g.flags |= GOROUTINE_CUT;
}

/* What waited for its place has it: a frame, or the creator. */
static void place_function(struct gotext *t, struct place place)
{
	struct frame_slot *frame = frame_of(t, t->function, place, t->inlined);
	t->function = NULL;
	if (!t->creator) {
		push_frame(t, frame->id);
		return;
	}
	if (!frame->alone)
		frame->alone = stacks_add(&t->to->stacks, &frame->id, 1);
	t->g.created_by = frame->alone;
}

/* A function still waits for its place: "f(...)" is a frame without one, other text is none. */
static void settle_function(struct gotext *t)
{
	if (t->function && !t->doubtful)
		place_function(t, (struct place){ intern_str(&t->to->stacks.strings, ""), 0 });
	t->function = NULL;
}

static void mark_system(struct gotext *t)
{
	while (t->owners.n <= t->g.stack)
		*vec_push(&t->owners) = OWNER_UNKNOWN;
	enum owner *owner = &t->owners.v[t->g.stack];
	if (*owner == OWNER_UNKNOWN) {
		struct goroutine g = { .stack = t->g.stack };
		goproto_mark_system(t->to, &g);
		*owner = g.flags ? OWNER_RUNTIME : OWNER_USER;
	}
	bool scheduler = !t->g.id && !t->records; /* "goroutine 0": the scheduler's stack of a thread */
	if (*owner == OWNER_RUNTIME || scheduler)
		t->g.flags |= GOROUTINE_SYSTEM;
}

/*
 * In a crash each thread prints the goroutine that it ran: once more, or in place of a stack which was "unavailable". What is
 * known by its id already is not counted twice.
 */
static bool is_known(struct gotext *t)
{
	uint64_t *row = t->threads && t->g.id ? hash_map_get(&t->rows, t->g.id) : NULL;
	if (!row)
		return false;
	struct goroutine *earlier = &t->to->v.v[*row - 1];
	if (earlier->flags & GOROUTINE_CUT)
		*earlier = t->g;
	return true;
}

static void begin_threads(struct gotext *t)
{
	for (size_t i = t->section; !t->threads && i < t->to->v.n; i++)
		*hash_map_at(&t->rows, t->to->v.v[i].id, NULL) = i + 1;
	t->threads = true;
}

static void begin_crash(struct gotext *t)
{
	hash_map_deinit(&t->rows);
	t->threads = false;
	t->section = t->to->v.n;
}

static struct err *close_goroutine(struct gotext *t)
{
	if (!t->open)
		return NULL;
	settle_function(t);
	t->open = false;
	t->g.stack = stacks_add(&t->to->stacks, t->frames, t->n_frames);
	if (!t->g.state)
		goproto_infer(t->to, &t->g);
	mark_system(t);
	if (is_known(t))
		return NULL;
	*vec_push(&t->to->v) = t->g;
	t->to->total += t->g.flags & GOROUTINE_SYSTEM ? 0 : t->g.count;
	t->counted += t->g.count;
	if (t->to->v.n - t->first > GOTEXT_GOROUTINES_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d goroutines", t->s->name, GOTEXT_GOROUTINES_MAX);
	return NULL;
}

static void open_goroutine(struct gotext *t, const struct goroutine *g)
{
	t->open = true;
	t->g = *g;
	t->n_frames = 0;
	t->function = NULL;
	t->creator = t->ancestors = t->unavailable = false;
	if (t->crash && g->id)
		t->g.flags |= GOROUTINE_PANIC;
	t->crash = false;
}

static struct goroutine blank(uint32_t input)
{
	return (struct goroutine){
		.wait_ns = -1,
		.stack_bytes = ACCOUNT_UNKNOWN,
		.count = 1,
		.fd = -1,
		.input = input,
	};
}

/* ---- debug=2, panics, SIGQUIT ---- */

/* "main.f(0x1, {0x2, ...})", "main.f(...)" for an inlined one, "C.f" of a symbolizer, or text that is no frame. */
static void take_function(struct gotext *t, const char *line, size_t len)
{
	settle_function(t);
	const char *open = len && line[len - 1] == ')' ? memrchr(line, '(', len) : NULL;
	t->doubtful = !open && !starts(line, len, "non-Go function");
	t->inlined = open && (size_t)(line + len - open) == 5 && memcmp(open, "(...)", 5) == 0;
	const char *at = open || t->doubtful ? NULL : memmem(line, len, " at pc=", 7);
	if (open && open != line)
		len = (size_t)(open - line);
	else if (at)
		len = (size_t)(at - line);
	t->function = name_of(t, line, len);
	t->creator = false;
}

/* "created by main.main in goroutine 1" */
static void take_creator(struct gotext *t, const char *line, size_t len)
{
	static const char by[] = "created by ", in[] = " in goroutine ";
	const size_t by_len = sizeof(by) - 1, in_len = sizeof(in) - 1;
	settle_function(t);
	const char *digits = memrchr(line, ' ', len);
	uint64_t parent = 0;
	if (digits && (size_t)(digits - line) >= by_len + in_len - 1 && memcmp(digits + 1 - in_len, in, in_len) == 0 &&
	    num_dec(digits + 1, (size_t)(line + len - digits - 1), &parent)) {
		t->g.parent = parent;
		len = (size_t)(digits + 1 - line) - in_len;
	}
	t->function = name_of(t, line + by_len, len - by_len);
	t->inlined = t->doubtful = false;
	t->creator = true;
}

static void take_place(struct gotext *t, const char *line, size_t len)
{
	if (!t->function) {
		t->unavailable = starts(line, len, "goroutine running on other thread");
		t->g.flags |= t->unavailable ? GOROUTINE_CUT : 0;
		return;
	}
	place_function(t, place_of(t, line, len));
}

/* "...additional frames elided...", "...12 frames elided..." */
static bool is_elided(const char *line, size_t len)
{
	return len > 3 && memcmp(line, "...", 3) == 0 && memmem(line, len, "elided", 6);
}

/* "[originating from goroutine 7]:": GODEBUG=tracebackancestors; what follows are the stacks of others. */
static void take_ancestor(struct gotext *t, const char *line, size_t len)
{
	static const char from[] = "[originating from goroutine ";
	const size_t n = sizeof(from) - 1;
	uint64_t id = 0;
	const char *close = memchr(line, ']', len);
	settle_function(t);
	if (!t->ancestors && !t->g.parent && close && starts(line, len, from) &&
	    num_dec(line + n, (size_t)(close - line) - n, &id))
		t->g.parent = id;
	t->ancestors = true;
}

static struct err *take_stack_line(struct gotext *t, const char *line, size_t len)
{
	if (!len)
		return close_goroutine(t);
	if (t->ancestors)
		return NULL;
	char c = line[0];
	if (c == '\t') {
		take_place(t, line + 1, len - 1);
	} else if (c == 'c' && starts(line, len, "created by ")) {
		take_creator(t, line, len);
	} else if (c == '[' && starts(line, len, "[originating from goroutine ")) {
		take_ancestor(t, line, len);
	} else if (c == '.' && is_elided(line, len)) {
		settle_function(t);
		t->g.flags |= GOROUTINE_CUT;
	} else if (t->function && t->doubtful) { /* two lines that are no frames: the stack is over */
		return close_goroutine(t);
	} else {
		take_function(t, line, len);
	}
	return NULL;
}

/* ---- debug=1 ---- */

/* "10 @ 0x486caa 0x4177ae" */
static bool is_record(const char *line, size_t len, uint64_t *count)
{
	const char *space = memchr(line, ' ', len);
	return space && num_dec(line, (size_t)(space - line), count) && *count && *count <= 1 << 30 &&
	       starts(space, (size_t)(line + len - space), " @") && (space + 2 == line + len || space[2] == ' ');
}

/* A word of a line that tabs divide; several are one. */
static size_t tabbed(const char **p, const char *end)
{
	while (*p < end && **p == '\t')
		++*p;
	const char *tab = memchr(*p, '\t', (size_t)(end - *p));
	return (size_t)((tab ? tab : end) - *p);
}

/* "#\t0x563d6e\tsync.(*Mutex).Lock+0xe\t\t/usr/lib/go/src/sync/mutex.go:46" */
static void take_record_frame(struct gotext *t, const char *line, size_t len)
{
	const char *p = line + 1, *end = line + len;
	uint64_t addr = 0;
	size_t n = tabbed(&p, end);
	if (n > 2 && !num_hex(p + 2, n - 2, &addr))
		addr = 0;
	p += n;
	n = tabbed(&p, end);
	const char *plus = memrchr(p, '+', n), *name = name_of(t, p, plus ? (size_t)(plus - p) : n);
	p += n;
	n = tabbed(&p, end);
	struct place place = place_of(t, p, n);
	struct frame f = { .function = name, .file = place.file, .line = place.line, .addr = addr };
	push_frame(t, stacks_frame(&t->to->stacks, &f));
}

static struct err *take_record_line(struct gotext *t, const char *line, size_t len)
{
	static const char labels[] = "# labels: {";
	if (starts(line, len, labels))
		goheader_labels(line + sizeof(labels) - 1, len - sizeof(labels) + 1, ":", t->to, &t->g);
	else if (starts(line, len, "#\t"))
		take_record_frame(t, line, len);
	else
		return close_goroutine(t);
	return NULL;
}

/* Fewer goroutines came than the dump said. */
static void check_total(struct gotext *t)
{
	struct goroutine_vec *v = &t->to->v;
	if (t->records && t->counted < t->total && v->n > t->first)
		v->v[v->n - 1].flags |= GOROUTINE_END;
}

/* "goroutine profile: total 33", "goroutineleak profile: total 9" */
static bool take_total(struct gotext *t, const char *line, size_t len)
{
	static const char *const starts_of[] = { "goroutine profile: total ", "goroutineleak profile: total " };
	for (unsigned leak = 0; leak < 2; leak++) {
		size_t n = strlen(starts_of[leak]);
		uint64_t count = 0;
		if (!starts(line, len, starts_of[leak]) || !num_dec(line + n, len - n, &count))
			continue;
		check_total(t);
		t->records = true;
		t->record_flags = leak ? GOROUTINE_LEAKED : 0;
		t->total = count;
		t->counted = 0;
		return true;
	}
	return false;
}

/* ---- the whole ---- */

static struct err *take_start(struct gotext *t, uint32_t input, const char *line, size_t len, bool *started)
{
	struct goroutine g = blank(input);
	uint64_t count = 0;
	*started = false;
	if (goheader_parse(line, len, &t->headers, t->to, &g)) {
		check_total(t);
		t->records = false;
	} else if (t->records && is_record(line, len, &count)) {
		g.count = (uint32_t)count;
		g.flags = t->record_flags;
	} else {
		return NULL;
	}
	*started = true;
	TRY(close_goroutine(t));
	open_goroutine(t, &g);
	return NULL;
}

/* Text between goroutines: what of it tells something about those that follow. */
static void take_other(struct gotext *t, const char *line, size_t len)
{
	if (take_total(t, line, len))
		return;
	if (len == 5 && memcmp(line, "-----", 5) == 0)
		begin_threads(t);
	t->crash = t->crash || starts(line, len, "panic: ") || starts(line, len, "fatal error: ") ||
		   starts(line, len, "[signal ");
	if (t->crash || (!t->threads && starts(line, len, "SIGQUIT: ")))
		begin_crash(t);
}

static struct err *take_line(struct gotext *t, uint32_t input, const char *line, size_t len)
{
	bool started = false;
	if (starts(line, len, "goroutine ") || (t->records && len && line[0] >= '0' && line[0] <= '9'))
		TRY(take_start(t, input, line, len, &started));
	if (started)
		return NULL;
	if (!t->whole && goheader_is_cut(line, len)) {
		t->cut_header = true;
		return close_goroutine(t);
	}
	if (t->open)
		TRY(t->records ? take_record_line(t, line, len) : take_stack_line(t, line, len));
	if (!t->open && len)
		take_other(t, line, len);
	return NULL;
}

/* Is the goroutine that is still open incomplete, now that the text has ended? */
static bool is_incomplete(const struct gotext *t)
{
	if (!t->open || t->ancestors)
		return false;
	if (t->function)
		return !t->doubtful || !t->whole;
	if (!t->n_frames)
		return !t->records && !t->unavailable;
	return !t->whole && !t->to->stacks.frames.v[t->frames[t->n_frames - 1]].line;
}

static struct err *finish(struct gotext *t, bool was_open)
{
	struct goroutine_vec *v = &t->to->v;
	bool incomplete = is_incomplete(t);
	TRY(close_goroutine(t));
	if (v->n == t->first && t->cut_header)
		return err_new(ERR_FORMAT, "%s: line %llu: the dump ends inside the first line of a goroutine",
			       t->s->name, (unsigned long long)t->line);
	if (v->n == t->first && !t->records)
		return err_new(ERR_FORMAT, "%s: no goroutine in %llu lines of text", t->s->name,
			       (unsigned long long)t->line);
	if (v->n == t->first && t->total)
		return err_new(ERR_FORMAT, "%s: line %llu: the dump ends before the first of %llu goroutines",
			       t->s->name, (unsigned long long)t->line, (unsigned long long)t->total);
	check_total(t);
	if (v->n == t->first)
		return NULL;
	struct goroutine *last = &v->v[v->n - 1];
	if (incomplete)
		last->flags |= GOROUTINE_CUT;
	if (incomplete || t->cut_header || (was_open && !t->whole) || t->s->offset == RUNTIME_CUT)
		last->flags |= GOROUTINE_END;
	return NULL;
}

static struct err *read_lines(struct gotext *t, uint32_t input)
{
	bool was_open = false, whole = true, more = false;
	TRY(refill(t, &more));
	for (;;) {
		const char *line = NULL;
		size_t len = 0;
		TRY(next_line(t, &line, &len));
		if (!line)
			break;
		TRY(take_line(t, input, line, len));
		was_open = t->open;
		whole = t->whole;
	}
	t->line--;
	t->whole = whole;
	stream_consume(t->s, (size_t)(t->p - t->base));
	return finish(t, was_open);
}

struct err *gotext_read(struct stream *s, uint32_t input, struct goroutines *ret)
{
	AUTO_FREE struct gotext *t = xcalloc(1, sizeof(*t));
	t->s = s;
	t->to = ret;
	t->first = t->section = ret->v.n;
	struct err *err = read_lines(t, input);
	vec_deinit(&t->owners);
	hash_map_deinit(&t->rows);
	return err;
}
