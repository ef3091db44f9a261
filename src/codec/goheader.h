/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/goheader - the line that begins a goroutine in a dump of Go 1.13 to 1.27:
 *
 *	goroutine 34 [chan receive, 5 minutes, locked to thread]:
 *	goroutine 1 gp=0xc000002380 m=0 mp=0x5c5e20 [running]:
 *	goroutine 7 [select (durable), synctest bubble 3]:
 *	goroutine 9 [chan send (leaked)] {job: j7, "my key": "a\nb"}:
 *	goroutine 9 [chan send labels:{"job": "j7"}]:
 */

#include "model/goroutine.h"

/* What states say, remembered: a dump has few different ones. Zeroes at first; for one `to` only. */
enum { GOHEADER_SLOTS = 256, GOHEADER_TEXT = 64 };

struct goheader_memory {
	struct {
		size_t len;
		const char *state, *wait_reason;
		unsigned flags;
		char text[GOHEADER_TEXT];
	} slots[GOHEADER_SLOTS];
};

/* Quick and good enough to spread lines over slots; whoever knows it can only make reading slower. */
size_t goheader_spread(const char *s, size_t len);

/*
 * Fills id, state, wait_reason, wait_ns, flags and labels of *g; false when the line is no such header, and nothing is
 * changed. Strings go to the strings of `to`, labels behind its labels.
 */
bool goheader_parse(const char *line, size_t len, struct goheader_memory *memory, struct goroutines *to,
		    struct goroutine *g);

/* Is this the beginning of such a line, cut short? */
bool goheader_is_cut(const char *line, size_t len);

/*
 * Labels "key<sep>value, ..." up to a "}", each bare or quoted, appended to *g: debug=1 separates by ":", a header by ": ".
 * What is malformed ends the list.
 */
void goheader_labels(const char *s, size_t len, const char *sep, struct goroutines *to, struct goroutine *g);
