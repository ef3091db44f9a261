/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/elf.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/num.h"

/* Ceilings for hostile files, far above what linkers make. */
enum {
	SECTIONS_MAX = 65536,
	SEGMENTS_MAX = 4096,
	NAME_MAX_LEN = 255, /* of a section; headers may all point at one long name */
	NAMES_MAX = 4 * 1024 * 1024,
	NOTE_MAX = 256 * 1024,
	DYNAMIC_MAX = 256 * 1024,
	STRINGS_MAX = 512 * 1024 * 1024,
	SYMBOLS_MAX = 8 * 1024 * 1024,
	SYMBOLS_CHUNK = 1024,
};

/* What is being read, for the helpers of sym_elf_open(). */
struct reader {
	int fd;
	const char *name;
	uint64_t size;
	Elf *elf;
};

bool sym_elf_read(int fd, uint64_t offset, void *buf, size_t len)
{
	char *to = buf;
	while (len > 0) {
		if (offset > INT64_MAX)
			return false;
		ssize_t n = pread(fd, to, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

static bool inside(const struct reader *r, uint64_t offset, uint64_t size)
{
	return offset <= r->size && size <= r->size - offset;
}

/* --- notes --- */

/* Contents of the note (owner, type) in raw note bytes; false when there is none. */
static bool find_note(const void *notes, size_t len, const char *owner, uint32_t type, const unsigned char **desc,
		      size_t *desc_len)
{
	struct cursor c;
	cursor_init(&c, notes, len);
	while (cursor_left(&c) >= 12) {
		uint32_t nlen = cursor_u32(&c), dlen = cursor_u32(&c), kind = cursor_u32(&c);
		const unsigned char *name = cursor_bytes(&c, nlen);
		cursor_skip(&c, -(uint64_t)nlen & 3);
		*desc = cursor_bytes(&c, dlen);
		if (!*desc)
			return false;
		*desc_len = dlen;
		/* The owner ends with a NUL; Go's, "Go", has two that count. */
		size_t want = strlen(owner);
		if (kind == type && nlen > want && nlen - want <= 2 && !memcmp(name, owner, want) && !name[want])
			return true;
		cursor_skip(&c, -(uint64_t)dlen & 3);
	}
	return false;
}

const char *sym_note_build_id(const void *notes, size_t len, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *desc = NULL;
	size_t n = 0;
	if (!find_note(notes, len, "GNU", NT_GNU_BUILD_ID, &desc, &n) || !n || n > 64)
		return NULL;
	char *hex = arena_alloc(arena, 2 * n + 1);
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[desc[i] >> 4];
		hex[2 * i + 1] = digits[desc[i] & 15];
	}
	return hex;
}

const char *sym_note_go_build_id(const void *notes, size_t len, struct arena *arena)
{
	enum { GO_BUILD_ID = 4, GO_BUILD_ID_MAX = 512 };
	const unsigned char *desc = NULL;
	size_t n = 0;
	if (!find_note(notes, len, "Go", GO_BUILD_ID, &desc, &n) || !n || n > GO_BUILD_ID_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (desc[i] < 0x21 || desc[i] > 0x7e)
			return NULL;
	}
	return arena_strndup(arena, (const char *)desc, n);
}

static void take_notes(const struct reader *r, uint64_t offset, uint64_t size, struct sym_elf *elf)
{
	size = num_min(size, NOTE_MAX);
	if ((elf->build_id && elf->go_build_id) || !size || !inside(r, offset, size))
		return;
	AUTO_FREE unsigned char *buf = xmalloc(size);
	if (!sym_elf_read(r->fd, offset, buf, size))
		return;
	if (!elf->build_id)
		elf->build_id = sym_note_build_id(buf, size, &elf->arena);
	if (!elf->go_build_id)
		elf->go_build_id = sym_note_go_build_id(buf, size, &elf->arena);
}

/* --- headers --- */

static struct err *malformed(const struct reader *r, const char *what)
{
	return err_new(ERR_FORMAT, "%s: %s", r->name, what);
}

/*
 * Before libelf sees the file: it allocates by the counts in the header, so those are bounded here. A count that does
 * not fit its field stands in section 0 (gABI).
 */
static struct err *check_counts(const struct reader *r, const Elf64_Ehdr *h)
{
	uint64_t sections = h->e_shnum, segments = h->e_phnum;
	Elf64_Shdr first;
	if (h->e_shoff && (!sections || segments == PN_XNUM)) {
		if (!sym_elf_read(r->fd, h->e_shoff, &first, sizeof(first)))
			return malformed(r, "its section headers lie outside of the file");
		sections = sections ? sections : first.sh_size;
		segments = segments == PN_XNUM ? first.sh_info : segments;
	}
	if (sections > SECTIONS_MAX || segments > SEGMENTS_MAX)
		return err_new(ERR_LIMIT, "%s: an ELF file with %llu sections and %llu segments", r->name,
			       (unsigned long long)sections, (unsigned long long)segments);
	if (segments && (h->e_phentsize != sizeof(Elf64_Phdr) || !inside(r, h->e_phoff, segments * sizeof(Elf64_Phdr))))
		return malformed(r, "its program headers lie outside of the file");
	return NULL;
}

static struct err *check_header(struct reader *r, Elf64_Ehdr *h)
{
	struct stat st;
	if (fstat(r->fd, &st) != 0)
		return err_os(errno, "%s", r->name);
	r->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	if (!S_ISREG(st.st_mode) || !sym_elf_read(r->fd, 0, h, sizeof(*h)) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return malformed(r, "not an ELF file");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_new(ERR_UNSUPPORTED, "%s: only 64-bit little-endian ELF files are read", r->name);
	return check_counts(r, h);
}

static int by_vaddr(const void *a, const void *b)
{
	const struct sym_segment *x = a, *y = b;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* Whether the dynamic section says DF_1_PIE: how a static PIE, which has no interpreter, shows itself. */
static bool flagged_pie(const struct reader *r, const GElf_Phdr *ph)
{
	size_t n = num_min(ph->p_filesz, DYNAMIC_MAX) / sizeof(Elf64_Dyn);
	if (!n || !inside(r, ph->p_offset, n * sizeof(Elf64_Dyn)))
		return false;
	AUTO_FREE Elf64_Dyn *dyn = xmalloc(n * sizeof(*dyn));
	if (!sym_elf_read(r->fd, ph->p_offset, dyn, n * sizeof(*dyn)))
		return false;
	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_FLAGS_1)
			return dyn[i].d_un.d_val & DF_1_PIE;
	}
	return false;
}

static struct err *read_segments(const struct reader *r, bool dyn, struct sym_elf *elf)
{
	size_t n = 0;
	if (elf_getphdrnum(r->elf, &n) != 0)
		return malformed(r, "its program headers cannot be read");
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		if (!gelf_getphdr(r->elf, (int)i, &ph))
			return malformed(r, "a program header cannot be read");
		if (ph.p_type == PT_INTERP)
			elf->dynamic = true;
		if (ph.p_type == PT_DYNAMIC && dyn && flagged_pie(r, &ph))
			elf->pie = true;
		if (ph.p_type == PT_NOTE)
			take_notes(r, ph.p_offset, ph.p_filesz, elf);
		if (ph.p_type == PT_GNU_EH_FRAME) {
			elf->eh_frame_hdr_addr = ph.p_vaddr;
			elf->eh_frame_hdr_offset = ph.p_offset;
			elf->eh_frame_hdr_size = ph.p_filesz;
		}
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_vaddr > UINT64_MAX - ph.p_memsz || ph.p_filesz > ph.p_memsz ||
		    ph.p_offset > UINT64_MAX - ph.p_filesz)
			return malformed(r, "a segment has an impossible size");
		*vec_push(&elf->segments) =
			(struct sym_segment){ ph.p_vaddr, ph.p_memsz, ph.p_offset, ph.p_filesz, ph.p_flags };
	}
	if (elf->segments.n)
		qsort(elf->segments.v, elf->segments.n, sizeof(*elf->segments.v), by_vaddr);
	elf->pie = elf->pie || (dyn && elf->dynamic);
	return NULL;
}

