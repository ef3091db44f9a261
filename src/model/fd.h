/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/fd - the descriptors of a process: what `ullage fds` shows.
 *
 * Plain data; strings belong to the arena. Socket memory is the kernel's: it is in no RSS.
 */

#include "model/account.h"

struct fd_kind {
	const char
		*kind; /* "tcp", "tcp6", "udp", "unix", "file", "pipe", "eventfd", "epoll", "timerfd", "pidfd", ... */
	uint64_t count;
};

/* Sockets with the same protocol, peer and state. */
struct fd_socket {
	const char *protocol; /* as the kind: "tcp" */
	const char *peer;     /* "10.0.0.1:5432", "[::1]:80", a path or "@abstract"; "-" without one */
	const char *local;    /* of listeners and where all share one; else NULL */
	const char *state;    /* "ESTAB", "LISTEN", "CLOSE-WAIT", ...; "unknown" */
	/*
	 * Bytes in all, to be read and not yet sent or acknowledged; of listeners the connections that wait to be
	 * accepted, and how many may. ACCOUNT_UNKNOWN where the kernel did not tell it of each.
	 */
	uint64_t count, rx_queue, tx_queue, skmem;
};

struct fd_epoll {
	int fd;
	uint64_t watched;
};

/* One descriptor, for joins (which peer has fd 12); by number. */
struct fd_row {
	int fd;
	const char *kind;
	const char *what; /* path, "tcp 10.0.0.1:5432 ESTAB", ... */
	uint64_t inode;
};

VEC_TYPE(fd_kind_vec, struct fd_kind);
VEC_TYPE(fd_socket_vec, struct fd_socket);
VEC_TYPE(fd_epoll_vec, struct fd_epoll);
VEC_TYPE(fd_row_vec, struct fd_row);

/* A cgroup below one that the target lives in or holds open, without processes. */
struct fd_cgroup {
	const char *path;
	int64_t age_ns;	  /* since it was made, at least */
	uint64_t charged; /* with those below it; ACCOUNT_UNKNOWN without a memory controller */
};

VEC_TYPE(fd_cgroup_vec, struct fd_cgroup);

struct fds {
	struct arena arena;
	uint64_t total, limit;	      /* limit: RLIMIT_NOFILE, soft; ACCOUNT_UNKNOWN */
	struct fd_kind_vec kinds;     /* by count */
	struct fd_socket_vec sockets; /* by count */
	struct fd_epoll_vec epolls;
	struct fd_row_vec rows;
	uint64_t deleted_bytes, deleted_files;	/* blocks of deleted files that it still holds, each file once */
	uint64_t memfd_bytes, memfds;		/* blocks of its memfds, each once: memory that its cgroup is charged */
	uint64_t socket_kernel;			/* skmem of all its sockets, ACCOUNT_UNKNOWN */
	uint64_t sockets_unknown;		/* sockets that the kernel did not tell about */
	struct fd_cgroup_vec cgroups;		/* left behind */
	uint64_t cgroups_left, cgroups_charged; /* charged: each byte once */
	uint64_t cgroups_dying;			/* removed and still charged, below the same; ACCOUNT_UNKNOWN on v1 */
	int64_t cgroups_oldest_ns;		/* at least */
};

void fds_init(struct fds *f);
void fds_deinit(struct fds *f);
