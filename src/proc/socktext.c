/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/socktext.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

enum { WORDS_MAX = 16 };

struct words {
	const char *v[WORDS_MAX];
	size_t len[WORDS_MAX], n;
};

static void split(const char *line, struct words *w)
{
	for (w->n = 0; w->n < WORDS_MAX; w->n++) {
		line += strspn(line, " \t");
		if (!*line)
			return;
		w->v[w->n] = line;
		w->len[w->n] = strcspn(line, " \t");
		line += w->len[w->n];
	}
}

static bool hex(const struct words *w, size_t i, uint64_t *ret)
{
	return i < w->n && num_hex(w->v[i], w->len[i], ret);
}

static bool dec(const struct words *w, size_t i, uint64_t *ret)
{
	return i < w->n && num_dec(w->v[i], w->len[i], ret);
}

/* "HEX:HEX" */
static bool pair(const struct words *w, size_t i, uint64_t *a, uint64_t *b)
{
	const char *colon = i < w->n ? memchr(w->v[i], ':', w->len[i]) : NULL;
	if (!colon)
		return false;
	size_t n = (size_t)(colon - w->v[i]);
	return num_hex(w->v[i], n, a) && num_hex(colon + 1, w->len[i] - n - 1, b);
}

/* "0100007F:1F90", or four such words in a row for IPv6: each is a word of the address as this machine loads it. */
static bool address(const struct words *w, size_t i, struct arena *arena, const char **ret)
{
	enum { WORD_HEX = 8, V4_HEX = WORD_HEX, V6_HEX = 4 * WORD_HEX };
	const char *colon = i < w->n ? memchr(w->v[i], ':', w->len[i]) : NULL;
	size_t n = colon ? (size_t)(colon - w->v[i]) : 0;
	unsigned char ip[16] = { 0 };
	uint64_t port = 0;
	if ((n != V4_HEX && n != V6_HEX) || !num_hex(colon + 1, w->len[i] - n - 1, &port) || port > UINT16_MAX)
		return false;
	for (size_t at = 0; at < n; at += WORD_HEX) {
		uint64_t word = 0;
		if (!num_hex(w->v[i] + at, WORD_HEX, &word))
			return false;
		uint32_t small = (uint32_t)word;
		memcpy(ip + at / 2, &small, sizeof(small));
	}
	*ret = proc_socket_address(arena, ip, n == V6_HEX, (unsigned)port);
	return true;
}

static struct proc_socket *add(struct proc_sockets *s, uint64_t inode, const char *protocol, const char *state)
{
	struct proc_socket *one = proc_sockets_add(s, inode);
	if (one) {
		one->protocol = protocol;
		one->state = state;
	}
	return one;
}

/* sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode */
static void inet_line(const char *line, const char *protocol, bool datagram, struct proc_sockets *s)
{
	enum { LOCAL = 1, REMOTE, STATE, QUEUES, INODE = 9, LISTENS = 10 };
	struct words w;
	uint64_t state = 0, tx = 0, rx = 0, inode = 0;
	split(line, &w);
	if (!hex(&w, STATE, &state) || !pair(&w, QUEUES, &tx, &rx) || !dec(&w, INODE, &inode) ||
	    !hash_map_get(s->wanted, inode))
		return;
	const char *local = NULL, *peer = NULL;
	if (!address(&w, LOCAL, s->arena, &local) || !address(&w, REMOTE, s->arena, &peer))
		return;
	struct proc_socket *one = add(s, inode, protocol, proc_socket_state((unsigned)num_min(state, 99), datagram));
	if (!one)
		return;
	one->local = local;
	one->peer = peer;
	one->rx = rx;
	one->tx = state == LISTENS ? PROC_SOCKET_UNKNOWN : tx; /* its limit is not told */
}

/* Num: RefCount Protocol Flags Type St Inode Path */
static void unix_line(const char *line, const char *protocol, bool datagram, struct proc_sockets *s)
{
	enum { FLAGS = 3, STATE = 5, INODE, PATH, ACCEPTS = 0x10000, CONNECTED = 3 };
	struct words w;
	uint64_t flags = 0, state = 0, inode = 0;
	split(line, &w);
	if (!hex(&w, FLAGS, &flags) || !hex(&w, STATE, &state) || !dec(&w, INODE, &inode))
		return;
	const char *name = flags & ACCEPTS ? "LISTEN" : state == CONNECTED ? "ESTAB" : "UNCONN";
	struct proc_socket *one = add(s, inode, protocol, name);
	if (one && w.n > PATH)
		one->local = arena_strdup(s->arena, w.v[PATH]); /* to the end: a path may have spaces */
}

/* sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
static void netlink_line(const char *line, const char *protocol, bool datagram, struct proc_sockets *s)
{
	enum { INODE = 9 };
	struct words w;
	uint64_t inode = 0;
	split(line, &w);
	if (dec(&w, INODE, &inode))
		add(s, inode, protocol, "UNCONN");
}

/* sk RefCnt Type Proto Iface R Rmem User Inode */
static void packet_line(const char *line, const char *protocol, bool datagram, struct proc_sockets *s)
{
	enum { INODE = 8 };
	struct words w;
	uint64_t inode = 0;
	split(line, &w);
	if (dec(&w, INODE, &inode))
		add(s, inode, protocol, "UNCONN");
}

static const struct table {
	const char *name;
	void (*line)(const char *line, const char *protocol, bool datagram, struct proc_sockets *s);
	bool datagram;
} tables[] = {
	{ "tcp", inet_line, false },	 { "tcp6", inet_line, false }, { "udp", inet_line, true },
	{ "udp6", inet_line, true },	 { "unix", unix_line, false }, { "netlink", netlink_line, true },
	{ "packet", packet_line, true },
};

struct err *proc_socktext_parse(int fd, const char *table, const char *protocol, struct proc_sockets *s)
{
	const struct table *t = NULL;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(tables[i].name, table) == 0)
			t = &tables[i];
	}
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	for (;;) {
		char *line = NULL;
		TRY(lines_next(&l, &line, NULL));
		if (!line || !t)
			return NULL;
		t->line(line, protocol, t->datagram, s);
	}
}

struct err *proc_socktext_read(const struct proc_process *p, const char *table, const char *protocol,
			       struct proc_sockets *s)
{
	char name[32];
	AUTO_CLOSE int fd = -1;
	snprintf(name, sizeof(name), "net/%s", table);
	struct err *err AUTO(err) = proc_process_file(p, name, O_RDONLY, &fd);
	if (err)
		return err_code(err) == ERR_UNSUPPORTED ? NULL : take_ptr(err);
	return err_wrap(proc_socktext_parse(fd, table, protocol, s), "pid %d: reading %s", p->pid, name);
}
