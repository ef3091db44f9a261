/* SPDX-License-Identifier: Apache-2.0 */
#include "act/order.h"

#include "act/frame.h"
#include "act/incident.h"
#include "base/alloc.h"

/* Of a frame that begins with the order: length, kind, number. */
enum { SKIP_AT = 4 + 1 + 4 };

void order_skip(struct strbuf *frame, uint32_t links)
{
	for (unsigned i = 0; i < sizeof(links); i++)
		frame->buf[SKIP_AT + i] = (char)(unsigned char)(links >> (8 * i));
}

void order_write(const char *host, const char *policy, uint32_t number, const struct act_order *o, struct strbuf *out)
{
	struct incident in;
	incident_init(&in, host, policy, o);
	const char *const fields[] = { policy,	   o->incident, o->alertname ? o->alertname : "Ullage",
				       in.json,	   in.labels,	in.annotations,
				       in.started, in.now };
	size_t at = frame_begin(out, FRAME_ORDER);
	frame_u32(out, number);
	frame_u32(out, 0);
	frame_u8(out, o->resolved);
	frame_u8(out, o->dry);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		frame_str(out, fields[i]);
	frame_end(out, at);
	incident_deinit(&in);
}

struct err *order_read(const struct cursor *fields, struct order **ret)
{
	struct order *o = *ret = xcalloc(1, sizeof(*o));
	size_t len = cursor_left(fields);
	o->refs = 1;
	o->frame = xmalloc(len + 1);
	memcpy(o->frame, fields->p, len);
	struct cursor f;
	cursor_init(&f, o->frame, len);
	o->number = cursor_u32(&f);
	o->skip = cursor_u32(&f);
	o->resolved = cursor_u8(&f);
	o->dry = cursor_u8(&f);
	const char **const strings[] = { &o->policy, &o->incident,    &o->alertname, &o->json,
					 &o->labels, &o->annotations, &o->started,   &o->now };
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = frame_get(&f);
		f.bad = f.bad || !*strings[i];
	}
	struct err *err = cursor_check(&f, "a frame of an order");
	if (err)
		order_unref(take_ptr(*ret));
	return err;
}

struct order *order_ref(struct order *o)
{
	o->refs++;
	return o;
}

void order_unref(struct order *o)
{
	if (!o || --o->refs > 0)
		return;
	free(o->frame);
	free(o);
}
