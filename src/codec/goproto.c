/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/goproto.h"

#include <string.h>

#include "base/alloc.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { COUNT_MAX = 1 << 30 }; /* goroutines in one row; each takes 2 KiB of stack at least */

/* ---- what a stack tells ---- */

/*
 * The function in which a goroutine waits, and what the runtime calls that. Where `weak`, a caller in this table says it
 * better. A name that ends in "*" is the start of one.
 */
static const struct {
	const char *function, *state, *reason;
	bool weak;
} waits[] = {
	{ "runtime.chanrecv*", "waiting", "chan receive", false },
	{ "runtime.chansend*", "waiting", "chan send", false },
	{ "runtime.selectgo", "waiting", "select", false },
	{ "runtime.block", "waiting", "select (no cases)", false },
	{ "runtime.netpollblock", "waiting", "IO wait", false },
	{ "internal/poll.runtime_pollWait", "waiting", "IO wait", false },
	{ "runtime.timeSleep", "waiting", "sleep", false },
	{ "time.Sleep", "waiting", "sleep", false },
	{ "runtime.semacquire*", "waiting", "semacquire", true },
	{ "runtime.sync_runtime_Semacquire*", "waiting", "semacquire", true },
	{ "sync.runtime_Semacquire", "waiting", "semacquire", true },
	{ "sync.runtime_SemacquireMutex", "waiting", "semacquire", true },
	{ "internal/sync.runtime_SemacquireMutex", "waiting", "sync.Mutex.Lock", true },
	{ "internal/poll.runtime_Semacquire", "waiting", "semacquire", false },
	{ "sync.runtime_SemacquireRWMutexR", "waiting", "sync.RWMutex.RLock", false },
	{ "sync.runtime_SemacquireRWMutex", "waiting", "sync.RWMutex.Lock", false },
	{ "sync.runtime_SemacquireWaitGroup", "waiting", "sync.WaitGroup.Wait", false },
	{ "sync.(*Mutex).lockSlow", "waiting", "sync.Mutex.Lock", false },
	{ "internal/sync.(*Mutex).lockSlow", "waiting", "sync.Mutex.Lock", false },
	{ "sync.(*RWMutex).RLock", "waiting", "sync.RWMutex.RLock", false },
	{ "sync.(*RWMutex).Lock", "waiting", "sync.RWMutex.Lock", false },
	{ "sync.(*WaitGroup).Wait", "waiting", "sync.WaitGroup.Wait", false },
	{ "runtime.notifyListWait", "waiting", "sync.Cond.Wait", false },
	{ "sync.runtime_notifyListWait", "waiting", "sync.Cond.Wait", false },
	{ "runtime.coroswitch*", "waiting", "coroutine", false },
	{ "os/signal.signal_recv", "syscall", NULL, false },
	{ "syscall.Syscall*", "syscall", NULL, false },
	{ "syscall.RawSyscall*", "syscall", NULL, false },
	{ "internal/runtime/syscall.Syscall6", "syscall", NULL, false },
	{ "internal/runtime/syscall/linux.Syscall6", "syscall", NULL, false },
	{ "runtime.cgocall", "syscall", NULL, false },
};

static bool matches(const char *pattern, const char *function)
{
	size_t n = strlen(pattern);
	if (pattern[n - 1] == '*')
		return strncmp(pattern, function, n - 1) == 0;
	return strcmp(pattern, function) == 0;
}

static int wait_of(const char *function)
{
	for (size_t i = 0; i < LEN(waits); i++) {
		if (matches(waits[i].function, function))
			return (int)i;
	}
	return -1;
}

/* Functions that may stand between the runtime and the one that says it better. */
static bool carries_on(const char *function)
{
	return strncmp(function, "sync.", 5) == 0 || strncmp(function, "internal/sync.", 14) == 0 ||
	       stack_is_runtime(function);
}

void goproto_infer(struct goroutines *gs, struct goroutine *g)
{
	struct intern *strings = &gs->stacks.strings;
	int found = -1;
	for (uint32_t i = 0; i < stacks_depth(&gs->stacks, g->stack); i++) {
		const char *function = stacks_at(&gs->stacks, g->stack, i)->function;
		int here = wait_of(function);
		if (here >= 0)
			found = here;
		if ((here >= 0 && !waits[here].weak) || !carries_on(function))
			break;
	}
	bool leaked = g->flags & GOROUTINE_LEAKED;
	g->state = intern_str(strings, leaked ? "leaked" : found >= 0 ? waits[found].state : "unknown");
	g->wait_reason = found >= 0 && waits[found].reason ? intern_str(strings, waits[found].reason) : NULL;
	if (g->wait_reason && strncmp(g->wait_reason, "select", 6) == 0)
		g->flags |= GOROUTINE_SELECT;
}

