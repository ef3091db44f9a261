/* SPDX-License-Identifier: Apache-2.0 */
/* Debug information of any content: the input is an ELF file, asked for lines at addresses that are in it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "sym/elf.h"
#include "sym/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRESSES = 32 };

static void ask(struct sym_lines *l, const uint8_t *data, size_t size)
{
	static struct sym_line lines[8];
	for (uint64_t i = 0; i < ADDRESSES; i++) {
		size_t n = sym_lines_at(l, 0x401000 + 3 * i, lines, 8);
		for (size_t k = 0; k < n; k++)
			assert(strlen(lines[k].function) < SYM_LINES_NAME && lines[k].file);
	}
	for (size_t i = 0; i + 8 <= size && i < 8 * ADDRESSES; i += 8) {
		uint64_t addr = 0;
		memcpy(&addr, data + i, 8);
		(void)sym_lines_at(l, addr, lines, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	struct sym_elf elf;
	struct sym_lines *l = NULL;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	struct err *err = sym_elf_open(fd, "input", &elf); /* it is always opened first */
	if (err) {
		err_free(err);
		return 0;
	}
	sym_elf_close(&elf);
	err = sym_lines_open(fd, "input", &l);
	if (!err)
		ask(l, data, size);
	err_free(err);
	sym_lines_free(l);
	return 0;
}
