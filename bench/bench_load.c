/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load PORT RATE SECONDS - requests to a server on loopback at a fixed rate, whatever the answers take: one that is late
 * does not put off those after it, and waiting for a free connection counts. Writes the time of each answer, from when
 * its request was due, in nanoseconds: 32 bits each, on standard output.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum { CONNECTIONS = 32, ANSWER = 8192, SECOND = 1000000000 };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct connection {
	int fd;
	int64_t due; /* of the request under way; 0: free */
	size_t got;
	char answer[ANSWER];
};

struct load {
	struct connection c[CONNECTIONS];
	int epoll;
	int64_t begin, interval;
	uint64_t n, sent, answered; /* requests in all */
	uint32_t *took;
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void connect_all(struct load *l, int port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t)port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &l->c[i];
		int one = 1;
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
			die("connect");
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
	}
}

/* Has the whole answer come? */
static bool is_whole(struct connection *c)
{
	c->answer[c->got] = 0;
	const char *body = strstr(c->answer, "\r\n\r\n"), *length = strstr(c->answer, "Content-Length: ");
	return body && length && c->got >= (size_t)(body + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static void receive(struct load *l, struct connection *c)
{
	ssize_t n = read(c->fd, c->answer + c->got, sizeof(c->answer) - 1 - c->got);
	if (n <= 0)
		die("read");
	c->got += (size_t)n;
	if (!is_whole(c))
		return;
	int64_t took = now_ns() - c->due;
	l->took[l->answered++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
	c->due = 0;
}

/* All that are due, as far as there are free connections. */
static void send_due(struct load *l)
{
	for (size_t i = 0; i < CONNECTIONS && l->sent < l->n; i++) {
		struct connection *c = &l->c[i];
		int64_t due = l->begin + (int64_t)l->sent * l->interval;
		if (due > now_ns())
			return;
		if (c->due)
			continue;
		c->due = due;
		c->got = 0;
		if (write(c->fd, request, sizeof(request) - 1) != sizeof(request) - 1)
			die("write");
		l->sent++;
	}
}

static void wait_for_some(struct load *l)
{
	struct epoll_event events[CONNECTIONS];
	int64_t left = l->sent < l->n ? l->begin + (int64_t)l->sent * l->interval - now_ns() : SECOND;
	/* All busy: the next request has to wait for an answer. */
	struct timespec t = { 0, left > 0 ? left : l->sent - l->answered < CONNECTIONS ? 0 : SECOND - 1 };
	if (t.tv_nsec >= SECOND)
		t.tv_nsec = SECOND - 1;
	int n = epoll_pwait2(l->epoll, events, CONNECTIONS, &t, NULL);
	for (int i = 0; i < n; i++)
		receive(l, &l->c[events[i].data.u32]);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2; /* how it is to be called stands above */
	double rate = strtod(argv[2], NULL);
	struct load *l = xcalloc(1, sizeof(*l));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->n = (uint64_t)(rate * strtod(argv[3], NULL));
	l->took = xcalloc(l->n, sizeof(*l->took));
	l->interval = (int64_t)(SECOND / rate);
	connect_all(l, (int)strtol(argv[1], NULL, 10));
	l->begin = now_ns();
	while (l->answered < l->n) {
		send_due(l);
		wait_for_some(l);
	}
	return fwrite(l->took, sizeof(*l->took), l->n, stdout) == l->n ? 0 : 1;
}
