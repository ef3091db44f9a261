/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/container - Java's own collections: which field counts their entries, and which array holds them.
 */

#include <stdbool.h>
#include <stdint.h>

struct jvm_container {
	const char *class; /* itself or what extends it */
	const char *size;  /* an int that counts its entries; NULL: they must be counted */
	const char *array; /* refers to the array that holds them */
	bool map;
	unsigned char fill; /* of 100 slots, how many a table may have in use before it grows; 100: a list */
};

/* From 1 on: 0 is none. */
extern const struct jvm_container jvm_containers[];
extern const uint32_t jvm_container_n;

/* A bit for each kind of container: of which a class is a part, and of which parts it is the whole. */
struct jvm_part {
	unsigned char part, whole;
};

struct jvm_part jvm_part_of(const char *class);

/* Is an object of the first kind only a part of one of the second, an entry of its table or a further entry of its list? */
static inline bool jvm_is_part(struct jvm_part part, struct jvm_part of)
{
	return part.part & (of.whole | of.part);
}
