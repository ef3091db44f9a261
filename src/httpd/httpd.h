/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpd - a small HTTP/1.1 server (RFC 9110, 9112) on libevent's loop, for GET and HEAD. No type of libevent but the
 * loop crosses this header.
 *
 * It listens on a loopback address or a unix socket only. A request that is not exactly of the form the RFC wants is
 * answered with an error and its connection ends: see head.h. Over TCP so is one whose Host is not this machine's own
 * (a page whose name was rebound to 127.0.0.1).
 *
 * Bounds, whatever clients do: HTTPD_CONNECTIONS at a time (one more ends the one that has waited longest for its request,
 * so half-open ones lock nobody out), HTTPD_HEAD bytes and HTTPD_HEAD_S seconds for a head, HTTPD_IDLE_S between requests,
 * HTTPD_REPLY_S for a reply to be read, HTTPD_WAITING bytes of replies that clients have not read (the oldest of them are
 * dropped). Events have the loop's lowest priority.
 *
 * System calls: socket, setsockopt, bind, listen, getsockname, connect, chmod, unlink, fstat and lstat when it begins and
 * ends; accept4, readv, writev, shutdown, close while it runs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

enum {
	HTTPD_CONNECTIONS = 128,
	HTTPD_HEAD = 16384,
	HTTPD_HEAD_S = 15,
	HTTPD_IDLE_S = 75,
	HTTPD_REPLY_S = 30,
	HTTPD_WAITING = 8 << 20,
};

struct event_base; /* libevent's */
struct httpd;
struct uri;

/* All of it is valid until the handler returns. */
struct httpd_request {
	const char *path;   /* decoded, without the query */
	const char *tail;   /* what followed the route's path, "" nothing */
	const char *accept; /* the Accept field, "" none */
	const struct uri *uri;
};

/* A parameter of the query, decoded; "" where it has no value, NULL where there is none of that name. */
const char *httpd_query(const struct httpd_request *request, const char *key);
/* The parameter of that place, in the order of the request. False: there are not so many. */
bool httpd_parameter(const struct httpd_request *request, size_t i, const char **key, const char **value);

struct httpd_reply {
	int status;	    /* 200 before the handler */
	const char *type;   /* "text/plain; charset=utf-8" before; static */
	struct strbuf body; /* empty before */
};

/* A path that ends with '/' takes all below it; the longest that fits is taken. "/" takes only itself. */
struct httpd_route {
	const char *path;
	void (*handle)(void *arg, const struct httpd_request *request, struct httpd_reply *reply);
};

/* `routes` ends with a NULL path; they are borrowed, as is the loop. */
NEVER_NULL struct httpd *httpd_new(struct event_base *loop, const struct httpd_route *routes, void *arg);
void httpd_free(struct httpd *h); /* NULL is fine */

/*
 * "127.0.0.1:9723", "[::1]:9723", "localhost:9723", or "unix:/path" (mode 0660; a socket that nobody listens on any more is
 * replaced). Port 0 is any free one. ARG: malformed, or no loopback address. WRITE: in use. DENIED: a port
 * below 1024. OS: as the sentence says.
 */
MUST_CHECK struct err *httpd_listen(struct httpd *h, const char *address);
unsigned httpd_port(const struct httpd *h); /* 0 of a unix socket */

struct httpd_stats {
	uint64_t requests;    /* answered by a route */
	uint64_t refused;     /* ... by an error of ours: malformed, unknown path, method or host */
	uint64_t dropped;     /* connections that were ended to keep a bound */
	unsigned connections; /* open now */
};
void httpd_stats(const struct httpd *h, struct httpd_stats *ret);

/* The reply becomes a problem as of RFC 9457. `code` is stable, in kebab-case; `detail` one sentence. */
void httpd_problem(struct httpd_reply *reply, int status, const char *code, const char *detail);
