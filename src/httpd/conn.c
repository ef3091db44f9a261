/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

enum { LINGER_S = 2, SOCKET_BUFFER = 64 << 10 };

static void enter(struct conn *c, enum conn_state state)
{
	c->state = state;
	c->since = c->all->tick;
	c->scanned = 0;
	c->begun = false;
}

static void conn_free(struct conn *c)
{
	struct conns *all = c->all;
	unsigned i = 0;
	while (all->v[i] != c)
		i++;
	memmove(&all->v[i], &all->v[i + 1], (--all->n - i) * sizeof(struct conn *));
	all->waiting -= c->waiting;
	if (all->n == 0)
		event_del(all->ticker);
	bufferevent_free(c->bev);
	free(c);
}

static void drop(struct conn *c)
{
	c->all->dropped++;
	conn_free(c);
}

bool conns_drop_one(struct conns *all)
{
	if (!all->n)
		return false;
	struct conn *victim = all->v[0];
	for (unsigned i = 1; i < all->n; i++)
		if (all->v[i]->state < victim->state)
			victim = all->v[i];
	drop(victim);
	return true;
}

/* Replies that nobody reads must not add up: those of the oldest clients go. */
static void bound_waiting(struct conns *all, const struct conn *except)
{
	for (unsigned i = 0; i < all->n && all->waiting > HTTPD_WAITING;) {
		if (all->v[i]->waiting && all->v[i] != except)
			drop(all->v[i]);
		else
			i++;
	}
}

static void free_body(const void *data, size_t len, void *arg)
{
	free(arg);
}

void conn_reply(struct conn *c, const char *head, size_t head_len, char *body, size_t body_len, bool last)
{
	enter(c, CONN_REPLY);
	c->last |= last;
	c->waiting = head_len + body_len;
	c->all->waiting += c->waiting;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	evbuffer_add(out, head, head_len);
	if (!body_len || evbuffer_add_reference(out, body, body_len, free_body, body) != 0)
		free(body);
	bound_waiting(c->all, c);
}

/* The head that is in the input, if it has ended; further ones wait until its reply is written. */
static void advance(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t len = evbuffer_get_length(in);
	if (!c->begun && len && *evbuffer_pullup(in, 1) == '\r') { /* an empty line before a request, RFC 9112 2.2 */
		if (len < 2)
			return;
		if (evbuffer_pullup(in, 2)[1] == '\n')
			evbuffer_drain(in, 2);
		len = evbuffer_get_length(in);
	}
	if (!len)
		return;
	if (!c->begun)
		enter(c, CONN_HEAD);
	c->begun = true;
	const char *data = (const char *)evbuffer_pullup(in, -1);
	size_t n = head_length(data, len, c->scanned);
	c->scanned = len;
	if (!n && len < HTTPD_HEAD)
		return;
	enum head_fault fault = n && n <= HTTPD_HEAD ? HEAD_OK : HEAD_LARGE;
	n = n ? n : len;
	AUTO_FREE char *text = xmalloc(n + 1);
	evbuffer_remove(in, text, n);
	text[n] = '\0';
	c->all->answer(c->all->arg, c, text, n, fault);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	if (c->state == CONN_LINGER)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	else if (c->state == CONN_HEAD)
		advance(c);
}

/* All of the reply is with the kernel. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	if (c->state != CONN_REPLY)
		return;
	c->all->waiting -= c->waiting;
	c->waiting = 0;
	if (!c->last) {
		enter(c, CONN_HEAD);
		advance(c);
		return;
	}
	enter(c, CONN_LINGER);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
	evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	if ((what & BEV_EVENT_EOF) && c->state == CONN_REPLY)
		c->last = true; /* it will send no more, but may read */
	else
		conn_free(c);
}

static bool is_late(const struct conn *c)
{
	unsigned age = c->all->tick - c->since;
	switch (c->state) {
	case CONN_LINGER:
		return age > LINGER_S;
	case CONN_REPLY:
		return age > HTTPD_REPLY_S;
	case CONN_HEAD:
		break;
	}
	return age > (c->begun ? HTTPD_HEAD_S : HTTPD_IDLE_S);
}

static void on_tick(int fd, short what, void *arg)
{
	struct conns *all = arg;
	all->tick++;
	for (unsigned i = all->n; i-- > 0;) {
		struct conn *c = all->v[i];
		if (is_late(c) && c->state == CONN_LINGER)
			conn_free(c);
		else if (is_late(c))
			drop(c);
	}
}

void conns_add(struct conns *all, int fd, bool tcp)
{
	if (all->n >= HTTPD_CONNECTIONS)
		conns_drop_one(all);
	int on = 1, buffer = SOCKET_BUFFER;
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)); /* what the kernel keeps is ours as well */
	struct bufferevent *bev = bufferevent_socket_new(all->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!bev) {
		close(fd);
		return;
	}
	struct conn *c = xcalloc(1, sizeof(*c));
	*c = (struct conn){ .all = all, .bev = bev };
	enter(c, CONN_HEAD);
	all->v[all->n++] = c;
	if (all->n == 1)
		event_add(all->ticker, &(struct timeval){ .tv_sec = 1 });
	bufferevent_setcb(bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(bev, EV_READ, 0, HTTPD_HEAD);
	bufferevent_priority_set(bev, event_base_get_npriorities(all->loop) - 1);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void conns_init(struct conns *all, struct event_base *loop)
{
	*all = (struct conns){ .loop = loop, .ticker = event_new(loop, -1, EV_PERSIST, on_tick, all) };
}

void conns_deinit(struct conns *all)
{
	while (all->n)
		conn_free(all->v[all->n - 1]);
	event_free(all->ticker);
}
