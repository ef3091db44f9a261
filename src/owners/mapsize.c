/* SPDX-License-Identifier: Apache-2.0 */
#include "owners/mapsize.h"

#include <math.h>

#include "gort/heap.h"

enum {
	MAP_EXTRA = 24,	  /* mapextra; a slice header as well */
	TABLE = 32,	  /* of a swiss map */
	TABLE_MAX = 1024, /* entries of the largest */
	TYPE_HEADER = 8,  /* in front of objects with pointers that are larger than what follows */
	NO_HEADER = 512,
	SMALL_MAX = 32768,
	APPEND_TWICE = 256, /* append() doubles to here, and then adds a quarter and some */
};

static const uint64_t ENTRIES_MAX = UINT64_C(1) << 40, PART_MAX = UINT64_C(1) << 20;

uint64_t owners_slot_bytes(uint64_t bytes, bool pointers, bool type_headers)
{
	uint64_t all = bytes + (type_headers && pointers && bytes > NO_HEADER ? TYPE_HEADER : 0);
	if (all > SMALL_MAX)
		return (bytes + GORT_PAGE - 1) / GORT_PAGE * GORT_PAGE;
	for (unsigned i = 0; i < GORT_SIZE_CLASSES; i++)
		if (gort_class_sizes[i] >= all)
			return all ? gort_class_sizes[i] : 0;
	return bytes;
}

static uint64_t slot(const struct owners_map_rules *r, uint64_t bytes, bool pointers)
{
	return owners_slot_bytes(bytes, pointers, r->type_headers);
}

/* How many buckets must follow one, when so many entries fall to each on average (by the law of Poisson). */
static double expected_overflow(double mean)
{
	double p = exp(-mean), sum = 0;
	for (unsigned k = 1; k < 64; k++) {
		unsigned more = (k - 1) / OWNERS_MAP_SLOTS;
		p *= mean / k;
		sum += p * more;
	}
	return sum;
}

/* Room of a slice that n elements were appended to, one by one. */
static uint64_t appended(uint64_t n)
{
	uint64_t cap = 1;
	while (cap < n)
		cap = cap < APPEND_TWICE ? cap * 2 : cap + (cap + UINT64_C(3) * APPEND_TWICE) / 4;
	return cap;
}

static uint64_t bucket_bytes(const struct owners_map_rules *r, uint64_t n)
{
	unsigned b = 0;
	while (n > OWNERS_MAP_SLOTS && n > 13 * ((UINT64_C(1) << b) / 2))
		b++;
	uint64_t base = UINT64_C(1) << b, total = base;
	if (b >= 4) {
		uint64_t size = (base + base / 16) * r->part, up = slot(r, size, r->pointers);
		if (r->type_headers && r->pointers && size > NO_HEADER && up <= SMALL_MAX)
			up -= TYPE_HEADER;
		total = up / r->part;
	}
	uint64_t chained = b ? (uint64_t)llround(expected_overflow((double)n / (double)base) * (double)base) : 0;
	uint64_t spare = total - base, made = chained > spare ? chained - spare : 0;
	uint64_t bytes = slot(r, total * r->part, r->pointers) + made * slot(r, r->part, r->pointers);
	bool listed = chained && !r->pointers; /* buckets that the collector does not look into are kept by a list */
	if (spare || listed)
		bytes += MAP_EXTRA;
	return bytes + (listed ? MAP_EXTRA + slot(r, 8 * appended(chained), true) : 0);
}

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = 1;
	while (p < n)
		p *= 2;
	return p;
}

/* How likely it is that more than `room` of n entries fall to one of `tables`. */
static double overfull(uint64_t n, uint64_t tables, uint64_t room)
{
	if (tables < 2)
		return n > room;
	double mean = (double)n / (double)tables, deviation = sqrt(mean * (1 - 1 / (double)tables));
	return erfc(((double)room + 0.5 - mean) / (deviation * sqrt(2))) / 2;
}

static uint64_t table_bytes(const struct owners_map_rules *r, uint64_t capacity)
{
	return TABLE + slot(r, capacity / OWNERS_MAP_SLOTS * r->part, r->pointers);
}

static uint64_t group_bytes(const struct owners_map_rules *r, uint64_t n)
{
	if (n <= OWNERS_MAP_SLOTS)
		return slot(r, r->part, r->pointers);
	uint64_t want = n * OWNERS_MAP_SLOTS / 7, tables = power_of_two((want + TABLE_MAX - 1) / TABLE_MAX);
	uint64_t each = want / tables, capacity = power_of_two(each > OWNERS_MAP_SLOTS ? each : OWNERS_MAP_SLOTS);
	double grown =
		overfull(n, tables, capacity > OWNERS_MAP_SLOTS ? capacity * 7 / 8 : capacity - 1) * (double)tables;
	uint64_t larger = capacity < TABLE_MAX ? table_bytes(r, 2 * capacity) : 2 * table_bytes(r, capacity);
	uint64_t directory = capacity == TABLE_MAX && grown >= 0.5 ? 2 * tables : tables;
	return slot(r, 8 * directory, true) +
	       (uint64_t)llround(((double)tables - grown) * (double)table_bytes(r, capacity) + grown * (double)larger);
}

uint64_t owners_map_bytes(const struct owners_map_rules *r, uint64_t entries)
{
	if (entries > ENTRIES_MAX || !r->part || r->part > PART_MAX)
		return UINT64_MAX;
	uint64_t parts = 0;
	if (entries)
		parts = r->swiss ? group_bytes(r, entries) : bucket_bytes(r, entries);
	return owners_slot_bytes(r->header, true, r->type_headers) + parts;
}
