/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/stream - the bytes of a file in order, unpacked on the way: plain, gzip or zstd, told by its first bytes.
 *
 * Memory is bounded whatever the size of the file: one window of STREAM_WINDOW bytes. The unpacked length has a
 * ceiling, so that a small file cannot stand for endless work. The bytes may also come from memory.
 * Errors name the file and the offset among the unpacked bytes: FORMAT (damaged, cut short), LIMIT (the ceiling), OS.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { STREAM_WINDOW = 1 << 20 };

enum stream_pack { STREAM_PLAIN, STREAM_GZIP, STREAM_ZSTD };

struct stream {
	const char *name; /* for messages; borrowed */
	int fd;		  /* borrowed; -1: from memory */
	enum stream_pack pack;
	uint64_t ceiling; /* unpacked bytes that may come */
	uint64_t offset;  /* of the next byte among the unpacked ones */
	/* private */
	void *unpacker;
	const unsigned char *in;
	unsigned char *in_own, *window;
	size_t in_pos, in_len, pos, len;
	bool in_end, end;
};

/* Reads the first bytes. `name` and the descriptor or the memory must outlive the stream. */
MUST_CHECK struct err *stream_open(int fd, const char *name, uint64_t ceiling, struct stream *ret);
MUST_CHECK struct err *stream_open_memory(const void *data, size_t len, const char *name, uint64_t ceiling,
					  struct stream *ret);
void stream_close(struct stream *s); /* fine after a failed open, and twice */

/* Back to the first byte, to read all of it again. UNSUPPORTED for what cannot be read twice (a pipe). */
MUST_CHECK struct err *stream_rewind(struct stream *s);

/*
 * Look ahead: at least `want` bytes (at most STREAM_WINDOW), fewer only where the file ends; all that stand in the window
 * are given. Valid until the next call for this stream.
 */
MUST_CHECK struct err *stream_peek(struct stream *s, size_t want, const unsigned char **ret, size_t *have);

/* Go on by n bytes that were peeked. */
void stream_consume(struct stream *s, size_t n);

/* Go on by n bytes, or FORMAT when fewer are left. */
MUST_CHECK struct err *stream_skip(struct stream *s, uint64_t n);

/* n bytes into buf, or FORMAT when fewer are left. */
MUST_CHECK struct err *stream_read(struct stream *s, void *buf, size_t n);

/* All that is left, to be freed with free(); LIMIT over `max`. A NUL stands behind it. */
MUST_CHECK struct err *stream_all(struct stream *s, size_t max, unsigned char **ret, size_t *len);

/* FORMAT "NAME: WHAT at offset N". */
MUST_CHECK NEVER_NULL struct err *stream_bad(const struct stream *s, const char *fmt, ...) ERR_PRINTF(2, 3);

static inline void stream_auto(struct stream *s)
{
	stream_close(s);
}
