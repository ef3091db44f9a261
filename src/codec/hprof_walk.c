/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hprof_walk.h"

#include <inttypes.h>

#include "base/num.h"

enum {
	RECORD_HEAD = 9, /* tag, time, length */
	SUB_HEAD_MAX = 64,
};

struct walk {
	struct hprof *h;
	const struct hprof_visitor *v;
};

/* ---- sub-records ---- */

/* What holds objects: identifiers and bytes behind the tag; which of the numbers behind the identifier are told. */
static const struct {
	bool known;
	unsigned char ids, bytes;
} roots[256] = {
	[HPROF_ROOT_UNKNOWN] = { true, 1, 0 },	 [HPROF_ROOT_JNI_GLOBAL] = { true, 2, 0 },
	[HPROF_ROOT_JNI_LOCAL] = { true, 1, 8 }, [HPROF_ROOT_FRAME] = { true, 1, 8 },
	[HPROF_ROOT_NATIVE] = { true, 1, 4 },	 [HPROF_ROOT_CLASS] = { true, 1, 0 },
	[HPROF_ROOT_BLOCK] = { true, 1, 4 },	 [HPROF_ROOT_MONITOR] = { true, 1, 0 },
	[HPROF_ROOT_THREAD] = { true, 1, 8 },
};

static struct err *put_root(struct walk *w, const unsigned char *p)
{
	size_t ids = roots[p[0]].ids * w->h->id_size;
	unsigned char bytes = roots[p[0]].bytes;
	const struct hprof_root r = {
		.kind = p[0],
		.id = hprof_id(p + 1, w->h->id_size),
		.thread = bytes >= 4 ? hprof_be32(p + 1 + ids) : 0,
		.number = bytes >= 8 ? hprof_be32(p + 5 + ids) : 0,
	};
	return w->v->root ? w->v->root(w->v->ctx, &r) : NULL;
}

static struct err *ends_early(const struct walk *w, uint64_t left)
{
	return stream_bad(w->h->s, "the file ends %" PRIu64 " bytes too early", left);
}

/* An array of references that is larger than the window, behind its head. */
static struct err *put_elements(struct walk *w, const struct hprof_object *o)
{
	struct stream *s = w->h->s;
	uint64_t n = 0;
	for (uint64_t at = 0; at < o->length; at += n) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(s, w->h->id_size, &p, &have));
		if (have < w->h->id_size)
			return ends_early(w, (o->length - at) * w->h->id_size - have);
		n = num_min(have / w->h->id_size, o->length - at);
		TRY(w->v->elements(w->v->ctx, at, p, n));
		stream_consume(s, n * w->h->id_size);
	}
	return NULL;
}

/* An object that does not lie in the window as a whole. */
static struct err *large(struct walk *w, const struct hprof_object *o, uint64_t size)
{
	uint64_t body = (uint64_t)o->length * (o->tag == HPROF_INSTANCE ? 1 : o->element);
	struct hprof_object head = *o;
	head.body = NULL;
	TRY(w->v->large(w->v->ctx, &head));
	if (o->tag != HPROF_OBJECTS || !w->v->elements)
		return stream_skip(w->h->s, size);
	TRY(stream_skip(w->h->s, size - body));
	return put_elements(w, &head);
}

/* An instance is handed out with its fields, if they fit in a window at all. */
static struct err *straddling(struct walk *w, const struct hprof_object *o, uint64_t size)
{
	const unsigned char *p = NULL;
	size_t have = 0, used = 0;
	if (o->tag != HPROF_INSTANCE || size > STREAM_WINDOW)
		return large(w, o, size);
	TRY(stream_peek(w->h->s, size, &p, &have));
	if (have < size)
		return ends_early(w, size - have);
	TRY(w->v->objects(w->v->ctx, p, size, &used));
	stream_consume(w->h->s, used);
	return NULL;
}

static struct err *no_object(struct walk *w, const unsigned char *p, size_t have)
{
	size_t type = 9 + w->h->id_size;
	if (p[0] == HPROF_PRIMITIVES && have > type && !hprof_type_size(p[type]))
		return stream_bad(w->h->s, "an array of unknown type %u", p[type]);
	if (p[0] >= HPROF_INSTANCE && p[0] <= HPROF_PRIMITIVES)
		return stream_bad(w->h->s, "the dump ends inside a sub-record");
	return stream_bad(w->h->s, "a sub-record of unknown kind 0x%02x", p[0]);
}

