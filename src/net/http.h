/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/http - fetch one document over HTTP or HTTPS.
 */

#include "base/err.h"
#include "base/strbuf.h"

struct http_request {
	const char *url;
	size_t max;	     /* bytes of the body; more is LIMIT */
	unsigned timeout_ms; /* for all of it */
};

/*
 * The body, appended. Only http and https, no redirect to another host, certificates are verified. Errors: ARG (not an
 * address), NOT_FOUND (nobody listens there, 404), DENIED (401, 403), OS (what else the network says), LIMIT, FORMAT.
 */
MUST_CHECK struct err *http_get(const struct http_request *request, struct strbuf *body);
