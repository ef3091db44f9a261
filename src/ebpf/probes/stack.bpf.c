/* SPDX-License-Identifier: Apache-2.0 */

/* Stacks. Functions that are not static are verified once, for any arguments, and not again for each of their callers. */

#include "ebpf/probes/stack.h"

enum {
	STACK_MAX = 256 << 20, /* between two frames of a stack whose end is not known */
	PAGE = 4096,
	CALLBACKS_MAX = 8,   /* of C into Go on one stack */
	CALLBACK_WORDS = 12, /* more than a frame of runtime.cgocallback has */
};

/* Masked, not compared: a comparison would double what the verifier has to look at in each round of a loop. */
static __always_inline void put_frame(struct ebpf_slot *s, __u64 n, __u64 pc)
{
	*(__u64 *)(s->data + 8 * (n & (EBPF_SLOT_FRAMES - 1))) = pc;
}

/*
 * Return addresses by frame pointers from `bp` on, those between lo and hi, put behind the `first` ones that are there.
 * Gives how many there were: more than there is room for, when they were cut.
 */
__noinline int walk(struct ebpf_slot *s, __u64 bp, __u64 lo, __u64 hi, __u32 first)
{
	int n = 0;
	if (!s)
		return 0;
	for (int i = 0; i < EBPF_FRAMES_MAX + 1; i++) {
		__u64 frame[2];
		if (bp < lo || bp > hi - sizeof(frame) || bp & 7)
			break;
		if (bpf_probe_read_user(frame, sizeof(frame), (void *)bp) || !frame[1])
			break;
		put_frame(s, first + n, frame[1]);
		n++;
		lo = bp + sizeof(frame);
		bp = frame[0];
	}
	s->walked = lo;
	s->left = bp;
	return n;
}

/* ---- Go ---- */

struct goroutine {
	__u64 lo, hi;		/* of the stack that sp is on */
	__u64 base;		/* where the C stack of this call began; 0: not known */
	__u64 pc, bp, glo, ghi; /* of the goroutine below; pc 0: none */
	__u64 goid;
	__u32 flags;
};

static __always_inline bool bounds(const struct ebpf_process *p, __u64 g, __u64 *lo, __u64 *hi)
{
	return user_word(g + p->g_stack_lo, lo) && user_word(g + p->g_stack_hi, hi) && *lo && *lo < *hi;
}

/* The goroutine that waits below the system stack of m. */
static __always_inline void find_below(const struct ebpf_process *p, __u64 m, __u64 g, __u64 sp, struct goroutine *ret)
{
	__u64 g0 = 0, curg = 0, owner = 0, at = 0;
	if (!user_word(m + p->m_g0, &g0) || g0 != g || !user_word(m + p->m_curg, &curg) || !curg ||
	    !user_word(curg + p->g_m, &owner) || owner != m || !bounds(p, curg, &ret->glo, &ret->ghi))
		return;
	if (sp >= ret->glo && sp < ret->ghi)
		return; /* half way between the two stacks */
	if (!user_word(curg + p->g_sched_sp, &at) || at < ret->glo || at > ret->ghi)
		return;
	if (!user_word(curg + p->g_sched_pc, &ret->pc) || !ret->pc)
		return;
	user_word(curg + p->g_sched_bp, &ret->bp);
	user_word(curg + p->g_goid, &ret->goid);
	ret->flags = EBPF_ON_SYSTEM;
	if (user_word(g0 + p->g_sched_sp, &at) && at > sp && at - sp < STACK_MAX)
		ret->base = at;
}

__noinline int find_goroutine(const struct ebpf_process *p, __u64 fsbase, __u64 sp, struct goroutine *ret)
{
	__u64 g = 0, m = 0, curg = 0, lo = 0, hi = 0;
	if (!p || !ret)
		return 0;
	ret->flags = EBPF_NO_GO;
	ret->lo = sp;
	ret->hi = sp + STACK_MAX;
	if (!p->is_go || !user_word(fsbase + p->tls_g, &g) || !g || !user_word(g + p->g_m, &m) || !m ||
	    !bounds(p, g, &lo, &hi))
		return 0;
	bool within = sp >= lo && sp < hi;
	if (within)
		ret->hi = hi;
	if (within && user_word(m + p->m_curg, &curg) && curg == g) {
		ret->flags = EBPF_ON_GOROUTINE;
		user_word(g + p->g_goid, &ret->goid);
		return 0;
	}
	find_below(p, m, g, sp, ret);
	return 0;
}

