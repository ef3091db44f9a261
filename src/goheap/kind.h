/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/kind - the kinds of objects, numbered: form and type together, with what each of their words points to.
 *
 * Part of goheap/typing. A kind is made when it is first met. Two kinds may have the same name: with and without a header.
 */

#include "goheap/shape.h"
#include "goheap/typing.h"

enum goheap_sort {
	GOHEAP_SORT_VALUE,
	GOHEAP_SORT_ARRAY,
	GOHEAP_SORT_MAP,
	GOHEAP_SORT_DIRECTORY,
	GOHEAP_SORT_TABLE,
	GOHEAP_SORT_GROUPS,
	GOHEAP_SORT_BUCKETS,
	GOHEAP_SORT_EXTRA,
	GOHEAP_SORT_OVERFLOW,
	GOHEAP_SORT_LIST,
	GOHEAP_SORT_CHAN,
	GOHEAP_SORT_CHAN_BUF,
	GOHEAP_SORT_STRING, /* from here on without a type's number */
	GOHEAP_SORT_CLOSURE,
	GOHEAP_SORT_RUNTIME,
	GOHEAP_SORT_MAX_
};

_Static_assert((int)GOHEAP_SORT_MAX_ <= (int)GOHEAP_SORTS, "kinds of a shape");

enum goheap_runtime {
	GOHEAP_RUNTIME_G,
	GOHEAP_RUNTIME_M,
	GOHEAP_RUNTIME_P,
	GOHEAP_RUNTIME_SUDOG,
	GOHEAP_RUNTIME_TIMER, /* time.Timer and time.Ticker of 1.23 on: more than their type says */
	GOHEAP_RUNTIME_GS,    /* arrays of pointers to them */
	GOHEAP_RUNTIME_PS,
	GOHEAP_RUNTIME_MAX_
};

/* How to follow the pointers of an object of a kind. */
struct goheap_follow {
	const struct goheap_link *links;
	uint32_t n;		   /* of links */
	uint32_t stride;	   /* words after which they repeat; 0: they do not */
	uint32_t shape;		   /* number of the type, of the map type, of the channel's element */
	uint64_t size;		   /* of what a slot holds one or, if it is an array, several of; 0: any */
	uint64_t content;	   /* address of the type that the bytes of it have; 0: of the runtime */
	uint8_t sort, header;	   /* header: words in front */
	bool noscan, array, loose; /* loose: it may have pointers that links do not tell */
};

struct goheap_kinds {
	struct goheap_typing *t; /* borrowed: kinds, types */
	struct goheap_shapes shapes;
	VEC(struct goheap_follow) follow; /* by kind */
	struct hash_map closures;	  /* pc -> kind */
	struct hash_map captures;	  /* pc -> address of the type of its closure */
	uint32_t runtime[GOHEAP_RUNTIME_MAX_], string[2];
	struct arena arena;
};

void goheap_kinds_init(struct goheap_kinds *k, struct goheap_typing *t);
void goheap_kinds_deinit(struct goheap_kinds *k);

/* The kind of a sort of a type, with a header or without; 0 where there is no type. Valid sorts: to CHAN_BUF. */
uint32_t goheap_kind_of(struct goheap_kinds *k, enum goheap_sort sort, uint32_t shape, bool header);
uint32_t goheap_kind_string(struct goheap_kinds *k);
uint32_t goheap_kind_runtime(struct goheap_kinds *k, enum goheap_runtime which);
/* A closure of the function at pc; 0 when no function begins there. */
uint32_t goheap_kind_closure(struct goheap_kinds *k, uint64_t pc, bool header);

static inline struct goheap_link goheap_follow_link(const struct goheap_follow *f, uint32_t word)
{
	uint32_t at = word - f->header;
	if (f->stride && at >= f->stride)
		at %= f->stride;
	return at < f->n ? f->links[at] : (struct goheap_link){ GOHEAP_TO_NOTHING, 0 };
}
