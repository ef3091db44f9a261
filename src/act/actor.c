/* SPDX-License-Identifier: Apache-2.0 */
#include "act/actor.h"

#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "sandbox/child.h"
#include "sandbox/filter.h"
#include "sandbox/power.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
enum { WAIT_MAX_MS = 60000, LAST_MS = ACT_GRACE_MS * 3 / 4 };

static int64_t now_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static enum alerts_fate fate(void *arg, const struct alert *one)
{
	const struct actor *a = arg;
	const struct link *l = chain_link(chains_find(a->chains, one->order->policy), one->action);
	if (l && l->action.kind == ACTION_ALERTMANAGER && !l->action.dry_run)
		return ALERTS_GO_ON;
	return job_ends(a, one) ? ALERTS_END : ALERTS_DROP;
}

/* False: the frame is malformed. */
static bool take(struct actor *a, enum frame_kind kind, struct cursor *f, int64_t now)
{
	struct chains *chains = NULL;
	struct order *order = NULL;
	struct err *err AUTO(err) = NULL;
	switch (kind) {
	case FRAME_CHAINS:
		err = chains_read(f, &chains);
		if (err)
			return false;
		chains_unref(a->chains);
		a->chains = chains;
		alerts_drop(&a->alerts, fate, a);
		return true;
	case FRAME_ORDER:
		err = order_read(f, &order);
		if (err || a->n_jobs > ACTOR_JOBS)
			return false;
		job_order(a, order, now);
		order_unref(order);
		return true;
	case FRAME_REHEARSE:
		rehearse_begin(a, cursor_u32(f));
		return !f->bad;
	case FRAME_OUTCOME:
	case FRAME_REHEARSED:
	default:
		return false;
	}
}

static void hear(struct actor *a, int64_t now)
{
	enum frame_kind kind = FRAME_CHAINS;
	enum frame_next next = FRAME_NONE;
	struct cursor fields;
	bool open = a->closing || frame_receive(&a->in, a->fd);
	while ((next = frame_next(&a->in, &kind, &fields)) == FRAME_ONE) {
		if (!take(a, kind, &fields, now)) {
			next = FRAME_BROKEN;
			break;
		}
	}
	if (a->closing || (open && next != FRAME_BROKEN))
		return;
	a->closing = true;
	a->give_up = now + LAST_MS * NS_PER_MS;
	epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->fd, NULL);
}

static void speak(struct actor *a)
{
	if (a->closing) { /* nobody hears it */
		strbuf_clear(&a->out);
		a->sent = 0;
		return;
	}
	frame_send(a->fd, &a->out, &a->sent); /* that the daemon has gone is heard, too */
	bool want = a->out.len > 0;
	if (want == a->want_out)
		return;
	struct epoll_event ev = { .events = EPOLLIN | (want ? EPOLLOUT : 0) };
	if (epoll_ctl(a->epoll, EPOLL_CTL_MOD, a->fd, &ev) == 0)
		a->want_out = want;
}

static int wait_ms(const struct actor *a, int64_t now)
{
	int64_t next = job_next(a);
	if (a->closing && a->give_up < next)
		next = a->give_up;
	if (next <= now)
		return 0;
	int64_t ms = (next - now) / NS_PER_MS + 1;
	return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}

static void loop(struct actor *a)
{
	struct http_posted posted;
	for (;;) {
		int64_t now = now_ns();
		hear(a, now);
		job_start_all(a, now);
		speak(a);
		if (a->closing && (now >= a->give_up || !job_running(a)))
			return;
		http_posts_wait(a->posts, a->epoll, wait_ms(a, now));
		now = now_ns();
		while (http_posts_next(a->posts, &posted))
			job_posted(a, &posted, now);
		job_step_commands(a, now);
	}
}

int actor_run(int fd, void *arg)
{
	struct actor a = { .fd = fd, .epoll = epoll_create1(EPOLL_CLOEXEC), .posts = http_posts_new() };
	struct epoll_event ev = { .events = EPOLLIN };
	frame_reader_init(&a.in);
	strbuf_init(&a.out);
	struct err *err AUTO(err) = power_keep(0);
	if (!err)
		err = filter_apply(FILTER_ACT);
	if (err && err_code(err) == ERR_UNSUPPORTED) { /* a kernel without filters: without, then */
		err_free(err);
		err = NULL;
	}
	child_settle();
	bool ok = !err && epoll_ctl(a.epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
	if (ok)
		loop(&a);
	job_free_all(&a);
	alerts_deinit(&a.alerts);
	http_posts_free(a.posts);
	chains_unref(a.chains);
	frame_reader_deinit(&a.in);
	strbuf_deinit(&a.out);
	close(a.epoll);
	return ok ? 0 : 1;
}
