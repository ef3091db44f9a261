/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/num.h"
#include "proc/socktext.h"

enum {
	ANSWER_LEN = 64 * 1024, /* the kernel's datagrams have at most 32 KiB */
	ANSWERS_MAX = 1 << 20,
	ANSWER_SECONDS = 10,
	NAMES_MAX = 1 << 20,
	MPTCP = 262, /* IPPROTO_MPTCP does not fit into the request's byte */
	ALIGN = 4,
	ATTR_KIND = 0x3fff, /* the two highest bits are flags */
};

/* A datagram socket of UDP is 1 (connected) or 7 in TCP's counting. */
static const char *const states[] = {
	"unknown", "ESTAB",	 "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
	"CLOSED",  "CLOSE-WAIT", "LAST-ACK", "LISTEN",	 "CLOSING",    "SYN-RECV",
};

const char *proc_socket_state(unsigned state, bool datagram)
{
	enum { CLOSE = 7 };
	if (datagram && state == CLOSE)
		return "UNCONN";
	return states[state < sizeof(states) / sizeof(states[0]) ? state : 0];
}

const char *proc_socket_address(struct arena *arena, const unsigned char ip[16], bool v6, unsigned port)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff }, none[16];
	char text[INET6_ADDRSTRLEN] = "";
	if (!port && memcmp(ip, none, v6 ? 16 : 4) == 0)
		return NULL;
	if (v6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		v6 = false;
		ip += sizeof(mapped);
	}
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip, text, sizeof(text));
	return arena_printf(arena, v6 ? "[%s]:%u" : "%s:%u", text, port);
}

/* ---- the collection ---- */

void proc_sockets_init(struct proc_sockets *s, struct arena *arena, const struct hash_map *wanted)
{
	*s = (struct proc_sockets){ .arena = arena, .wanted = wanted };
}

void proc_sockets_deinit(struct proc_sockets *s)
{
	vec_deinit(&s->v);
	vec_deinit(&s->names);
	hash_map_deinit(&s->found);
	hash_map_deinit(&s->unix_names);
}

struct proc_socket *proc_sockets_add(struct proc_sockets *s, uint64_t inode)
{
	bool fresh = false;
	if (!inode || !hash_map_get(s->wanted, inode))
		return NULL;
	uint64_t *at = hash_map_at(&s->found, inode, &fresh);
	if (!fresh)
		return NULL;
	struct proc_socket *ret = vec_push(&s->v);
	*at = s->v.n;
	ret->inode = inode;
	ret->rx = ret->tx = ret->memory = PROC_SOCKET_UNKNOWN;
	return ret;
}

static void add_name(struct proc_sockets *s, uint64_t inode, const char *name)
{
	bool fresh = false;
	if (s->names.n >= NAMES_MAX)
		return;
	uint64_t *at = hash_map_at(&s->unix_names, inode, &fresh);
	*vec_push(&s->names) = name;
	*at = s->names.n;
}

/* A connected unix socket's peer is called what its other end is bound to, which for a client is the server's path. */
static void name_peers(struct proc_sockets *s)
{
	for (size_t i = 0; i < s->v.n; i++) {
		struct proc_socket *one = &s->v.v[i];
		const uint64_t *at = one->peer_inode ? hash_map_get(&s->unix_names, one->peer_inode) : NULL;
		if (at && !one->peer)
			one->peer = s->names.v[*at - 1];
	}
}

/* ---- attributes ---- */

/* The figures of `ss -m`, SK_MEMINFO_*. Those of the kernel that may be negative for a moment count as 0 then. */
static uint64_t memory_of(struct cursor c)
{
	uint64_t v[SK_MEMINFO_BACKLOG + 1];
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint32_t word = cursor_u32(&c);
		v[i] = word <= INT32_MAX ? word : 0;
	}
	if (c.bad)
		return PROC_SOCKET_UNKNOWN;
	return v[SK_MEMINFO_RMEM_ALLOC] + num_max(v[SK_MEMINFO_WMEM_ALLOC], v[SK_MEMINFO_WMEM_QUEUED]) +
	       v[SK_MEMINFO_FWD_ALLOC] + v[SK_MEMINFO_OPTMEM] + v[SK_MEMINFO_BACKLOG];
}

/* The next attribute's kind and content; false at the end. */
static bool next_attr(struct cursor *c, unsigned *kind, struct cursor *content)
{
	if (cursor_left(c) < sizeof(struct nlattr))
		return false;
	size_t len = cursor_u16(c);
	*kind = cursor_u16(c) & ATTR_KIND;
	if (len < sizeof(struct nlattr)) {
		c->bad = true;
		return false;
	}
	len -= sizeof(struct nlattr);
	const unsigned char *data = cursor_bytes(c, len);
	if (!data)
		return false;
	cursor_init(content, data, len);
	cursor_skip(c, num_min((ALIGN - len % ALIGN) % ALIGN, cursor_left(c)));
	return true;
}

