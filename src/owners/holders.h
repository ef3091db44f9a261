/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owners/holders - what the parts of owners_holders_fill() share: objects sorted by what they are, places in types, and
 * rows that are added up by kind and path.
 *
 * Contents are read again here, while the target runs: whatever does not agree with the pointers read before is counted
 * in `moved` and not believed.
 */

#include "owners/mapsize.h"
#include "owners/owners.h"

/* What is at a place of a type. */
enum holder_place_what {
	PLACE_OTHER,   /* a pointer whose extent is not known: of a map, a function, an interface, unsafe */
	PLACE_POINTER, /* bytes: of what it points to */
	PLACE_STRING,
	PLACE_SLICE, /* bytes: of an element */
	/* structs of the standard library, told by name; those that follow are looked for in `inside` */
	PLACE_SYNC_MAP,
	PLACE_POOL,
	PLACE_LIST,
	PLACE_WHAT_MAX_
};

struct holder_place {
	uint32_t offset, bytes;
	uint8_t what; /* enum holder_place_what */
};

VEC_TYPE(holder_place_vec, struct holder_place);

enum { HOLDER_PLACES = 4096 /* of one type; a larger one is not known */ };

struct holder_plan {
	uint64_t stride;		 /* bytes of an element; 0: not known */
	uint32_t first, n;		 /* in `places`, by offset: pointers */
	uint32_t inside_first, inside_n; /* in `places`: library structs */
	bool made;
};

/* What an object is for the parts below; an object has one. */
enum holder_what {
	HOLDER_NONE,
	HOLDER_MAP,
	HOLDER_CHAN,
	HOLDER_CLOSURE,
	HOLDER_CONTEXT,	  /* context.cancelCtx and what embeds it */
	HOLDER_VALUE_CTX, /* context.valueCtx */
	HOLDER_TIMER,	  /* time.Timer, time.Ticker */
	HOLDER_FUNCS,	  /* an array of functions */
	HOLDER_INSIDE,	  /* library structs are in it */
	HOLDER_WHAT_MAX_
};

/* Holders of one kind that are held alike. */
struct holder_row {
	uint32_t kind;	 /* of the object, in typing.kinds; the first of its name */
	uint32_t node;	 /* in retain.paths; GRAPH_NONE: not below a root */
	uint32_t object; /* one of them */
	uint32_t what;	 /* of the part that made it */
	uint64_t count, elements, bytes;
	uint64_t a, b, c; /* of the part that made it */
};

struct holder_rows {
	struct hash_index index;
	VEC(struct holder_row) list;
};

struct holders {
	struct owners_work *w;
	struct holder_plan *plans; /* by kind */
	struct holder_place_vec places;
	uint32_t *alike;		     /* by kind: the first kind of the same name */
	uint8_t *what;			     /* by kind: enum holder_what */
	struct u32_vec of[HOLDER_WHAT_MAX_]; /* reachable objects of each, by number */
	uint64_t *seen;			     /* one bit an object: parts that were counted */
	uint64_t moved;			     /* contents that did not agree */
	struct hash_map pooled;		     /* nodes of retain.paths that a sync.Pool keeps objects below */
};

/* ---- objects and types: owners/holder_plan.c ---- */

const struct holder_plan *holder_plan(struct holders *h, uint32_t kind);

/* The place at a byte of the user's data of an object, NULL where the plan does not know. */
const struct holder_place *holder_place_at(struct holders *h, const struct holder_plan *p, uint64_t offset);

/* Bytes in front of the user's data. */
static inline uint64_t holder_header(const struct holders *h, uint32_t span)
{
	return goheap_object_header(&h->w->objects, span);
}

static inline const struct goheap_kind *holder_kind(const struct holders *h, uint32_t object)
{
	return &h->w->typing.kinds.v[h->w->typing.kind[object]];
}

/* The object that a word (of the user's data) of an object points to, GRAPH_NONE. */
uint32_t holder_follow(const struct holders *h, uint32_t object, uint64_t offset);

/* True the first time for each object. */
static inline bool holder_first_time(struct holders *h, uint32_t object)
{
	uint64_t bit = UINT64_C(1) << (object & 63);
	bool first = !(h->seen[object >> 6] & bit);
	h->seen[object >> 6] |= bit;
	return first;
}

/*
 * The first `size` bytes of user data of n objects, into out + i * size; ok[i] tells which were read. Neighbours are read
 * together, so ask for thousands at a time.
 */
void holder_read(const struct holders *h, const uint32_t *objects, size_t n, size_t size, void *out, bool *ok);

/* ---- rows: owners/holders.c ---- */

struct holder_row *holder_row(struct holders *h, struct holder_rows *rows, uint32_t object, uint32_t what);
/* The same for all objects that are held alike, of whatever kind they are. */
struct holder_row *holder_row_held(struct holders *h, struct holder_rows *rows, uint32_t object, uint32_t what);
static inline void holder_rows_deinit(struct holder_rows *rows)
{
	hash_index_deinit(&rows->index);
	vec_deinit(&rows->list);
}

const char *holder_owner(struct holders *h, const struct holder_row *row);
/* A row of out->holders from what was added up; `text` may be NULL. */
void holder_say(struct holders *h, const char *kind, const char *type, const struct holder_row *row, const char *text);

/* From now on no waste is named below this object: it is where a sync.Pool keeps what waits in it. */
void holder_in_pool(struct holders *h, uint32_t object);

enum holder_waste {
	WASTE_SLICE_CAPACITY,
	WASTE_SLICE_PIN,
	WASTE_STRING_PIN,
	WASTE_INTERIOR_PIN,
	WASTE_MAP_CAPACITY,
	WASTE_CHAN_BUFFER,
	WASTE_MAX_
};

/* Names a waste, when its bytes reach the rule's threshold. `held`, `used`: bytes of what is told. */
void holder_waste(struct holders *h, enum holder_waste rule, const struct holder_row *row, uint64_t held,
		  uint64_t used);

/* ---- the parts ---- */

void holder_maps(struct holders *h);	  /* owners/holder_map.c */
void holder_chans(struct holders *h);	  /* owners/holder_chan.c */
void holder_extents(struct holders *h);	  /* owners/holder_extent.c: slices, strings, interior pointers */
void holder_contexts(struct holders *h);  /* owners/holder_context.c */
void holder_funcs(struct holders *h);	  /* owners/holder_func.c: closures, callbacks, timers */
void holder_lists(struct holders *h);	  /* owners/holder_list.c */
void holder_sync_maps(struct holders *h); /* owners/holder_sync.c: sync.Map, cgo.Handle */
void holder_pools(struct holders *h);	  /* owners/holder_pool.c */

/* Entries of a map by its header, read again; 0 when the object is no map. */
uint64_t holder_map_entries(const struct holders *h, uint32_t map);

typedef void (*holder_inside_fn)(struct holders *h, void *ctx, uint32_t object, uint64_t at);

/* Calls fn with the address of each struct of the library in an object. */
void holder_each_inside(struct holders *h, uint32_t object, enum holder_place_what what, holder_inside_fn fn,
			void *ctx);
