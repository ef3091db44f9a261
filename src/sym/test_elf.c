/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "sym/elf.h"

enum { NOTES = 0x200, NAMES = 0x300, SYMBOLS = 0x400, STRINGS = 0x500, DYNAMIC = 0x600, SECTIONS = 0x700 };

/* A small ELF file, laid out by hand. */
struct image {
	Elf64_Ehdr head;
	Elf64_Phdr segments[6];
	unsigned char pad[NOTES - sizeof(Elf64_Ehdr) - 6 * sizeof(Elf64_Phdr)];
	unsigned char notes[NAMES - NOTES];
	char names[SYMBOLS - NAMES];
	Elf64_Sym symbols[8];
	unsigned char pad2[STRINGS - SYMBOLS - 8 * sizeof(Elf64_Sym)];
	char strings[DYNAMIC - STRINGS];
	Elf64_Dyn dynamic[16];
	Elf64_Shdr sections[8];
};

_Static_assert(offsetof(struct image, sections) == SECTIONS, "the layout is as said");

static size_t put_note(unsigned char *at, const char *owner, size_t owner_len, uint32_t type, const void *desc,
		       uint32_t len)
{
	uint32_t head[3] = { (uint32_t)owner_len, len, type };
	size_t name_len = (owner_len + 3) & ~(size_t)3;
	memcpy(at, head, 12);
	memcpy(at + 12, owner, owner_len);
	memcpy(at + 12 + name_len, desc, len);
	return 12 + name_len + ((len + 3u) & ~3u);
}

static Elf64_Shdr section(uint32_t name, uint32_t type, uint64_t offset, uint64_t size)
{
	return (Elf64_Shdr){
		.sh_name = name, .sh_type = type, .sh_offset = offset, .sh_size = size, .sh_addr = 0x400000
	};
}

static void put_sections(struct image *m)
{
	static const char names[] = "\0.shstrtab\0.symtab\0.strtab\0.gopclntab\0.bss\0.debug_info\0.text";
	memcpy(m->names, names, sizeof(names));
	m->sections[1] = section(1, SHT_STRTAB, NAMES, sizeof(names));
	m->sections[2] = section(11, SHT_SYMTAB, SYMBOLS, sizeof(m->symbols));
	m->sections[2].sh_link = 3;
	m->sections[2].sh_entsize = sizeof(Elf64_Sym);
	m->sections[3] = section(19, SHT_STRTAB, STRINGS, sizeof(m->strings));
	m->sections[4] = section(27, SHT_PROGBITS, 0x1000, 0x2000);
	m->sections[5] = section(38, SHT_NOBITS, 0x3000, 0x5000);
	m->sections[6] = section(43, SHT_PROGBITS, 0x3000, 0x10);
	m->sections[7] = section(99999, SHT_PROGBITS, 0x3000, 0x10);
	m->head.e_shoff = SECTIONS;
	m->head.e_shnum = 8;
	m->head.e_shentsize = sizeof(Elf64_Shdr);
	m->head.e_shstrndx = 1;
}

static void put_symbols(struct image *m)
{
	static const char strings[] = "\0main.main\0runtime.buildVersion\0undef\0file.c\0data";
	memcpy(m->strings, strings, sizeof(strings));
	m->symbols[1] = (Elf64_Sym){ 11, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 5, 0x500000, 16 };
	m->symbols[2] = (Elf64_Sym){ 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0, 4, 0x401000, 0 };
	m->symbols[3] = (Elf64_Sym){ 32, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, SHN_UNDEF, 0, 0 };
	m->symbols[4] = (Elf64_Sym){ 38, ELF64_ST_INFO(STB_LOCAL, STT_FILE), 0, SHN_ABS, 0, 0 };
	m->symbols[5] = (Elf64_Sym){ 0x7fffffff, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 4, 0x400500, 32 };
	m->symbols[6] = (Elf64_Sym){ 0, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 4, 0x400600, 0 };
	m->symbols[7] = (Elf64_Sym){ 45, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, 4, 0x400700, 8 };
}

