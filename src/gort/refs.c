/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/refs.h"

#include "base/cursor.h"
#include "base/num.h"

enum {
	CHUNK = 256 * 1024,
	OPERAND = 5, /* ModRM and its displacement */
	MODRM_MASK = 0xc7,
	MODRM_RIP = 0x05,
	IMMEDIATES = 3, /* the next instruction starts after none, one or four bytes of immediate */
};

struct scan {
	const struct gort *g;
	struct gort_ref_vec *out;
	uint64_t lo, hi; /* all of the image's data */
	size_t func;	 /* of the address last asked for */
};

static bool in_data(const struct gort_module *m, uint64_t addr)
{
	const struct gort_range *const ranges[] = { &m->noptrdata, &m->data, &m->bss, &m->noptrbss };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (addr >= ranges[i]->start && addr < ranges[i]->end)
			return true;
	}
	return false;
}

static void take(struct scan *s, uint64_t at, uint64_t target)
{
	struct sym_pclntab *t = s->g->pclntab;
	size_t n = sym_pclntab_count(t);
	while (s->func + 1 < n && sym_pclntab_entry(t, s->func + 1) <= at)
		s->func++;
	if (sym_pclntab_entry(t, s->func) <= at)
		*vec_push(s->out) = (struct gort_ref){ target, (uint32_t)s->func };
}

/* The operand's instruction may end in an immediate, which moves the base: the first end that meets data counts. */
static void look(struct scan *s, const unsigned char *operand, uint64_t addr)
{
	static const unsigned immediates[IMMEDIATES] = { 0, 1, 4 };
	uint64_t disp = (uint64_t)(int64_t)(int32_t)load_u32(operand + 1);
	uint64_t target = addr + OPERAND + disp;
	if (target + 4 < s->lo || target >= s->hi)
		return;
	/* cmp, mov, add with an immediate have an even opcode 0x80, 0xc6 or 0x81, 0xc7 before the ModRM byte */
	unsigned op = operand[-1];
	unsigned which = op == 0x80 || op == 0x83 || op == 0xc6 ? 1 : op == 0x81 || op == 0xc7 ? 2 : 0;
	target += immediates[which];
	if (in_data(&s->g->module, target))
		take(s, addr, target);
}

static int by_address(const void *a, const void *b)
{
	const struct gort_ref *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->func < y->func ? -1 : x->func > y->func;
}

void gort_refs_read(const struct gort *g, struct gort_ref_vec *ret)
{
	const struct gort_module *m = &g->module;
	struct scan s = { .g = g, .out = ret, .lo = UINT64_MAX };
	const struct gort_range *const ranges[] = { &m->noptrdata, &m->data, &m->bss, &m->noptrbss };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		s.lo = num_min(s.lo, ranges[i]->start);
		s.hi = num_max(s.hi, ranges[i]->end);
	}
	if (!g->pclntab || !sym_pclntab_count(g->pclntab))
		return;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	for (uint64_t at = m->text.start; at < m->text.end && ret->n < GORT_REFS_MAX; at += CHUNK - OPERAND) {
		size_t len = (size_t)num_min(CHUNK, m->text.end - at);
		if (len <= OPERAND || !memsrc_read(g->src, at, buf, len))
			break;
		for (size_t i = 1; i + OPERAND <= len; i++) {
			if ((buf[i] & MODRM_MASK) == MODRM_RIP)
				look(&s, buf + i, at + i);
		}
	}
	vec_sort(ret, by_address);
}