static struct err *sub_record(struct walk *w, uint64_t *left, const unsigned char *p, size_t have)
{
	struct hprof_object o;
	if (p[0] == 0x20)
		return hprof_class_dump(w->h, left);
	if (roots[p[0]].known) {
		uint64_t size = 1 + roots[p[0]].ids * w->h->id_size + roots[p[0]].bytes;
		TRY(hprof_take(w->h, left, size));
		if (have >= size)
			TRY(put_root(w, p));
		return stream_skip(w->h->s, size);
	}
	uint64_t size = hprof_object_at(w->h->id_size, p, have, &o);
	if (!size)
		return no_object(w, p, have);
	TRY(hprof_take(w->h, left, size));
	return straddling(w, &o, size);
}

static struct err *segment(struct walk *w, uint64_t left)
{
	struct stream *s = w->h->s;
	w->h->segments = true;
	while (left) {
		const unsigned char *p = NULL;
		size_t have = 0, used = 0;
		TRY(stream_peek(s, SUB_HEAD_MAX, &p, &have));
		if (!have)
			return ends_early(w, left);
		TRY(w->v->objects(w->v->ctx, p, (size_t)num_min(have, left), &used));
		stream_consume(s, used);
		left -= used;
		if (!left)
			break;
		TRY(stream_peek(s, SUB_HEAD_MAX, &p, &have));
		if (!have)
			return ends_early(w, left);
		TRY(sub_record(w, &left, p, have));
	}
	return NULL;
}

/* ---- records ---- */

static struct err *other_record(struct walk *w, unsigned char tag, uint64_t length)
{
	const unsigned char *p = NULL;
	size_t have = 0;
	if (!w->v->record || length > STREAM_WINDOW)
		return stream_skip(w->h->s, length);
	TRY(stream_peek(w->h->s, length, &p, &have));
	if (have >= length)
		TRY(w->v->record(w->v->ctx, tag, p, length));
	return stream_skip(w->h->s, length);
}

static struct err *record(struct walk *w, unsigned char tag, uint64_t length)
{
	struct hprof *h = w->h;
	switch (tag) {
	case 0x01:
		return hprof_string_record(h, length);
	case 0x02:
		return hprof_load_class(h, length);
	case 0x0c: /* the whole heap: the dump of 1.0.1, which has no end record */
		h->complete = true;
		return segment(w, length);
	case 0x1c:
		h->complete = false;
		return segment(w, length);
	case 0x2c:
		h->complete = true;
		return stream_skip(h->s, length);
	default: /* stacks, threads, sampled CPU and allocations: each record says its length */
		return other_record(w, tag, length);
	}
}

static struct err *records(struct walk *w)
{
	struct hprof *h = w->h;
	h->segments = h->complete = false;
	for (;;) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(h->s, RECORD_HEAD, &p, &have));
		if (!have)
			break;
		if (have < RECORD_HEAD)
			return stream_bad(h->s, "the file ends inside the head of a record");
		unsigned char tag = p[0];
		uint64_t length = hprof_be32(p + 5);
		stream_consume(h->s, RECORD_HEAD);
		TRY(record(w, tag, length));
	}
	if (!h->segments)
		return stream_bad(h->s, "the file ends without a heap dump in it");
	return h->complete ? NULL : stream_bad(h->s, "the dump ends before its end record");
}

static struct err *header(struct hprof *h)
{
	static const char prefix[] = "JAVA PROFILE 1.0.";
	enum { PREFIX = sizeof(prefix) - 1, ID_SIZE = PREFIX + 2, TIME = ID_SIZE + 4, ALL = TIME + 8 };
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(h->s, ALL, &p, &have));
	if (have < PREFIX || memcmp(p, prefix, PREFIX) != 0)
		return err_new(ERR_FORMAT, "%s: not a JVM heap dump: it does not begin with \"JAVA PROFILE\"",
			       h->s->name);
	if (have < ALL)
		return stream_bad(h->s, "the file ends inside its header");
	if ((p[PREFIX] != '1' && p[PREFIX] != '2') || p[PREFIX + 1])
		return err_new(ERR_UNSUPPORTED, "%s: a heap dump of version 1.0.%c: 1.0.1 and 1.0.2 can be read",
			       h->s->name, p[PREFIX] > ' ' && p[PREFIX] < 0x7f ? p[PREFIX] : '?');
	uint32_t size = hprof_be32(p + ID_SIZE);
	uint64_t ms = hprof_be64(p + TIME);
	if (size != 4 && size != 8)
		return stream_bad(h->s, "identifiers of %" PRIu32 " bytes", size);
	h->id_size = size;
	h->wall = ms < INT64_MAX / 1000000 ? (int64_t)ms * 1000000 : 0;
	stream_consume(h->s, ALL);
	return NULL;
}

struct err *hprof_walk(struct hprof *h, struct stream *s, const struct hprof_visitor *v)
{
	struct walk w = { h, v };
	h->s = s;
	TRY(header(h));
	TRY(records(&w));
	h->learned = true;
	return NULL;
}
