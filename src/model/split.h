/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/split - how resident pages are divided among classes: the callback between those who know what lies at an
 * address (gort for Go's arenas, engine for the rest) and the tally that adds it up.
 *
 * One piece: `bytes` of the pages in [start, end), all of one mapping and one kind, belong to `class`. A span that is
 * wholly resident gives up to three pieces with the same range. Pieces of one run of pages add up to its length.
 */

#include "model/class.h"
#include "model/vma.h"

struct piece {
	uint64_t start, end;
	uint64_t bytes;
	enum mem_class class;
	uint32_t owner; /* index in the collector's owner table, 0 = none */
	const struct page_run *run;
};

typedef void (*split_fn)(void *ctx, const struct piece *piece);
