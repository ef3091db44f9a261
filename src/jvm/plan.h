/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/plan - where the references of a class's instances stand in the file, and what their fields are called.
 */

#include "jvm/heap.h"

/* Makes the plan of a class, on its first instance. LIMIT when all together have too many references. */
MUST_CHECK struct err *jvm_plan_make(struct jvm_heap *h, uint32_t class);

/* Is this class, or one above it, called so? */
bool jvm_class_is(const struct jvm_heap *h, uint32_t class, const char *name);

/* The field at a word of an object of this shape, in hprof.fields. HASH_NONE: it is none (an element, the class). */
uint32_t jvm_field_at(const struct jvm_heap *h, uint32_t class, bool mirror, uint32_t word);

/* What the object's field of this name refers to; GRAPH_NONE. */
uint32_t jvm_field_of(const struct jvm_heap *h, uint32_t object, const char *name);

/* Where a class's instances have the field of this name in the file's record; UINT64_MAX: it has none. */
uint64_t jvm_field_offset(const struct jvm_heap *h, uint32_t class, const char *name);
