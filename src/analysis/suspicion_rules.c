/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules. Waits are lower bounds, so a rule that needs a long one is silent where none is known.
 */
#include <string.h>

#include "analysis/suspicion.h"
#include "base/num.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MINUTE INT64_C(60000000000) /* ns */

typedef unsigned long long ull;

/* ---- words ---- */

static bool waits_for(const struct goroutine_group *g, const char *reason)
{
	return g->wait_reason && strcmp(g->wait_reason, reason) == 0;
}

static bool starts(const char *s, const char *start)
{
	return strncmp(s, start, strlen(start)) == 0;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* "3 goroutines blocked on a send, half of them for at least 12 min." */
static void say_who(const struct goroutine_group *g, const char *what, struct strbuf *text)
{
	const char *half = g->count == 1 ? "" : "half of them ";
	strbuf_printf(text, "%llu goroutine%s %s", (ull)g->count, plural(g->count), what);
	if (g->wait_median >= 60 * MINUTE)
		strbuf_printf(text, ", %sfor at least %.1f h", half, (double)g->wait_median / (double)(60 * MINUTE));
	else if (g->wait_median >= MINUTE)
		strbuf_printf(text, ", %sfor at least %lld min", half, (long long)(g->wait_median / MINUTE));
	strbuf_puts(text, ".");
}

static bool creator_gone(const struct suspicion_facts *f)
{
	return f->creators && f->creators_gone * 10 >= f->creators * 9;
}

static void say_gone(const struct suspicion_scene *s, const struct goroutine_group *g, const struct suspicion_facts *f,
		     struct strbuf *text)
{
	if (creator_gone(f))
		strbuf_printf(text, " The function that started them, %s, has returned since.",
			      stacks_at(&s->groups->stacks, g->created_by, 0)->function);
}

static bool is_long(const struct goroutine_group *g, const struct suspicion_rule *self)
{
	return g->wait_median >= self->wait;
}

/* ---- what the runtime itself says ---- */

static bool leaked(const struct suspicion_scene *s, const struct goroutine_group *g, const struct suspicion_facts *f,
		   const struct suspicion_rule *self, struct strbuf *text)
{
	if (!(g->flags & GOROUTINE_LEAKED))
		return false;
	say_who(g, "that the runtime's own profile calls leaked", text);
	strbuf_puts(text, " Nothing that can still run reaches what is waited on, so nothing will end the wait.");
	return true;
}

static bool nil_channel(const struct suspicion_scene *s, const struct goroutine_group *g,
			const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "chan receive (nil chan)") && !waits_for(g, "chan send (nil chan)"))
		return false;
	say_who(g, "waiting on a nil channel", text);
	strbuf_puts(text, " That never ends: the channel was not made, or a variable for it was shadowed.");
	return true;
}

/* ---- channels ---- */

static bool blocked_send(const struct suspicion_scene *s, const struct goroutine_group *g,
			 const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "chan send") || g->flags & GOROUTINE_LEAKED)
		return false;
	if (!is_long(g, self) && !(creator_gone(f) && g->count >= self->few))
		return false;
	say_who(g, "blocked on a send, and nobody receives", text);
	if (f->channels)
		strbuf_printf(text, " They send on %llu channel%s.", (ull)f->channels, plural(f->channels));
	say_gone(s, g, f, text);
	strbuf_puts(text, " A receiver that gave up (a timeout, an early return) leaves its sender so; "
			  "a channel with room for the answer does not.");
	return true;
}

/* Started one by one over time, as far as ids and waits tell; a pool is started in one loop. */
static bool is_staggered(const struct goroutine_group *g, const struct suspicion_facts *f)
{
	if (f->ids == g->n && g->n > 1 && f->id_span >= 4 * (uint64_t)g->n)
		return true;
	return g->wait_min >= 0 && g->wait_max - g->wait_min >= 10 * MINUTE;
}

