/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "sym/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_file(int fd)
{
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	struct err *err = sym_elf_open(fd, "input", &elf);
	if (!err) {
		for (size_t i = 0; i < elf.segments.n; i++) {
			const struct sym_segment *s = &elf.segments.v[i];
			assert(s->filesz <= s->memsz && s->vaddr + s->memsz >= s->vaddr);
			assert(!i || s[-1].vaddr <= s->vaddr);
		}
		for (size_t i = 0; i < elf.sections.n; i++)
			assert(sym_elf_section(&elf, elf.sections.v[i].name));
		err = sym_elf_symbols(fd, &elf, &symbols);
		for (size_t i = 0; i < symbols.n; i++)
			assert(symbols.v[i].name && strlen(symbols.v[i].name) <= elf.symtab.names_size);
		if (!err)
			err = sym_elf_dynamic_symbols(fd, &elf, &symbols);
		vec_deinit(&symbols);
	}
	sym_elf_close(&elf);
	err_free(err);
}

/* The input as a file, and as the bytes of a note segment. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	arena_init(&arena);
	(void)sym_note_build_id(data, size, &arena);
	(void)sym_note_go_build_id(data, size, &arena);
	arena_deinit(&arena);
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, data, size) == (ssize_t)size)
		try_file(fd);
	return 0;
}