static void make(struct image *m)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->head.e_ident, ELFMAG, SELFMAG);
	m->head.e_ident[EI_CLASS] = ELFCLASS64;
	m->head.e_ident[EI_DATA] = ELFDATA2LSB;
	m->head.e_ident[EI_VERSION] = EV_CURRENT;
	m->head.e_type = ET_EXEC;
	m->head.e_machine = EM_X86_64;
	m->head.e_version = EV_CURRENT;
	m->head.e_entry = 0x401000;
	m->head.e_ehsize = sizeof(Elf64_Ehdr);
	m->head.e_phoff = sizeof(Elf64_Ehdr);
	m->head.e_phnum = 3;
	m->head.e_phentsize = sizeof(Elf64_Phdr);
	m->segments[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x3000, 0x500000, 0x500000, 0x100, 0x9000, 4096 };
	m->segments[1] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, 0x3000, 0x3000, 4096 };
	m->segments[2] = (Elf64_Phdr){ PT_NOTE, PF_R, NOTES, 0x400200, 0x400200, NAMES - NOTES, NAMES - NOTES, 4 };
	size_t n = put_note(m->notes, "GNU", 4, 1, "0123456789abcdef", 16); /* an ABI tag, to be passed over */
	n += put_note(m->notes + n, "Go\0", 4, 4, "abc/def-_1", 10);
	put_note(m->notes + n, "GNU", 4, NT_GNU_BUILD_ID, "\x01\xab\xff\x00\x7f", 5);
	put_symbols(m);
	put_sections(m);
}

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	return fd;
}

static void expect_err(enum err_code code, const void *data, size_t len)
{
	struct sym_elf elf;
	AUTO_CLOSE int fd = file_of(data, len);
	struct err *err = sym_elf_open(fd, "some file", &elf);
	assert_non_null(err);
	assert_int_equal(err_code(err), code);
	assert_non_null(strstr(err_text(err), "some file"));
	err_free(err);
	sym_elf_close(&elf);
}

static void a_whole_file(void **state)
{
	struct image m;
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	make(&m);
	AUTO_CLOSE int fd = file_of(&m, sizeof(m));
	ok(sym_elf_open(fd, "image", &elf));
	assert_int_equal(elf.machine, EM_X86_64);
	assert_int_equal(elf.entry, 0x401000);
	assert_false(elf.pie || elf.dynamic);
	assert_true(elf.has_symtab && elf.has_dwarf);
	assert_string_equal(elf.go_build_id, "abc/def-_1");
	assert_string_equal(elf.build_id, "01abff007f");
	assert_int_equal(elf.segments.n, 2);
	assert_int_equal(elf.segments.v[0].vaddr, 0x400000);
	assert_int_equal(elf.segments.v[1].memsz, 0x9000);
	assert_int_equal(elf.segments.v[1].filesz, 0x100);
	assert_int_equal(elf.sections.n, 7);
	const struct sym_section *s = sym_elf_section(&elf, ".gopclntab");
	assert_non_null(s);
	assert_int_equal(s->offset, 0x1000);
	assert_int_equal(s->size, 0x2000);
	assert_false(s->nobits);
	assert_true(sym_elf_section(&elf, ".bss")->nobits);
	assert_null(sym_elf_section(&elf, ".data"));
	for (int again = 0; again < 2; again++) {
		ok(sym_elf_symbols(fd, &elf, &symbols));
		assert_int_equal(symbols.n, 3);
		assert_string_equal(symbols.v[0].name, ""); /* its name lies outside of the table */
		assert_string_equal(symbols.v[1].name, "main.main");
		assert_false(symbols.v[1].object);
		assert_string_equal(symbols.v[2].name, "runtime.buildVersion");
		assert_true(symbols.v[2].object);
		assert_int_equal(symbols.v[2].addr, 0x500000);
		assert_int_equal(symbols.v[2].size, 16);
	}
	vec_deinit(&symbols);
	sym_elf_close(&elf);
}

static void no_section_headers(void **state)
{
	struct image m;
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	make(&m);
	m.head.e_shoff = 0;
	m.head.e_shnum = m.head.e_shstrndx = 0;
	AUTO_CLOSE int fd = file_of(&m, sizeof(m));
	ok(sym_elf_open(fd, "image", &elf));
	assert_int_equal(elf.sections.n, 0);
	assert_false(elf.has_symtab || elf.has_dwarf);
	assert_string_equal(elf.go_build_id, "abc/def-_1");
	ok(sym_elf_symbols(fd, &elf, &symbols));
	assert_int_equal(symbols.n, 0);
	sym_elf_close(&elf);
}

