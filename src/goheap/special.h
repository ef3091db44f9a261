/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/special - the records that the runtime keeps of single objects: finalizers, cleanups, weak handles, samples of the
 * heap profile.
 *
 * Source: runtime/mheap.go (special): a linked list on each span, numbered by kind otherwise in each version.
 * Cost: all spans' lists in large reads, one step along each at a time. Memory: 17 bytes a record, while it reads.
 */

#include "goheap/object.h"

enum goheap_special_kind {
	GOHEAP_SPECIAL_OTHER, /* one that is nothing to us */
	GOHEAP_SPECIAL_FINALIZER,
	GOHEAP_SPECIAL_WEAK, /* 1.23 on */
	GOHEAP_SPECIAL_PROFILE,
	GOHEAP_SPECIAL_CLEANUP, /* 1.24 on */
};

struct goheap_special {
	enum goheap_special_kind kind;
	uint64_t addr;		  /* of the record */
	uint32_t span;		  /* index in heap->spans */
	uint64_t offset;	  /* of the object in it, below the span's bytes */
	const unsigned char *rec; /* the record's first `len` bytes: as much as one of the profile has */
	size_t len;
};

typedef void (*goheap_special_fn)(void *ctx, const struct goheap_special *s);

/*
 * Calls fn for each record of the spans of objects. False when a list leads back to where it was, or to what is no record:
 * the rest of it is left out.
 */
bool goheap_specials_read(const struct goheap_objects *o, goheap_special_fn fn, void *ctx);
