/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/order - what is to be told of an incident, as it goes to the actor, and as several links share it there.
 */

#include <stdbool.h>
#include <stdint.h>

#include "act/act.h"
#include "base/cursor.h"

struct order {
	unsigned refs;
	uint32_t number, skip; /* skip: bits of links that were told it */
	unsigned char *frame;  /* where the strings are; none is NULL */
	const char *policy, *incident, *alertname;
	const char *json;		  /* the incident, one line */
	const char *labels, *annotations; /* objects of JSON */
	const char *started, *now;	  /* RFC 3339 */
	bool resolved, dry;
};

/* Appends a FRAME_ORDER. */
void order_write(const char *host, const char *policy, uint32_t number, const struct act_order *o, struct strbuf *out);
/* In that frame: these links of the chain are not told it again. */
void order_skip(struct strbuf *frame, uint32_t links);
/* The fields of one, given with one reference. FORMAT. */
MUST_CHECK struct err *order_read(const struct cursor *fields, struct order **ret);
struct order *order_ref(struct order *o);
void order_unref(struct order *o); /* NULL is fine */
