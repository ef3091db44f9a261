/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/asked - the parameters of a request for what was.
 */

#include "httpd/httpd.h"

enum asked_name {
	ASKED_TARGET = 1u << 0,
	ASKED_KIND = 1u << 1,
	ASKED_FROM = 1u << 2,
	ASKED_TO = 1u << 3,
	ASKED_MAX = 1u << 4,
	ASKED_STEP = 1u << 5,
	ASKED_LIMIT = 1u << 6,
	ASKED_BEFORE = 1u << 7,
};

/* What was not asked: 0 or NULL, but for `max` and `limit`, which have defaults. */
struct asked {
	const char *target;		 /* of the request */
	const char *kind;		 /* as it stands; whoever knows the kinds reads it */
	int64_t from_ns, to_ns, step_ns; /* wall clock; a duration */
	uint64_t max, limit, before;
};

/* False: `reply` says which parameter is wrong and what would be right: unknown, twice there, malformed, out of range. */
bool asked_read(const struct httpd_request *request, unsigned names, int64_t now_ns, struct asked *ret,
		struct httpd_reply *reply);

/* The reply for one that is wrong. */
void asked_refuse(struct httpd_reply *reply, const char *fmt, ...) ERR_PRINTF(2, 3);
