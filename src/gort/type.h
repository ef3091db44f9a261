/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/type - Go types, read from the target's own type descriptors; no debug information is needed.
 *
 * Source: internal/abi/type.go, runtime/type.go, reflect/type.go. Decoded types are kept, so that asking again costs a
 * look-up. Types of all modules of the process count (plugins). Those that reflect made while the program ran lie in the
 * heap, and have their names made up from their parts here.
 * Descriptors are foreign bytes: whatever contradicts itself is no type. A type may still lie about what it is made of, so
 * sums of sizes are for the reader to check.
 */

#include "base/hash.h"
#include "base/intern.h"
#include "gort/gort.h"
#include "model/memcache.h"

/* reflect.Kind */
enum gort_kind {
	GORT_KIND_INT = 2,
	GORT_KIND_UINT8 = 8,
	GORT_KIND_UINTPTR = 12,
	GORT_KIND_ARRAY = 17,
	GORT_KIND_CHAN,
	GORT_KIND_FUNC,
	GORT_KIND_INTERFACE,
	GORT_KIND_MAP,
	GORT_KIND_POINTER,
	GORT_KIND_SLICE,
	GORT_KIND_STRING,
	GORT_KIND_STRUCT,
	GORT_KIND_UNSAFEPOINTER, /* the last */
};

struct gort_type {
	const char *name; /* "*main.Session", "map[string]int"; lives as long as the gort_types */
	uint64_t size, ptrdata;
	uint64_t elem; /* address of the element's type: of a pointer, slice, array, channel, map; 0: none, unknown */
	uint64_t key;  /* of a map */
	uint64_t part; /* of a map: the type of its groups (1.24 on) or buckets */
	uint64_t len;  /* of an array */
	uint32_t hash;
	unsigned kind;		  /* enum gort_kind, 1 Bool .. 26 UnsafePointer */
	bool direct;		  /* pointer-shaped: an interface holds the value itself, not a pointer to it */
	uint32_t fields, nfields; /* of a struct: in `fields` of the gort_types, once gort_type_fields() was asked */
	bool fields_known;
};

struct gort_type_field {
	const char *name;      /* "?" when it cannot be read; lives as long as the gort_types */
	uint64_t type, offset; /* type 0: none */
	bool embedded;
};

enum { GORT_TYPES_MODULES = 64, GORT_TYPE_FIELDS = 1 << 14 /* of one struct; more are left out */ };

struct gort_types {
	const struct gort *g;			       /* borrowed */
	struct memcache mem;			       /* types and names are small, and close together */
	struct gort_range modules[GORT_TYPES_MODULES]; /* the type descriptors of each */
	size_t n_modules;
	struct hash_map known; /* address -> index + 1 in list, 0: no type */
	struct hash_map itabs; /* address -> address of the dynamic type, 0: no itab */
	struct hash_map made;  /* the same as `known`, for addresses outside of all modules */
	struct intern strings;
	VEC(struct gort_type) list;
	VEC(struct gort_type_field) fields;
};

void gort_types_init(struct gort_types *ts, const struct gort *g);
void gort_types_deinit(struct gort_types *ts);

/* The type of the image at an address, or NULL where there is none; valid until the next call of any function here. */
const struct gort_type *gort_type_at(struct gort_types *ts, uint64_t addr);

/*
 * The same for a type that reflect may have made, anywhere in memory: to be asked where a type is expected, because such
 * a descriptor is only recognised by agreeing with itself.
 */
const struct gort_type *gort_type_any(struct gort_types *ts, uint64_t addr);

/* The dynamic type that the first word of an interface tells, a type or an itab: its address, 0 when it is neither. */
uint64_t gort_type_of_interface(struct gort_types *ts, uint64_t word);

/* The fields of a struct, *n of them; valid until the next call. None for other types. */
const struct gort_type_field *gort_type_fields(struct gort_types *ts, uint64_t addr, uint32_t *n);

/* Its name alone, which lives as long as `ts`; NULL where there is no type. */
const char *gort_type_name(struct gort_types *ts, uint64_t addr);

/* The path of the package that declares a named type of the image, which lives as long as `ts`; NULL where there is none. */
const char *gort_type_path(struct gort_types *ts, uint64_t addr);
