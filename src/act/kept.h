/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/kept - the orders that the actor was given, until they are done, and the newest done of each incident that lasts.
 *
 * It is what an actor that begins again is told, so that none is lost: links that are done are not done twice, but for what
 * was under way when the last one ended. And it is what is known of an incident: a state is told once.
 * Pure: no clock.
 */

#include "base/strbuf.h"
#include "base/vec.h"
#include "model/watch.h"

enum { KEPT_DEATHS = 5 }; /* an order that so many actors ended with is given up */

struct kept {
	uint32_t number;
	uint32_t done; /* bits of the links that are */
	unsigned n;    /* links */
	unsigned deaths;
	bool resolved;
	bool anew; /* links may be others since: `done` is not about those in force */
	enum watch_state state;
	char *policy, *incident, *reason; /* reason: why it is told; NULL unknown */
	struct strbuf frame;		  /* FRAME_ORDER */
};

struct kept_orders {
	VEC(struct kept) v; /* oldest first */
	unsigned waiting;   /* links that are not done */
};

void kept_deinit(struct kept_orders *k);

/* The newest of an incident that lasts, or NULL. Valid until the next call. */
const struct kept *kept_find(const struct kept_orders *k, const char *policy, const char *incident);

/* Why an order was given; NULL when it is not known any more. Valid until the next call. */
const char *kept_reason(const struct kept_orders *k, uint32_t number);

/* All but `done`, `deaths` and `anew`; strings are copied, the frame is taken. */
void kept_add(struct kept_orders *k, const struct kept *order);

/* A link has ended. Unknown ones are passed over. */
void kept_done(struct kept_orders *k, uint32_t number, unsigned link);

/* How many links the chain of a policy has; 0: there is none. */
typedef unsigned (*kept_length_fn)(void *arg, const char *policy);

/* Chains are others now; what the actor has goes on by those of before. */
void kept_reload(struct kept_orders *k, kept_length_fn length, void *arg);

/*
 * The actor has ended: what is in `v` now is what the next one must be told, by the chains in force. How many links are given
 * up: actors ended with them too often, or there is no such chain any more.
 */
unsigned kept_again(struct kept_orders *k, kept_length_fn length, void *arg);
