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

/* What is read of one file at most; more is LIMIT. */
enum {
	PPROF_MAX = 256 << 20,	      /* unpacked bytes: five million stacks */
	PPROF_STRINGS_MAX = 16 << 20, /* also functions, locations, lines, mappings and comments, each */
	PPROF_SAMPLES_MAX = 16 << 20,
	PPROF_FRAMES_MAX = 128 << 20, /* of all different stacks together */
	PPROF_LABELS_MAX = 64 << 20,
};

/*
 * Reads all of the stream. *ret is to be given to profile_deinit() on every return. FORMAT with the offset, LIMIT.
 * A location without functions is a frame named by its address ("0x4a3f10"). drop_frames and keep_frames hide frames
 * from viewers; here nothing is hidden.
 */
MUST_CHECK struct err *pprof_read(struct stream *s, struct profile *ret);

/* Appends the profile as gzip'd protobuf. */
void pprof_write(const struct profile *p, struct strbuf *out);