/* The section names, NUL-terminated, or "" when they cannot be read. */
static char *read_names(const struct reader *r, size_t *len)
{
	size_t index = 0;
	GElf_Shdr sh;
	*len = 0;
	Elf_Scn *scn = elf_getshdrstrndx(r->elf, &index) == 0 ? elf_getscn(r->elf, index) : NULL;
	if (!scn || !gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS || sh.sh_size > NAMES_MAX ||
	    !inside(r, sh.sh_offset, sh.sh_size))
		return xstrdup("");
	char *names = xcalloc(1, sh.sh_size + 1);
	if (sym_elf_read(r->fd, sh.sh_offset, names, sh.sh_size))
		*len = sh.sh_size;
	return names;
}

/* Where the symbols and, by the link of their section, their names are. */
static void find_names(const struct reader *r, const GElf_Shdr *sh, struct sym_table *table)
{
	GElf_Shdr str;
	Elf_Scn *scn = elf_getscn(r->elf, sh->sh_link);
	if (table->size || sh->sh_size < sizeof(Elf64_Sym) || !inside(r, sh->sh_offset, sh->sh_size))
		return;
	if (!scn || !gelf_getshdr(scn, &str) || str.sh_type != SHT_STRTAB || !inside(r, str.sh_offset, str.sh_size))
		return;
	*table = (struct sym_table){ sh->sh_offset, sh->sh_size, str.sh_offset, str.sh_size, NULL };
}