/*
 * A goroutine that C called back into goes on above: runtime.cgocallback put the pc that it had been left with there, in
 * the place of a return address, and next to that lies the frame of runtime.asmcgocall. Gives the frame pointer of that.
 */
static __always_inline __u64 beyond_callback(const struct ebpf_slot *s, __u64 pc, __u64 hi)
{
	__u64 v = 0, at = s->walked;
	for (int i = 0; i < CALLBACK_WORDS; i++, at += 8) {
		if (at > hi - 16 || !user_word(at, &v))
			return 0;
		if (v == pc) /* before 1.21 that frame holds no pointer */
			return user_word(at + 8, &v) && v > at && v < hi ? at + 8 : 0;
	}
	return 0;
}

/*
 * The goroutine's addresses behind the n that are there. Each part that a callback ends is followed by the pc that the
 * goroutine had been left with.
 */
__noinline int walk_goroutine(struct ebpf_slot *s, const struct goroutine *g, __u32 n)
{
	if (!s || !g)
		return 0;
	__u32 k = 0;
	__u64 bp = g->bp;
	for (int i = 0; i < CALLBACKS_MAX; i++) {
		put_frame(s, n + k, g->pc);
		k += 1 + walk(s, bp, i ? bp : g->glo, g->ghi, n + k + 1);
		s->called_back |= s->left != 0;
		if (!s->left || n + k > EBPF_SLOT_FRAMES - EBPF_FRAMES_MAX - 2)
			break;
		bp = beyond_callback(s, g->pc, g->ghi);
		if (!bp)
			break;
	}
	return k;
}

/* ---- all of it ---- */

/*
 * Memory from sp up to `end`, as far as it is there, behind the frames. The return address of a function whose return is
 * probed is put back into the copy.
 */
__noinline int copy_bytes(struct ebpf_slot *s, __u64 sp, __u64 end, __u32 most)
{
	if (!s)
		return 0;
	__u64 done = 0, at = 8 * (s->event.n_user + s->event.n_go);
	if (most > EBPF_STACK_BYTES_MAX)
		most = EBPF_STACK_BYTES_MAX;
	if (end - sp > most) {
		end = sp + most;
		s->event.flags |= EBPF_BYTES_CUT;
	}
	for (int i = 0; i < EBPF_STACK_BYTES_MAX / PAGE + 1; i++) {
		__u64 from = sp + done;
		__u64 n = PAGE - (from & (PAGE - 1)), to = at + done;
		if (from >= end)
			break;
		if (n > end - from)
			n = end - from;
		barrier_var(n);
		barrier_var(to);
		if (!n || n > PAGE || to > sizeof(s->data) - PAGE || bpf_probe_read_user(s->data + to, n, (void *)from))
			break;
		done += n;
	}
	s->event.n_bytes = done;
	__u64 probed = at + s->probed_sp - sp;
	barrier_var(probed);
	if (s->probed_sp >= sp && s->probed_sp - sp + 8 <= done && probed <= sizeof(s->data) - PAGE)
		*(__u64 *)(s->data + probed) = s->probed_caller;
	return 0;
}

int note_stack(struct ebpf_slot *s, const struct ebpf_process *p, const struct place *at, __u64 fsbase)
{
	struct goroutine g = { 0 };
	if (!s || !p || !at)
		return 0;
	find_goroutine(p, fsbase, at->sp, &g);
	__u32 n = 1, k = 0;
	s->called_back = 0;
	put_frame(s, 0, at->ip);
	if (at->caller)
		put_frame(s, n++, at->caller);
	n += walk(s, at->bp, at->sp, g.hi, n);
	__u32 flags = g.flags | (at->caller ? EBPF_CALLER_READ : 0);
	if (n > EBPF_FRAMES_MAX) {
		n = EBPF_FRAMES_MAX;
		flags |= EBPF_USER_CUT;
	}
	if (g.pc) {
		k = walk_goroutine(s, &g, n);
		if (k > EBPF_FRAMES_MAX) {
			k = EBPF_FRAMES_MAX;
			flags |= EBPF_GO_CUT;
		}
	}
	s->event.n_user = n;
	s->event.n_go = k;
	s->event.goid = g.goid;
	s->event.flags |= flags;
	s->event.ip = at->ip;
	s->event.sp = at->sp;
	s->event.bp = at->bp;
	s->event.regs[0] = at->bx;
	s->event.regs[1] = at->r12;
	s->event.regs[2] = at->r13;
	if (p->copy_stack && !(flags & EBPF_ON_GOROUTINE))
		copy_bytes(s, at->sp, g.base && !s->called_back ? g.base : g.hi, p->copy_stack);
	return 0;
}