static void position_independent(void **state)
{
	struct image m;
	struct sym_elf elf;
	make(&m);
	m.head.e_type = ET_DYN;
	m.head.e_phnum = 4;
	m.segments[3] = (Elf64_Phdr){ PT_INTERP, PF_R, 0x100, 0, 0, 0x10, 0x10, 1 };
	AUTO_CLOSE int with = file_of(&m, sizeof(m));
	ok(sym_elf_open(with, "pie", &elf));
	assert_true(elf.pie && elf.dynamic);
	sym_elf_close(&elf);
	m.segments[3] = (Elf64_Phdr){ PT_DYNAMIC, PF_R, DYNAMIC, 0, 0, sizeof(m.dynamic), sizeof(m.dynamic), 8 };
	AUTO_CLOSE int library = file_of(&m, sizeof(m));
	ok(sym_elf_open(library, "library", &elf));
	assert_false(elf.pie || elf.dynamic);
	sym_elf_close(&elf);
	m.dynamic[0] = (Elf64_Dyn){ .d_tag = DT_FLAGS_1, .d_un.d_val = DF_1_NOW | DF_1_PIE };
	AUTO_CLOSE int fixed = file_of(&m, sizeof(m));
	ok(sym_elf_open(fixed, "static pie", &elf));
	assert_true(elf.pie && !elf.dynamic);
	sym_elf_close(&elf);
}

static void what_is_not_read(void **state)
{
	struct image m;
	make(&m);
	expect_err(ERR_FORMAT, "", 0);
	expect_err(ERR_FORMAT, "#!/bin/sh\n", 10);
	expect_err(ERR_FORMAT, &m, sizeof(m.head) - 1);
	m.head.e_ident[EI_CLASS] = ELFCLASS32;
	expect_err(ERR_UNSUPPORTED, &m, sizeof(m));
	make(&m);
	m.head.e_ident[EI_DATA] = ELFDATA2MSB;
	expect_err(ERR_UNSUPPORTED, &m, sizeof(m));
	struct sym_elf elf;
	AUTO_CLOSE int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err *err = sym_elf_open(dir, "/", &elf);
	assert_int_equal(err_code(err), ERR_FORMAT);
	err_free(err);
}

static void hostile_counts_and_offsets(void **state)
{
	struct image m;
	make(&m);
	m.head.e_phnum = 6000;
	expect_err(ERR_LIMIT, &m, sizeof(m));
	make(&m);
	m.head.e_phoff = UINT64_MAX - 10;
	expect_err(ERR_FORMAT, &m, sizeof(m));
	make(&m);
	m.head.e_shnum = 0; /* the number is in section 0 then */
	m.sections[0].sh_size = UINT64_C(1) << 40;
	expect_err(ERR_LIMIT, &m, sizeof(m));
	make(&m);
	m.head.e_phnum = PN_XNUM;
	m.sections[0].sh_info = UINT32_MAX;
	expect_err(ERR_LIMIT, &m, sizeof(m));
	make(&m);
	m.head.e_shnum = 0;
	m.head.e_shoff = UINT64_MAX - 100;
	expect_err(ERR_FORMAT, &m, sizeof(m));
	make(&m);
	m.segments[0].p_vaddr = UINT64_MAX - 4;
	expect_err(ERR_FORMAT, &m, sizeof(m));
	make(&m);
	m.segments[0].p_filesz = m.segments[0].p_memsz + 1;
	expect_err(ERR_FORMAT, &m, sizeof(m));
}

/* Tables that lie outside of the file are as good as none. */
static void tables_that_are_not_there(void **state)
{
	struct image m;
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	make(&m);
	m.sections[2].sh_offset = UINT64_MAX - 100;
	m.sections[1].sh_offset = sizeof(m) - 4;
	m.segments[2].p_offset = UINT64_MAX - 2;
	AUTO_CLOSE int fd = file_of(&m, sizeof(m));
	ok(sym_elf_open(fd, "image", &elf));
	assert_false(elf.has_symtab);
	assert_null(elf.build_id);
	assert_string_equal(elf.sections.v[0].name, "");
	ok(sym_elf_symbols(fd, &elf, &symbols));
	sym_elf_close(&elf);
	make(&m);
	AUTO_CLOSE int cut = file_of(&m, sizeof(m));
	ok(sym_elf_open(cut, "image", &elf));
	assert_true(elf.has_symtab);
	assert_int_equal(ftruncate(cut, STRINGS + 10), 0); /* it shrinks under our hands */
	struct err *err = sym_elf_symbols(cut, &elf, &symbols);
	assert_int_equal(err_code(err), ERR_FORMAT);
	err_free(err);
	vec_deinit(&symbols);
	sym_elf_close(&elf);
}

