/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/goheader.h"

#include <string.h>

#include "base/num.h"
#include "base/strbuf.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const int64_t MINUTE = 60000000000; /* ns */

/* For what runs once a goroutine, with a word whose length is known. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* What is left to read of a line. */
struct text {
	const char *p, *end;
};

static ALWAYS_INLINE bool skip(struct text *t, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static ALWAYS_INLINE bool ends_in(struct text *t, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(t->end - t->p) < n || memcmp(t->end - n, word, n) != 0)
		return false;
	t->end -= n;
	return true;
}

static bool number(struct text *t, uint64_t *ret)
{
	const char *start = t->p;
	while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
		t->p++;
	return num_dec(start, (size_t)(t->p - start), ret);
}

static ALWAYS_INLINE bool is(const struct text *t, const char *word)
{
	return (size_t)(t->end - t->p) == strlen(word) && memcmp(t->p, word, strlen(word)) == 0;
}

/* ---- what stands in the brackets ---- */

/* States that are no reason to wait; all else is one. */
static const char *const states[] = {
	"idle", "runnable", "running", "syscall", "waiting", "dead", "copystack", "leaked", "preempted",
};

static const struct {
	const char *suffix;
	unsigned flags;
} suffixes[] = {
	{ " (scan)", 0 },
	{ " (leaked)", GOROUTINE_LEAKED },
	{ " (durable)", GOROUTINE_BUBBLE | GOROUTINE_DURABLE },
};

static void set_state(struct text status, struct intern *strings, struct goroutine *g)
{
	for (size_t i = 0; i < LEN(suffixes); i++) {
		if (ends_in(&status, suffixes[i].suffix)) {
			g->flags |= suffixes[i].flags;
			i = (size_t)-1; /* there may be several, in any order */
		}
	}
	for (size_t i = 0; i < LEN(states); i++) {
		if (is(&status, states[i])) {
			g->state = intern_str(strings, states[i]);
			return;
		}
	}
	if (is(&status, "???") || status.p == status.end) {
		g->state = intern_str(strings, "unknown");
		return;
	}
	struct text select = status;
	if (skip(&select, "select"))
		g->flags |= GOROUTINE_SELECT;
	g->state = intern_str(strings, g->flags & GOROUTINE_LEAKED ? "leaked" : "waiting");
	g->wait_reason = intern_mem(strings, status.p, (size_t)(status.end - status.p));
}

/* "5 minutes", "locked to thread", "synctest bubble 3". */
static void set_detail(struct text t, struct goroutine *g)
{
	uint64_t n = 0;
	if (is(&t, "locked to thread"))
		g->flags |= GOROUTINE_LOCKED;
	else if (skip(&t, "synctest "))
		g->flags |= GOROUTINE_BUBBLE;
	else if (number(&t, &n) && is(&t, " minutes") && n < (uint64_t)(INT64_MAX / MINUTE))
		g->wait_ns = (int64_t)n * MINUTE;
}

static uint64_t load(const char *p)
{
	uint64_t v = 0;
	memcpy(&v, p, sizeof(v));
	return v;
}

size_t goheader_spread(const char *s, size_t len)
{
	const uint64_t mix = 0x9e3779b97f4a7c15;
	uint64_t h = len;
	size_t i = 0;
	for (; i + 8 <= len; i += 8)
		h = (h ^ load(s + i)) * mix;
	if (len >= 8)
		h = (h ^ load(s + len - 8)) * mix;
	for (; len < 8 && i < len; i++)
		h = (h ^ (unsigned char)s[i]) * mix;
	h ^= h >> 32; /* what only the last letters change stands in the upper bits, out of reach of the products */
	return (size_t)(h * mix >> 40);
}

/* The same with the memory in between. */
static void recall_state(struct text t, struct goheader_memory *memory, struct intern *strings, struct goroutine *g)
{
	size_t len = (size_t)(t.end - t.p);
	if (len > GOHEADER_TEXT) {
		set_state(t, strings, g);
		return;
	}
	__typeof__(&memory->slots[0]) slot = &memory->slots[goheader_spread(t.p, len) % GOHEADER_SLOTS];
	if (!slot->state || slot->len != len || memcmp(slot->text, t.p, len) != 0) {
		struct goroutine fresh = { 0 };
		set_state(t, strings, &fresh);
		slot->len = len;
		slot->state = fresh.state;
		slot->wait_reason = fresh.wait_reason;
		slot->flags = fresh.flags;
		memcpy(slot->text, t.p, len);
	}
	g->state = slot->state;
	g->wait_reason = slot->wait_reason;
	g->flags |= slot->flags;
}

/* The text up to the next ", ", which is taken from *t. */
static struct text next_part(struct text *t)
{
	struct text part = *t;
	const char *comma = memmem(t->p, (size_t)(t->end - t->p), ", ", 2);
	if (comma)
		part.end = comma;
	t->p = comma ? comma + 2 : t->end;
	return part;
}

static void set_brackets(struct text t, struct goheader_memory *memory, struct intern *strings, struct goroutine *g)
{
	recall_state(next_part(&t), memory, strings, g);
	while (t.p < t.end)
		set_detail(next_part(&t), g);
}

