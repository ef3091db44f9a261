/* SPDX-License-Identifier: Apache-2.0 */
#include "act/act.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "act/actor.h"
#include "act/chain.h"
#include "act/frame.h"
#include "act/kept.h"
#include "act/order.h"
#include "base/alloc.h"
#include "base/num.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

enum { ENDS_TIMES = 3, HOST_LEN = 256, DEAD_LEN = 160, OUT_MAX = 16 * 1024 * 1024 };

/* How many links the chain of a policy has. */
struct length {
	char *policy;
	unsigned n;
};

struct act {
	struct spawner *spawner;
	unsigned part;
	struct child child; /* its socket is -1 while there is no actor */
	struct spawner_again again;
	int epoll, held_fd; /* an eventfd, readable: `held` has outcomes */
	bool want_out;
	struct strbuf out;
	size_t sent;
	struct frame_reader in, held; /* held: came while a rehearsal was waited for */
	uint32_t rehearsals, awaited; /* numbers; 0: none is waited for */
	struct strbuf *problems;      /* of that one */
	struct strbuf chains;	      /* the frame in force */
	struct kept_orders kept;
	uint32_t orders; /* number of the latest */
	VEC(struct length) lengths;
	unsigned long dropped;
	bool death_told;
	char dead[DEAD_LEN];
	char host[HOST_LEN];
};

/* ---- the process ---- */