static bool blocked_receive(const struct suspicion_scene *s, const struct goroutine_group *g,
			    const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "chan receive") || g->flags & GOROUTINE_LEAKED || g->count < self->few)
		return false;
	bool own = f->channels * 2 >
		   f->on_channels; /* a pool waits on one channel, calls that nobody answers on one each */
	if (f->on_channels && !own)
		return false;
	bool evidence = creator_gone(f) &&
			(f->on_channels ? is_long(g, self) || g->count >= self->many / 8 : is_staggered(g, f));
	if (!evidence && g->count < self->many)
		return false;
	say_who(g, "blocked on a receive, and nobody sends", text);
	if (f->channels)
		strbuf_printf(text, " They wait on %llu different channels.", (ull)f->channels);
	else if (is_staggered(g, f) && f->ids)
		strbuf_printf(text, " Their ids span %llu, so they were started over time, not as a pool.",
			      (ull)f->id_span + 1);
	say_gone(s, g, f, text);
	strbuf_puts(text,
		    " A sender that returned early leaves its receivers so; close(ch) or a context's Done does not.");
	return true;
}

static bool is_known_library(const struct suspicion_scene *s, const struct goroutine_group *g);

static bool stuck_select(const struct suspicion_scene *s, const struct goroutine_group *g,
			 const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "select") || g->flags & GOROUTINE_LEAKED || g->count < self->few || g->wait_min < self->wait)
		return false;
	if (!creator_gone(f) || is_known_library(s, g) || suspicion_has(s, g, "net/http.*"))
		return false;
	say_who(g, "in one select", text);
	strbuf_printf(text, " None of its cases came for %lld min, so it has no default and no shorter timeout.",
		      (long long)(g->wait_min / MINUTE));
	say_gone(s, g, f, text);
	strbuf_puts(text, " A case for the context's Done would let them end with their caller.");
	return true;
}

/* ---- locks ---- */

static bool waits_for_lock(const struct suspicion_scene *s, const struct goroutine_group *g)
{
	if (!g->wait_reason)
		return false;
	if (starts(g->wait_reason, "sync.Mutex") || starts(g->wait_reason, "sync.RWMutex"))
		return true;
	return waits_for(g, "semacquire") &&
	       (suspicion_has(s, g, "sync.(*Mutex)*") || suspicion_has(s, g, "sync.(*RWMutex)*"));
}

static bool lock_crowd(const struct suspicion_scene *s, const struct goroutine_group *g,
		       const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	bool lock = waits_for_lock(s, g);
	if (!lock && !waits_for(g, "semacquire"))
		return false;
	uint64_t crowd = f->on_channels ? f->crowd : g->count;
	if (crowd < self->few || (crowd < self->many && !is_long(g, self)))
		return false;
	say_who(g, lock ? "waiting for a lock here" : "waiting for a semaphore here", text);
	if (f->on_channels)
		strbuf_printf(text, " %llu in all wait for one and the same.", (ull)f->crowd);
	strbuf_puts(text, " Whoever holds it holds all of them back: see what else is in the functions that take it.");
	return true;
}

/* What a lock most likely belongs to: the receiver's type of the function that waits, else its package. */
static size_t owner_of(const char *function)
{
	size_t package = stack_package(function);
	const char *close = strstr(function + package, ").");
	if (package && function[package] == '.' && function[package + 1] == '(' && close)
		return (size_t)(close + 2 - function);
	return package ? package + 1 : strlen(function);
}

/* Is a goroutine that does not wait for a lock inside of what the lock belongs to? */
static bool someone_inside(const struct suspicion_scene *s, const char *function)
{
	size_t n = owner_of(function);
	for (size_t i = 0; i < s->groups->v.n; i++) {
		const struct goroutine_group *other = &s->groups->v.v[i];
		if (waits_for_lock(s, other))
			continue;
		if (other->flags & (GOROUTINE_MOVING | GOROUTINE_CUT) ||
		    !stacks_depth(&s->groups->stacks, other->stack))
			return true; /* perhaps */
		for (uint32_t k = 0; k < stacks_depth(&s->groups->stacks, other->stack); k++) {
			const char *name = stacks_at(&s->groups->stacks, other->stack, k)->function;
			if (strncmp(name, function, n) == 0 && strcmp(name, "main.main") != 0)
				return true;
		}
	}
	return false;
}

