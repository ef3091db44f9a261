/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/fds - the descriptors of a process, by number and kind.
 *
 * Source: the links of /proc/PID/fd (proc(5)), statx() through them, the fdinfo of epoll instances. Nothing is opened:
 * a descriptor of a pipe, a device or a dead server's file is only named. statx() is asked for what the kernel has at
 * hand (AT_STATX_DONT_SYNC), so that a file system that does not answer cannot hold us up.
 * Cost:   about 5 us a descriptor, nearly all of it in the kernel.
 * What is closed while we look is not there, and no error.
 */

#include "base/arena.h"
#include "base/hash.h"
#include "proc/process.h"

/* The kernel's own default ceiling (fs.nr_open); more are counted, and not told one by one. */
enum { PROC_FDS_MAX = 1024 * 1024 };

struct proc_fd {
	int fd;
	const char
		*kind; /* "file", "directory", "device", "fifo", "socket", "pipe", "epoll", "memfd", "eventfd", ... */
	const char *link; /* as the kernel writes it */
	uint64_t inode;	  /* of sockets and pipes; of files where statx() told */
	uint64_t dev;	  /* of files, as st_dev */
};

VEC_TYPE(proc_fd_vec, struct proc_fd);

struct proc_fds {
	struct proc_fd_vec v; /* by number */
	uint64_t total;	      /* v.n, or more */
	/* Blocks of files without a name, each file once: removed ones, and memfds. */
	uint64_t deleted_files, deleted_bytes, memfds, memfd_bytes;
};

/*
 * Strings in `arena`; of every return ret->v is to be freed with vec_deinit(). DENIED without the right to trace the
 * process, GONE.
 */
MUST_CHECK struct err *proc_fds_read(const struct proc_process *p, struct arena *arena, struct proc_fds *ret);

/*
 * What a link says: kind and inode. A path is "file" until statx() knows better. The kind of what the kernel names by
 * itself is that name without its decoration, in `arena`: "anon_inode:[eventfd]" is "eventfd".
 */
void proc_fd_parse(const char *link, struct arena *arena, struct proc_fd *ret);

/* How many descriptors an epoll instance watches: "tfd:" lines of its fdinfo. The kernel holds its lock meanwhile. */
MUST_CHECK struct err *proc_epoll_watched(const struct proc_process *p, int fd, uint64_t *ret);
MUST_CHECK struct err *proc_epoll_parse(int info, uint64_t *ret);

/* The protocol of a socket by its descriptor, named as in proc/sockdiag: "tcp6"; "socket" where the kernel is silent. */
enum { PROC_PROTOCOL_LEN = 32 };
void proc_socket_protocol(const struct proc_process *p, int fd, char buf[PROC_PROTOCOL_LEN]);

/* Soft limit of open files; UINT64_MAX when there is none. */
MUST_CHECK struct err *proc_limit_files(const struct proc_process *p, uint64_t *ret);
