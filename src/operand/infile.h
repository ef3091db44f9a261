/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/infile - a file or an address that a command line names, opened: its bytes unpacked, and what they are.
 *
 * "-" is standard input. A document that is fetched is kept in memory, a file is read through a window.
 */

#include "account/account.h"
#include "base/strbuf.h"
#include "codec/kind.h"
#include "codec/stream.h"

struct infile {
	struct stream stream; /* at the first byte */
	enum codec_kind kind;
	/* private */
	int fd;
	struct strbuf body;
};

/*
 * `name` must outlive the file. Errors: NOT_FOUND (no such file, nobody answers), DENIED, ARG (a directory; a word that
 * no file has as its name), FORMAT (damaged), OS. On every return *ret is to be given to infile_close().
 */
MUST_CHECK struct err *infile_open(const char *name, struct infile *ret);
void infile_close(struct infile *f);

/*
 * "FILE is a goroutine dump; `goroutines` and `diff` read it": the error of a command that cannot use such a file. ARG;
 * FORMAT for a file of no known kind. The stream must still be at its first byte.
 */
MUST_CHECK NEVER_NULL struct err *infile_refuse(struct infile *f);

static inline void infile_auto(struct infile *f)
{
	infile_close(f);
}

/*
 * A core that a command line names, as a file that can be read at any place. A plain file is that itself. One that is
 * compressed, or comes through a pipe, is unpacked into a file without a name in TMPDIR (/var/tmp), which is gone with us
 * however we end; zeros in it take no room.
 */
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
