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
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "core/core.h"

enum { PAGE = 4096, HEAD = PAGE, BASE = 0x400000, STACK = 0x7ff000 };

/* A core under construction: headers and notes in the first page, then the contents in order. */
struct made {
	Elf64_Ehdr e;
	Elf64_Phdr p[16];
	struct strbuf notes, data;
};

static void made_init(struct made *m)
{
	*m = (struct made){
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_CORE,
		       .e_machine = EM_X86_64,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1 },
	};
	strbuf_init(&m->notes);
	strbuf_init(&m->data);
}

static void add_load(struct made *m, uint64_t addr, uint64_t memsz, unsigned flags, const void *data, size_t len)
{
	m->p[m->e.e_phnum++] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = flags,
		.p_offset = HEAD + m->data.len,
		.p_vaddr = addr,
		.p_filesz = len,
		.p_memsz = memsz,
	};
	strbuf_add(&m->data, data, len);
	while (m->data.len % PAGE)
		strbuf_putc(&m->data, 0);
}

static void add_note(struct made *m, const char *owner, uint32_t type, const void *desc, size_t len)
{
	const Elf64_Nhdr n = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)len, type };
	strbuf_add(&m->notes, &n, sizeof(n));
	strbuf_add(&m->notes, owner, n.n_namesz);
	strbuf_add(&m->notes, "\0\0\0", -n.n_namesz & 3);
	strbuf_add(&m->notes, desc, len);
	strbuf_add(&m->notes, "\0\0\0", -n.n_descsz & 3);
}