static bool lock_abandoned(const struct suspicion_scene *s, const struct goroutine_group *g,
			   const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for_lock(s, g) || !stacks_depth(&s->groups->stacks, g->stack) || s->cut)
		return false;
	if (!is_long(g, self) && g->count < self->few)
		return false;
	const char *function = stacks_at(&s->groups->stacks, g->stack, g->blocked)->function;
	if (someone_inside(s, function))
		return false;
	say_who(g, "waiting for a lock", text);
	strbuf_printf(text,
		      " No goroutine that could hold it is inside of %.*s*: whoever took it seems to have left without "
		      "unlocking, as a panic that was recovered or an early return does where Unlock is not deferred.",
		      (int)owner_of(function), function);
	return true;
}

/* ---- network ---- */

static void say_peers(const struct suspicion_scene *s, const struct goroutine_group *g, struct strbuf *text)
{
	enum { PEERS = 3 };
	const char *peers[PEERS] = { 0 };
	uint64_t counts[PEERS] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++) {
		const char *peer = s->gs->v.v[s->groups->members.v[g->at + i]].peer;
		size_t k = 0;
		while (peer && k < n && strcmp(peers[k], peer) != 0)
			k++;
		if (!peer || k == PEERS)
			continue;
		n = num_max(n, k + 1);
		peers[k] = peer;
		counts[k]++;
	}
	for (size_t k = 0; k < n; k++)
		strbuf_printf(text, "%s%s (%llu)%s", k ? ", " : " Among them ", peers[k], (ull)counts[k],
			      k + 1 == n ? "." : "");
}

static bool no_deadline(const struct suspicion_scene *s, const struct goroutine_group *g,
			const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "IO wait") || f->no_deadline < self->few || suspicion_has(s, g, "net.(*TCPListener)*") ||
	    suspicion_has(s, g, "net.(*UnixListener)*") || is_known_library(s, g))
		return false;
	if (!is_long(g, self) && f->no_deadline < self->many)
		return false;
	say_who(g, "waiting for the network", text);
	strbuf_printf(text, " On %llu of their descriptors no deadline is set, so a peer that says nothing keeps them.",
		      (ull)f->no_deadline);
	say_peers(s, g, text);
	if (suspicion_has(s, g, "net/http.(*conn).serve"))
		strbuf_puts(text, " http.Server has ReadTimeout, ReadHeaderTimeout and IdleTimeout for this.");
	return true;
}

/* Who waits for the end of a body, and who reads or still awaits one. */
static const struct {
	const char *waits, *reads[3];
} bodies[] = {
	{ "net/http.(*persistConn).readLoop", { "net/http.(*bodyEOFSignal).Read", NULL, NULL } },
	{ "net/http.(*http2clientStream).writeRequest",
	  { "net/http.http2transportResponseBody.Read", "net/http.(*http2ClientConn).roundTrip",
	    "net/http.(*http2ClientConn).RoundTrip" } },
	{ "golang.org/x/net/http2.(*clientStream).writeRequest",
	  { "golang.org/x/net/http2.transportResponseBody.Read", "golang.org/x/net/http2.(*ClientConn).roundTrip",
	    "golang.org/x/net/http2.(*ClientConn).RoundTrip" } },
};

static bool open_bodies(const struct suspicion_scene *s, const struct goroutine_group *g,
			const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	for (size_t i = 0; i < LEN(bodies); i++) {
		if (!waits_for(g, "select") || !suspicion_has(s, g, bodies[i].waits))
			continue;
		uint64_t readers = 0;
		for (size_t k = 0; k < LEN(bodies[i].reads) && bodies[i].reads[k]; k++)
			readers += suspicion_on_stack(s, bodies[i].reads[k]);
		uint64_t left = num_sub(g->count, readers);
		if (!left || (left < self->few && !is_long(g, self)))
			return false;
		say_who(g, "of http.Transport waiting for a response body to be read to its end or closed", text);
		strbuf_printf(text,
			      " %llu more than goroutines that read one: resp.Body.Close is missing there, or is not "
			      "reached.",
			      (ull)left);
		say_peers(s, g, text);
		return true;
	}
	return false;
}

static bool idle_connections(const struct suspicion_scene *s, const struct goroutine_group *g,
			     const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!waits_for(g, "IO wait") || !suspicion_has(s, g, "net/http.(*persistConn).readLoop"))
		return false;
	uint64_t idle = num_sub(g->count, suspicion_on_stack(s, "net/http.(*persistConn).roundTrip"));
	if (idle < self->few)
		return false;
	strbuf_printf(text,
		      "http.Transport keeps %llu connections on which no request waits, with two goroutines each.",
		      (ull)idle);
	say_peers(s, g, text);
	strbuf_puts(text, " One Transport keeps two a host unless told otherwise: is one made for each request? "
			  "IdleConnTimeout and CloseIdleConnections end them.");
	return true;
}