static bool of_runtime(const char *function)
{
	return stack_is_runtime(function) || strncmp(function, "internal/runtime/", 17) == 0;
}

void goproto_mark_system(const struct goroutines *gs, struct goroutine *g)
{
	uint32_t n = stacks_depth(&gs->stacks, g->stack);
	for (uint32_t i = n; i-- > 0;) { /* the outermost first: nearly always it tells */
		const char *function = stacks_at(&gs->stacks, g->stack, i)->function;
		if (!of_runtime(function) || strcmp(function, "runtime.main") == 0)
			return;
	}
	if (n)
		g->flags |= GOROUTINE_SYSTEM;
}

/* ---- profiles ---- */

static int count_type(const struct profile *p, unsigned *flags)
{
	int leak = profile_type_find(p, "goroutineleak"), all = profile_type_find(p, "goroutine");
	*flags = leak >= 0 ? GOROUTINE_LEAKED : 0;
	return leak >= 0 ? leak : all;
}

static void copy_labels(const struct profile *p, const struct profile_sample *s, struct goroutines *to,
			struct goroutine *g)
{
	struct intern *strings = &to->stacks.strings;
	g->label_at = (uint32_t)to->labels.n;
	for (uint32_t i = 0; i < s->label_n; i++) {
		const struct profile_label *l = &p->labels.v[s->label_at + i];
		if (!l->text)
			continue;
		*vec_push(&to->labels) =
			(struct goroutine_label){ intern_str(strings, l->key), intern_str(strings, l->text) };
		g->label_n++;
	}
}

struct err *goroutines_of_profile(const struct profile *p, uint32_t input, struct goroutines *ret)
{
	unsigned flags = 0;
	int type = count_type(p, &flags);
	if (type < 0)
		return err_new(ERR_ARG, "it is a profile of %s, not of goroutines",
			       p->n_types ? p->types[0].type : "nothing");
	for (size_t i = 0; i < p->samples.n; i++) {
		int64_t count = profile_values(p, i)[type];
		if (!count)
			continue;
		if (count < 0 || count > COUNT_MAX)
			return err_new(ERR_FORMAT, "sample %zu has %lld goroutines", i, (long long)count);
		struct goroutine g = {
			.wait_ns = -1,
			.stack_bytes = ACCOUNT_UNKNOWN,
			.stack = stacks_copy(&ret->stacks, &p->stacks, p->samples.v[i].stack, true),
			.count = (uint32_t)count,
			.fd = -1,
			.input = input,
			.flags = flags,
		};
		goproto_infer(ret, &g);
		goproto_mark_system(ret, &g);
		copy_labels(p, &p->samples.v[i], ret, &g);
		*vec_push(&ret->v) = g;
		ret->total += g.flags & GOROUTINE_SYSTEM ? 0 : g.count;
	}
	return NULL;
}

void goroutines_profile(const struct goroutines *gs, int64_t wall_ns, struct profile *ret)
{
	profile_init(ret);
	profile_type_add(ret, "goroutine", "count");
	ret->period_type = (struct profile_type){ "goroutine", "count" };
	ret->period = 1;
	ret->time_unix_ns = wall_ns;
	struct u32_vec rows = { 0 }; /* by stack: number of its sample, + 1 */
	for (size_t i = 0; i < gs->v.n; i++) {
		const struct goroutine *g = &gs->v.v[i];
		if (g->flags & GOROUTINE_SYSTEM)
			continue;
		uint32_t stack = stacks_copy(&ret->stacks, &gs->stacks, g->stack, false);
		while (rows.n <= stack)
			*vec_push(&rows) = 0;
		if (!rows.v[stack]) {
			(void)profile_sample_add(ret, stack);
			rows.v[stack] = (uint32_t)ret->samples.n;
		}
		ret->values.v[rows.v[stack] - 1] += g->count;
	}
	vec_deinit(&rows);
}
