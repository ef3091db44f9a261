/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/pprof - profiles in pprof's protobuf: read from any writer, written so that `go tool pprof`, Pyroscope and
 * speedscope open them.
 *
 * Source: github.com/google/pprof proto/profile.proto. Unknown fields are skipped; packed and unpacked numbers are read.
 */

#include "base/strbuf.h"
#include "codec/stream.h"
#include "model/profile.h"

enum { PPROF_MAX = 1 << 30 }; /* unpacked bytes of a file that is read */

/* Reads all of the stream. *ret is to be given to profile_deinit() on every return. FORMAT with the offset, LIMIT. */
MUST_CHECK struct err *pprof_read(struct stream *s, struct profile *ret);

/* Appends the profile as gzip'd protobuf. */
void pprof_write(const struct profile *p, struct strbuf *out);