/* A path, or "@name" for an abstract one, whose first byte is 0 and which may hold more of them. */
static const char *unix_name(struct arena *arena, const struct cursor *c)
{
	size_t n = cursor_left(c);
	const char *from = (const char *)c->p;
	if (!n)
		return NULL;
	if (*from) /* a path may be given with its NUL or without */
		return arena_strndup(arena, from, strnlen(from, n));
	char *name = arena_alloc(arena, n + 1);
	for (size_t i = 0; i < n; i++) {
		name[i] = '@';
		if (from[i])
			name[i] = from[i];
	}
	return name;
}

/* ---- the table ---- */

/* The largest request with its header, and an attribute. */
union request {
	struct nlmsghdr header;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
		struct nlattr attr;
		uint32_t protocol;
	} inet;
	struct {
		struct nlmsghdr header;
		struct unix_diag_req body;
	} unix_;
	struct {
		struct nlmsghdr header;
		struct netlink_diag_req body;
	} netlink;
	struct {
		struct nlmsghdr header;
		struct packet_diag_req body;
	} packet;
};

struct diag {
	const char *protocol;
	unsigned char family;
	unsigned short number; /* IPPROTO_* */
	bool datagram;
	size_t (*ask)(const struct diag *row, union request *ret); /* returns the size */
	void (*parse)(struct cursor *c, const struct diag *row, struct proc_sockets *s);
	const char *table; /* the file of /proc/PID/net with the same sockets, or NULL */
};

/* ---- one socket ---- */

static void parse_inet(struct cursor *c, const struct diag *row, struct proc_sockets *s)
{
	bool v6 = cursor_u8(c) == AF_INET6;
	unsigned state = cursor_u8(c);
	cursor_skip(c, 2); /* timer, retransmissions */
	const unsigned char *ports = cursor_bytes(c, 4), *from = cursor_bytes(c, 16), *to = cursor_bytes(c, 16);
	cursor_skip(c, 16); /* interface, cookie, expiry */
	uint64_t rx = cursor_u32(c), tx = cursor_u32(c);
	cursor_skip(c, 4); /* user */
	struct proc_socket *one = proc_sockets_add(s, cursor_u32(c));
	if (c->bad || !ports || !from || !to || !one)
		return;
	one->protocol = row->protocol;
	one->state = proc_socket_state(state, row->datagram);
	one->rx = rx;
	one->tx = tx;
	one->local = proc_socket_address(s->arena, from, v6, (unsigned)ports[0] << 8 | ports[1]);
	one->peer = proc_socket_address(s->arena, to, v6, (unsigned)ports[2] << 8 | ports[3]);
	struct cursor content;
	for (unsigned kind = 0; next_attr(c, &kind, &content);) {
		if (kind == INET_DIAG_SKMEMINFO)
			one->memory = memory_of(content);
	}
}

static void parse_unix(struct cursor *c, const struct diag *row, struct proc_sockets *s)
{
	cursor_skip(c, 2); /* family, type */
	unsigned state = cursor_u8(c);
	cursor_skip(c, 1);
	uint64_t inode = cursor_u32(c);
	cursor_skip(c, 8); /* cookie */
	struct proc_socket *one = c->bad ? NULL : proc_sockets_add(s, inode);
	struct cursor content;
	if (one) {
		one->protocol = row->protocol;
		one->state = proc_socket_state(state, true);
	}
	for (unsigned kind = 0; next_attr(c, &kind, &content);) {
		if (kind == UNIX_DIAG_NAME) {
			const char *name = unix_name(s->arena, &content);
			if (name)
				add_name(s, inode, name);
			if (one)
				one->local = name;
		} else if (one && kind == UNIX_DIAG_PEER) {
			one->peer_inode = cursor_u32(&content);
		} else if (one && kind == UNIX_DIAG_RQLEN) {
			one->rx = cursor_u32(&content);
			one->tx = cursor_u32(&content);
		} else if (one && kind == UNIX_DIAG_MEMINFO) {
			one->memory = memory_of(content);
		}
	}
}

