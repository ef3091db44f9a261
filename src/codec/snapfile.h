/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/snapfile - the file of `ullage snap`: docs/formats/snapshot.md.
 */

#include "base/strbuf.h"
#include "codec/stream.h"
#include "model/snapshot.h"

/* FORMAT with the offset; UNSUPPORTED when it was written by a newer version in a format that this one cannot read. */
MUST_CHECK struct err *snapfile_read(struct stream *s, struct snapshot *ret);

/* Appends the whole file, compressed. */
MUST_CHECK struct err *snapfile_write(const struct snapshot *s, struct strbuf *out);