/* Every prefix of the image, and every byte of its headers turned over. */
static void every_cut_and_every_flip(void **state)
{
	struct image m;
	for (size_t len = 0; len < sizeof(m) + 1; len++) {
		make(&m);
		if (len && len <= sizeof(m.head) + sizeof(m.segments))
			((unsigned char *)&m)[len - 1] ^= 0xff;
		for (int flip = 0; flip < 2; flip++) {
			struct sym_elf elf;
			struct sym_symbol_vec symbols = { 0 };
			AUTO_CLOSE int fd = file_of(&m, flip ? sizeof(m) : len - (len > sizeof(m)));
			struct err *err = sym_elf_open(fd, "image", &elf);
			if (!err)
				err = sym_elf_symbols(fd, &elf, &symbols);
			err_free(err); /* whatever it says */
			vec_deinit(&symbols);
			sym_elf_close(&elf);
		}
	}
}

static void notes(void **state)
{
	unsigned char buf[256] = { 0 };
	struct arena arena;
	arena_init(&arena);
	size_t n = put_note(buf, "GNU", 4, NT_GNU_BUILD_ID, "\x12\x34", 2);
	assert_string_equal(sym_note_build_id(buf, n, &arena), "1234");
	assert_null(sym_note_go_build_id(buf, n, &arena));
	assert_null(sym_note_build_id(buf, n - 4, &arena));
	for (size_t len = 0; len <= 12; len++)
		assert_null(sym_note_build_id(buf, len, &arena));
	n = put_note(buf, "GNUx", 5, NT_GNU_BUILD_ID, "\x12\x34", 2);
	assert_null(sym_note_build_id(buf, n, &arena));
	n = put_note(buf, "Go\0", 4, 4, "bad \n id", 8);
	assert_null(sym_note_go_build_id(buf, n, &arena));
	static const uint32_t huge[] = { UINT32_MAX, UINT32_MAX, 3, 0, 0, 0 };
	assert_null(sym_note_build_id(huge, sizeof(huge), &arena));
	static const uint32_t none[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	assert_null(sym_note_build_id(none, sizeof(none), &arena));
	arena_deinit(&arena);
}

static int64_t peak_kib(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void a_large_file_costs_little(void **state)
{
	struct image m;
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	make(&m);
	AUTO_CLOSE int fd = file_of(&m, sizeof(m));
	assert_int_equal(ftruncate(fd, INT64_C(4) << 30), 0);
	int64_t before = peak_kib();
	ok(sym_elf_open(fd, "image", &elf));
	ok(sym_elf_symbols(fd, &elf, &symbols));
	assert_true(peak_kib() - before < 4096);
	vec_deinit(&symbols);
	sym_elf_close(&elf);
}

static void this_program(void **state)
{
	struct sym_elf elf;
	struct sym_symbol_vec symbols = { 0 };
	AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ok(sym_elf_open(fd, "/proc/self/exe", &elf));
	assert_true(elf.segments.n >= 2);
	assert_non_null(sym_elf_section(&elf, ".text"));
	ok(sym_elf_symbols(fd, &elf, &symbols));
	bool found = !elf.has_symtab;
	for (size_t i = 0; i < symbols.n; i++) {
		found = found || !strcmp(symbols.v[i].name, "sym_elf_open");
		assert_true(!i || symbols.v[i - 1].addr <= symbols.v[i].addr);
	}
	assert_true(found);
	ok(sym_elf_dynamic_symbols(fd, &elf, &symbols));
	assert_int_equal(symbols.n > 0, elf.dynsym.size > 0);
	vec_deinit(&symbols);
	sym_elf_close(&elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file),
		cmocka_unit_test(no_section_headers),
		cmocka_unit_test(position_independent),
		cmocka_unit_test(what_is_not_read),
		cmocka_unit_test(hostile_counts_and_offsets),
		cmocka_unit_test(tables_that_are_not_there),
		cmocka_unit_test(every_cut_and_every_flip),
		cmocka_unit_test(notes),
		cmocka_unit_test(a_large_file_costs_little),
		cmocka_unit_test(this_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