/* Netlink and packet sockets have no queues but their memory, and no peer worth a name. */
static void parse_other(struct cursor *c, const char *protocol, size_t inode_at, unsigned memory,
			struct proc_sockets *s)
{
	size_t rest = sizeof(uint32_t) + 2 * sizeof(uint32_t); /* inode, cookie */
	cursor_skip(c, inode_at);
	struct proc_socket *one = cursor_left(c) < rest ? NULL : proc_sockets_add(s, cursor_u32(c));
	if (!one)
		return;
	cursor_skip(c, rest - sizeof(uint32_t));
	one->protocol = protocol;
	one->state = "UNCONN";
	struct cursor content;
	for (unsigned kind = 0; next_attr(c, &kind, &content);) {
		if (kind == memory)
			one->memory = memory_of(content);
	}
}

static void parse_netlink(struct cursor *c, const struct diag *row, struct proc_sockets *s)
{
	parse_other(c, row->protocol, offsetof(struct netlink_diag_msg, ndiag_ino), NETLINK_DIAG_MEMINFO, s);
}

static void parse_packet(struct cursor *c, const struct diag *row, struct proc_sockets *s)
{
	parse_other(c, row->protocol, offsetof(struct packet_diag_msg, pdiag_ino), PACKET_DIAG_MEMINFO, s);
}

/* ---- the questions ---- */

static size_t ask_inet(const struct diag *row, union request *ret)
{
	ret->inet.body = (struct inet_diag_req_v2){
		.sdiag_family = row->family,
		.sdiag_protocol = (unsigned char)num_min(row->number, UINT8_MAX),
		.idiag_ext = 1u << (INET_DIAG_SKMEMINFO - 1),
		.idiag_states = UINT32_MAX,
	};
	if (row->number <= UINT8_MAX)
		return offsetof(__typeof__(ret->inet), attr);
	ret->inet.attr = (struct nlattr){ sizeof(struct nlattr) + sizeof(uint32_t), INET_DIAG_REQ_PROTOCOL };
	ret->inet.protocol = row->number;
	return sizeof(ret->inet);
}

static size_t ask_unix(const struct diag *row, union request *ret)
{
	ret->unix_.body = (struct unix_diag_req){
		.sdiag_family = row->family,
		.udiag_states = UINT32_MAX,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO,
	};
	return sizeof(ret->unix_);
}

static size_t ask_netlink(const struct diag *row, union request *ret)
{
	ret->netlink.body = (struct netlink_diag_req){
		.sdiag_family = row->family,
		.sdiag_protocol = NDIAG_PROTO_ALL,
		.ndiag_show = NDIAG_SHOW_MEMINFO,
	};
	return sizeof(ret->netlink);
}

static size_t ask_packet(const struct diag *row, union request *ret)
{
	ret->packet.body = (struct packet_diag_req){
		.sdiag_family = row->family,
		.pdiag_show = PACKET_SHOW_MEMINFO,
	};
	return sizeof(ret->packet);
}

static const struct diag diags[PROC_SOCKDIAG_MAX_] = {
	[PROC_SOCKDIAG_TCP] = { "tcp", AF_INET, IPPROTO_TCP, false, ask_inet, parse_inet, "tcp" },
	[PROC_SOCKDIAG_TCP6] = { "tcp6", AF_INET6, IPPROTO_TCP, false, ask_inet, parse_inet, "tcp6" },
	[PROC_SOCKDIAG_MPTCP] = { "mptcp", AF_INET, MPTCP, false, ask_inet, parse_inet, NULL },
	[PROC_SOCKDIAG_MPTCP6] = { "mptcp6", AF_INET6, MPTCP, false, ask_inet, parse_inet, NULL },
	[PROC_SOCKDIAG_UDP] = { "udp", AF_INET, IPPROTO_UDP, true, ask_inet, parse_inet, "udp" },
	[PROC_SOCKDIAG_UDP6] = { "udp6", AF_INET6, IPPROTO_UDP, true, ask_inet, parse_inet, "udp6" },
	[PROC_SOCKDIAG_UNIX] = { "unix", AF_UNIX, 0, false, ask_unix, parse_unix, "unix" },
	[PROC_SOCKDIAG_NETLINK] = { "netlink", AF_NETLINK, 0, true, ask_netlink, parse_netlink, "netlink" },
	[PROC_SOCKDIAG_PACKET] = { "packet", AF_PACKET, 0, true, ask_packet, parse_packet, "packet" },
};

/* ---- messages ---- */

static struct err *refused(struct cursor *body)
{
	int32_t code = (int32_t)cursor_u32(body);
	if (body->bad || code > 0 || code < -4095)
		return err_new(ERR_FORMAT, "an answer of sock_diag has no error number");
	return code ? err_os(-code, "asking sock_diag") : NULL;
}

