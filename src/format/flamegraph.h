/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/flamegraph - a profile as a page: one file, no network, with search, zoom, and colours of what grew.
 *
 * Cost: about 10 bytes of page for each different way from the root. Beyond FLAMEGRAPH_NODES_MAX of them the smallest
 * stacks are cut, which the page says; their values still count.
 */

#include "base/strbuf.h"
#include "model/profile.h"

enum { FLAMEGRAPH_NODES_MAX = 2 << 20 };

struct flamegraph {
	const char *title, *subtitle; /* subtitle: may be NULL */
	const struct profile *profile;
	size_t type;   /* what the width of a frame means */
	int base_type; /* -1: none; else the index of the type that is the base, colours show type - base */
	/* May be NULL. "#rrggbb" for a function and what is below it; NULL: by package, or as what is above. */
	const char *(*color)(const char *function);
	/* May be NULL. A sentence on a function, or NULL. */
	const char *(*about)(const char *function);
};

/* Appends a self-contained HTML page. */
void flamegraph_put(const struct flamegraph *f, struct strbuf *out);
