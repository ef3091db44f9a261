/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/post - send small JSON documents over HTTP or HTTPS, many at a time, without waiting for any of them.
 *
 * What is added is under way at once; http_posts_wait() moves all of them on, http_posts_next() gives those that ended.
 * Bounds: one time for each document from name look-up to answer, POST_ANSWER_MAX bytes of an answer are kept (the start, to say
 * why it was refused). Redirects are not followed: a document with a token must not go where a server likes.
 * libcurl is loaded when the first document is added. Certificates are verified. Proxies: as in net/http.
 * Threads: libcurl looks a host name up in a thread of its own, which may outlive its document for as long as the look-up
 * takes; addresses need none.
 */

#include <stdbool.h>

#include "base/err.h"

enum { POST_ANSWER_MAX = 200, POST_TEXT_LEN = 400 };

struct http_posts;

struct http_post {
	const char *url;
	const char *token; /* sent as "Authorization: Bearer TOKEN"; NULL none */
	const char *body;  /* JSON, copied; NULL: only connect, and speak TLS where that is asked for */
	size_t len;
	unsigned timeout_ms;
	void *ctx;
};

struct http_posted {
	void *ctx;
	long status;		  /* of the answer; 0 there was none */
	bool ok;		  /* 2xx, or connected */
	bool again;		  /* it may help to try again: nobody there, too late, 408, 425, 429, 5xx */
	unsigned retry_after_s;	  /* as the server asks; 0 it does not */
	char text[POST_TEXT_LEN]; /* "HTTP 200", "timed out after 5 s", "HTTP 400: why" */
};

NEVER_NULL struct http_posts *http_posts_new(void);
void http_posts_free(struct http_posts *p); /* what is under way is given up, without a word */

/* ARG: no address, or a token that cannot stand in a header. UNSUPPORTED: there is no libcurl. */
MUST_CHECK struct err *http_posts_add(struct http_posts *p, const struct http_post *post);

/* Returns when something may have ended, when `fd` is readable (-1: none), or after timeout_ms. */
void http_posts_wait(struct http_posts *p, int fd, int timeout_ms);

/* One that has ended; false: none. */
bool http_posts_next(struct http_posts *p, struct http_posted *ret);