/* ---- labels ---- */

static unsigned hex(const char *p, size_t n)
{
	uint64_t v = 0;
	return num_hex(p, n, &v) ? (unsigned)v : 0;
}

static void add_rune(struct strbuf *out, unsigned c)
{
	if (c < 0x80) {
		strbuf_putc(out, (char)c);
	} else if (c < 0x800) {
		strbuf_putc(out, (char)(0xc0 | c >> 6));
		strbuf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_putc(out, (char)(0xe0 | c >> 12));
		strbuf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_putc(out, (char)(0xf0 | (c >> 18 & 7)));
		strbuf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_putc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* What stands behind a backslash. */
static void escape(struct text *t, struct strbuf *out)
{
	static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";
	char c = *t->p++;
	const char *letter = strchr(letters, c);
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (digits && (size_t)(t->end - t->p) >= digits) {
		unsigned v = hex(t->p, digits);
		if (c == 'x')
			strbuf_putc(out, (char)v);
		else
			add_rune(out, v);
		t->p += digits;
	} else if (letter && c) {
		strbuf_putc(out, bytes[letter - letters]);
	} else {
		strbuf_putc(out, c);
	}
}

/* A quoted word, or a bare one up to one of `stop`. */
static bool word(struct text *t, const char *stop, struct strbuf *out)
{
	strbuf_clear(out);
	if (!skip(t, "\"")) {
		const char *start = t->p;
		while (t->p < t->end && !strchr(stop, *t->p))
			t->p++;
		strbuf_add(out, start, (size_t)(t->p - start));
		return true;
	}
	while (t->p < t->end && *t->p != '"') {
		if (*t->p++ != '\\')
			strbuf_putc(out, t->p[-1]);
		else if (t->p < t->end)
			escape(t, out);
	}
	return skip(t, "\"");
}

void goheader_labels(const char *s, size_t len, const char *sep, struct goroutines *to, struct goroutine *g)
{
	struct text t = { s, s + len };
	struct intern *strings = &to->stacks.strings;
	AUTO(strbuf) struct strbuf key;
	AUTO(strbuf) struct strbuf value;
	strbuf_init(&key);
	strbuf_init(&value);
	g->label_at = (uint32_t)to->labels.n;
	g->label_n = 0; /* a damaged dump may have two lists: the last one counts */
	while (word(&t, ":}", &key) && skip(&t, sep) && word(&t, ",}", &value)) {
		*vec_push(&to->labels) = (struct goroutine_label){
			.key = intern_mem(strings, key.buf, key.len),
			.value = intern_mem(strings, value.buf, value.len),
		};
		g->label_n++;
		if (!skip(&t, ", "))
			break;
	}
}

/* ---- the line ---- */

/* " gp=0x... m=0 mp=0x..." or nothing. */
static void skip_pointers(struct text *t)
{
	static const char *const names[] = { " gp=", " m=", " mp=" };
	for (size_t i = 0; i < LEN(names) && t->end - t->p > 1 && t->p[1] != '['; i++) {
		if (skip(t, names[i])) {
			while (t->p < t->end && *t->p != ' ')
				t->p++;
		}
	}
}

/*
 * "chan receive] {job: j7}", and Go 1.26 with GODEBUG=tracebacklabels=1 "chan receive labels:{"job": "j7"}]": what stands
 * in the brackets, and behind the brace of the labels, if any.
 */
static bool split(struct text t, struct text *status, struct text *labels)
{
	static const char inside[] = " labels:{";
	const char *close = memchr(t.p, ']', (size_t)(t.end - t.p));
	struct text last = t;
	*labels = (struct text){ NULL, NULL };
	if (!close)
		return false;
	if (ends_in(&last, "}]")) {
		const char *brace = memmem(t.p, (size_t)(t.end - t.p), inside, sizeof(inside) - 1);
		if (!brace)
			return false;
		*status = (struct text){ t.p, brace };
		*labels = (struct text){ brace + sizeof(inside) - 1, t.end };
		return true;
	}
	struct text rest = { close + 1, t.end };
	*status = (struct text){ t.p, close };
	if (skip(&rest, " {"))
		*labels = rest;
	return labels->p || rest.p == rest.end;
}

bool goheader_parse(const char *line, size_t len, struct goheader_memory *memory, struct goroutines *to,
		    struct goroutine *g)
{
	struct text t = { line, line + len };
	uint64_t id = 0;
	if (!skip(&t, "goroutine ") || !number(&t, &id))
		return false;
	skip_pointers(&t);
	if (!skip(&t, " [") || !ends_in(&t, ":"))
		return false;
	struct text status, labels;
	if (!split(t, &status, &labels))
		return false;
	g->id = id;
	set_brackets(status, memory, &to->stacks.strings, g);
	if (labels.p)
		goheader_labels(labels.p, (size_t)(labels.end - labels.p), ": ", to, g);
	return true;
}

bool goheader_is_cut(const char *line, size_t len)
{
	static const char start[] = "goroutine ";
	size_t n = num_min(len, sizeof(start) - 1);
	return len && memcmp(line, start, n) == 0 && (n == len || (line[n] >= '0' && line[n] <= '9'));
}
