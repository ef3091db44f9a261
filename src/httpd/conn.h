/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpd/conn - the connections of a server, and the bounds on them. Inside of httpd only.
 *
 * A connection reads a head, writes its reply, and reads again; or, after its last reply, lingers for a moment so that the
 * client can read what was said before the connection is reset. What has waited too long is found by a tick each second,
 * which there is only while somebody is connected.
 */

#include <stdbool.h>
#include <stddef.h>

#include "httpd/head.h"
#include "httpd/httpd.h"

struct event;
struct evbuffer;
struct bufferevent;

enum conn_state { CONN_LINGER, CONN_HEAD, CONN_REPLY }; /* in the order in which they are given up */

struct conn {
	struct conns *all;
	struct bufferevent *bev;
	enum conn_state state;
	unsigned since; /* tick at which the state, or the head, began */
	size_t scanned; /* bytes of the head that were looked at */
	size_t waiting; /* bytes of the reply */
	bool begun;	/* something of a head is there */
	bool last;	/* the reply that is written is the last one */
};

struct conns {
	struct event_base *loop;
	struct event *ticker;
	struct conn *v[HTTPD_CONNECTIONS]; /* in order of arrival */
	unsigned n, tick;
	size_t waiting; /* bytes of all replies */
	uint64_t dropped;
	/* Answers the head in text[0, len), which may be changed: conn_reply(), once. fault: it did not get so far. */
	void (*answer)(void *arg, struct conn *c, char *text, size_t len, enum head_fault fault);
	void *arg;
};

void conns_init(struct conns *all, struct event_base *loop);
void conns_deinit(struct conns *all);
/* Takes the descriptor. */
void conns_add(struct conns *all, int fd, bool tcp);
/* Ends the one that is missed least. False when there is none. */
bool conns_drop_one(struct conns *all);

/* head is copied, body given (to be freed with free()), may be NULL. */
void conn_reply(struct conn *c, const char *head, size_t head_len, char *body, size_t body_len, bool last);
