/* SPDX-License-Identifier: Apache-2.0 */
#include "act/kept.h"

#include <string.h>

#include "base/alloc.h"

enum { BITS = 32 };

static uint32_t all(const struct kept *o)
{
	return o->n >= BITS ? UINT32_MAX : (UINT32_C(1) << o->n) - 1;
}

static unsigned open_links(const struct kept *o)
{
	return (unsigned)__builtin_popcount(all(o) & ~o->done);
}

static bool same(const struct kept *o, const char *policy, const char *incident)
{
	return strcmp(o->incident, incident) == 0 && strcmp(o->policy, policy) == 0;
}

static void forget(struct kept *o)
{
	free(o->policy);
	free(o->incident);
	free(o->reason);
	strbuf_deinit(&o->frame);
}

void kept_deinit(struct kept_orders *k)
{
	for (size_t i = 0; i < k->v.n; i++)
		forget(&k->v.v[i]);
	vec_deinit(&k->v);
}

/* The newest order of that incident, or NULL. */
static struct kept *newest(const struct kept_orders *k, const char *policy, const char *incident)
{
	for (size_t i = k->v.n; i-- > 0;) {
		if (same(&k->v.v[i], policy, incident))
			return &k->v.v[i];
	}
	return NULL;
}

/* Is a later order of its incident done? Until then an actor must know what the later one takes the place of. */
static bool replaced(const struct kept_orders *k, const struct kept *o)
{
	for (const struct kept *later = o + 1; later < k->v.v + k->v.n; later++) {
		if (!open_links(later) && same(later, o->policy, o->incident))
			return true;
	}
	return false;
}

static bool is_over(const struct kept_orders *k, const struct kept *o)
{
	return !open_links(o) && (o->resolved || replaced(k, o));
}

static void sweep(struct kept_orders *k)
{
	for (size_t i = 0; i < k->v.n;) {
		struct kept *o = &k->v.v[i];
		if (!is_over(k, o)) {
			i++;
			continue;
		}
		forget(o);
		memmove(o, o + 1, (k->v.n - i - 1) * sizeof(*o));
		k->v.n--;
	}
}

static void count(struct kept_orders *k)
{
	k->waiting = 0;
	for (size_t i = 0; i < k->v.n; i++)
		k->waiting += open_links(&k->v.v[i]);
}

const struct kept *kept_find(const struct kept_orders *k, const char *policy, const char *incident)
{
	const struct kept *o = newest(k, policy, incident);
	return o && !o->resolved ? o : NULL;
}

const char *kept_reason(const struct kept_orders *k, uint32_t number)
{
	for (size_t i = 0; i < k->v.n; i++) {
		if (k->v.v[i].number == number)
			return k->v.v[i].reason;
	}
	return NULL;
}

void kept_add(struct kept_orders *k, const struct kept *order)
{
	struct kept *o = vec_push(&k->v);
	*o = *order;
	o->policy = xstrdup(order->policy);
	o->incident = xstrdup(order->incident);
	o->reason = order->reason ? xstrdup(order->reason) : NULL;
	o->done = 0;
	o->deaths = 0;
	o->anew = false;
	k->waiting += open_links(o);
}

void kept_done(struct kept_orders *k, uint32_t number, unsigned link)
{
	for (size_t i = 0; i < k->v.n && link < BITS; i++) {
		struct kept *o = &k->v.v[i];
		if (o->number != number)
			continue;
		o->done |= UINT32_C(1) << link & all(o);
		if (!open_links(o))
			sweep(k);
		break;
	}
	count(k);
}

void kept_reload(struct kept_orders *k, kept_length_fn length, void *arg)
{
	for (size_t i = 0; i < k->v.n; i++) {
		struct kept *o = &k->v.v[i];
		o->anew = open_links(o) > 0;
		o->resolved = o->resolved || !length(arg, o->policy); /* nobody is told its end */
	}
	sweep(k);
	count(k);
}

unsigned kept_again(struct kept_orders *k, kept_length_fn length, void *arg)
{
	unsigned before = k->waiting;
	for (size_t i = 0; i < k->v.n; i++) {
		struct kept *o = &k->v.v[i];
		bool open = open_links(o) > 0;
		o->n = length(arg, o->policy);
		if (!open || ++o->deaths >= KEPT_DEATHS)
			o->done = UINT32_MAX;
		else if (o->anew)
			o->done = 0;
		o->anew = false;
	}
	sweep(k);
	count(k);
	return before > k->waiting ? before - k->waiting : 0;
}