/* ---- contexts and libraries ---- */

static bool context_watch(const struct suspicion_scene *s, const struct goroutine_group *g,
			  const struct suspicion_facts *f, const struct suspicion_rule *self, struct strbuf *text)
{
	if (!suspicion_has(s, g, "context.propagateCancel.func*") &&
	    !suspicion_has(s, g, "context.(*cancelCtx).propagateCancel.func*"))
		return false;
	if (g->count < self->few || (g->count < self->many && !is_long(g, self)))
		return false;
	say_who(g, "of package context watching a parent", text);
	strbuf_puts(text,
		    " Each ends when its context is cancelled: the CancelFunc of a context with a parent of a type of "
		    "its own was not called.");
	return true;
}

static const struct library {
	const char *function;
	uint64_t normal;
	const char *what, *forgotten;
} libraries[] = {
#define LIBRARY(function, normal, what, forgotten) { function, normal, what, forgotten },
#include "analysis/libraries.def"
#undef LIBRARY
};

static const struct library *library_of(const struct suspicion_scene *s, const struct goroutine_group *g)
{
	for (size_t i = 0; i < LEN(libraries); i++) {
		if (suspicion_has(s, g, libraries[i].function))
			return &libraries[i];
	}
	return NULL;
}

static bool is_known_library(const struct suspicion_scene *s, const struct goroutine_group *g)
{
	return library_of(s, g);
}

static bool left_open(const struct suspicion_scene *s, const struct goroutine_group *g, const struct suspicion_facts *f,
		      const struct suspicion_rule *self, struct strbuf *text)
{
	const struct library *l = library_of(s, g);
	uint64_t n = l ? suspicion_on_stack(s, l->function) : 0;
	if (!l || n <= l->normal)
		return false;
	strbuf_printf(text, "%llu goroutines have %s on their stack; each is %s, and up to %llu are ordinary.", (ull)n,
		      l->function, l->what, (ull)l->normal);
	strbuf_printf(text, " What is usually missing: %s.", l->forgotten);
	return true;
}

/* clang-format off: a rule a line */
const struct suspicion_rule suspicion_rules[] = {
	{ "leaked", leaked, 1, 1, 0, "the runtime has proven it" },
	{ "nil-channel", nil_channel, 1, 1, 0, "it cannot end" },
	{ "blocked-send", blocked_send, 16, 16, 10 * MINUTE,
	  "timeouts are shorter than 10 minutes as a rule; 16 senders whose creator is gone are no back-pressure" },
	{ "blocked-receive", blocked_receive, 16, 1000, 10 * MINUTE,
	  "pools of some hundred workers are ordinary, and so are some goroutines that wait to be stopped" },
	{ "stuck-select", stuck_select, 32, 32, 10 * MINUTE,
	  "loops of services wait in selects for ever; dozens at one place whose creator is gone do not" },
	{ "lock-crowd", lock_crowd, 8, 32, MINUTE,
	  "a lock is held for microseconds: 32 waiters, or 8 for a minute, are not passing contention" },
	{ "lock-abandoned", lock_abandoned, 3, 3, MINUTE,
	  "a holder is seen on a stack, wherever it waits; with one or two waiters it may have left this moment" },
	{ "no-deadline", no_deadline, 8, 64, 10 * MINUTE,
	  "a few idle connections are ordinary; ten minutes are longer than common idle timeouts" },
	{ "open-bodies", open_bodies, 4, 4, MINUTE,
	  "a body is read within seconds; a single one may be a stream that was just opened" },
	{ "idle-connections", idle_connections, 16, 16, 0, "a Transport keeps two idle connections a host by default" },
	{ "context-watch", context_watch, 2, 8, 10 * MINUTE,
	  "a context with a foreign parent is rare, one that lives long rarer" },
	{ "left-open", left_open, 0, 0, 0, "by library, in libraries.def" },
	{ 0 },
};
/* clang-format on */