/* The file, or its first `len` bytes. */
static int file_of(struct made *m, size_t len)
{
	int fd = memfd_create("core", MFD_CLOEXEC);
	size_t at = sizeof(m->e) + sizeof(m->p);
	m->p[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = at, .p_filesz = m->notes.len };
	assert_true(at + m->notes.len <= HEAD);
	assert_int_equal(pwrite(fd, &m->e, sizeof(m->e), 0), sizeof(m->e));
	assert_int_equal(pwrite(fd, m->p, sizeof(m->p), sizeof(m->e)), sizeof(m->p));
	assert_int_equal(pwrite(fd, m->notes.buf, m->notes.len, (off_t)at), (ssize_t)m->notes.len);
	assert_int_equal(pwrite(fd, m->data.buf, m->data.len, HEAD), (ssize_t)m->data.len);
	if (len < HEAD + m->data.len)
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void made_deinit(struct made *m)
{
	strbuf_deinit(&m->notes);
	strbuf_deinit(&m->data);
}

/* Two pages of a program with an absent third, a page of data, and a stack that ends with an environment. */
static void make_example(struct made *m)
{
	static const char second[] = "second", strings[] = "prog\0--flag\0GODEBUG=gctrace=1\0GODEBUGS=no\0./prog";
	char page[2 * PAGE] = "begin";
	uint64_t prstatus[336 / 8] = { 0 };
	char prpsinfo[136] = "";
	made_init(m);
	memcpy(page + PAGE, second, sizeof(second) - 1);
	add_load(m, BASE, 3L * PAGE, PF_R | PF_W, page, sizeof(page));
	memset(page, 0, sizeof(page));
	memcpy(page + 100, strings, sizeof(strings));
	add_load(m, STACK, PAGE, PF_R | PF_W, page, PAGE);
	prstatus[4] = 4711;
	for (int i = 0; i < CORE_REGS; i++)
		prstatus[14 + i] = UINT64_C(100) + (uint64_t)i;
	add_note(m, "CORE", NT_PRSTATUS, prstatus, sizeof(prstatus));
	memcpy(prpsinfo + 24, &(int){ 4710 }, 4);
	memcpy(prpsinfo + 40, strings, 4);
	add_note(m, "CORE", NT_PRPSINFO, prpsinfo, sizeof(prpsinfo));
	const uint64_t auxv[] = { AT_PHDR, BASE + 64, AT_EXECFN, STACK + 100 + 42, AT_RANDOM, STACK + 16, AT_NULL, 0 };
	add_note(m, "CORE", NT_AUXV, auxv, sizeof(auxv));
}

static struct core opened(struct made *m, int *fd)
{
	struct core c;
	*fd = file_of(m, SIZE_MAX);
	struct err *err = core_open(*fd, "test", &c);
	if (err)
		fail_msg("%s", err_text(err));
	return c;
}

static void memory_is_what_the_file_has_and_zeros_beyond(void **state)
{
	struct made m;
	char buf[16];
	AUTO_CLOSE int fd = -1;
	make_example(&m);
	struct core c = opened(&m, &fd);
	assert_true(memsrc_read(&c.src, BASE, buf, 6));
	assert_string_equal(buf, "begin");
	assert_true(memsrc_read(&c.src, BASE + PAGE - 3, buf, 9)); /* over the end of a page */
	assert_memory_equal(buf, "\0\0\0second", 9);
	memset(buf, 1, sizeof(buf));
	assert_true(memsrc_read(&c.src, BASE + 2 * PAGE - 8, buf, 16)); /* into what was never touched */
	assert_memory_equal(buf, (char[16]){ 0 }, 16);
	assert_false(memsrc_read(&c.src, BASE + 3 * PAGE - 8, buf, 16)); /* beyond the mapping */
	assert_false(memsrc_read(&c.src, BASE - 1, buf, 2));
	assert_false(memsrc_read(&c.src, UINT64_MAX - 3, buf, 8));
	assert_int_equal(c.lost, 0);
	core_close(&c);
	made_deinit(&m);
}

static void notes_tell_threads_command_and_environment(void **state)
{
	struct made m;
	AUTO_CLOSE int fd = -1;
	make_example(&m);
	struct core c = opened(&m, &fd);
	assert_int_equal(c.threads.n, 1);
	assert_int_equal(c.threads.v[0].tid, 4711);
	assert_int_equal(c.threads.v[0].regs[CORE_REG_IP], 100 + CORE_REG_IP);
	assert_int_equal(c.pid, 4710);
	assert_string_equal(c.comm, "prog");
	assert_int_equal(c.auxv.phdr, BASE + 64);
	assert_string_equal(core_environ(&c, "GODEBUG", &c.arena), "gctrace=1");
	assert_null(core_environ(&c, "GODE", &c.arena));
	assert_string_equal(c.maps.v[1].name, "[stack]");
	core_close(&c);
	made_deinit(&m);
}

/* NT_FILE with one file: `pages` from BASE on. */
static void add_file(struct made *m, uint64_t pages)
{
	struct {
		uint64_t count, page, start, end, offset;
		char name[8];
	} note = { 1, PAGE, BASE, BASE + pages * PAGE, 0, "/prog" };
	add_note(m, "CORE", NT_FILE, &note, sizeof(note));
}

static void what_is_left_out_of_a_file_comes_from_the_file(void **state)
{
	struct made m;
	char buf[16] = "";
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int file = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(pwrite(file, "third", 5, 2L * PAGE), 5);
	make_example(&m);
	add_file(&m, 5); /* two pages more than there is a segment for */
	struct core c = opened(&m, &fd);
	assert_int_equal(c.files.n, 1);
	assert_int_equal(c.files.v[0].header, BASE);
	assert_true(core_file_of(&c, &c.maps.v[0]) == &c.files.v[0]);
	assert_true(memsrc_read(&c.src, BASE, buf, 5));
	assert_false(memsrc_read(&c.src, BASE + 2 * PAGE, buf, 5)); /* the file is not there */
	core_back(&c, 0, file);
	assert_true(memsrc_read(&c.src, BASE + 2 * PAGE, buf, 6));
	assert_string_equal(buf, "third");
	assert_true(memsrc_read(&c.src, BASE + 4 * PAGE, buf, 6)); /* past its end */
	assert_string_equal(buf, "");
	assert_true(memsrc_read(&c.src, BASE + PAGE, buf, 6)); /* what the core has comes first */
	assert_memory_equal(buf, "second", 6);
	core_close(&c);
	made_deinit(&m);
}

static void a_core_that_is_cut_is_used_as_far_as_it_goes(void **state)
{
	struct made m;
	char buf[8];
	make_example(&m);
	for (size_t len = 0; len < HEAD + m.data.len; len += 61) {
		struct core c;
		AUTO_CLOSE int fd = file_of(&m, len);
		struct err *err AUTO(err) = core_open(fd, "test", &c);
		if (err) {
			assert_true(len < HEAD && err_code(err) == ERR_FORMAT);
			continue;
		}
		assert_int_equal(memsrc_read(&c.src, BASE, buf, 8), len >= HEAD + 8);
		assert_int_equal(memsrc_read(&c.src, BASE + PAGE, buf, 8), len >= HEAD + PAGE + 8);
		assert_true(memsrc_read(&c.src, BASE + 2 * PAGE, buf, 8)); /* that was not to be in the file */
		if (len >= sizeof(m.e) + 3 * sizeof(m.p[0]))		   /* all segments are known */
			assert_int_equal(c.lost, HEAD + 3 * PAGE - (len > HEAD ? len : HEAD));
		else
			assert_true(c.cut);
		core_close(&c);
	}
	made_deinit(&m);
}

static void segments_that_overlap_are_cut(void **state)
{
	struct made m;
	char page[PAGE] = "first", buf[8];
	AUTO_CLOSE int fd = -1;
	made_init(&m);
	add_load(&m, BASE, 2L * PAGE, PF_R, page, PAGE);
	memset(page, 'x', sizeof(page));
	add_load(&m, BASE, PAGE, PF_R, page, PAGE);
	add_load(&m, BASE + PAGE, 2L * PAGE, PF_R, page, PAGE);
	struct core c = opened(&m, &fd);
	assert_int_equal(c.segments.n, 2);
	assert_true(memsrc_read(&c.src, BASE, buf, 6));
	assert_string_equal(buf, "first");
	assert_true(memsrc_read(&c.src, BASE + 2 * PAGE, buf, 6));
	assert_string_equal(buf, "");
	core_close(&c);
	made_deinit(&m);
}

static void more_segments_than_the_header_can_count_are_read(void **state)
{
	struct made m;
	struct core c;
	make_example(&m);
	AUTO_CLOSE int fd = file_of(&m, SIZE_MAX);
	const Elf64_Shdr s = { .sh_info = m.e.e_phnum };
	m.e.e_phnum = PN_XNUM;
	assert_int_equal(pwrite(fd, &m.e, sizeof(m.e), 0), sizeof(m.e)); /* cut before the section header */
	assert_null(core_open(fd, "test", &c));
	assert_int_equal(c.segments.n, 2); /* by where the notes begin */
	core_close(&c);
	m.e.e_shoff = HEAD + m.data.len;
	assert_int_equal(pwrite(fd, &m.e, sizeof(m.e), 0), sizeof(m.e));
	assert_int_equal(pwrite(fd, &s, sizeof(s), (off_t)m.e.e_shoff), sizeof(s));
	assert_null(core_open(fd, "test", &c));
	assert_int_equal(c.segments.n, 2);
	core_close(&c);
	made_deinit(&m);
}

static void absent_pages_are_zeros_or_holes(void **state)
{
	struct made m;
	static char pages[4 * PAGE];
	struct page_vec runs = { 0 };
	AUTO_CLOSE int fd = -1;
	made_init(&m);
	pages[PAGE] = 1;
	pages[3 * PAGE + 5] = 1;
	add_load(&m, BASE, 8L * PAGE, PF_R | PF_W, pages, sizeof(pages));
	struct core c = opened(&m, &fd);
	assert_false(c.sparse);
	assert_null(core_pages(&c, BASE, BASE + 8 * PAGE, &runs));
	assert_int_equal(runs.n, 2);
	assert_int_equal(runs.v[0].start, BASE + PAGE);
	assert_int_equal(runs.v[0].end, BASE + 2 * PAGE);
	assert_int_equal(runs.v[1].start, BASE + 3 * PAGE);
	core_close(&c);
	/* With a hole for the first page, the third is zeros that were there. */
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HEAD, PAGE), 0);
	runs.n = 0;
	assert_null(core_open(fd, "test", &c));
	assert_true(c.sparse);
	assert_null(core_pages(&c, BASE, BASE + 8 * PAGE, &runs));
	assert_int_equal(runs.n, 1);
	assert_int_equal(runs.v[0].start, BASE + PAGE);
	assert_int_equal(runs.v[0].end, BASE + 4 * PAGE);
	core_close(&c);
	vec_deinit(&runs);
	made_deinit(&m);
}