struct err *proc_sockdiag_parse(enum proc_sockdiag which, const void *data, size_t len, struct proc_sockets *s,
				bool *done)
{
	const struct diag *row = &diags[which];
	struct cursor c;
	cursor_init(&c, data, len);
	*done = false;
	while (cursor_left(&c) >= sizeof(struct nlmsghdr)) {
		size_t at = cursor_offset(&c), size = cursor_u32(&c);
		unsigned type = cursor_u16(&c);
		cursor_skip(&c, sizeof(struct nlmsghdr) - sizeof(uint32_t) - sizeof(uint16_t));
		if (size < sizeof(struct nlmsghdr))
			return err_new(ERR_FORMAT, "an answer of sock_diag has a message of %zu bytes at offset %zu",
				       size, at);
		size -= sizeof(struct nlmsghdr);
		struct cursor body;
		const unsigned char *bytes = cursor_bytes(&c, size);
		if (!bytes)
			break;
		cursor_init(&body, bytes, size);
		cursor_skip(&c, num_min((ALIGN - size % ALIGN) % ALIGN, cursor_left(&c)));
		if (type == NLMSG_ERROR || type == NLMSG_DONE) {
			*done = true;
			return type == NLMSG_ERROR ? refused(&body) : NULL;
		}
		if (type != SOCK_DIAG_BY_FAMILY)
			continue;
		row->parse(&body, row, s);
		TRY(cursor_check(&body, "a socket of sock_diag"));
	}
	return cursor_check(&c, "an answer of sock_diag");
}

/* ---- asking ---- */

/* EINVAL and ENOENT: this kernel was built without that family. */
static struct err *ask(int fd, enum proc_sockdiag which, struct proc_sockets *s)
{
	const struct diag *row = &diags[which];
	union request request = { 0 };
	size_t size = row->ask(row, &request);
	request.header = (struct nlmsghdr){ .nlmsg_len = (uint32_t)size,
					    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
					    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };
	if (send(fd, &request, size, 0) < 0)
		return err_os(errno, "asking sock_diag");
	AUTO_FREE unsigned char *answer = xmalloc(ANSWER_LEN);
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, answer, ANSWER_LEN, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
		bool done = false;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_os(n ? errno : EPIPE, "waiting for sock_diag");
		if (from.nl_pid != 0)
			continue; /* not from the kernel */
		if (n > ANSWER_LEN)
			return err_new(ERR_FORMAT, "an answer of sock_diag has %zd bytes", n);
		TRY(proc_sockdiag_parse(which, answer, (size_t)n, s, &done));
		if (done)
			return NULL;
	}
	return err_new(ERR_LIMIT, "sock_diag answered more than %d times", ANSWERS_MAX);
}

static int netlink_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* A netlink socket belongs to the namespace it was made in, so this thread goes there and comes back. */
static struct err *socket_of_namespace(const struct proc_process *p, int *ret)
{
	struct stat theirs, ours;
	AUTO_CLOSE int there = -1;
	AUTO_CLOSE int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	TRY(proc_process_file(p, "ns/net", O_RDONLY, &there));
	if (here < 0 || fstat(here, &ours) != 0 || fstat(there, &theirs) != 0)
		return err_os(errno, "looking at network namespaces");
	bool same = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	if (!same && setns(there, CLONE_NEWNET) != 0)
		return err_new(errno == EPERM ? ERR_DENIED : ERR_UNSUPPORTED,
			       "its network namespace is not ours, and entering it takes CAP_SYS_ADMIN");
	*ret = netlink_socket();
	int os = errno;
	if (!same && setns(here, CLONE_NEWNET) != 0)
		return err_new(ERR_INTERNAL, "this thread could not return to its network namespace");
	return *ret < 0 ? err_os(os, "opening a netlink socket") : NULL;
}

static void remember(struct proc_sockets *s, const struct err *err)
{
	if (!s->reason)
		s->reason = arena_strdup(s->arena, err_text(err));
}

struct err *proc_sockets_read(const struct proc_process *p, struct proc_sockets *s)
{
	AUTO_CLOSE int fd = -1;
	struct err *no_diag AUTO(err) = socket_of_namespace(p, &fd);
	if (no_diag) {
		if (err_code(no_diag) == ERR_INTERNAL)
			return take_ptr(no_diag);
		remember(s, no_diag);
	}
	for (enum proc_sockdiag i = 0; i < PROC_SOCKDIAG_MAX_ && s->found.n < s->wanted->n; i++) {
		struct err *err AUTO(err) = fd < 0 ? err_gone() : ask(fd, i, s);
		if (!err)
			continue;
		if (fd >= 0 && diags[i].table)
			remember(s, err);
		if (diags[i].table)
			TRY(proc_socktext_read(p, diags[i].table, diags[i].protocol, s));
	}
	name_peers(s);
	return NULL;
}
