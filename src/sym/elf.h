/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/elf - what an ELF file says about itself: segments, sections, notes, symbols.
 *
 * Read with libelf from a descriptor; the file is hostile. Files without section headers are fine. Everything is copied
 * into the object's arena; counts are bounded. Addresses are those of the file: add the load bias for a live PIE.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"

struct sym_segment {
	uint64_t vaddr, memsz, offset, filesz;
	unsigned flags; /* PF_R, PF_W, PF_X */
};

struct sym_section {
	const char *name;
	uint64_t addr, offset, size;
	bool nobits, compressed;
};

struct sym_symbol {
	uint64_t addr, size;
	const char *name;
	bool object; /* STT_OBJECT, else a function */
};

VEC_TYPE(sym_segment_vec, struct sym_segment);
VEC_TYPE(sym_section_vec, struct sym_section);
VEC_TYPE(sym_symbol_vec, struct sym_symbol);

/* Where symbols and their names are in the file; sizes 0: there are none. */
struct sym_table {
	uint64_t offset, size, names_offset, names_size;
	char *names; /* once the symbols have been read */
};

struct sym_elf {
	struct arena arena;
	unsigned machine; /* EM_X86_64, EM_AARCH64, ... */
	bool pie;	  /* ET_DYN with an interpreter or DF_1_PIE */
	bool dynamic;	  /* has an interpreter */
	bool has_symtab, has_dwarf;
	uint64_t entry;
	struct sym_segment_vec segments; /* PT_LOAD, by address */
	struct sym_section_vec sections; /* empty without section headers */
	const char *build_id;		 /* GNU build id in hex, or NULL */
	const char *go_build_id;	 /* Go build id note, or NULL */
	/* Where PT_GNU_EH_FRAME is; size 0: there is none. */
	uint64_t eh_frame_hdr_addr, eh_frame_hdr_offset, eh_frame_hdr_size;
	struct sym_table symtab, dynsym;
};

/* FORMAT with the reason; UNSUPPORTED for 32-bit or big-endian files. `name` is for messages. */
MUST_CHECK struct err *sym_elf_open(int fd, const char *name, struct sym_elf *ret);
void sym_elf_close(struct sym_elf *elf);

/* Is it a Go program or library, by its sections and notes: 1 yes, 0 no, -1 unknown (no section headers, no notes). */
int sym_elf_is_go(const struct sym_elf *elf);

const struct sym_section *sym_elf_section(const struct sym_elf *elf, const char *name);

/*
 * .symtab's functions and objects with a size or name, sorted by address, UNDEF left out; the names live as long as `elf`.
 * Empty when stripped. Replaces what an earlier call for the same `elf` gave. LIMIT for absurd sizes.
 */
MUST_CHECK struct err *sym_elf_symbols(int fd, struct sym_elf *elf, struct sym_symbol_vec *ret);

/* The same of .dynsym: what a library exports, and what is left when it is stripped. */
MUST_CHECK struct err *sym_elf_dynamic_symbols(int fd, struct sym_elf *elf, struct sym_symbol_vec *ret);

/* Exactly len bytes of the file; false when it is shorter or cannot be read. */
bool sym_elf_read(int fd, uint64_t offset, void *buf, size_t len);

/* A build-id note (".note.gnu.build-id", "Go") out of raw note bytes, as hex or text in `arena`; NULL when there is none. */
const char *sym_note_build_id(const void *notes, size_t len, struct arena *arena);
const char *sym_note_go_build_id(const void *notes, size_t len, struct arena *arena);
