/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/pclntab - functions, files, lines and inlined frames from Go's own table, in a stripped binary too.
 *
 * Source: runtime/symtab.go, internal/abi/symtab.go; format 1.18 (magic 0xfffffff0) and 1.20 (0xfffffff1).
 * Reads through a memsrc with a small block cache; every offset is bounded by its table. Hostile tables give false or
 * "?" names, never a read outside.
 * Cost:   a new table reads 8 bytes a function at once; a name or line that is not cached, one or two reads of 16 KiB.
 * Memory: the function table (8 bytes a function), SYM_PCLNTAB_CACHE bytes, and the names given out.
 * Threads: none; one object, one thread (lookups change the cache).
 */

#include "base/arena.h"
#include "model/memsrc.h"

enum {
	SYM_PCLNTAB_CACHE = 1024 * 1024,	 /* bytes of the target's tables kept */
	SYM_PCLNTAB_FUNCS_MAX = 4 * 1024 * 1024, /* functions; more is LIMIT */
	SYM_PCLNTAB_NAME_MAX = 16 * 1024,	 /* a longer name is cut */
	SYM_PCLNTAB_FIND_MAX = 64,		 /* names of one sym_pclntab_find_names() */
};

#define SYM_PCLNTAB_NONE SIZE_MAX

struct sym_pclntab_layout {
	struct memsrc *src;
	unsigned magic; /* low byte, 0xf0 or 0xf1 */
	uint64_t text;
	uint64_t funcnametab, cutab, filetab, pctab, pclntable;
	uint64_t funcnametab_len, cutab_len, filetab_len, pctab_len, pclntable_len; /* bytes */
	uint64_t nfunc;
	uint64_t gofunc; /* moduledata.gofunc, 0 = unknown (no inlined frames then) */
};

struct sym_pclntab;

struct sym_frame {
	const char *function, *file; /* live as long as the table; "?" when unknown */
	uint32_t line;		     /* 0 when unknown */
	bool inlined;		     /* into the next frame */
	uint8_t func_id;	     /* of runtime functions that are told apart, and of wrappers */
};

enum sym_func_flags {
	SYM_FUNC_TOP = 1u << 0,	    /* nothing called it: the outermost of a stack */
	SYM_FUNC_SPWRITE = 1u << 1, /* moves the stack pointer in a way that no table tells */
};

/* What a step from a frame to its caller needs to know. */
struct sym_step {
	uint64_t entry;
	int32_t spdelta; /* bytes between sp and the return address, -1 when the table has none */
	unsigned flags;	 /* enum sym_func_flags */
};

/*
 * Copies `layout` and the function table; the memsrc is borrowed and must outlive the table. FAULT when the function
 * table cannot be read, FORMAT when it is not sorted or larger than its region, LIMIT over SYM_PCLNTAB_FUNCS_MAX.
 */
MUST_CHECK struct err *sym_pclntab_new(const struct sym_pclntab_layout *layout, struct sym_pclntab **ret);
void sym_pclntab_free(struct sym_pclntab *t); /* NULL is fine */

/* Index of the function that holds pc; false when none does. */
bool sym_pclntab_find(struct sym_pclntab *t, uint64_t pc, size_t *ret);
size_t sym_pclntab_count(const struct sym_pclntab *t);
uint64_t sym_pclntab_entry(const struct sym_pclntab *t, size_t index); /* index == count: end of text */
const char *sym_pclntab_name(struct sym_pclntab *t, size_t index);     /* "?" when unreadable; interned */

/*
 * Functions by exact name, all in one pass over the table (a millisecond per megabyte of it): ret[i] is the index of
 * names[i], SYM_PCLNTAB_NONE where there is none. n is at most SYM_PCLNTAB_FIND_MAX. Gives how many were found.
 */
size_t sym_pclntab_find_names(struct sym_pclntab *t, const char *const *names, size_t n, size_t *ret);
bool sym_pclntab_find_name(struct sym_pclntab *t, const char *name, size_t *ret); /* the same for one */

/*
 * Up to `max` frames of the instruction at pc, innermost first; the last one is the physical function. 0 when no
 * function holds pc. For a return address ask for pc - 1.
 */
size_t sym_pclntab_frames(struct sym_pclntab *t, uint64_t pc, struct sym_frame *ret, size_t max);

/* False when no function holds pc. */
bool sym_pclntab_step(struct sym_pclntab *t, uint64_t pc, struct sym_step *ret);

/* Where the pointers of a frame are, by the place of its call: see runtime/stkframe.go. */
struct sym_stack_map {
	uint64_t locals, args; /* addresses of the stack maps; 0: there are none */
	uint64_t objects;      /* of the list of variables whose address is taken; 0: there are none */
	int32_t map;	       /* number of the map in both */
	uint32_t args_size;    /* bytes; SYM_ARGS_UNKNOWN */
	int32_t spdelta;       /* as in struct sym_step */
	unsigned flags;
};

#define SYM_ARGS_UNKNOWN UINT32_C(0x80000000)

/* Of the frame whose callee returns to pc. False when no function holds pc, or where the tables of functions are not known. */
bool sym_pclntab_stack_map(struct sym_pclntab *t, uint64_t pc, struct sym_stack_map *ret);

/*
 * The id of wrappers, which the compiler made and which stack traces leave out: the largest in the table, since the
 * runtime lists it last. Reads the record of every function once: milliseconds.
 */
unsigned sym_pclntab_wrapper_id(struct sym_pclntab *t);

static inline void sym_pclntab_auto(struct sym_pclntab **t)
{
	sym_pclntab_free(*t);
}
