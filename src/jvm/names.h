/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/names - the texts of a few strings of a dump, such as the names of threads: one more reading of the file.
 */

#include "jvm/heap.h"

enum { JVM_NAME_MAX = 256 }; /* characters of a text; what follows is left out */

struct jvm_name {
	uint32_t string;  /* an object of java.lang.String, or an array of characters; GRAPH_NONE */
	const char *text; /* UTF-8, in the arena; NULL: not to be had */
};

VEC_TYPE(jvm_name_vec, struct jvm_name);

/* Fills in the texts. Errors of hprof_walk(). */
MUST_CHECK struct err *jvm_names_read(struct jvm_heap *h, struct stream *s, struct jvm_name_vec *names,
				      struct arena *arena);
