/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/variables - types of what lies in data and bss, and through it of what it points to in the heap.
 *
 * A variable whose type something tells is followed like an object: composite literals that the compiler laid out point
 * to each other there, and into the heap. Interfaces in data and bss tell their types by themselves.
 * Cost: one copy of data and bss, and a look at each pair of words. Memory: as much, at most GOHEAP_VARIABLES_MAX.
 */

#include "goheap/shape.h"

enum { GOHEAP_VARIABLES_MAX = 256 << 20, GOHEAP_VARIABLES_RANGES = 8 };

/* A pointer with this link leads to an address outside of data and bss. */
typedef void (*goheap_variable_fn)(void *ctx, struct goheap_link l, uint64_t addr);

struct goheap_variable {
	uint64_t addr, n; /* n of them, one behind the other */
	uint32_t type;	  /* number of the shape */
};

struct goheap_variables {
	struct goheap_shapes *shapes; /* borrowed */
	goheap_variable_fn found;
	void *ctx;
	struct {
		uint64_t start, end;
		uint64_t *words;
	} ranges[GOHEAP_VARIABLES_RANGES];
	size_t n_ranges;
	struct hash_map done; /* address and type */
	VEC(struct goheap_variable) stack;
	uint64_t budget; /* words that may be looked at */
};

void goheap_variables_init(struct goheap_variables *v, struct goheap_shapes *shapes, goheap_variable_fn found,
			   void *ctx);
void goheap_variables_deinit(struct goheap_variables *v);

/* A variable of a type at an address; nothing when it is not in data or bss. To be followed by the next run. */
void goheap_variables_add(struct goheap_variables *v, uint32_t type, uint64_t addr, uint64_t n);
/* Where a pointer with a link leads to. */
void goheap_variables_point(struct goheap_variables *v, struct goheap_link l, uint64_t addr, uint64_t n);
/* All interfaces. */
void goheap_variables_interfaces(struct goheap_variables *v);
void goheap_variables_run(struct goheap_variables *v);

/* What an interface with a value of the dynamic type at `rtype` points to. */
struct goheap_link goheap_link_of_dynamic(struct goheap_shapes *s, uint64_t rtype);
