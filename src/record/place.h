/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/place - which functions of a file allocate or free, and at which of their instructions to look.
 *
 * Functions are known by name (glibc, musl, jemalloc, tcmalloc, mimalloc, C++'s operators), in .dynsym, in .symtab where
 * there is one. Of those with several names one is taken. Operators of C++ are taken only where they do not call
 * malloc of the same file: one allocation is one event.
 * The instruction is the first `push` of a function, as long as what comes before changes no argument and leaves no way
 * around it (but for a test for NULL): the kernel carries out a push itself, and steps through most others, which costs ten
 * times as much. Else it is the first instruction; of a Go function, the first behind the check of its stack, which may begin
 * the function again.
 * The file is hostile; nothing of it is executed. Cost: its symbols are read once.
 */

#include <stdbool.h>

#include "ebpf/ebpf.h"
#include "gort/gort.h"
#include "sym/elf.h"

struct record_function {
	const char *name; /* as in the library, without its prefix */
	enum ebpf_kind kind;
	enum ebpf_register size, count, addr, out; /* as in struct ebpf_probe */
};

extern const struct record_function record_functions[];

/* Allocators that are told apart; what their name is for people. */
enum record_family {
	RECORD_FAMILY_NONE, /* the file has no allocator */
	RECORD_FAMILY_GLIBC,
	RECORD_FAMILY_MUSL,
	RECORD_FAMILY_JEMALLOC,
	RECORD_FAMILY_TCMALLOC,
	RECORD_FAMILY_MIMALLOC,
	RECORD_FAMILY_OTHER,
	RECORD_FAMILY_MAX_
};

extern const char *const record_families[RECORD_FAMILY_MAX_];

struct record_place {
	uint64_t offset;   /* in the file */
	unsigned function; /* index in record_functions */
	bool cheap;	   /* the kernel carries that instruction out itself */
};

struct record_places {
	VEC(struct record_place) v;
	enum record_family family;
	bool replaces; /* it has a malloc of that very name, so it is the one that a program calls */
};

enum { RECORD_PLACES_MAX = 4096 };

void record_places_deinit(struct record_places *p);

/* Of one ELF file; `name` is for messages, `all`: look in .symtab too. A file without an allocator is no error. */
MUST_CHECK struct err *record_places_find(int fd, const char *name, bool all, struct record_places *ret);

/*
 * Of an attached Go program, by pclntab: runtime.mallocgc, and from 1.27 on its kin for single sizes. Offsets are those in
 * the file `elf`, whose addresses are `bias` lower than the process's. NOT_FOUND: there is no such function.
 */
MUST_CHECK struct err *record_places_go(const struct gort *g, int fd, const struct sym_elf *elf, uint64_t bias,
					struct record_places *ret);

/*
 * Where in `code` (len bytes, a function from its start) to look: the offset of the instruction, and whether it is cheap.
 * `args`: registers that are needed, 1u << sym/disasm's number; `null`: it may be passed by when the first argument is 0.
 */
size_t record_place_pick(const unsigned char *code, size_t len, uint32_t args, bool null, bool *cheap);
