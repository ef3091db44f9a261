/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame information of any content: the input is an ELF file, or else a section. Every function in it is asked for rows,
 * and these are applied to a stack that is the input as well.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "sym/cfi.h"

enum { FUNCTIONS = 64, STACK = 0x10000, SECTION = 0x400000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(const struct sym_cfi *c, uint64_t addr, const struct sym_stack *stack)
{
	struct sym_registers r = { .known = 0x1ffff };
	struct sym_cfi_row row;
	for (unsigned i = 0; i < SYM_REG_MAX_; i++)
		r.v[i] = STACK + 8u * i;
	r.v[SYM_REG_RIP] = addr;
	for (int n = 0; n < 8 && sym_cfi_row(c, r.v[SYM_REG_RIP], &row); n++) {
		uint64_t sp = r.v[SYM_REG_RSP];
		enum sym_stepped done = sym_cfi_step(c, &row, stack, &r);
		if (done != SYM_STEPPED)
			break;
		assert(row.signal || r.v[SYM_REG_RSP] > sp);
	}
}

static void ask(const struct sym_cfi *c, const uint8_t *data, size_t size)
{
	struct sym_stack stack = { STACK, data, size };
	for (size_t i = 0; i + 8 <= size && i < 8 * FUNCTIONS; i += 8) {
		uint64_t addr = 0, start = 0, end = 0;
		memcpy(&addr, data + i, 8);
		if (!sym_cfi_function(c, addr, &start, &end))
			addr &= 0xffff;
		if (!sym_cfi_function(c, addr, &start, &end))
			continue;
		assert(start <= addr && addr < end);
		step(c, start, &stack);
		step(c, addr, &stack);
		step(c, end - 1, &stack);
	}
}

static struct err *open_file(const uint8_t *data, size_t size, struct sym_cfi **ret)
{
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	struct sym_elf elf;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return err_nomem();
	TRY(sym_elf_open(fd, "input", &elf));
	struct err *err = sym_cfi_open(fd, &elf, ret);
	sym_elf_close(&elf);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(sym_cfi) struct sym_cfi *c = NULL;
	struct err *err AUTO(err) = NULL;
	if (size > 4 && memcmp(data, "\177ELF", 4) == 0)
		err = open_file(data, size, &c);
	else if (size > 1)
		err = sym_cfi_new(data + 1, size - 1, SECTION, *data & 1, &c);
	if (!err && c)
		ask(c, data, size);
	return 0;
}
