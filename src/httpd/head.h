/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpd/head - the head of a request, taken only when it is exactly as RFC 9112 has it.
 *
 * Lenient readers before or behind a server are what requests are smuggled with, and a local service needs to serve no
 * strange client. So: lines end with CRLF and nothing else, one space on either side of the target, a name is a token that
 * ends at the colon, no folded lines, no control characters, one Host, at most one Content-Length of digits and that zero,
 * no Transfer-Encoding: nothing here takes a body.
 */

#include <stdbool.h>
#include <stddef.h>

enum { HEAD_FIELDS = 64, HEAD_TARGET = 4096 };

/* Why a request is refused, as rows of head_faults[]. */
enum head_fault {
	HEAD_OK,
	HEAD_BARE_LF,
	HEAD_CONTROL,
	HEAD_REQUEST_LINE,
	HEAD_VERSION,
	HEAD_TARGET_LONG,
	HEAD_TARGET_FORM,
	HEAD_FIELD,
	HEAD_FOLDED,
	HEAD_MANY,
	HEAD_LARGE,
	HEAD_NO_HOST,
	HEAD_HOSTS,
	HEAD_HOST_FOREIGN,
	HEAD_LENGTH,
	HEAD_BODY,
	HEAD_CODING,
	HEAD_EXPECT,
	HEAD_METHOD,
	HEAD_FAULTS
};

struct head_answer {
	int status;
	const char *code, *detail;
};

extern const struct head_answer head_faults[HEAD_FAULTS];

/* Strings point into the text that was parsed. */
struct head {
	char *method, *target; /* target: in origin form, with its query */
	char *host;	       /* authority; NULL where HTTP/1.0 gave none */
	char *accept;	       /* the first Accept field; NULL */
	bool old;	       /* HTTP/1.0 */
	bool last;	       /* the client wants no further request on this connection */
};

/*
 * How long the head at the start of data[0, len) is, 0 when it has not ended yet. A line that ends with LF alone ends it,
 * so that it is refused at once. Bytes before `from` were looked at in an earlier call.
 */
size_t head_length(const char *data, size_t len, size_t from);

/* text[0, len) is one head as head_length() measured it, text[len] is NUL; it is cut up in place. */
enum head_fault head_parse(char *text, size_t len, struct head *ret);
