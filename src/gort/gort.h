/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/gort - an attached Go runtime: image, layout, variables, symbols.
 *
 * gort_attach() finds the image, then tries layouts, nearest version first, until one passes the self-checks on
 * the live heap. gort never sees a pid: it reads through the memsrc.
 * A target that allocates while we look makes the checks inexact, so they are thresholds, wide enough for that and far
 * too narrow for a wrong layout.
 */

#include "gort/globals.h"
#include "gort/layout.h"
#include "gort/module.h"
#include "model/claim.h"
#include "model/memsrc.h"
#include "model/vma.h"
#include "sym/pclntab.h"

enum { GORT_PAGE = 8192 };

struct gort {
	struct memsrc *src;
	struct gort_module module;
	struct sym_pclntab *pclntab; /* NULL when corrupt */
	struct gort_globals globals;
	const struct gort_layout *layout; /* NULL: unknown, only `module` and `pclntab` are usable */
	bool unproven;			  /* a neighbour's table is in use */
	struct gort_check_result *checks;
	size_t nchecks;
	const char *refusal; /* why layout is NULL, one sentence, or NULL */
	struct arena arena;
};

struct gort_check_result {
	const char *check; /* "spans point back from the arena index" */
	bool ok;
	const char *found; /* "256 of 256" */
};

/*
 * NOT_FOUND when the mappings hold no Go image. An image whose version or layout is unknown is no error: layout is NULL
 * and refusal says why. `symbol` (may be NULL) answers from a symbol table.
 */
MUST_CHECK struct err *gort_attach(struct memsrc *src, const struct vma *vmas, size_t n, gort_symbol_fn symbol,
				   void *ctx, struct gort *ret);
void gort_detach(struct gort *g);

static inline uint64_t gort_var(const struct gort *g, enum gort_global v)
{
	return g->globals.addr[v];
}

/* The word-sized field of the object at base, 0 when unreadable. */
uint64_t gort_word(const struct gort *g, uint64_t base, enum gort_field f);