static void add_section(const struct reader *r, const GElf_Shdr *sh, const char *name, struct sym_elf *elf)
{
	struct sym_section *s = vec_push(&elf->sections);
	*s = (struct sym_section){ arena_strndup(&elf->arena, name, strnlen(name, NAME_MAX_LEN)),
				   sh->sh_addr,
				   sh->sh_offset,
				   sh->sh_size,
				   sh->sh_type == SHT_NOBITS,
				   (sh->sh_flags & SHF_COMPRESSED) != 0 };
	if (sh->sh_type == SHT_NOTE)
		take_notes(r, sh->sh_offset, sh->sh_size, elf);
	if (sh->sh_type == SHT_SYMTAB)
		find_names(r, sh, &elf->symtab);
	if (sh->sh_type == SHT_DYNSYM)
		find_names(r, sh, &elf->dynsym);
	elf->has_symtab = elf->symtab.size > 0;
	if (!s->nobits && sh->sh_size && (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
		elf->has_dwarf = true;
}

static void read_sections(const struct reader *r, struct sym_elf *elf)
{
	size_t len = 0;
	AUTO_FREE char *names = read_names(r, &len);
	for (Elf_Scn *scn = elf_nextscn(r->elf, NULL); scn; scn = elf_nextscn(r->elf, scn)) {
		GElf_Shdr sh;
		if (gelf_getshdr(scn, &sh) && sh.sh_type != SHT_NULL)
			add_section(r, &sh, sh.sh_name < len ? names + sh.sh_name : "", elf);
	}
}

struct err *sym_elf_open(int fd, const char *name, struct sym_elf *ret)
{
	*ret = (struct sym_elf){ 0 };
	arena_init(&ret->arena);
	struct reader r = { .fd = fd, .name = name };
	Elf64_Ehdr h = { 0 };
	TRY(check_header(&r, &h));
	elf_version(EV_CURRENT);
	/* ELF_C_READ, not _MMAP: headers are read one by one, contents by us; the file's size is not our Rss. */
	r.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!r.elf || elf_kind(r.elf) != ELF_K_ELF) {
		elf_end(r.elf);
		return malformed(&r, "libelf cannot read it");
	}
	ret->machine = h.e_machine;
	ret->entry = h.e_entry;
	struct err *err = read_segments(&r, h.e_type == ET_DYN, ret);
	if (!err)
		read_sections(&r, ret);
	elf_end(r.elf);
	if (err)
		sym_elf_close(ret);
	return err;
}

void sym_elf_close(struct sym_elf *elf)
{
	vec_deinit(&elf->segments);
	vec_deinit(&elf->sections);
	free(elf->symtab.names);
	free(elf->dynsym.names);
	arena_deinit(&elf->arena);
	*elf = (struct sym_elf){ 0 };
}

const struct sym_section *sym_elf_section(const struct sym_elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->sections.n; i++) {
		if (!strcmp(elf->sections.v[i].name, name))
			return &elf->sections.v[i];
	}
	return NULL;
}

/* --- symbols --- */

static int by_addr(const void *a, const void *b)
{
	const struct sym_symbol *x = a, *y = b;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void add_symbol(const struct sym_table *table, const Elf64_Sym *s, struct sym_symbol_vec *ret)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);
	bool object = type == STT_OBJECT, func = type == STT_FUNC || type == STT_GNU_IFUNC;
	if (s->st_shndx == SHN_UNDEF || (!object && !func))
		return;
	const char *name = s->st_name < table->names_size ? table->names + s->st_name : "";
	if (!*name && !s->st_size)
		return;
	*vec_push(ret) = (struct sym_symbol){ s->st_value, s->st_size, name, object };
}

static struct err *read_symbols(int fd, struct sym_table *table, struct sym_symbol_vec *ret)
{
	ret->n = 0;
	uint64_t left = table->size / sizeof(Elf64_Sym), offset = table->offset;
	if (!left)
		return NULL;
	if (left > SYMBOLS_MAX)
		return err_new(ERR_LIMIT, "%llu symbols are more than %d", (unsigned long long)left, SYMBOLS_MAX);
	free(table->names);
	table->names = NULL;
	TRY(err_wrap(alloc_checked(table->names_size + 1, 1, STRINGS_MAX, &table->names), "reading symbol names"));
	if (!sym_elf_read(fd, table->names_offset, table->names, table->names_size))
		return err_new(ERR_FORMAT, "the symbols' names are cut short");
	AUTO_FREE Elf64_Sym *chunk = xmalloc(SYMBOLS_CHUNK * sizeof(*chunk));
	while (left > 0) {
		size_t n = num_min(left, SYMBOLS_CHUNK);
		if (!sym_elf_read(fd, offset, chunk, n * sizeof(*chunk)))
			return err_new(ERR_FORMAT, "the symbol table is cut short");
		for (size_t i = 0; i < n; i++)
			add_symbol(table, &chunk[i], ret);
		offset += n * sizeof(*chunk);
		left -= n;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_addr);
	return NULL;
}

struct err *sym_elf_symbols(int fd, struct sym_elf *elf, struct sym_symbol_vec *ret)
{
	return read_symbols(fd, &elf->symtab, ret);
}

struct err *sym_elf_dynamic_symbols(int fd, struct sym_elf *elf, struct sym_symbol_vec *ret)
{
	return read_symbols(fd, &elf->dynsym, ret);
}

int sym_elf_is_go(const struct sym_elf *elf)
{
	static const char *const names[] = { ".go.buildinfo", ".gopclntab", ".data.rel.ro.gopclntab" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (sym_elf_section(elf, names[i]))
			return 1;
	}
	if (elf->go_build_id)
		return 1;
	return elf->sections.n ? 0 : -1;
}
