/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/claim - "these bytes belong to that class": what the runtime's own structures say about address ranges.
 *
 * Owner is an index into a table the collector keeps (0 = none).
 */

#include "base/vec.h"
#include "model/class.h"

struct claim {
	uint64_t start, end;
	enum mem_class class;
	uint32_t owner;
};

VEC_TYPE(claim_vec, struct claim);

void claim_add(struct claim_vec *claims, uint64_t start, uint64_t end, enum mem_class class, uint32_t owner);

/*
 * Sort by address and make disjoint: where two claims overlap, the one added first keeps the bytes.
 * Returns how many bytes were claimed twice.
 */
uint64_t claim_settle(struct claim_vec *claims);

/* Index of the first claim that ends after addr (claims->n when none); claims must be settled. */
size_t claim_after(const struct claim_vec *claims, uint64_t addr);
