/* SPDX-License-Identifier: Apache-2.0 */
#include "store/delta.h"

#include <assert.h>

_Static_assert(STORE_COLUMNS < 63, "a bit for each column and one for the clock");

/* Clocks that differ by more than a few decades are no clocks: keeps sums of hostile numbers within 64 bits. */
static const int64_t ms_max = INT64_MAX / 4000000;

void delta_varint(struct strbuf *out, uint64_t v)
{
	unsigned char b[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		b[n++] = (unsigned char)(v | 0x80);
	b[n++] = (unsigned char)v;
	strbuf_add(out, b, n);
}

/* Differences wrap, so that every pair of numbers has one. */
static void put_difference(struct strbuf *out, uint64_t from, uint64_t to)
{
	int64_t d = (int64_t)(to - from);
	bool pages = d % 4096 == 0;
	if (pages)
		d /= 4096;
	uint64_t v = ((uint64_t)d << 1) ^ (uint64_t)(d >> 63);
	unsigned char first = (unsigned char)((v & 0x3f) | (pages ? 0x40 : 0));
	v >>= 6;
	strbuf_putc(out, (char)(first | (v ? 0x80 : 0)));
	if (v)
		delta_varint(out, v);
}

static uint64_t take_difference(struct cursor *c, uint64_t from)
{
	uint8_t first = cursor_u8(c);
	uint64_t v = first & 0x3f;
	if (first & 0x80)
		v |= cursor_uvarint(c) << 6;
	uint64_t d = (v >> 1) ^ (0 - (v & 1));
	return from + (first & 0x40 ? d * 4096 : d);
}

void delta_put(struct delta *d, int64_t boot_ms, int64_t offset_ms, const uint64_t values[STORE_COLUMNS],
	       struct strbuf *out)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < STORE_COLUMNS; i++)
		mask |= (uint64_t)(values[i] != d->values[i]) << i;
	if (offset_ms != d->offset_ms)
		mask |= 1ULL << STORE_COLUMNS;
	assert(boot_ms >= d->boot_ms);
	delta_varint(out, (uint64_t)(boot_ms - d->boot_ms));
	delta_varint(out, mask);
	for (uint64_t left = mask; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (i == STORE_COLUMNS) {
			put_difference(out, (uint64_t)d->offset_ms, (uint64_t)offset_ms);
		} else {
			put_difference(out, d->values[i], values[i]);
			d->values[i] = values[i];
		}
	}
	d->boot_ms = boot_ms;
	d->offset_ms = offset_ms;
}

bool delta_next(struct delta *d, struct cursor *c)
{
	if (c->bad || !cursor_left(c))
		return false;
	struct delta next = *d;
	uint64_t ms = cursor_uvarint(c);
	uint64_t mask = cursor_uvarint(c);
	for (uint64_t left = mask; left && !c->bad; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (i < STORE_COLUMNS)
			next.values[i] = take_difference(c, next.values[i]);
		else if (i == STORE_COLUMNS)
			next.offset_ms = (int64_t)take_difference(c, (uint64_t)next.offset_ms);
		else
			c->bad = true;
	}
	if (ms > (uint64_t)(ms_max - next.boot_ms) || next.offset_ms > ms_max || next.offset_ms < -ms_max)
		c->bad = true;
	if (c->bad)
		return false;
	next.boot_ms += (int64_t)ms;
	*d = next;
	return true;
}

void delta_point(const struct delta *d, struct store_point *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->boot_ns = d->boot_ms * 1000000;
	ret->wall_ns = (d->boot_ms + d->offset_ms) * 1000000;
	store_columns_set(d->values, ret);
}
