/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/sockdiag - what the kernel knows of the sockets of a process: ends, state, queues, memory.
 *
 * Source: NETLINK_SOCK_DIAG (sock_diag(7)), asked in the target's network namespace. Where that is not ours this thread
 * enters it for the one call that makes the netlink socket, and comes back: no other process or thread is needed for it.
 * That takes CAP_SYS_ADMIN. Without, and where the kernel has no sock_diag: the tables of /proc/PID/net (proc/socktext),
 * which tell no memory.
 * The kernel lists all sockets of the namespace, and those of the target are picked by inode.
 * Cost:   about 1 us a socket of the namespace.
 *
 * Memory is what the kernel charges for one socket, from the figures that `ss -m` shows as skmem:
 *	rmem_alloc + max(wmem_alloc, wmem_queued) + fwd_alloc + optmem + backlog
 * wmem_queued is what TCP has not been acknowledged; wmem_alloc counts copies of its headers on their way to the device,
 * whose data is the same memory, and for all other protocols what is not sent yet (their wmem_queued is 0).
 */

#include "base/arena.h"
#include "base/hash.h"
#include "proc/process.h"

#define PROC_SOCKET_UNKNOWN UINT64_MAX

struct proc_socket {
	uint64_t inode;
	const char *protocol;	  /* "tcp", "tcp6", "mptcp", "udp", "udp6", "unix", "netlink", "packet" */
	const char *state;	  /* "ESTAB", "LISTEN", ... as ss calls them */
	const char *local, *peer; /* "10.0.0.1:5432", "[::1]:80", path, "@abstract"; NULL: none */
	/*
	 * Bytes to be read, and bytes not acknowledged or not sent; of a listener the connections that wait, and its
	 * limit. PROC_SOCKET_UNKNOWN, as the memory, where only a table of text was there to tell.
	 */
	uint64_t rx, tx, memory;
	uint64_t peer_inode; /* of a unix socket's other end, 0: none */
};

VEC_TYPE(proc_socket_vec, struct proc_socket);

struct proc_sockets {
	struct arena *arena;	       /* strings go there */
	const struct hash_map *wanted; /* inodes; a key is enough */
	struct proc_socket_vec v;      /* in the order of the kernel */
	struct hash_map found;	       /* inode -> index in v + 1 */
	struct hash_map unix_names;    /* inode -> index in names + 1: of all unix sockets that have one */
	VEC(const char *) names;
	const char *reason; /* why the memory is not known, or NULL; in `arena` */
};

/* `arena` and `wanted` are borrowed. */
void proc_sockets_init(struct proc_sockets *s, struct arena *arena, const struct hash_map *wanted);
void proc_sockets_deinit(struct proc_sockets *s);

/*
 * All sockets with a wanted inode. Those that are in another namespace than the target's, and those that are neither
 * bound nor connected, are in no list: they are missing. GONE, and OS when neither way works.
 */
MUST_CHECK struct err *proc_sockets_read(const struct proc_process *p, struct proc_sockets *s);

/* What is asked for, one after the other. */
enum proc_sockdiag {
	PROC_SOCKDIAG_TCP,
	PROC_SOCKDIAG_TCP6,
	PROC_SOCKDIAG_MPTCP,
	PROC_SOCKDIAG_MPTCP6,
	PROC_SOCKDIAG_UDP,
	PROC_SOCKDIAG_UDP6,
	PROC_SOCKDIAG_UNIX,
	PROC_SOCKDIAG_NETLINK,
	PROC_SOCKDIAG_PACKET,
	PROC_SOCKDIAG_MAX_
};

/*
 * A datagram of the kernel's answer about `which`: takes the sockets out of it. *done at the end of
 * the answer. FORMAT with the offset, OS what the kernel refused with.
 */
MUST_CHECK struct err *proc_sockdiag_parse(enum proc_sockdiag which, const void *data, size_t len,
					   struct proc_sockets *s, bool *done);

/* For proc/socktext: enter a socket that is wanted and not known yet; NULL when it is not. */
struct proc_socket *proc_sockets_add(struct proc_sockets *s, uint64_t inode);

/* The name of a TCP state number, also for UDP; "unknown". */
const char *proc_socket_state(unsigned state, bool datagram);

/* "10.0.0.1:80", "[::1]:80"; an IPv4 address in IPv6 is written as IPv4; NULL for no address and no port. In `arena`. */
const char *proc_socket_address(struct arena *arena, const unsigned char ip[16], bool v6, unsigned port);
