/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/folded.h"

#include <inttypes.h>
#include <string.h>

/* Text first, and only then equal stacks are found: names that differ in what may not be written are one line. */
struct line {
	size_t at, len; /* in the text of all */
	int64_t value;
};

static void put_name(struct strbuf *out, const char *name)
{
	size_t at = out->len;
	strbuf_puts(out, *name ? name : "?");
	for (char *p = out->buf + at; *p; p++) {
		if (*p == ';')
			*p = ':';
		else if ((*p >= 0 && *p < ' ') || *p == 0x7f)
			*p = ' ';
	}
}

static void put_stack(const struct stacks *s, uint32_t stack, struct strbuf *out)
{
	uint32_t n = stacks_depth(s, stack);
	for (uint32_t i = n; i-- > 0;) {
		put_name(out, stacks_at(s, stack, i)->function);
		if (i)
			strbuf_putc(out, ';');
	}
	if (!n)
		strbuf_putc(out, '?');
}

static int by_text(const void *a, const void *b, void *ctx)
{
	const struct line *x = a, *y = b;
	const char *text = ctx;
	int order = memcmp(text + x->at, text + y->at, x->len < y->len ? x->len : y->len);
	return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* Stacks of functions only, each once, and their sums. */
static void add_up(const struct profile *p, size_t type, struct stacks *names, struct i64_vec *sums)
{
	uint32_t frames[STACK_FRAMES_MAX];
	for (size_t i = 0; i < p->samples.n; i++) {
		uint32_t stack = p->samples.v[i].stack, n = stacks_depth(&p->stacks, stack);
		for (uint32_t k = 0; k < n; k++) {
			const char *function = stacks_at(&p->stacks, stack, k)->function;
			frames[k] = stacks_frame(names, &(struct frame){ .function = function });
		}
		uint32_t id = stacks_add(names, frames, n);
		while (sums->n <= id)
			vec_push(sums);
		sums->v[id] = (int64_t)((uint64_t)sums->v[id] + (uint64_t)profile_values(p, i)[type]);
	}
}

void folded_write(const struct profile *p, size_t type, struct strbuf *out)
{
	struct stacks names;
	struct i64_vec sums = { 0 };
	VEC(struct line) lines = { 0 };
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	stacks_init(&names);
	add_up(p, type, &names, &sums);
	for (uint32_t id = 0; id < sums.n; id++) {
		size_t at = text.len;
		if (!sums.v[id])
			continue;
		put_stack(&names, id, &text);
		*vec_push(&lines) = (struct line){ at, text.len - at, sums.v[id] };
	}
	if (lines.n)
		qsort_r(lines.v, lines.n, sizeof(*lines.v), by_text, text.buf);
	for (size_t i = 0, k = 0; i < lines.n; i = k) {
		int64_t sum = 0;
		for (k = i; k < lines.n && by_text(&lines.v[i], &lines.v[k], text.buf) == 0; k++)
			sum = (int64_t)((uint64_t)sum + (uint64_t)lines.v[k].value);
		strbuf_add(out, text.buf + lines.v[i].at, lines.v[i].len);
		strbuf_printf(out, " %" PRId64 "\n", sum);
	}
	vec_deinit(&lines);
	vec_deinit(&sums);
	stacks_deinit(&names);
}
