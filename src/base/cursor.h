/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/cursor - bounded reading of little-endian bytes.
 *
 * A cursor never reads past its end. The first read that would do so makes the cursor `bad` and every read after
 * it returns zero, so a parser may read a whole record and check once. cursor_check() turns `bad` into an error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cursor {
	const unsigned char *start, *p, *end;
	bool bad;
};

void cursor_init(struct cursor *c, const void *data, size_t len);
size_t cursor_left(const struct cursor *c);
size_t cursor_offset(const struct cursor *c);
bool cursor_seek(struct cursor *c, uint64_t offset); /* from the start; false and bad when outside */
bool cursor_skip(struct cursor *c, uint64_t n);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
uint64_t cursor_uvarint(struct cursor *c);			 /* LEB128 of at most ten bytes */
const unsigned char *cursor_bytes(struct cursor *c, uint64_t n); /* NULL and bad when there are fewer */
const char *cursor_str(struct cursor *c); /* NUL-terminated inside the bounds, else NULL and bad */

/* FORMAT "`what` is cut short at offset N" when the cursor is bad, else NULL. */
MUST_CHECK struct err *cursor_check(const struct cursor *c, const char *what);

/* Unaligned little-endian loads for bytes whose bounds are known. */
uint16_t load_u16(const void *p);
uint32_t load_u32(const void *p);
uint64_t load_u64(const void *p);
