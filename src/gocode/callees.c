/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/callees.h"

#include <stdio.h>

#include "base/num.h"

enum { OLD_GROWSLICE = 19, SIZED = 70, SIZED_MINOR = 27 /* allocators for one size each */ };

static const struct gocode_callee callees[] = {
	{ "runtime.newobject", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_POINTER },
	{ "runtime.makeslice", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SLICE },
	{ "runtime.makeslice64", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SLICE },
	{ "runtime.makeslicecopy", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SLICE },
	{ "runtime.growslice", GOCODE_RSI, GOCODE_CALLEE_RESULT, GOCODE_CALL_SLICE },
	{ "runtime.makemap", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SELF },
	{ "runtime.makemap64", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SELF },
	{ "runtime.makechan", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SELF },
	{ "runtime.makechan64", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_SELF },
	{ "runtime.mapassign", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapassign_fast32", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapassign_fast32ptr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapassign_fast64", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapassign_fast64ptr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapassign_faststr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess1", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess1_fast32", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess1_fast64", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess1_faststr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess2", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess2_fast32", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess2_fast64", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapaccess2_faststr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_POINTER },
	{ "runtime.mapdelete", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapdelete_fast32", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapdelete_fast64", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapdelete_faststr", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapiterinit", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapIterStart", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.mapclear", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF },
	{ "runtime.typedmemmove", GOCODE_RAX, GOCODE_CALLEE_VALUE, GOCODE_CALL_VALUE },
	{ "runtime.wbMove", GOCODE_RAX, GOCODE_CALLEE_VALUE, GOCODE_CALL_VALUE },
	{ "runtime.convT", GOCODE_RAX, GOCODE_CALLEE_VALUE, GOCODE_CALL_VALUE },
	{ "runtime.makemap_small", GOCODE_RAX, GOCODE_CALLEE_MAP, GOCODE_CALL_SELF },
	/* These keep all registers. */
	{ "runtime.gcWriteBarrier", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrier1", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrier2", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrier3", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrier4", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierCX", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierDX", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierBX", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierBP", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierSI", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierR8", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
	{ "runtime.gcWriteBarrierR9", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE },
};

/* To 1.19 the type came first. */
static const struct gocode_callee old_growslice = { "runtime.growslice", GOCODE_RAX, GOCODE_CALLEE_RESULT,
						    GOCODE_CALL_SLICE };
static const struct gocode_callee sized = { "runtime.mallocgcSmallScanNoHeaderSC", GOCODE_RBX, GOCODE_CALLEE_RESULT,
					    GOCODE_CALL_POINTER };
static const struct gocode_callee sized_noscan = { "runtime.mallocgcSmallNoScanSC", GOCODE_RBX, GOCODE_CALLEE_RESULT,
						   GOCODE_CALL_POINTER };

enum { CALLEES = sizeof(callees) / sizeof(callees[0]) };

static void add(const struct gort *g, struct gocode_callees *c, const char *const *names,
		const struct gocode_callee *rows, size_t n, bool same)
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
static void add_sized(const struct gort *g, struct gocode_callees *c, const struct gocode_callee *row, unsigned from)
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

void gocode_callees_find(const struct gort *g, struct gocode_callees *ret)
{
	const char *names[CALLEES];
	*ret = (struct gocode_callees){ .first = UINT64_MAX };
	for (size_t i = 0; i < CALLEES; i++)
		names[i] = callees[i].name;
	add(g, ret, names, callees, CALLEES, false);
	if (g->layout->minor <= OLD_GROWSLICE)
		add(g, ret, &old_growslice.name, &old_growslice, 1, true);
	for (unsigned from = 0; g->layout->minor >= SIZED_MINOR && from < SIZED; from += SIZED / 2) {
		add_sized(g, ret, &sized, from);
		add_sized(g, ret, &sized_noscan, from);
	}
}

void gocode_callees_deinit(struct gocode_callees *c)
{
	hash_map_deinit(&c->rows);
}
