/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/http - fetch one document over HTTP or HTTPS.
 *
 * Bounds: the size of the body, one time for all of it, HTTP_REDIRECTS_MAX redirects, which may not lead to another host
 * or from https to http. Proxies are what the environment says (http_proxy, no_proxy), never for this machine's own
 * addresses. A user and a password may stand in the address; errors do not show them.
 * Threads: libcurl looks a host name up in a thread of its own, which ends with the call; addresses need none.
 */

#include "base/err.h"
#include "base/strbuf.h"

enum { HTTP_REDIRECTS_MAX = 5, HTTP_CONNECT_MS = 10000 };

struct http_request {
	const char *url;
	size_t max;	     /* bytes of the body; more is LIMIT */
	unsigned timeout_ms; /* for all of it */
};

/*
 * The body, appended; nothing where it fails. Only http and https, certificates are verified. Errors: ARG (no address),
 * NOT_FOUND (nobody answers there, or not with the document), DENIED (401, 403, a certificate that nobody vouches for),
 * LIMIT, FORMAT (no HTTP, no TLS, or cut short), UNSUPPORTED (there is no libcurl).
 */
MUST_CHECK struct err *http_get(const struct http_request *request, struct strbuf *body);
