/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "callpath/parts.h"
#include "sym/disasm.h"

enum {
	CALL_MIN = 2, /* bytes of a call instruction */
	CALL_MAX = 8,
	DIRECT = 5,
	CODE_MAX = 64 * 1024, /* of a function that is searched for a call */
	CALLS_MAX = 1024,
};

bool chain_is_return(struct callpath *c, uint64_t ra, uint64_t *target)
{
	unsigned char code[CALL_MAX];
	struct sym_insn insn;
	*target = 0;
	if (ra < CALL_MAX || !module_code(c, ra - CALL_MAX, code, sizeof(code)))
		return false;
	if (code[CALL_MAX - DIRECT] == 0xe8 && sym_disasm_step(code + CALL_MAX - DIRECT, DIRECT, ra - DIRECT, &insn) &&
	    insn.kind == SYM_INSN_CALL) {
		*target = insn.target;
		return true;
	}
	for (unsigned len = CALL_MIN; len <= CALL_MAX; len++) {
		if (sym_disasm_step(code + CALL_MAX - len, len, ra - len, &insn) && insn.kind == SYM_INSN_CALL &&
		    insn.len == len)
			return true;
	}
	return false;
}

/* Does the frame of a place hold its caller's frame pointer, with the return address above it? */
static bool keeps_pointer(const struct callpath *c, const struct place *p)
{
	if (p->kind == PLACE_NOWHERE || p->kind == PLACE_CROSSCALL)
		return false;
	if (p->kind != PLACE_C)
		return p->spdelta >= 8;
	if (!p->has_row) /* nobody knows: believe the pointer */
		return true;
	const struct sym_cfi_row *row = &c->rows.v[p->row];
	const struct sym_rule *bp = &row->reg[SYM_REG_RBP], *ra = &row->reg[SYM_REG_RIP];
	return row->cfa.kind == SYM_RULE_REGISTER && row->cfa.reg == SYM_REG_RBP && row->cfa.offset == 16 &&
	       bp->kind == SYM_RULE_AT && bp->offset == -16 && ra->kind == SYM_RULE_AT && ra->offset == -8;
}

/* How one Go function names another in its code. */
struct calls {
	size_t n;      /* calls */
	uint64_t site; /* return address of the last of them */
	bool jumps;    /* it ends by going on there, and leaves no frame */
};

static struct calls calls_of(struct callpath *c, uint64_t caller, uint64_t callee)
{
	enum { CALL_LEN = 5 };
	struct sym_pclntab *tab = c->target->gort.pclntab;
	struct calls found = { 0 };
	size_t index = 0, to = 0;
	if (!c->go || !sym_pclntab_find(tab, caller, &index))
		return found;
	uint64_t len = sym_pclntab_entry(tab, index + 1) - caller;
	if (len > CODE_MAX)
		return found;
	AUTO_FREE unsigned char *code = xmalloc(len + 1);
	AUTO_FREE struct sym_ref *refs = xcalloc(CALLS_MAX, sizeof(*refs));
	if (!module_code(c, caller, code, len))
		return found;
	size_t n = sym_disasm_refs(code, len, caller, refs, CALLS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (refs[i].kind != SYM_REF_CALL || !sym_pclntab_find(tab, refs[i].target, &to) ||
		    sym_pclntab_entry(tab, to) != callee)
			continue;
		bool call = code[refs[i].at - caller] == 0xe8;
		found.jumps |= !call;
		found.n += call;
		if (call)
			found.site = refs[i].at + CALL_LEN;
	}
	return found;
}

/*
 * The chain skipped the caller of `last`, whose frame keeps no pointer. But before the next return address there is a
 * call, and the function that it names was called from there. When that calls `last` in one place only, this is it.
 */
static void mend(struct callpath *c, const struct place *last, uint64_t target)
{
	struct place f = { .kind = PLACE_NOWHERE };
	struct calls calls = { 0 };
	if (target)
		f = *place_at(c, target, true);
	if (f.kind == PLACE_NOWHERE || f.kind == PLACE_C) {
		path_gap(&c->path);
		return;
	}
	if (f.function == last->function)
		return;
	if (last->kind != PLACE_C)
		calls = calls_of(c, f.function, last->function);
	if (calls.jumps && !calls.n)
		return;
	if (!calls.n)
		path_gap(&c->path);
	path_add(&c->path, calls.n == 1 && !calls.jumps ? STEP(calls.site, 0) : STEP(f.function, 1) | STEP_SOMEWHERE);
}

bool chain_add(struct callpath *c, const uint64_t *ra, size_t n)
{
	for (size_t i = 0; i < n && ra[i]; i++) {
		uint64_t target = 0;
		struct place last = place_of(c, path_last(&c->path));
		bool injected = last.kind == PLACE_INJECTED;
		struct place p = *place_at(c, ra[i], injected);
		bool is_return = injected || chain_is_return(c, ra[i], &target) || p.top;
		if (p.kind == PLACE_NOWHERE || !is_return) {
			path_gap(&c->path);
			return false;
		}
		last = place_of(c, path_last(&c->path)); /* its row may have been forgotten meanwhile */
		if (c->path.n && last.kind != PLACE_NOWHERE && !keeps_pointer(c, &last))
			mend(c, &last, target);
		path_add(&c->path, STEP(ra[i], injected));
		if (p.top)
			return true;
	}
	return false;
}
