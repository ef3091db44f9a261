/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/alerts - which alerts Alertmanager knows of, so that each is told again while it lasts and ends when it does.
 *
 * Alertmanager tells alerts apart by their labels alone. Two incidents may have the same ones (two processes of a
 * service): such an alert ends with the last of them. An incident whose labels change (its severity) is another alert: the
 * one before ends when that begins.
 *
 * Source: Alertmanager's API v2, POST /api/v2/alerts. Pure: no clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "act/order.h"

#define ALERTS_AGAIN_NS INT64_C(60000000000)  /* told again after */
#define ALERTS_FAILED_NS INT64_C(15000000000) /* ... where that failed */
enum { ALERTS_BATCH = 64 };

struct alert {
	const char *action; /* name of the link, owned */
	struct order *order;
	int64_t due; /* ns */
	bool failed; /* last time it was told again */
	bool ends;   /* only its end is still told */
};

struct alerts {
	VEC(struct alert) v;
};

void alerts_deinit(struct alerts *a);

/*
 * The document that tells of `o` through the link `action`, appended to `out`. False: nothing needs to be told, the alert goes on for another incident or was
 * never told.
 */
bool alerts_tell(struct alerts *a, const char *action, struct order *o, int64_t now, struct strbuf *out);

/* That order was told before us: the alert is due to be told again, or (resolved) over. */
void alerts_restore(struct alerts *a, const char *action, struct order *o, int64_t now);

/* The document that tells again what is due of this link; false: nothing is. */
bool alerts_again(struct alerts *a, const char *policy, const char *action, int64_t now, struct strbuf *out);
/* How that went. True: it failed, and not for the second time running. */
bool alerts_told(struct alerts *a, const char *policy, const char *action, bool ok, int64_t now);

/* Those of links that are gone; Alertmanager lets them run out, unless their end is to be told and waits for its turn. */
enum alerts_fate { ALERTS_GO_ON, ALERTS_END, ALERTS_DROP };
typedef enum alerts_fate (*alerts_fate_fn)(void *arg, const struct alert *one);
void alerts_drop(struct alerts *a, alerts_fate_fn fate, void *arg);

int64_t alerts_next(const struct alerts *a); /* when the next is due; INT64_MAX: none */
