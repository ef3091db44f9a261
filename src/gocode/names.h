/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/names - types by their full name, as it stands in the names of functions: "net/http.Server".
 *
 * A method's name tells the type of its receiver. The image's type descriptors are searched once for named types; their
 * package path is in what follows a descriptor (internal/abi.UncommonType). Of two types of one name, such as those that
 * functions declare for themselves, none is told. Generic types are not found: their functions have other names.
 * Cost: one copy of the descriptors, and a microsecond a named type. Memory: 16 bytes a named type.
 */

#include "gort/type.h"

enum { GOCODE_NAMES_BYTES = 128 << 20 /* of descriptors; what follows is not searched */ };

struct gocode_names {
	struct gort_types *types; /* borrowed */
	struct hash_map by_name;  /* hash of the name -> address of the type; 0: several */
};

void gocode_names_init(struct gocode_names *n, struct gort_types *types);
void gocode_names_deinit(struct gocode_names *n);

/* The type of that name, `len` bytes of it; 0 where there is none, or more than one. */
uint64_t gocode_names_find(const struct gocode_names *n, const char *name, size_t len);

/* "path.(*Type).Method": the type, of a pointer to which this is a method; 0 where the name is no such, or not known. */
uint64_t gocode_names_receiver(const struct gocode_names *n, const char *function);
