/* SPDX-License-Identifier: Apache-2.0 */
#include "account/go_owners.h"

#include <string.h>

#include "base/alloc.h"
#include "gort/profile.h"

enum { FRAMES = 32, MEMO = 4096 };

static bool of_runtime(const char *function)
{
	return strncmp(function, "runtime.", 8) == 0 || strncmp(function, "internal/runtime/", 17) == 0;
}

/* Innermost function at a return address that is not the runtime's, or NULL. */
static const char *user_function(struct sym_pclntab *tab, uint64_t pc)
{
	struct sym_frame frames[FRAMES];
	size_t n = pc ? sym_pclntab_frames(tab, pc - 1, frames, FRAMES) : 0;
	for (size_t i = 0; i < n; i++) {
		if (!of_runtime(frames[i].function))
			return frames[i].function;
	}
	return NULL;
}

static const char *function_at(struct sym_pclntab *tab, uint64_t pc)
{
	struct sym_frame frame;
	return pc && sym_pclntab_frames(tab, pc, &frame, 1) ? frame.function : NULL;
}

/* The function with the go statement; the main goroutine and the runtime's own are named by what they run. */
static const char *creator(struct sym_pclntab *tab, const struct gort_goroutine *gr)
{
	const char *by = gr->gopc ? function_at(tab, gr->gopc - 1) : NULL;
	if (by && strcmp(by, "runtime.rt0_go") != 0 && strcmp(by, "runtime.newproc") != 0)
		return by;
	by = function_at(tab, gr->startpc);
	return by ? by : "(unknown)";
}

struct memo {
	uint64_t gopc, startpc;
	uint32_t owner;
};

void go_owners_stacks(struct target *t, const struct gort_goroutines *gs, const struct gort_thread_vec *threads,
		      struct tally *tally, struct claim_vec *stacks)
{
	AUTO_FREE struct memo *memo = xcalloc(MEMO, sizeof(*memo));
	for (size_t i = 0; i < gs->v.n; i++) {
		const struct gort_goroutine *gr = &gs->v.v[i];
		struct memo *m = &memo[(gr->gopc ^ gr->gopc >> 12 ^ gr->startpc) % MEMO];
		if (!m->owner || m->gopc != gr->gopc || m->startpc != gr->startpc) {
			const char *name = creator(t->gort.pclntab, gr);
			*m = (struct memo){ gr->gopc, gr->startpc, tally_owner(tally, CLASS_GO_STACK_INUSE, name) };
		}
		claim_add(stacks, gr->stack_lo, gr->stack_hi, CLASS_GO_STACK_INUSE, m->owner);
	}
	uint32_t owner = tally_owner(tally, CLASS_GO_STACK_INUSE, "runtime threads (g0, gsignal)");
	for (size_t i = 0; i < threads->n; i++) {
		const struct gort_thread *th = &threads->v[i];
		claim_add(stacks, th->g0_lo, th->g0_hi, CLASS_GO_STACK_INUSE, owner);
		claim_add(stacks, th->gsignal_lo, th->gsignal_hi, CLASS_GO_STACK_INUSE, owner);
	}
}

static const double BUCKET_MAX =
	0x1p56; /* bytes; no address space is larger, so more is a torn or overwritten bucket */

static void take_bucket(struct target *t, const struct gort_profile *p, const struct gort_bucket *b,
			struct tally *tally)
{
	const uint64_t *stk = p->pcs.v + b->at;
	const char *site = NULL;
	for (size_t i = 0; i < b->depth && !site; i++)
		site = user_function(t->gort.pclntab, stk[i]);
	if (!site)
		site = b->depth ? function_at(t->gort.pclntab, stk[0] - 1) : NULL;
	int64_t objects = 0, bytes = 0;
	gort_profile_scale(b->allocs - b->frees, b->alloc_bytes - b->free_bytes, p->rate, &objects, &bytes);
	if (site && bytes > 0 && (double)bytes < BUCKET_MAX)
		tally_credit(tally, tally_owner(tally, CLASS_GO_HEAP_LIVE, site), (uint64_t)bytes);
}

void go_owners_heap(struct target *t, struct tally *tally)
{
	struct gort_profile p AUTO(gort_profile);
	gort_profile_read(&t->gort, GORT_PROFILE_FRESHEST, &p);
	for (size_t i = 0; i < p.buckets.n; i++) {
		if (p.buckets.v[i].allocs > p.buckets.v[i].frees)
			take_bucket(t, &p, &p.buckets.v[i], tally);
	}
	if (!p.buckets.n || !p.rate)
		account_note(tally->a, "the live heap has no allocation sites: memory profiling is off in this program "
				       "(nothing in it reads the profile, so the linker dropped it, or the rate is 0)");
}
