/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/vec.h"
#include "sym/debug.h"
#include "sym/demangle.h"

enum {
	LANGUAGE_GO = 0x16,
	UNITS_MAX = 1 << 20,
	RANGES_MAX = 1 << 22,
	PROGRAM_MAX = 8 << 20, /* bytes of the line program of one unit; each may become a line */
	DEPTH_MAX = 64,
	ENTRIES_MAX = 1 << 20, /* looked at for one address */
	INLINED_MAX = 32,
};

/* Code of a unit. */
struct extent {
	uint64_t low, high;
	Dwarf_Off unit; /* of its entry */
};

struct sym_lines {
	Elf *elf;
	Dwarf *dw;
	const unsigned char *programs; /* .debug_line */
	size_t programs_len;
	VEC(struct extent) extents; /* by low */
};

/* ---- units ---- */

static int by_low(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;
	return x->low < y->low ? -1 : x->low > y->low;
}

static bool is_go(Dwarf_Die *unit)
{
	Dwarf_Attribute a;
	Dwarf_Word language = 0;
	return dwarf_attr(unit, DW_AT_language, &a) && dwarf_formudata(&a, &language) == 0 && language == LANGUAGE_GO;
}

static void list_unit(struct sym_lines *l, Dwarf_Die *unit)
{
	Dwarf_Addr base = 0, low = 0, high = 0;
	ptrdiff_t at = 0;
	while (l->extents.n < RANGES_MAX && (at = dwarf_ranges(unit, at, &base, &low, &high)) > 0) {
		if (low < high)
			*vec_push(&l->extents) = (struct extent){ low, high, dwarf_dieoffset(unit) };
	}
}

static void list_units(struct sym_lines *l)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	uint8_t type = 0;
	for (int n = 0; n < UNITS_MAX && dwarf_get_units(l->dw, cu, &cu, NULL, &type, &unit, NULL) == 0; n++) {
		if (type == DW_UT_compile && !is_go(&unit))
			list_unit(l, &unit);
	}
	vec_sort(&l->extents, by_low);
}

static Elf_Data *section(struct sym_lines *l, const char *wanted)
{
	size_t names = 0;
	if (elf_getshdrstrndx(l->elf, &names) != 0)
		return NULL;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(l->elf, s));) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(s, &header) ? elf_strptr(l->elf, names, header.sh_name) : NULL;
		if (name && strcmp(name, wanted) == 0)
			return elf_getdata(s, NULL);
	}
	return NULL;
}

/* libdw looks for the ends of strings without asking where their section ends. */
static bool strings_end(struct sym_lines *l)
{
	static const char *const names[] = { ".debug_str", ".debug_line_str" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const Elf_Data *data = section(l, names[i]);
		if (data && (!data->d_buf || !data->d_size || ((const char *)data->d_buf)[data->d_size - 1]))
			return false;
	}
	return true;
}

static void read_units(struct sym_lines *l)
{
	const Elf_Data *programs = section(l, ".debug_line");
	if (!programs || !programs->d_buf || !strings_end(l))
		return;
	l->programs = programs->d_buf;
	l->programs_len = programs->d_size;
	list_units(l);
}

struct err *sym_lines_open(int fd, const char *name, struct sym_lines **ret)
{
	elf_version(EV_CURRENT);
	struct sym_lines *l = xcalloc(1, sizeof(*l));
	struct err *err = NULL;
	*ret = NULL;
	l->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!l->elf || elf_kind(l->elf) != ELF_K_ELF)
		err = err_new(ERR_FORMAT, "%s: libelf cannot read it", name);
	else if (sym_debug_bytes(l->elf) > SYM_LINES_BYTES)
		err = err_new(ERR_LIMIT, "%s: its debug information is too large", name);
	if (!err)
		l->dw = dwarf_begin_elf(l->elf, DWARF_C_READ, NULL);
	if (l->dw)
		read_units(l);
	if (!err && !l->extents.n)
		err = err_new(ERR_NOT_FOUND, "%s: no debug information of C", name);
	if (err) {
		sym_lines_free(l);
		return err;
	}
	*ret = l;
	return NULL;
}

