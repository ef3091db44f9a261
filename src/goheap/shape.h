/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/shape - types as flat tables: what the pointer at each word of a value points to.
 *
 * Structs and arrays inside of a type are spread out once, so that following an edge is one look-up. Types may lie: what
 * lies outside of the whole is left out, and no table is longer than GOHEAP_SHAPE_WORDS.
 * Source: runtime/map.go, internal/runtime/maps, runtime/chan.go for what the runtime itself lays out.
 */

#include "gort/type.h"

/* How a pointer is to be understood. */
enum goheap_how {
	GOHEAP_TO_NOTHING,
	GOHEAP_TO_UNKNOWN, /* a pointer, to what nothing tells */
	GOHEAP_TO_ONE,	   /* to one of the type */
	GOHEAP_TO_MANY,	   /* to the array of a slice */
	GOHEAP_TO_STRING,  /* to the bytes of a string */
	GOHEAP_TO_IFACE,   /* of an interface: its other word tells */
	GOHEAP_TO_FUNC,	   /* to a closure */
	GOHEAP_TO_MAP,	   /* to the header of the map type; the same type in all that follow to CHAN */
	GOHEAP_TO_MAP_DIR, /* swiss: to a directory, or to the only group */
	GOHEAP_TO_MAP_TABLE,
	GOHEAP_TO_MAP_GROUPS,
	GOHEAP_TO_MAP_BUCKETS,
	GOHEAP_TO_MAP_EXTRA,
	GOHEAP_TO_MAP_OVERFLOW, /* a slice in the heap */
	GOHEAP_TO_MAP_LIST,	/* its array: pointers to buckets */
	GOHEAP_TO_CHAN,		/* to a channel of elements of the type */
	GOHEAP_TO_CHAN_ANY,	/* to a channel that has to be asked */
	GOHEAP_TO_CHAN_BUF,
	GOHEAP_TO_RUNTIME, /* to one of the runtime's own; the type's place is the number of it */
};

/* How, and the number of a type. */
struct goheap_link {
	unsigned how : 6; /* enum goheap_how */
	unsigned type : 26;
};

enum { GOHEAP_TYPES_MAX = (1 << 26) - 1, GOHEAP_SHAPE_WORDS = 1 << 18 };

enum { GOHEAP_SORTS = 16 };

/* A type by number. */
struct goheap_shape {
	uint64_t rtype;
	uint64_t size, ptrdata;
	uint64_t stride; /* of elements, bytes: of an array type that of the element's; else the size */
	uint32_t n;	 /* links */
	bool built;
	bool loose;			 /* it has pointers that `links` does not tell */
	struct goheap_link *links;	 /* [n], by word */
	uint32_t kinds[2][GOHEAP_SORTS]; /* goheap/typing: kinds of it, with and without a header; 0: none yet */
};

struct goheap_shapes {
	struct gort_types *types;      /* borrowed */
	struct hash_map index;	       /* address -> number + 1; 0: no type */
	VEC(struct goheap_shape) list; /* [0]: no type */
	struct arena arena;
	uint64_t words;
};

void goheap_shapes_init(struct goheap_shapes *s, struct gort_types *types);
void goheap_shapes_deinit(struct goheap_shapes *s);

/* The number of the type at an address; 0 when there is none. */
uint32_t goheap_shape_of(struct goheap_shapes *s, uint64_t rtype);

/* With its links; valid until the next new type. */
const struct goheap_shape *goheap_shape_get(struct goheap_shapes *s, uint32_t number);

/* The link of a word of a value of a type, or of one element of an array of them. */
static inline struct goheap_link goheap_shape_link(const struct goheap_shape *sh, uint64_t word)
{
	return word < sh->n ? sh->links[word] : (struct goheap_link){ GOHEAP_TO_NOTHING, 0 };
}
