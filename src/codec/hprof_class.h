/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/hprof_class - the names and classes of a JVM heap dump, and how large their objects are in memory.
 *
 * The file has neither the size of headers nor that of references in memory (it writes 8 bytes where compressed references
 * have 4), so they are found by the addresses of neighbours: an array of n references ends where the next object begins. Where
 * nothing tells, compressed references are assumed, Java's default below 32 GB. Exact for HotSpot since Java 15; older ones
 * leave gaps between the fields of a class and its superclass, which are not counted.
 *
 * Classes are numbered from HPROF_PRIMITIVE_CLASSES on; the numbers below are the arrays of primitives, by the code of
 * their elements. Class 0 is none.
 */

#include "base/arena.h"
#include "base/hash.h"
#include "base/vec.h"
#include "codec/stream.h"

enum {
	HPROF_NAME_MAX = 64 << 10, /* bytes of one name; longer ones are no classes' */
	HPROF_NAMES_MAX = 1 << 30, /* bytes of all */
	HPROF_CLASSES_MAX = 1 << 20,
	HPROF_FIELDS_MAX = 1 << 24, /* of all classes */
	HPROF_SUPERS_MAX = 256,	    /* how deep classes are */
	HPROF_PRIMITIVE_CLASSES = 12,
	HPROF_REFERENCE = 2, /* the code of that type */
	HPROF_CACHE = 1024,
	HPROF_LAYOUTS = 6,
	HPROF_VOTES = 200000, /* arrays whose neighbours are looked at */
};

struct hprof_field {
	uint64_t name;	/* identifier of the file */
	uint64_t value; /* of a static field that is a reference: an identifier */
	unsigned char type;
	bool hidden; /* "<resolved_references>" and the like, which HotSpot dumps as if they were fields */
};

struct hprof_class {
	uint64_t id, name, super, loader, signers, domain; /* identifiers of the file; 0: none */
	uint32_t statics, n_statics;			   /* in fields */
	uint32_t fields, n_fields;			   /* of its instances, without those of its superclass */
	uint64_t objects, body; /* instances that were counted; the length of the last one in the file */
	uint64_t size;		/* of an instance in memory; after hprof_sizes_find() */
	const char *text;	/* its name for people; after hprof_sizes_find(): "Leak$Session", "byte[]" */
	bool dumped;
};

/* How a JVM lays objects out: size of a reference, of an object's header, and of an array's with its length. */
struct hprof_layout {
	unsigned char ref, header, array;
};

VEC_TYPE(hprof_class_vec, struct hprof_class);
VEC_TYPE(hprof_field_vec, struct hprof_field);

/* A dump: what the first walk learned. */
struct hprof {
	struct stream *s; /* while it is walked */
	size_t id_size;
	int64_t wall; /* when it was written; 0 unknown */
	struct hprof_class_vec classes;
	struct hprof_field_vec fields;
	struct hprof_layout layout; /* after hprof_sizes_find() */
	bool learned;
	/* private */
	bool segments, complete;
	struct arena names, texts;
	struct hash_map name_index;   /* identifier of a string to its text */
	struct hash_map class_index;  /* identifier of a class to its number */
	struct hash_map serial_index; /* serial number of a class to its number */
	struct {
		uint64_t id;
		uint32_t class;
	} cache[HPROF_CACHE];
	struct {
		uint64_t id; /* of the object before this one */
		uint32_t length;
		unsigned char element; /* bytes; 0: a reference */
		bool array;
	} last;
	unsigned votes_left;
	uint64_t votes[HPROF_LAYOUTS];
};

void hprof_init(struct hprof *h);
void hprof_deinit(struct hprof *h);

/* ---- while it is walked ---- */

/* The bytes of a value of this type, in an array or a field; 0: there is no such type, or it is a reference. */
static inline unsigned char hprof_type_size(unsigned char type)
{
	static const unsigned char sizes[] = { [4] = 1, 2, 4, 8, 1, 2, 4, 8 };
	return type < sizeof(sizes) ? sizes[type] : 0;
}

MUST_CHECK struct err *hprof_class_find(struct hprof *h, uint64_t id, size_t slot);

/* The number of a class; most objects are of few classes. LIMIT. */
static inline __attribute__((always_inline)) struct err *hprof_class_of(struct hprof *h, uint64_t id, uint32_t *ret)
{
	size_t slot = (id >> 3 ^ id >> 13) % HPROF_CACHE;
	if (h->cache[slot].id != id || !h->cache[slot].class)
		TRY(hprof_class_find(h, id, slot));
	*ret = h->cache[slot].class;
	return NULL;
}

/* Records of the file, of `length` bytes. */
MUST_CHECK struct err *hprof_string_record(struct hprof *h, uint64_t length);
MUST_CHECK struct err *hprof_load_class(struct hprof *h, uint64_t length);
/* A class dump, counted down from the bytes left of its segment. */
MUST_CHECK struct err *hprof_class_dump(struct hprof *h, uint64_t *left);
MUST_CHECK struct err *hprof_take(struct hprof *h, uint64_t *left, uint64_t n);

/* The next object in the file: where the one before it ends tells the layout. element 0: not an array of primitives. */
void hprof_place(struct hprof *h, uint64_t id, bool array, uint32_t length, unsigned char element);

/* ---- afterwards ---- */

/* Names classes and tells the sizes of their instances. False: nothing told the layout, so the default is assumed. */
bool hprof_sizes_find(struct hprof *h);

/* The size of an array of this class in memory. */
uint64_t hprof_array_size(const struct hprof *h, uint32_t class, uint64_t length);
/* The static fields of a class, behind those of java.lang.Class itself. */
uint64_t hprof_statics_size(const struct hprof *h, const struct hprof_class *c);

/* The text of a name; NULL where the file has none. */
const char *hprof_name(const struct hprof *h, uint64_t id);
/* HASH_NONE where there is none of that identifier, or of that serial number. */
uint32_t hprof_class_number(const struct hprof *h, uint64_t id);
uint32_t hprof_class_of_serial(const struct hprof *h, uint32_t serial);

/*
 * The name of a class for people, in `arena`; `first` is the length of an array's first dimension, or "":
 * "java.lang.String[5][]", "byte[]".
 */
const char *hprof_class_text(const struct hprof *h, uint32_t class, const char *first, struct arena *arena);
