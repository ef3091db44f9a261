/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/body.h"

#include <string.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"

enum {
	WORD = 8,
	LEN_MAX = 4 << 20,
	TABLE_MAX = 1 << 10, /* entries of a jump table */
	BACK = 8,	     /* instructions between the address of a table and the jump */
};

void gocode_body_deinit(struct gocode_body *b)
{
	vec_deinit(&b->insns);
	vec_deinit(&b->leaders);
	vec_deinit(&b->targets);
	vec_deinit(&b->tables);
	vec_deinit(&b->order);
	vec_deinit(&b->back);
}

uint32_t gocode_body_find(const struct gocode_body *b, uint64_t offset)
{
	size_t lo = bisect(b->insns.n, i, b->insns.v[i].at < offset);
	return lo < b->insns.n && b->insns.v[lo].at == offset ? (uint32_t)lo : UINT32_MAX;
}

static void note_slot(struct gocode_body *b, const struct sym_insn *i)
{
	uint64_t slot = (uint64_t)i->disp / WORD;
	if (i->base != SYM_RSP || i->disp < 0 || slot + 1 >= GOCODE_BODY_SLOTS)
		return;
	if (i->kind == SYM_INSN_ADDRESS) {
		b->exposed[slot / 64] |= UINT64_C(1) << slot % 64;
		b->exposed[(slot + 1) / 64] |= UINT64_C(1) << (slot + 1) % 64;
	} else if (i->kind == SYM_INSN_LOAD || i->kind == SYM_INSN_STORE) {
		b->slots = (uint32_t)num_max(b->slots, slot + 1);
	}
}

static bool decode(const unsigned char *code, struct gocode_body *b)
{
	struct sym_insn insn;
	for (size_t at = 0; at < b->len; at += insn.len) {
		if (b->insns.n == GOCODE_BODY_MAX)
			return false;
		if (!sym_disasm_step(code + at, b->len - at, b->entry + at, &insn))
			insn = (struct sym_insn){ .kind = SYM_INSN_STOP, .len = 1 }; /* fill between functions */
		*vec_push(&b->insns) = (struct gocode_insn){ insn, (uint32_t)at, 0 };
		note_slot(b, &insn);
	}
	return b->insns.n > 0;
}

static bool lead(struct gocode_body *b, uint32_t index)
{
	if (index == UINT32_MAX)
		return false;
	if (!b->insns.v[index].leader) {
		*vec_push(&b->leaders) = index;
		b->insns.v[index].leader = (uint32_t)b->leaders.n;
	}
	return true;
}

/* The address that the base of a jump by table was given shortly before, 0: not found. */
static uint64_t table_of(const struct gocode_body *b, size_t jump)
{
	unsigned base = b->insns.v[jump].i.base;
	for (size_t k = 1; base < SYM_RIP && k <= BACK && k <= jump; k++) {
		const struct sym_insn *i = &b->insns.v[jump - k].i;
		if (i->kind == SYM_INSN_ADDRESS && i->reg == base && i->base == SYM_RIP)
			return i->target;
		if (i->written & 1u << base || i->kind == SYM_INSN_CALL)
			break;
	}
	return 0;
}

/* Entries are read while they are places in the function; the table of another jump that follows does no harm. */
static bool read_table(struct memsrc *src, struct gocode_body *b, size_t jump)
{
	uint64_t at = table_of(b, jump), word = 0;
	uint32_t first = (uint32_t)b->targets.n;
	for (uint32_t i = 0; at && src && i < TABLE_MAX && memsrc_u64(src, at + (uint64_t)i * WORD, &word); i++) {
		uint32_t to = word - b->entry < b->len ? gocode_body_find(b, word - b->entry) : UINT32_MAX;
		if (!lead(b, to))
			break;
		*vec_push(&b->targets) = to;
	}
	*vec_push(&b->tables) = (uint32_t)jump;
	*vec_push(&b->tables) = first;
	*vec_push(&b->tables) = (uint32_t)b->targets.n - first;
	return b->targets.n > first;
}

/* A jump from the place at a position in the order to one before it. */
static void lead_back(struct gocode_body *b, size_t from, uint32_t to, const uint32_t *position)
{
	size_t at = position[b->insns.v[to].leader - 1];
	if (at && at <= from) /* to the function's beginning leads what made the stack larger, and no loop */
		b->back.v[at] = (uint32_t)num_max(b->back.v[at], from);
}

static void order(struct gocode_body *b)
{
	AUTO_FREE uint32_t *position = xcalloc(b->leaders.n, sizeof(*position));
	for (size_t i = 0; i < b->insns.n; i++) {
		if (!b->insns.v[i].leader)
			continue;
		position[b->insns.v[i].leader - 1] = (uint32_t)b->order.n;
		*vec_push(&b->back) = (uint32_t)b->order.n;
		*vec_push(&b->order) = b->insns.v[i].leader - 1;
	}
	for (size_t i = 0, at = 0; i < b->insns.n; i++) {
		const struct sym_insn *insn = &b->insns.v[i].i;
		if (b->insns.v[i].leader)
			at = position[b->insns.v[i].leader - 1];
		if (insn->kind == SYM_INSN_JUMP && insn->target && insn->target - b->entry < b->len)
			lead_back(b, at, gocode_body_find(b, insn->target - b->entry), position);
		for (size_t k = 0; insn->kind == SYM_INSN_JUMP && !insn->target && k + 2 < b->tables.n; k += 3) {
			for (uint32_t t = 0; b->tables.v[k] == i && t < b->tables.v[k + 2]; t++)
				lead_back(b, at, b->targets.v[b->tables.v[k + 1] + t], position);
		}
	}
}

bool gocode_body_take(struct memsrc *src, const unsigned char *code, size_t len, uint64_t entry,
		      struct gocode_body *ret)
{
	*ret = (struct gocode_body){ .entry = entry, .len = len };
	if (!decode(code, ret) || !lead(ret, 0))
		return false;
	for (size_t k = 0; k < ret->insns.n; k++) {
		const struct sym_insn *i = &ret->insns.v[k].i;
		if (i->kind != SYM_INSN_JUMP)
			continue;
		if (!i->target ? !read_table(src, ret, k)
			       : i->target - entry < len && !lead(ret, gocode_body_find(ret, i->target - entry)))
			return false;
	}
	order(ret);
	return true;
}

bool gocode_body_read(const struct gort *g, size_t function, struct gocode_body *ret)
{
	*ret = (struct gocode_body){ 0 };
	if (function >= sym_pclntab_count(g->pclntab))
		return false;
	uint64_t entry = sym_pclntab_entry(g->pclntab, function);
	uint64_t len = sym_pclntab_entry(g->pclntab, function + 1) - entry;
	if (!len || len > LEN_MAX)
		return false;
	AUTO_FREE unsigned char *code = xmalloc(len);
	return memsrc_read(g->src, entry, code, len) && gocode_body_take(g->src, code, len, entry, ret);
}
