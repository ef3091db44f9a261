/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/receiver.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/num.h"

enum {
	CHUNK = 256 * 1024,
	CALL = 5,    /* E8 and a displacement */
	LEA = 7,     /* 48 8D 05 and a displacement: LEA RAX, [rip + disp] */
	BEFORE = 64, /* bytes of code between the two, at most */
};

struct receivers {
	const struct gort *g;
	bool (*wanted)(const char *name);
	struct hash_map callees; /* entry -> index + 2; 1: not wanted */
	struct gocode_receiver_vec *out;
};

static bool in_data(const struct gort_module *m, uint64_t addr)
{
	const struct gort_range *const ranges[] = { &m->data, &m->bss, &m->noptrdata, &m->noptrbss };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (addr >= ranges[i]->start && addr < ranges[i]->end)
			return true;
	return false;
}

/* The variable whose address was loaded last before the call at `at`, 0: none. `code` begins at address `base`. */
static uint64_t loaded(const struct receivers *r, const unsigned char *code, size_t at, uint64_t base)
{
	for (size_t back = LEA; back <= BEFORE && back <= at; back++) {
		const unsigned char *p = code + at - back;
		if (p[0] != 0x48 || p[1] != 0x8d || p[2] != 0x05)
			continue;
		uint64_t target = base + at - back + LEA + (uint64_t)(int64_t)(int32_t)load_u32(p + 3);
		return in_data(&r->g->module, target) ? target : 0;
	}
	return 0;
}

static bool callee(struct receivers *r, uint64_t target, uint32_t *ret)
{
	const struct gort_module *m = &r->g->module;
	if (target < m->text.start || target >= m->text.end)
		return false;
	bool fresh = false;
	uint64_t *known = hash_map_at(&r->callees, target, &fresh);
	if (fresh) {
		size_t f = 0;
		bool ok = sym_pclntab_find(r->g->pclntab, target, &f) &&
			  sym_pclntab_entry(r->g->pclntab, f) == target &&
			  r->wanted(sym_pclntab_name(r->g->pclntab, f));
		*known = ok ? f + 2 : 1;
	}
	*ret = (uint32_t)(*known - 2);
	return *known > 1;
}

static void look(struct receivers *r, const unsigned char *code, size_t at, uint64_t base)
{
	uint64_t variable = loaded(r, code, at, base);
	uint32_t func = 0;
	size_t caller = 0;
	if (variable && callee(r, base + at + CALL + (uint64_t)(int64_t)(int32_t)load_u32(code + at + 1), &func) &&
	    sym_pclntab_find(r->g->pclntab, base + at, &caller))
		*vec_push(r->out) = (struct gocode_receiver){ variable, func, (uint32_t)caller };
}

static int by_address(const void *a, const void *b)
{
	const struct gocode_receiver *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->func != y->func)
		return x->func < y->func ? -1 : 1;
	return x->caller < y->caller ? -1 : x->caller > y->caller;
}

static void keep_one_of_each(struct gocode_receiver_vec *v)
{
	size_t n = 0;
	vec_sort(v, by_address);
	for (size_t i = 0; i < v->n; i++)
		if (!n || by_address(&v->v[n - 1], &v->v[i]) != 0)
			v->v[n++] = v->v[i];
	v->n = n;
}

void gocode_receivers_read(const struct gort *g, bool (*wanted)(const char *name), struct gocode_receiver_vec *ret)
{
	const struct gort_module *m = &g->module;
	struct receivers r = { .g = g, .wanted = wanted, .out = ret };
	if (!g->pclntab || !sym_pclntab_count(g->pclntab))
		return;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	uint64_t at = m->text.start;
	while (at < m->text.end && ret->n < GOCODE_RECEIVERS_MAX) {
		size_t len = (size_t)num_min(CHUNK, m->text.end - at);
		if (len <= BEFORE + CALL)
			break;
		bool read = memsrc_read(g->src, at, buf, len);
		for (size_t i = LEA; read && i + CALL <= len && ret->n < GOCODE_RECEIVERS_MAX; i++)
			if (buf[i] == 0xe8)
				look(&r, buf, i, at);
		at += len - BEFORE - CALL; /* pieces overlap, so that no pair is cut */
	}
	hash_map_deinit(&r.callees);
	keep_one_of_each(ret);
}