static void what_is_no_core_of_this_machine_is_refused(void **state)
{
	struct made m;
	const struct {
		size_t at;
		unsigned char byte;
		enum err_code code;
	} rows[] = {
		{ 0, 'x', ERR_FORMAT },
		{ offsetof(Elf64_Ehdr, e_type), ET_EXEC, ERR_FORMAT },
		{ EI_CLASS, ELFCLASS32, ERR_UNSUPPORTED },
		{ EI_DATA, ELFDATA2MSB, ERR_UNSUPPORTED },
		{ offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, ERR_UNSUPPORTED },
		{ offsetof(Elf64_Ehdr, e_phentsize), 1, ERR_FORMAT },
		{ offsetof(Elf64_Ehdr, e_phnum), 0, ERR_FORMAT },
	};
	make_example(&m);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct core c;
		AUTO_CLOSE int fd = file_of(&m, SIZE_MAX);
		assert_int_equal(pwrite(fd, &rows[i].byte, 1, (off_t)rows[i].at), 1);
		struct err *err AUTO(err) = core_open(fd, "test", &c);
		assert_non_null(err);
		assert_int_equal(err_code(err), rows[i].code);
	}
	made_deinit(&m);
}

static void a_core_says_what_it_cannot_have(void **state)
{
	struct made m;
	AUTO_CLOSE int fd = -1;
	made_init(&m);
	add_load(&m, BASE, PAGE, PF_R | PF_X, "code", 4);
	add_load(&m, STACK, PAGE, PF_R | PF_W, "", 0);
	struct core c = opened(&m, &fd);
	assert_true(c.no_anon);
	core_close(&c);
	made_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_what_the_file_has_and_zeros_beyond),
		cmocka_unit_test(notes_tell_threads_command_and_environment),
		cmocka_unit_test(what_is_left_out_of_a_file_comes_from_the_file),
		cmocka_unit_test(a_core_that_is_cut_is_used_as_far_as_it_goes),
		cmocka_unit_test(segments_that_overlap_are_cut),
		cmocka_unit_test(more_segments_than_the_header_can_count_are_read),
		cmocka_unit_test(absent_pages_are_zeros_or_holes),
		cmocka_unit_test(what_is_no_core_of_this_machine_is_refused),
		cmocka_unit_test(a_core_says_what_it_cannot_have),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
