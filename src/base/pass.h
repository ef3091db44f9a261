/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/pass - messages over a unix socket, and a descriptor with them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* With `fd`, which stays ours, or without one where it is negative. False: nobody takes it. */
bool pass_send(int socket, const void *data, size_t len, int fd);

/* Bytes of one message, 0 at the end, -1 with errno; *fd: the first descriptor that came with it, given and close-on-exec, or -1. */
ssize_t pass_receive(int socket, void *data, size_t len, int *fd);
