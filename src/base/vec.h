/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/vec - growing arrays.
 *
 *	VEC(struct proc_vma) vmas = { 0 };
 *	*vec_push(&vmas) = vma;            a zeroed element, address valid until the next push
 *	for (size_t i = 0; i < vmas.n; i++) use(&vmas.v[i]);
 *	vec_deinit(&vmas);
 *
 * Named types for headers: VEC_TYPE(u64_vec, uint64_t); declares struct u64_vec.
 * vec_sort() is qsort(), which must not be called on an array that is not there.
 * vec_push() aborts when there is no memory; callers bound n where it comes from outside.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

/* clang-format off */
#define VEC(type) struct { type *v; size_t n, cap; }
#define VEC_TYPE(name, type) struct name { type *v; size_t n, cap; }

#define vec_reserve(vec, want) do { \
	if ((want) > (vec)->cap) { \
		(vec)->cap = (want); \
		(vec)->v = xrealloc((vec)->v, (vec)->cap * sizeof(*(vec)->v)); \
	} } while (0)

#define vec_push(vec) ({ \
	if ((vec)->n == (vec)->cap) \
		vec_reserve((vec), (vec)->cap ? (vec)->cap * 2 : 16); \
	memset(&(vec)->v[(vec)->n], 0, sizeof(*(vec)->v)); \
	&(vec)->v[(vec)->n++]; })

#define vec_sort(vec, compare) do { \
	if ((vec)->n > 1) \
		qsort((vec)->v, (vec)->n, sizeof(*(vec)->v), compare); \
	} while (0)

#define vec_deinit(vec) do { free((vec)->v); (vec)->v = NULL; (vec)->n = (vec)->cap = 0; } while (0)
/* clang-format on */

VEC_TYPE(u64_vec, uint64_t);