void sym_lines_free(struct sym_lines *l)
{
	if (!l)
		return;
	if (l->dw)
		dwarf_end(l->dw);
	elf_end(l->elf);
	vec_deinit(&l->extents);
	free(l);
}

static bool unit_at(struct sym_lines *l, uint64_t addr, Dwarf_Die *ret)
{
	size_t low = bisect(l->extents.n, i, l->extents.v[i].low <= addr);
	const struct extent *e = low ? &l->extents.v[low - 1] : NULL;
	return e && addr < e->high && dwarf_offdie(l->dw, e->unit, ret);
}

/* ---- one address ---- */

/* The functions around an address: the outermost first. */
struct nest {
	uint64_t addr;
	Dwarf_Die v[INLINED_MAX];
	size_t n;
	unsigned entries;
};

static bool is_function(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type;
}

static bool descend(struct nest *t, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die child;
	if (depth == DEPTH_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);
		if (t->entries++ >= ENTRIES_MAX)
			return false;
		if (is_scope(tag) && descend(t, &child, depth + 1))
			return true;
		if ((!is_function(tag) && tag != DW_TAG_lexical_block) || dwarf_haspc(&child, t->addr) <= 0)
			continue;
		if (is_function(tag) && t->n < INLINED_MAX)
			t->v[t->n++] = child;
		descend(t, &child, depth + 1);
		return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* Is the line program of a unit one that may be run? */
static bool sound_program(const struct sym_lines *l, Dwarf_Die *unit)
{
	Dwarf_Attribute a;
	Dwarf_Word at = 0;
	if (!dwarf_attr(unit, DW_AT_stmt_list, &a) || dwarf_formudata(&a, &at) != 0 || l->programs_len < 4 ||
	    at > l->programs_len - 4)
		return false;
	return load_u32(l->programs + at) <= PROGRAM_MAX;
}

static void set_name(Dwarf_Die *die, char *buf)
{
	static const unsigned linkage[] = { DW_AT_linkage_name, DW_AT_MIPS_linkage_name };
	const char *name = NULL;
	Dwarf_Attribute a;
	for (size_t i = 0; i < 2 && !name; i++) {
		if (dwarf_attr_integrate(die, linkage[i], &a))
			name = dwarf_formstring(&a);
	}
	char plain[SYM_DEMANGLED_MAX];
	if (!name)
		name = dwarf_diename(die);
	name = name ? sym_demangle(name, plain) : "";
	size_t len = strnlen(name, SYM_LINES_NAME - 1);
	memcpy(buf, name, len);
	buf[len] = 0;
}

static uint32_t number(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute a;
	Dwarf_Word v = 0;
	return dwarf_attr(die, attribute, &a) && dwarf_formudata(&a, &v) == 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

/* Where an inlined function was called. */
static void set_call(Dwarf_Files *files, size_t n_files, Dwarf_Die *die, struct sym_line *ret)
{
	uint32_t file = number(die, DW_AT_call_file);
	const char *name = file < n_files ? dwarf_filesrc(files, file, NULL, NULL) : NULL;
	ret->file = name ? name : "";
	ret->line = number(die, DW_AT_call_line);
}

size_t sym_lines_at(struct sym_lines *l, uint64_t addr, struct sym_line *ret, size_t max)
{
	struct nest t = { .addr = addr };
	Dwarf_Die unit;
	Dwarf_Files *files = NULL;
	size_t n_files = 0, n = 0;
	int line = 0;
	if (!max || !unit_at(l, addr, &unit) || !sound_program(l, &unit))
		return 0;
	Dwarf_Line *at = dwarf_getsrc_die(&unit, addr);
	const char *file = at ? dwarf_linesrc(at, NULL, NULL) : NULL;
	if (!file || dwarf_lineno(at, &line) != 0 || dwarf_getsrcfiles(&unit, &files, &n_files) != 0)
		return 0;
	descend(&t, &unit, 0);
	ret[0].file = file;
	ret[0].line = line > 0 ? (uint32_t)line : 0;
	ret[0].function[0] = 0;
	if (!t.n)
		return 1;
	for (size_t i = t.n; i-- > 0 && n < max; n++) {
		set_name(&t.v[i], ret[n].function);
		if (i && n + 1 < max)
			set_call(files, n_files, &t.v[i], &ret[n + 1]);
	}
	return n;
}
