/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "proc/sockdiag.h"
#include "proc/test_child.h"

/* ---- messages made by hand ---- */

struct scene {
	struct arena arena;
	struct hash_map wanted;
	struct proc_sockets s;
	unsigned char data[1024];
	size_t len;
	bool done;
};

static void scene_init(struct scene *sc)
{
	*sc = (struct scene){ 0 };
	arena_init(&sc->arena);
	for (uint64_t inode = 100; inode < 110; inode++)
		*hash_map_at(&sc->wanted, inode, NULL) = 1;
	proc_sockets_init(&sc->s, &sc->arena, &sc->wanted);
}

static void scene_deinit(struct scene *sc)
{
	proc_sockets_deinit(&sc->s);
	hash_map_deinit(&sc->wanted);
	arena_deinit(&sc->arena);
}

static void put(struct scene *sc, const void *data, size_t len)
{
	memcpy(sc->data + sc->len, data, len);
	sc->len += (len + 3) / 4 * 4;
}

static void begin(struct scene *sc, unsigned short type, size_t body)
{
	struct nlmsghdr h = { .nlmsg_len = (uint32_t)(sizeof(h) + body), .nlmsg_type = type };
	put(sc, &h, sizeof(h));
}

static void put_attr(struct scene *sc, unsigned short kind, const void *data, size_t len)
{
	struct nlattr a = { (unsigned short)(sizeof(a) + len), kind };
	put(sc, &a, sizeof(a));
	put(sc, data, len);
}

static const uint32_t memory[9] = { 1, 1000, 20, 1000, 300, 4000, 50000, 600000, 9 };

enum { MEMORY = 1 + 4000 + 300 + 50000 + 600000, ATTR = 4 + sizeof(memory) };

static void put_tcp(struct scene *sc, uint32_t inode, unsigned char state)
{
	struct inet_diag_msg m = {
		.idiag_family = AF_INET,
		.idiag_state = state,
		.id = { .idiag_sport = htons(8080), .idiag_dport = htons(40000) },
		.idiag_rqueue = 7,
		.idiag_wqueue = 8,
		.idiag_inode = inode,
	};
	m.id.idiag_src[0] = htonl(0x7f000001);
	m.id.idiag_dst[0] = htonl(0x0a000005);
	begin(sc, SOCK_DIAG_BY_FAMILY, sizeof(m) + ATTR);
	put(sc, &m, sizeof(m));
	put_attr(sc, INET_DIAG_SKMEMINFO, memory, sizeof(memory));
}

static void a_tcp_socket(void **state)
{
	struct scene sc;
	scene_init(&sc);
	put_tcp(&sc, 100, 1);
	put_tcp(&sc, 99, 1);  /* somebody else's */
	put_tcp(&sc, 100, 8); /* once is enough */
	put_tcp(&sc, 101, 8);
	put_tcp(&sc, 0, 6);
	begin(&sc, NLMSG_DONE, 4);
	put(&sc, &(uint32_t){ 0 }, 4);
	ok(proc_sockdiag_parse(PROC_SOCKDIAG_TCP, sc.data, sc.len, &sc.s, &sc.done));
	assert_true(sc.done);
	assert_int_equal(sc.s.v.n, 2);
	const struct proc_socket *one = &sc.s.v.v[0];
	assert_string_equal(one->protocol, "tcp");
	assert_string_equal(one->state, "ESTAB");
	assert_string_equal(one->local, "127.0.0.1:8080");
	assert_string_equal(one->peer, "10.0.0.5:40000");
	assert_int_equal(one->rx, 7);
	assert_int_equal(one->tx, 8);
	assert_int_equal(one->memory, MEMORY);
	assert_string_equal(sc.s.v.v[1].state, "CLOSE-WAIT");
	scene_deinit(&sc);
}

static void every_shorter_answer_is_refused_or_empty(void **state)
{
	struct scene whole;
	scene_init(&whole);
	put_tcp(&whole, 100, 1);
	for (size_t len = 0; len < whole.len; len++) {
		struct scene sc;
		scene_init(&sc);
		struct err *err = proc_sockdiag_parse(PROC_SOCKDIAG_TCP, whole.data, len, &sc.s, &sc.done);
		assert_false(sc.done);
		if (len >= sizeof(struct nlmsghdr))
			assert_int_equal(err_code(err), ERR_FORMAT);
		err_free(err);
		scene_deinit(&sc);
	}
	scene_deinit(&whole);
}

static void a_message_that_lies_about_its_length(void **state)
{
	struct scene sc;
	scene_init(&sc);
	begin(&sc, SOCK_DIAG_BY_FAMILY, (size_t)-8);
	not_ok(ERR_FORMAT, proc_sockdiag_parse(PROC_SOCKDIAG_TCP, sc.data, sc.len, &sc.s, &sc.done));
	sc.len = 0;
	put_tcp(&sc, 100, 1);
	sc.data[sizeof(struct nlmsghdr) + sizeof(struct inet_diag_msg)] = 2; /* an attribute shorter than its head */
	not_ok(ERR_FORMAT, proc_sockdiag_parse(PROC_SOCKDIAG_TCP, sc.data, sc.len, &sc.s, &sc.done));
	scene_deinit(&sc);
}

