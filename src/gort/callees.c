/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/callees.h"

#include <stdio.h>

#include "base/num.h"

enum { SIZED = 70, SIZED_MINOR = 27 /* allocators for one size each */ };

static const struct gort_callee callees[] = {
	{ "runtime.newobject", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_POINTER },
	{ "runtime.makeslice", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SLICE },
	{ "runtime.makeslice64", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SLICE },
	{ "runtime.makeslicecopy", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SLICE },
	{ "runtime.growslice", GORT_RSI, GORT_CALLEE_RESULT, GORT_CALL_SLICE },
	{ "runtime.makemap", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SELF },
	{ "runtime.makemap64", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SELF },
	{ "runtime.makechan", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SELF },
	{ "runtime.makechan64", GORT_RAX, GORT_CALLEE_RESULT, GORT_CALL_SELF },
	{ "runtime.mapassign", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast32", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast32ptr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast64", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_fast64ptr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapassign_faststr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_fast32", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_fast64", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess1_faststr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_fast32", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_fast64", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapaccess2_faststr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_fast32", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_fast64", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapdelete_faststr", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapiterinit", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapIterStart", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.mapclear", GORT_RAX, GORT_CALLEE_SELF, GORT_CALL_SELF },
	{ "runtime.typedmemmove", GORT_RAX, GORT_CALLEE_VALUE, GORT_CALL_VALUE },
	{ "runtime.wbMove", GORT_RAX, GORT_CALLEE_VALUE, GORT_CALL_VALUE },
	{ "runtime.convT", GORT_RAX, GORT_CALLEE_VALUE, GORT_CALL_VALUE },
	{ "runtime.makemap_small", GORT_RAX, GORT_CALLEE_MAP, GORT_CALL_SELF },
	/* These keep all registers. */
	{ "runtime.gcWriteBarrier", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier1", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier2", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier3", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrier4", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierCX", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierDX", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierBX", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierBP", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierSI", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierR8", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
	{ "runtime.gcWriteBarrierR9", GORT_RAX, GORT_CALLEE_BARRIER, GORT_CALL_VALUE },
};

static const struct gort_callee sized = { "runtime.mallocgcSmallScanNoHeaderSC", GORT_RBX, GORT_CALLEE_RESULT,
					  GORT_CALL_POINTER };
static const struct gort_callee sized_noscan = { "runtime.mallocgcSmallNoScanSC", GORT_RBX, GORT_CALLEE_RESULT,
						 GORT_CALL_POINTER };

enum { CALLEES = sizeof(callees) / sizeof(callees[0]) };

static void add(const struct gort *g, struct gort_callees *c, const char *const *names, const struct gort_callee *rows,
		size_t n, bool same)
{
	size_t at[SYM_PCLNTAB_FIND_MAX];
	sym_pclntab_find_names(g->pclntab, names, n, at);
	for (size_t i = 0; i < n; i++) {
		if (at[i] == SYM_PCLNTAB_NONE)
			continue;
		uint64_t entry = sym_pclntab_entry(g->pclntab, at[i]);
		*hash_map_at(&c->rows, entry, NULL) = (uint64_t)(uintptr_t)&rows[same ? 0 : i];
		c->first = num_min(c->first, entry);
		c->last = num_max(c->last, entry);
	}
}

/* Those that the compiler calls by size. */
static void add_sized(const struct gort *g, struct gort_callees *c, const struct gort_callee *row, unsigned from)
{
	enum { HALF = SIZED / 2, NAME = 64 };
	char text[HALF][NAME];
	const char *names[HALF];
	for (unsigned i = 0; i < HALF; i++) {
		snprintf(text[i], NAME, "%s%u", row->name, from + i);
		names[i] = text[i];
	}
	add(g, c, names, row, HALF, true);
}

void gort_callees_find(const struct gort *g, struct gort_callees *ret)
{
	const char *names[CALLEES];
	*ret = (struct gort_callees){ .first = UINT64_MAX };
	for (size_t i = 0; i < CALLEES; i++)
		names[i] = callees[i].name;
	add(g, ret, names, callees, CALLEES, false);
	for (unsigned from = 0; g->layout->minor >= SIZED_MINOR && from < SIZED; from += SIZED / 2) {
		add_sized(g, ret, &sized, from);
		add_sized(g, ret, &sized_noscan, from);
	}
}

void gort_callees_deinit(struct gort_callees *c)
{
	hash_map_deinit(&c->rows);
}
