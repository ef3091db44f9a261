/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/glibc - glibc's malloc in a target, found from outside: main_arena and mp_, which no symbol names.
 *
 * Both lie in the writable data of the C library, or of a program that is linked with it statically. main_arena is known
 * by its 127 bins, rings of chunks whose head points at itself while empty, by the ring of arenas it is in, and by its
 * sizes; mp_ by the relations between its counts. Nothing is taken from the library's version or symbols.
 * A library that nobody ever called malloc of has no bins yet, and is not found.
 *
 * Reads through a memsrc, so absent pages stay absent and a target is not stopped.
 * Cost: one read of the data that is searched (72 KiB of a shared libc), and one for each arena.
 */

#include <stdbool.h>
#include <stdint.h>

#include "glibc/layout.h"
#include "model/memsrc.h"
#include "model/vma.h"

/* What a mapping may hold. */
enum glibc_map {
	GLIBC_MAP_OTHER, /* nothing of malloc's */
	GLIBC_MAP_DATA,	 /* main_arena and mp_: writable data of a program or library */
	GLIBC_MAP_BRK,	 /* the main arena's heap */
	GLIBC_MAP_ANON,	 /* heaps of other arenas, large blocks */
};

/* Borrowed, and in use as long as a struct glibc is. */
struct glibc_where {
	struct memsrc *src;
	const struct vma_vec *maps;
	const unsigned char *kinds; /* enum glibc_map, one for each mapping */
};

/* One malloc. */
struct glibc_malloc {
	uint64_t main_arena, par; /* addresses; par 0: mp_ was not found */
	const struct glibc_arena_layout *arena;
	const struct glibc_par_layout *params;
	uint64_t heap_max; /* heaps of arenas are aligned to it */
	uint64_t brk;	   /* where the main arena's heap begins; 0 unknown */
};

/* As many as libraries loaded with dlmopen(3), or a static libc beside a shared one, make: each has its own. */
enum { GLIBC_MALLOCS = 4 };

struct glibc {
	struct glibc_where where;
	struct glibc_malloc v[GLIBC_MALLOCS];
	size_t n;
	char version[16]; /* "2.36", of the first; "" unknown */
};

/* NOT_FOUND: no glibc, or one whose malloc was not used yet, or of a layout that is not known. */
MUST_CHECK struct err *glibc_find(const struct glibc_where *where, struct glibc *ret);

/* What n_mmaps and mmapped_mem say of large blocks with a mapping of their own; false: not known. */
bool glibc_mmapped(const struct glibc *g, const struct glibc_malloc *m, uint64_t *blocks, uint64_t *bytes);

/* What the mapping that holds addr may hold, and the mapping (may be NULL). */
enum glibc_map glibc_map_at(const struct glibc_where *w, uint64_t addr, const struct vma **map);
