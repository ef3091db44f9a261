/* SPDX-License-Identifier: Apache-2.0 */
#include "act/alerts.h"

#include <string.h>

#include "base/alloc.h"

static void forget(struct alert *a)
{
	free((char *)(uintptr_t)a->action);
	order_unref(a->order);
}

void alerts_deinit(struct alerts *a)
{
	for (size_t i = 0; i < a->v.n; i++)
		forget(&a->v.v[i]);
	vec_deinit(&a->v);
}

static bool is_of(const struct alert *a, const char *policy, const char *action)
{
	return strcmp(a->action, action) == 0 && strcmp(a->order->policy, policy) == 0;
}

static struct alert *find(struct alerts *a, const char *action, const struct order *o)
{
	for (size_t i = 0; i < a->v.n; i++) {
		struct alert *one = &a->v.v[i];
		if (is_of(one, o->policy, action) && strcmp(one->order->incident, o->incident) == 0)
			return one;
	}
	return NULL;
}

/* Does another incident keep the alert of these labels? */
static bool shared(const struct alerts *a, const struct alert *than)
{
	for (size_t i = 0; i < a->v.n; i++) {
		const struct alert *one = &a->v.v[i];
		if (one != than && is_of(one, than->order->policy, than->action) &&
		    strcmp(one->order->labels, than->order->labels) == 0)
			return true;
	}
	return false;
}

static void put(struct strbuf *out, const struct order *o, const char *ends)
{
	/* Labels, annotations and times were written by our JSON writer, and times need no escapes. */
	strbuf_printf(out, "%s{\"labels\":%s,\"annotations\":%s,\"startsAt\":\"%s\"",
		      out->buf[out->len - 1] == '[' ? "" : ",", o->labels, o->annotations, o->started);
	if (ends)
		strbuf_printf(out, ",\"endsAt\":\"%s\"", ends);
	strbuf_putc(out, '}');
}

static void drop_one(struct alerts *a, struct alert *one)
{
	forget(one);
	size_t i = (size_t)(one - a->v.v);
	memmove(one, one + 1, (a->v.n - i - 1) * sizeof(*one));
	a->v.n--;
}

static bool tell_end(struct alerts *a, struct alert *known, const struct order *o, struct strbuf *out)
{
	if (!known)
		return false;
	bool last = !shared(a, known);
	if (last) {
		strbuf_putc(out, '[');
		put(out, known->order, o->now);
		strbuf_putc(out, ']');
	}
	drop_one(a, known);
	return last;
}

/* The alert of that order, which is known from now on. */
static struct alert *know(struct alerts *a, struct alert *known, const char *action, struct order *o, int64_t due)
{
	if (!known) {
		known = vec_push(&a->v);
		known->action = xstrdup(action);
	}
	order_unref(known->order);
	known->order = order_ref(o);
	known->due = due;
	return known;
}

void alerts_restore(struct alerts *a, const char *action, struct order *o, int64_t now)
{
	struct alert *known = find(a, action, o);
	if (!o->resolved)
		know(a, known, action, o, now);
	else if (known)
		drop_one(a, known);
}

bool alerts_tell(struct alerts *a, const char *action, struct order *o, int64_t now, struct strbuf *out)
{
	struct alert *known = find(a, action, o);
	if (o->resolved)
		return tell_end(a, known, o, out);
	strbuf_putc(out, '[');
	if (known && strcmp(known->order->labels, o->labels) != 0 && !shared(a, known))
		put(out, known->order, o->now);
	know(a, known, action, o, now + ALERTS_AGAIN_NS);
	put(out, o, NULL);
	strbuf_putc(out, ']');
	return true;
}

bool alerts_again(struct alerts *a, const char *policy, const char *action, int64_t now, struct strbuf *out)
{
	unsigned n = 0;
	strbuf_putc(out, '[');
	for (size_t i = 0; i < a->v.n && n < ALERTS_BATCH; i++) {
		struct alert *one = &a->v.v[i];
		if (!is_of(one, policy, action) || one->ends || one->due > now)
			continue;
		put(out, one->order, NULL);
		one->due = now + ALERTS_AGAIN_NS;
		n++;
	}
	strbuf_putc(out, ']');
	return n > 0;
}

bool alerts_told(struct alerts *a, const char *policy, const char *action, bool ok, int64_t now)
{
	bool news = false;
	for (size_t i = 0; i < a->v.n; i++) {
		struct alert *one = &a->v.v[i];
		if (!is_of(one, policy, action))
			continue;
		news |= !ok && !one->failed;
		one->failed = !ok;
		if (!ok && one->due > now + ALERTS_FAILED_NS)
			one->due = now + ALERTS_FAILED_NS;
	}
	return news;
}

void alerts_drop(struct alerts *a, alerts_fate_fn fate, void *arg)
{
	for (size_t i = a->v.n; i-- > 0;) {
		enum alerts_fate f = fate(arg, &a->v.v[i]);
		a->v.v[i].ends = f == ALERTS_END;
		if (f == ALERTS_DROP)
			drop_one(a, &a->v.v[i]);
	}
}

int64_t alerts_next(const struct alerts *a)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < a->v.n; i++) {
		if (!a->v.v[i].ends && a->v.v[i].due < next)
			next = a->v.v[i].due;
	}
	return next;
}
