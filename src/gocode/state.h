/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/state - what each register and each word of the frame holds, at many places of a function.
 *
 * A state is an array of pages of values, which states share until one is changed. A page that is NULL: nothing is known.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gocode_what {
	GOCODE_NOTHING, /* it may be anything */
	GOCODE_NIL,
	GOCODE_ADDRESS,	 /* `at` */
	GOCODE_FRAME,	 /* address of a word of the frame, `at` bytes from its beginning */
	GOCODE_VARIABLE, /* what the variable at `at` holds */
	GOCODE_TYPED,	 /* what `says` says of the type at `at`: POINTER, SLICE or SELF */
	GOCODE_MAP,	 /* a map whose type the function tells later; `at`: the instruction that makes it */
	GOCODE_RESULT,	 /* what the function at `at` returns: register number `reg` of those for results */
};

struct gocode_value {
	uint8_t what, says, reg;
	uint64_t at;
};

enum { GOCODE_PAGE = 16, GOCODE_PAGES_MAX = 1 << 18 };

struct gocode_page {
	uint32_t refs;
	struct gocode_value v[GOCODE_PAGE];
};

struct gocode_pool {
	size_t n;    /* pages of a state */
	size_t live; /* pages there are */
	bool full;   /* there were too many: what states say is not to be believed */
};

static inline struct gocode_value gocode_state_get(struct gocode_page *const *s, size_t i)
{
	const struct gocode_page *p = s[i / GOCODE_PAGE];
	return p ? p->v[i % GOCODE_PAGE] : (struct gocode_value){ .what = GOCODE_NOTHING };
}

void gocode_state_put(struct gocode_pool *pool, struct gocode_page **s, size_t i, struct gocode_value v);
/* `to` is empty. */
void gocode_state_copy(const struct gocode_pool *pool, struct gocode_page **to, struct gocode_page *const *from);
void gocode_state_clear(struct gocode_pool *pool, struct gocode_page **s);

/* One page: nothing is known; to be changed, nobody else has it. */
void gocode_state_drop(struct gocode_pool *pool, struct gocode_page **page);
struct gocode_page *gocode_state_own(struct gocode_pool *pool, struct gocode_page **page);
