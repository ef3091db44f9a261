/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/snapfile - the file of `ullage snap`: one zstd stream of a header line and one protobuf message.
 *
 * Source: docs/formats/snapshot.md, snapshot.proto; the members and their numbers are codec/snaptable. Written without
 * what codec/discreet leaves out: labels, and settings that come from the environment.
 * Cost: all of the unpacked file is in memory while it is read.
 */

#include "base/strbuf.h"
#include "codec/stream.h"
#include "model/snapshot.h"

enum {
	SNAPFILE_MAX = 512 << 20,	  /* unpacked bytes of a file */
	SNAPFILE_MEMORY_MAX = 2000 << 20, /* of what is made from it */
};

/*
 * *ret is initialized by the caller, and may hold a part of the file after an error. FORMAT with the offset among the
 * unpacked bytes; LIMIT; UNSUPPORTED when it was written by a later version in a format that this one cannot read.
 */
MUST_CHECK struct err *snapfile_read(struct stream *s, struct snapshot *ret);

/* Appends the whole file, compressed. LIMIT when it would be too large to be read again. */
MUST_CHECK struct err *snapfile_write(const struct snapshot *s, struct strbuf *out);