static void a_refusal(void **state)
{
	struct scene sc;
	scene_init(&sc);
	begin(&sc, NLMSG_ERROR, 4);
	put(&sc, &(int32_t){ -ENOENT }, 4);
	not_ok(ERR_OS, proc_sockdiag_parse(PROC_SOCKDIAG_MPTCP, sc.data, sc.len, &sc.s, &sc.done));
	assert_true(sc.done);
	scene_deinit(&sc);
}

static void put_unix(struct scene *sc, uint32_t inode, unsigned char state, const char *name, size_t len)
{
	struct unix_diag_msg m = { .udiag_family = AF_UNIX, .udiag_state = state, .udiag_ino = inode };
	uint32_t peer = 102;
	begin(sc, SOCK_DIAG_BY_FAMILY, sizeof(m) + (len ? 4 + (len + 3) / 4 * 4 : 0) + 8);
	put(sc, &m, sizeof(m));
	if (len)
		put_attr(sc, UNIX_DIAG_NAME, name, len);
	put_attr(sc, UNIX_DIAG_PEER, &peer, sizeof(peer));
}

static void unix_sockets_have_names(void **state)
{
	struct scene sc;
	scene_init(&sc);
	put_unix(&sc, 100, 1, "/run/x", 6);
	put_unix(&sc, 101, 10, "\0ab\0c", 5);
	put_unix(&sc, 103, 7, NULL, 0);
	ok(proc_sockdiag_parse(PROC_SOCKDIAG_UNIX, sc.data, sc.len, &sc.s, &sc.done));
	assert_int_equal(sc.s.v.n, 3);
	assert_string_equal(sc.s.v.v[0].local, "/run/x");
	assert_int_equal(sc.s.v.v[0].peer_inode, 102);
	assert_string_equal(sc.s.v.v[1].local, "@ab@c");
	assert_string_equal(sc.s.v.v[1].state, "LISTEN");
	assert_null(sc.s.v.v[2].local);
	assert_string_equal(sc.s.v.v[2].state, "UNCONN");
	scene_deinit(&sc);
}

static void addresses_are_written_as_people_do(void **state)
{
	struct arena arena;
	unsigned char ip[16] = { 127, 0, 0, 1 };
	arena_init(&arena);
	assert_string_equal(proc_socket_address(&arena, ip, false, 80), "127.0.0.1:80");
	memset(ip, 0, sizeof(ip));
	assert_null(proc_socket_address(&arena, ip, true, 0));
	assert_string_equal(proc_socket_address(&arena, ip, true, 80), "[::]:80");
	ip[15] = 1;
	assert_string_equal(proc_socket_address(&arena, ip, true, 0), "[::1]:0");
	ip[10] = ip[11] = 0xff;
	ip[12] = 10;
	assert_string_equal(proc_socket_address(&arena, ip, true, 443), "10.0.0.1:443");
	arena_deinit(&arena);
}

/* ---- against the kernel ---- */

struct live {
	uint64_t memory[4], inode[4];
};

/* What the kernel itself tells of a socket's memory, by another way. */
static uint64_t charged(int fd)
{
	uint32_t v[16] = { 0 };
	socklen_t len = sizeof(v);
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, v, &len) != 0)
		return 0;
	uint64_t out = v[2] > v[5] ? v[2] : v[5];
	return v[0] + out + v[4] + v[6] + v[7];
}

static uint64_t inode_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void talk(void *layout, void *arg)
{
	struct live *l = layout;
	int pair[2], listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	static char text[20000];
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 5) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) || connect(client, (struct sockaddr *)&at, len))
		_exit(1);
	int server = accept(listener, NULL, NULL);
	(void)!write(client, text, sizeof(text));
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	(void)!write(pair[0], text, sizeof(text));
	usleep(20000);
	int fds[4] = { server, client, pair[0], pair[1] };
	for (int i = 0; i < 4; i++) {
		l->inode[i] = inode_of(fds[i]);
		l->memory[i] = charged(fds[i]);
	}
}

static void what_the_kernel_charges(void **state)
{
	struct live l;
	struct proc_process p;
	struct scene sc;
	pid_t pid = child_start(talk, NULL, &l, sizeof(l));
	scene_init(&sc);
	for (int i = 0; i < 4; i++)
		*hash_map_at(&sc.wanted, l.inode[i], NULL) = 1;
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_sockets_read(&p, &sc.s));
	if (sc.s.reason) {
		print_message("no sock_diag here: %s\n", sc.s.reason);
		skip();
	}
	assert_int_equal(sc.s.v.n, 4);
	for (int i = 0; i < 4; i++) {
		const uint64_t *at = hash_map_get(&sc.s.found, l.inode[i]);
		assert_non_null(at);
		assert_int_equal(sc.s.v.v[*at - 1].memory, l.memory[i]);
		assert_string_equal(sc.s.v.v[*at - 1].state, "ESTAB");
	}
	assert_int_equal(sc.s.v.v[*hash_map_get(&sc.s.found, l.inode[0]) - 1].rx, 20000);
	assert_true(l.memory[0] >= 20000 && l.memory[2] >= 20000);
	proc_process_close(&p);
	child_end(pid);
	scene_deinit(&sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_socket),
		cmocka_unit_test(every_shorter_answer_is_refused_or_empty),
		cmocka_unit_test(a_message_that_lies_about_its_length),
		cmocka_unit_test(a_refusal),
		cmocka_unit_test(unix_sockets_have_names),
		cmocka_unit_test(addresses_are_written_as_people_do),
		cmocka_unit_test(what_the_kernel_charges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
