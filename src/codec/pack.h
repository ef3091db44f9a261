/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/pack - bytes in order into a descriptor, compressed with zstd on the way: the other direction of codec/stream.
 *
 * Memory is bounded whatever the size of the file. A long run of zeros costs about a tenth of a nanosecond a byte.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pack {
	int fd;		  /* borrowed */
	const char *name; /* for messages; borrowed */
	/* private */
	void *packer;
	unsigned char *out;
	size_t room;
};

MUST_CHECK struct err *pack_open(int fd, const char *name, struct pack *ret);
MUST_CHECK struct err *pack_add(struct pack *p, const void *data, size_t len); /* WRITE */
MUST_CHECK struct err *pack_finish(struct pack *p);			       /* what is left; WRITE */
void pack_close(struct pack *p);
