/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/hprof_walk - the records of a JVM heap dump ("JAVA PROFILE 1.0.1" and "1.0.2", identifiers of 4 or 8 bytes), in
 * the order of the file, to whoever wants them: the histogram (codec/hprof) and the graph of objects (jvm/heap).
 *
 * The first walk learns names and classes (codec/hprof_class) on the way; further ones, over the same bytes from the
 * start, only hand objects out. Memory grows with names and classes, not with objects.
 *
 * Objects come to `objects`, a window of the file at a time, which runs hprof_object_at() in a loop of its own with the
 * size of identifiers as a constant: a call for each would be half of the work.
 */

#include <string.h>

#include "codec/hprof_class.h"
#include "codec/stream.h"

/* For what runs once an object. */
#define HPROF_INLINE inline __attribute__((always_inline))

enum hprof_tag { HPROF_INSTANCE = 0x21, HPROF_OBJECTS = 0x22, HPROF_PRIMITIVES = 0x23 };

struct hprof_object {
	uint64_t id, class;	   /* class: none of arrays of primitives */
	uint32_t length;	   /* bytes of an instance's fields, elements of an array */
	unsigned char tag, type;   /* type: of the elements of an array of primitives */
	unsigned char element;	   /* bytes of an element: of references as in the file; 0: of an instance */
	const unsigned char *body; /* fields or elements, big-endian; NULL where they are not at hand */
};

/* The first byte of each kind of root. */
enum hprof_root_kind {
	HPROF_ROOT_UNKNOWN = 0xff,
	HPROF_ROOT_JNI_GLOBAL = 0x01,
	HPROF_ROOT_JNI_LOCAL = 0x02,
	HPROF_ROOT_FRAME = 0x03, /* a local variable of a Java frame */
	HPROF_ROOT_NATIVE = 0x04,
	HPROF_ROOT_CLASS = 0x05, /* of the boot loader: never unloaded */
	HPROF_ROOT_BLOCK = 0x06,
	HPROF_ROOT_MONITOR = 0x07,
	HPROF_ROOT_THREAD = 0x08,
};

struct hprof_root {
	enum hprof_root_kind kind;
	uint64_t id;
	uint32_t thread; /* its serial number; 0: not of a thread */
	uint32_t number; /* of a thread: serial number of its stack trace; else the frame, from the innermost */
};

/* What a walker wants; what is NULL is skipped. */
struct hprof_visitor {
	void *ctx;
	/* n bytes that begin with an object, if one lies there whole: *used is what was taken of whole ones */
	struct err *(*objects)(void *ctx, const unsigned char *p, size_t n, size_t *used);
	/* one that is larger than what lies there: its head, without a body */
	struct err *(*large)(void *ctx, const struct hprof_object *o);
	/* and n references of it, if it is an array of those, from element `at` on */
	struct err *(*elements)(void *ctx, uint64_t at, const unsigned char *p, size_t n);
	struct err *(*root)(void *ctx, const struct hprof_root *r);
	/* records that are neither names, classes nor objects, if they fit in a window */
	struct err *(*record)(void *ctx, unsigned char tag, const unsigned char *p, size_t n);
};

/*
 * Walks all of the stream, which stands at its first byte. FORMAT with the offset (a record that is cut short, a sub-record of
 * unknown kind); LIMIT; UNSUPPORTED for 1.0.3, which is Android's; and what the visitor returns.
 */
MUST_CHECK struct err *hprof_walk(struct hprof *h, struct stream *s, const struct hprof_visitor *v);

/* ---- big-endian numbers whose bounds are known ---- */

static inline uint16_t hprof_be16(const unsigned char *p)
{
	uint16_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t hprof_be32(const unsigned char *p)
{
	uint32_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t hprof_be64(const unsigned char *p)
{
	uint64_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

/* An identifier of w bytes. */
static inline uint64_t hprof_id(const unsigned char *p, size_t w)
{
	return w == 8 ? hprof_be64(p) : hprof_be32(p);
}

/*
 * The object whose head is at p, where n bytes are there: its size with head and body. 0: this is no object, or its head is
 * not whole. The body is at hand where the size is at most n.
 */
static HPROF_INLINE uint64_t hprof_object_at(size_t w, const unsigned char *p, size_t n, struct hprof_object *o)
{
	size_t head = 0;
	switch (p[0]) {
	case HPROF_INSTANCE: /* identifier, stack trace, class, length, fields */
		head = 9 + 2 * w;
		if (n < head)
			return 0;
		*o = (struct hprof_object){ .class = hprof_id(p + 5 + w, w), .length = hprof_be32(p + 5 + 2 * w) };
		break;
	case HPROF_OBJECTS: /* identifier, stack trace, length, class, elements */
		head = 9 + 2 * w;
		if (n < head)
			return 0;
		*o = (struct hprof_object){ .class = hprof_id(p + 9 + w, w),
					    .length = hprof_be32(p + 5 + w),
					    .element = (unsigned char)w };
		break;
	case HPROF_PRIMITIVES: /* identifier, stack trace, length, type, elements */
		head = 10 + w;
		if (n < head || !hprof_type_size(p[9 + w]))
			return 0;
		*o = (struct hprof_object){ .length = hprof_be32(p + 5 + w),
					    .type = p[9 + w],
					    .element = hprof_type_size(p[9 + w]) };
		break;
	default:
		return 0;
	}
	o->tag = p[0];
	o->id = hprof_id(p + 1, w);
	o->body = p + head;
	return head + (uint64_t)o->length * (o->tag == HPROF_INSTANCE ? 1 : o->element);
}
