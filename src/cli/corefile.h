/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cli/corefile - a core that a command line names, as a file that can be read at any place.
 *
 * A plain file is that itself. One that is compressed, or comes through a pipe, is unpacked into a file without a name in
 * TMPDIR (/var/tmp), which is gone with us however we end; zeros in it take no room.
 */

#include "account/account.h"
#include "cli/infile.h"

struct corefile {
	struct account_core core;
	int own; /* the unpacked file, or -1 */
};

/*
 * Borrows `f`, which must be at its first byte, and `exe` (the executable, or NULL). Errors: FORMAT (damaged), LIMIT, WRITE
 * (no room: the sentence says how to unpack it elsewhere). On every return *ret is to be given to corefile_close().
 */
MUST_CHECK struct err *corefile_open(struct infile *f, const char *exe, struct corefile *ret);
void corefile_close(struct corefile *c);

static inline void corefile_auto(struct corefile *c)
{
	corefile_close(c);
}