static bool watch_fd(const struct act *a, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

struct spawner_part act_part(void)
{
	return (struct spawner_part){ "ullage-act", CHILD_STREAM, actor_run, NULL };
}

static int64_t now_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static struct err *begin(struct act *a)
{
	TRY(spawner_begin(a->spawner, a->part, &a->child));
	if (!watch_fd(a, a->child.fd))
		return err_os(errno, "watching the process that acts");
	a->want_out = false;
	spawner_again_began(&a->again, now_ns());
	return NULL;
}

struct err *act_start(struct spawner *sp, unsigned part, struct act **ret)
{
	struct act *a = *ret = xcalloc(1, sizeof(*a));
	a->spawner = sp;
	a->part = part;
	a->child = CHILD_NONE;
	strbuf_init(&a->out);
	strbuf_init(&a->chains);
	frame_reader_init(&a->in);
	frame_reader_init(&a->held);
	if (gethostname(a->host, sizeof(a->host) - 1) != 0)
		a->host[0] = 0;
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->held_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct err *err = a->epoll < 0 || a->held_fd < 0 ? err_os(errno, "starting the process that acts") : NULL;
	if (!err)
		err = begin(a);
	if (!err && !watch_fd(a, a->held_fd))
		err = err_os(errno, "watching the process that acts");
	if (err)
		act_stop(take_ptr(*ret));
	return err;
}

static void forget_lengths(struct act *a)
{
	for (size_t i = 0; i < a->lengths.n; i++)
		free(a->lengths.v[i].policy);
	vec_deinit(&a->lengths);
}

static void close_socket(struct act *a)
{
	if (a->child.fd >= 0)
		close(a->child.fd); /* it leaves the epoll */
	a->child = CHILD_NONE;
}

void act_stop(struct act *a)
{
	if (!a)
		return;
	if (a->child.fd >= 0)
		frame_send(a->child.fd, &a->out, &a->sent);
	close_socket(a);
	kept_deinit(&a->kept);
	forget_lengths(a);
	frame_reader_deinit(&a->in);
	frame_reader_deinit(&a->held);
	strbuf_deinit(&a->out);
	strbuf_deinit(&a->chains);
	if (a->epoll >= 0)
		close(a->epoll);
	if (a->held_fd >= 0)
		close(a->held_fd);
	free(a);
}

int act_fd(const struct act *a)
{
	return a->epoll;
}

unsigned act_waiting(const struct act *a)
{
	return a->kept.waiting;
}

unsigned long act_dropped(const struct act *a)
{
	return a->dropped;
}

unsigned long act_restarts(const struct act *a)
{
	return a->again.times;
}

const char *act_dead(const struct act *a)
{
	return *a->dead ? a->dead : NULL;
}

/* It no longer answers. Told by act_dispatch(), which held_fd asks for. */
static void died(struct act *a, const char *why)
{
	uint64_t one = 1;
	char how[DEAD_LEN / 2] = "";
	if (*a->dead)
		return;
	close_socket(a);
	spawner_ended(a->spawner, a->part, how, sizeof(how));
	snprintf(a->dead, sizeof(a->dead), "the process that acts %s", *how ? how : why);
	spawner_again_ended(&a->again, now_ns());
	if (write(a->held_fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void flush(struct act *a)
{
	if (*a->dead)
		return;
	if (!frame_send(a->child.fd, &a->out, &a->sent)) {
		died(a, "is gone");
		return;
	}
	bool want = a->out.len > 0;
	struct epoll_event ev = { .events = EPOLLIN | (want ? EPOLLOUT : 0) };
	if (want != a->want_out && epoll_ctl(a->epoll, EPOLL_CTL_MOD, a->child.fd, &ev) == 0)
		a->want_out = want;
}

/* ---- orders ---- */

static unsigned chain_length(void *arg, const char *policy)
{
	const struct act *a = arg;
	for (size_t i = 0; i < a->lengths.n; i++) {
		if (strcmp(a->lengths.v[i].policy, policy) == 0)
			return a->lengths.v[i].n;
	}
	return 0;
}

struct err *act_configure(struct act *a, const struct config *c)
{
	AUTO(strbuf) struct strbuf frame;
	strbuf_init(&frame);
	TRY(chains_write(c, &frame));
	strbuf_clear(&a->chains);
	strbuf_add(&a->chains, frame.buf, frame.len);
	if (!*a->dead)
		strbuf_add(&a->out, frame.buf, frame.len);
	forget_lengths(a);
	for (size_t i = 0; i < c->policies.n; i++) {
		const struct config_policy *p = &c->policies.v[i];
		*vec_push(&a->lengths) = (struct length){ xstrdup(p->name), (unsigned)p->actions.n };
	}
	kept_reload(&a->kept, chain_length, a);
	flush(a);
	return NULL;
}

bool act_post(struct act *a, const char *policy, const struct act_order *o)
{
	unsigned n = chain_length(a, policy);
	const struct kept *known = kept_find(&a->kept, policy, o->incident);
	if (n == 0 || (o->resolved ? !known : known && known->state == o->target->state))
		return true;
	unsigned most = o->resolved ? ENDS_TIMES * ACT_WAITING : ACT_WAITING;
	if (a->kept.waiting + n > most || a->out.len > OUT_MAX ||
	    (!known && a->kept.v.n >= ACT_INCIDENTS + ACT_WAITING)) {
		a->dropped++;
		return false;
	}
	bool kill = o->event && o->event->kind == WATCH_EVENT_OOM_KILL && o->event->text;
	const char *reason = kill ? o->event->text : o->target->reason;
	struct kept order = { .number = ++a->orders,
			      .n = n,
			      .resolved = o->resolved,
			      .state = o->target->state,
			      .policy = (char *)(uintptr_t)policy,
			      .incident = (char *)(uintptr_t)o->incident,
			      .reason = (char *)(uintptr_t)(*reason ? reason : NULL) };
	strbuf_init(&order.frame);
	order_write(a->host, policy, order.number, o, &order.frame);
	if (!*a->dead)
		strbuf_add(&a->out, order.frame.buf, order.frame.len);
	kept_add(&a->kept, &order);
	flush(a);
	return true;
}

/* ---- what comes back ---- */

struct sink {
	void (*outcome)(void *arg, const struct act_outcome *o);
	void *arg;
};

static bool take_outcome(struct act *a, struct cursor *f, const struct sink *to)
{
	struct act_outcome o = { 0 };
	uint32_t number = cursor_u32(f);
	unsigned place = cursor_u8(f);
	o.repeated = cursor_u8(f);
	o.done = cursor_u8(f);
	o.dry = cursor_u8(f);
	o.tries = cursor_u32(f);
	o.action = frame_get(f);
	o.incident = frame_get(f);
	o.text = frame_get(f);
	o.output = frame_get(f);
	if (f->bad || !o.action || !o.text)
		return false;
	if (!o.incident)
		o.incident = "";
	const char *known = kept_reason(&a->kept, number);
	AUTO_FREE char *reason = known ? xstrdup(known) : NULL;
	o.reason = reason;
	if (!o.repeated)
		kept_done(&a->kept, number, place);
	to->outcome(to->arg, &o);
	return true;
}

static bool take_rehearsed(struct act *a, struct cursor *f, const struct sink *to)
{
	uint32_t number = cursor_u32(f);
	uint32_t n = cursor_u32(f);
	bool here = number == a->awaited;
	for (uint32_t i = 0; i < n && !f->bad; i++) {
		struct act_outcome o = { .rehearsal = true, .incident = "" };
		o.action = frame_get(f);
		o.text = frame_get(f);
		if (f->bad || !o.action || !o.text)
			return false;
		if (here)
			strbuf_printf(a->problems, "%s\n", o.text);
		else if (to)
			to->outcome(to->arg, &o);
	}
	if (here)
		a->awaited = 0;
	return !f->bad;
}

/* All whole frames of `r`. `to` NULL: outcomes are kept for later. */
static void take_all(struct act *a, struct frame_reader *r, const struct sink *to)
{
	enum frame_kind kind = FRAME_OUTCOME;
	struct cursor f;
	enum frame_next next;
	for (bool ok = true; (next = frame_next(r, &kind, &f)) == FRAME_ONE && ok;) {
		if (kind == FRAME_OUTCOME && !to) {
			size_t at = frame_begin(&a->held.in, kind);
			strbuf_add(&a->held.in, f.p, cursor_left(&f));
			frame_end(&a->held.in, at);
		} else if (kind == FRAME_OUTCOME) {
			ok = take_outcome(a, &f, to);
		} else {
			ok = kind == FRAME_REHEARSED && take_rehearsed(a, &f, to);
		}
		if (!ok)
			died(a, "sent what nobody understands");
	}
	if (next == FRAME_BROKEN)
		died(a, "sent what nobody understands");
}

static void receive(struct act *a, const struct sink *to)
{
	bool there = *a->dead || frame_receive(&a->in, a->child.fd); /* what it said last is heard, too */
	take_all(a, &a->in, to);
	if (!there)
		died(a, "is gone");
}

static void tell_of_actor(const struct sink *to, bool done, const char *text)
{
	to->outcome(to->arg, &(struct act_outcome){
				     .action = "actor", .incident = "", .text = text, .done = done, .actor = true });
}

static void tell_death(struct act *a, const struct sink *to)
{
	if (!*a->dead || a->death_told)
		return;
	AUTO_FREE char *text = xasprintf("%s; it begins again in %u s with %u actions that are not done", a->dead,
					 a->again.pause_s, a->kept.waiting);
	a->death_told = true;
	tell_of_actor(to, false, text);
}

void act_dispatch(struct act *a, void (*outcome)(void *arg, const struct act_outcome *o), void *arg)
{
	const struct sink to = { outcome, arg };
	uint64_t n = 0;
	if (read(a->held_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		died(a, "is gone");
	take_all(a, &a->held, &to);
	strbuf_clear(&a->held.in);
	a->held.at = 0;
	receive(a, &to);
	flush(a);
	tell_death(a, &to);
}

/* ---- another actor ---- */

/* All that the one before had to know and to do. */
static void tell_again(struct act *a, const struct sink *to)
{
	unsigned given_up = kept_again(&a->kept, chain_length, a);
	strbuf_clear(&a->out);
	a->sent = 0;
	strbuf_add(&a->out, a->chains.buf, a->chains.len);
	for (size_t i = 0; i < a->kept.v.n; i++) {
		struct kept *o = &a->kept.v.v[i];
		order_skip(&o->frame, o->done);
		strbuf_add(&a->out, o->frame.buf, o->frame.len);
	}
	a->dropped += given_up;
	AUTO_FREE char *text = xasprintf("the process that acts has begun again, with %u actions; %u are given up",
					 a->kept.waiting, given_up);
	tell_of_actor(to, true, text);
}

struct err *act_tend(struct act *a, void (*outcome)(void *arg, const struct act_outcome *o), void *arg)
{
	const struct sink to = { outcome, arg };
	if (!*a->dead || !a->death_told || now_ns() < a->again.due_ns)
		return NULL;
	struct err *err = begin(a);
	if (err && err_code(err) == ERR_GONE)
		return err;
	if (err) {
		tell_of_actor(&to, false, err_text(err));
		err_free(err);
		close_socket(a);
		spawner_again_ended(&a->again, now_ns());
		return NULL;
	}
	frame_reader_deinit(&a->in);
	frame_reader_init(&a->in);
	*a->dead = 0;
	a->death_told = false;
	tell_again(a, &to);
	flush(a);
	return NULL;
}

/* ---- rehearsals ---- */

static void await(struct act *a)
{
	int64_t until = now_ns() + ACT_REHEARSE_MS * NS_PER_MS;
	for (int64_t left = 1; a->awaited && !*a->dead && left > 0; left = (until - now_ns()) / NS_PER_MS) {
		struct pollfd p = { .fd = a->child.fd, .events = (short)(POLLIN | (a->out.len > 0 ? POLLOUT : 0)) };
		poll(&p, 1, (int)left);
		flush(a);
		receive(a, NULL);
	}
}

struct err *act_rehearse(struct act *a, struct strbuf *problems)
{
	uint64_t one = 1;
	uint32_t number = ++a->rehearsals;
	if (*a->dead && !problems)
		return NULL;
	size_t at = frame_begin(&a->out, FRAME_REHEARSE);
	frame_u32(&a->out, number);
	frame_end(&a->out, at);
	flush(a);
	if (problems) {
		a->awaited = number;
		a->problems = problems;
		await(a);
		if (a->awaited && !*a->dead)
			strbuf_printf(problems, "the rehearsal of actions did not end within %d s\n",
				      ACT_REHEARSE_MS / 1000);
		a->awaited = 0;
		a->problems = NULL;
		if (a->held.in.len > 0 && write(a->held_fd, &one, sizeof(one)) < 0)
			return err_os(errno, "rehearsing actions");
	}
	return *a->dead ? err_new(ERR_OS, "%s", a->dead) : NULL;
}
