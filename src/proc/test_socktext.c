/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc/socktext.h"
#include "proc/test_child.h"

struct scene {
	struct arena arena;
	struct hash_map wanted;
	struct proc_sockets s;
};

static void read_table(struct scene *sc, const char *table, const char *text)
{
	*sc = (struct scene){ 0 };
	arena_init(&sc->arena);
	for (uint64_t inode = 100; inode < 110; inode++)
		*hash_map_at(&sc->wanted, inode, NULL) = 1;
	proc_sockets_init(&sc->s, &sc->arena, &sc->wanted);
	AUTO_CLOSE int fd = text_file(text);
	ok(proc_socktext_parse(fd, table, table, &sc->s));
}

static void scene_deinit(struct scene *sc)
{
	proc_sockets_deinit(&sc->s);
	hash_map_deinit(&sc->wanted);
	arena_deinit(&sc->arena);
}

static void tcp(void **state)
{
	struct scene sc;
	read_table(
		&sc, "tcp",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000  0  0 100 1 ffff 100 0\n"
		"   1: 0100007F:1F90 0500000A:9C40 08 00000010:00000001 00:00000000 00000000  0  0 101 1 ffff 20 4\n"
		"   2: 0100007F:1F90 0500000A:9C40 06 00000000:00000000 00:00000000 00000000  0  0 0 1 ffff 20 4\n"
		"   3: 0100007F:1F90 0500000A:9C40 01 00000000:00000000 00:00000000 00000000  0  0 99 1 ffff 20 4\n"
		"   4: 0100007F 0500000A:9C40 01 00000000:00000000 00:00000000 00000000  0  0 102 1 ffff 20 4\n"
		"   5: 0100007F:10000 0500000A:9C40 01 00000000:00000000 00:00000000 0  0  0 103 1 ffff 20 4\n"
		"   6: 0100007F:1F90 0500000A:9C40 01 000000");
	assert_int_equal(sc.s.v.n, 2);
	const struct proc_socket *a = &sc.s.v.v[0], *b = &sc.s.v.v[1];
	assert_string_equal(a->state, "LISTEN");
	assert_string_equal(a->local, "127.0.0.1:8080");
	assert_null(a->peer);
	assert_int_equal(a->rx, 2);
	assert_true(a->tx == PROC_SOCKET_UNKNOWN);
	assert_string_equal(b->state, "CLOSE-WAIT");
	assert_string_equal(b->peer, "10.0.0.5:40000");
	assert_int_equal(b->tx, 16);
	assert_int_equal(b->rx, 1);
	assert_true(b->memory == PROC_SOCKET_UNKNOWN);
	scene_deinit(&sc);
}

static void udp_of_ipv6(void **state)
{
	struct scene sc;
	read_table(&sc, "udp6",
		   " 1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 "
		   "00000000:00000000 00:00000000 00000000 0 0 100 2 ffff 0\n"
		   " 2: 0000000000000000FFFF00000100007F:0035 0000000000000000FFFF00000500000A:0036 01 "
		   "00000000:00000000 00:00000000 00000000 0 0 101 2 ffff 0\n");
	assert_int_equal(sc.s.v.n, 2);
	assert_string_equal(sc.s.v.v[0].state, "UNCONN");
	assert_string_equal(sc.s.v.v[0].local, "[::1]:53");
	assert_string_equal(sc.s.v.v[1].peer, "10.0.0.5:54");
	scene_deinit(&sc);
}

static void unix_and_others(void **state)
{
	struct scene sc;
	read_table(&sc, "unix",
		   "Num       RefCount Protocol Flags    Type St Inode Path\n"
		   "ffff8880: 00000002 00000000 00010000 0001 01 100 /run/with a space\n"
		   "ffff8881: 00000003 00000000 00000000 0001 03 101\n"
		   "ffff8882: 00000002 00000000 00000000 0002 01 102 @abstract\n");
	assert_int_equal(sc.s.v.n, 3);
	assert_string_equal(sc.s.v.v[0].state, "LISTEN");
	assert_string_equal(sc.s.v.v[0].local, "/run/with a space");
	assert_string_equal(sc.s.v.v[1].state, "ESTAB");
	assert_null(sc.s.v.v[1].local);
	assert_string_equal(sc.s.v.v[2].local, "@abstract");
	scene_deinit(&sc);
	read_table(&sc, "netlink", "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode\n0 0 0 0 0 0 0 2 0 100\n");
	assert_int_equal(sc.s.v.n, 1);
	scene_deinit(&sc);
	read_table(&sc, "packet", "sk RefCnt Type Proto Iface R Rmem User Inode\n0 3 3 0003 0 1 0 0 100\n");
	assert_int_equal(sc.s.v.n, 1);
	scene_deinit(&sc);
	read_table(&sc, "unheard-of", "a b c\n");
	assert_int_equal(sc.s.v.n, 0);
	scene_deinit(&sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp),
		cmocka_unit_test(udp_of_ipv6),
		cmocka_unit_test(unix_and_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
