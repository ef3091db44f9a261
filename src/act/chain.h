/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/chain - the chains of a configuration, as the actor holds them.
 */

#include "base/cursor.h"
#include "config/config.h"

enum { CHAIN_POLICIES = 1024, CHAIN_LINKS = 32, CHAIN_ARGS = 256 };

struct link {
	struct config_action action;
	const char *policy;
	unsigned running; /* how many are told now */
};

struct chain {
	const char *policy;
	VEC(struct link) links;
};

/* All chains of one configuration. Jobs of an older one keep it until they are done. */
struct chains {
	unsigned refs;
	unsigned char *frame; /* where the strings are */
	VEC(struct chain) v;
};

/* Appends a FRAME_CHAINS. LIMIT: more of something than the actor takes. */
MUST_CHECK struct err *chains_write(const struct config *c, struct strbuf *out);
/* The fields of one, given with one reference. FORMAT. */
MUST_CHECK struct err *chains_read(const struct cursor *fields, struct chains **ret);
void chains_unref(struct chains *c); /* NULL is fine */

/* NULL: that policy has none. */
struct chain *chains_find(const struct chains *c, const char *policy);
/* The link of that name, or NULL. */
struct link *chain_link(const struct chain *c, const char *name);
