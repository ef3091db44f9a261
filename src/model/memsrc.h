/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/memsrc - "read len bytes at address": the seam between those who know the Go runtime and those who know
 * processes, core files and fixtures.
 *
 * A memsrc shows memory as the target would see it and never changes it: pages that are absent read as zeros (or as
 * their file's content), whoever implements it must not fault them in.
 * Hot leaf: reads return bool. The caller makes the error (memsrc_fault()), it knows what was being read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct memsrc;

struct memsrc_range {
	uint64_t addr;
	size_t len;
	void *buf;
	bool ok; /* out: all of it was read */
};

struct memsrc_ops {
	/* All of [addr, addr + len) into buf, or false. */
	bool (*read)(struct memsrc *src, uint64_t addr, void *buf, size_t len);
	/* Several ranges, by ascending address, for less than as many reads; NULL: it would cost the same. */
	void (*read_ranges)(struct memsrc *src, struct memsrc_range *ranges, size_t n);
	bool shared; /* several threads may read at once; else see model/memshare */
};

struct memsrc {
	const struct memsrc_ops *ops;
};

static inline bool memsrc_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	return src->ops->read(src, addr, buf, len);
}

/* Each range by itself is read or not. Those near each other are best asked for together. */
void memsrc_read_ranges(struct memsrc *src, struct memsrc_range *ranges, size_t n);

bool memsrc_u8(struct memsrc *src, uint64_t addr, uint8_t *ret);
bool memsrc_u32(struct memsrc *src, uint64_t addr, uint32_t *ret);
bool memsrc_u64(struct memsrc *src, uint64_t addr, uint64_t *ret);

/* A word of the target, little endian, that is also an address: 0 where it cannot be read. */
uint64_t memsrc_ptr(struct memsrc *src, uint64_t addr);

/*
 * n records of `size` bytes each, at addrs[i], into out + i * size. Neighbouring records are read in one go, so this
 * is the way to read thousands of small things (a read costs about a microsecond, however short).
 * ok[i] (may be NULL) tells which were read; unread ones are zeros. Returns how many were read.
 */
size_t memsrc_gather(struct memsrc *src, const uint64_t *addrs, size_t n, size_t size, void *out, bool *ok);

/* FAULT "cannot read N bytes of WHAT at 0x...". */
MUST_CHECK struct err *memsrc_fault(uint64_t addr, size_t len, const char *what);
