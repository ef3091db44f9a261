/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpd/address - a socket that listens, on a loopback address or a path.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct address {
	int fd;	       /* -1: none; does not block */
	unsigned port; /* 0: a path */
	char *path;    /* of a unix socket */
	dev_t dev;     /* ... which file is ours */
	ino_t ino;
};

/* See httpd_listen() for the forms and errors. On an error *ret holds nothing. */
MUST_CHECK struct err *address_listen(const char *text, struct address *ret);

/* Closes it, and removes the file if it is still ours. */
void address_close(struct address *a);
