/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/err.h"
#include "sym/debug.h"

enum {
	GO_KIND = 0x2900,
	GO_ELEM = 0x2902,
	GO_RUNTIME_TYPE = 0x2904,
	KIND_SLICE = 23,
	KIND_STRUCT = 25,
	KIND_MAX = 26,
	TYPEDEFS = 16,
	FIELD_DEPTH = 4,   /* structs in structs that have no descriptor */
	FIELDS_MAX = 4096, /* of one of them */
	SECTIONS_MAX = 65536,
	NAME_MAX = 4096,
};

static const uint64_t UNITS_MAX = 1 << 20;

struct reader {
	Dwarf *dw;
	struct arena *arena;
	struct sym_dwarf_variable_vec *out;
	uint64_t fields; /* that may still be looked at */
};

/* ---- before libdw unpacks anything ---- */

static bool is_debug(const char *name)
{
	return name && (strncmp(name, ".debug_", 7) == 0 || strncmp(name, ".zdebug_", 8) == 0);
}

uint64_t sym_debug_bytes(Elf *elf)
{
	uint64_t sum = 0;
	size_t names = 0, n = 0;
	if (elf_getshdrstrndx(elf, &names) != 0)
		return 0;
	for (Elf_Scn *s = NULL; n < SECTIONS_MAX && (s = elf_nextscn(elf, s)); n++) {
		GElf_Shdr header;
		GElf_Chdr packed;
		if (!gelf_getshdr(s, &header))
			continue;
		const char *name = elf_strptr(elf, names, header.sh_name);
		if (!is_debug(name) || header.sh_type == SHT_NOBITS)
			continue;
		if (name[1] == 'z') /* nobody writes it any more */
			return UINT64_MAX;
		if (header.sh_flags & SHF_COMPRESSED && !gelf_getchdr(s, &packed))
			return UINT64_MAX;
		uint64_t size = header.sh_flags & SHF_COMPRESSED ? packed.ch_size : header.sh_size;
		if (size > SYM_DWARF_BYTES || sum + size > SYM_DWARF_BYTES)
			return UINT64_MAX;
		sum += size;
	}
	return sum;
}

/* ---- types ---- */

static uint64_t number(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute a;
	Dwarf_Word value = 0;
	Dwarf_Addr addr = 0;
	if (!dwarf_attr(die, attribute, &a))
		return 0;
	if (dwarf_whatform(&a) == DW_FORM_addr)
		return dwarf_formaddr(&a, &addr) == 0 ? addr : 0;
	return dwarf_formudata(&a, &value) == 0 ? value : 0;
}

static bool refers(Dwarf_Die *die, unsigned attribute, Dwarf_Die *ret)
{
	Dwarf_Attribute a;
	return dwarf_attr(die, attribute, &a) && dwarf_formref_die(&a, ret);
}

/* The type that is meant, behind names that are given to it; false when it does not come to an end. */
static bool meant(Dwarf_Die *type)
{
	for (unsigned i = 0; i < TYPEDEFS; i++) {
		Dwarf_Die next;
		if (dwarf_tag(type) != DW_TAG_typedef || number(type, GO_RUNTIME_TYPE))
			return true;
		if (!refers(type, DW_AT_type, &next))
			return true;
		*type = next;
	}
	return false;
}

static bool add(struct reader *r, uint64_t addr, Dwarf_Die *type, enum sym_dwarf_how how)
{
	uint64_t descriptor = number(type, GO_RUNTIME_TYPE), kind = number(type, GO_KIND);
	const char *name = dwarf_diename(type);
	if (!descriptor || !name || !kind || kind > KIND_MAX || r->out->n >= SYM_DWARF_VARIABLES)
		return false;
	*vec_push(r->out) = (struct sym_dwarf_variable){
		.addr = addr,
		.type = descriptor,
		.name = arena_strndup(r->arena, name, strnlen(name, NAME_MAX)),
		.kind = (uint8_t)kind,
		.how = (uint8_t)how,
	};
	return true;
}

static void take(struct reader *r, uint64_t addr, Dwarf_Die *type, unsigned depth);

static void take_fields(struct reader *r, uint64_t addr, Dwarf_Die *type, unsigned depth)
{
	Dwarf_Die field, of;
	if (depth >= FIELD_DEPTH || dwarf_child(type, &field) != 0)
		return;
	do {
		if (!r->fields)
			return;
		r->fields--;
		if (dwarf_tag(&field) == DW_TAG_member && refers(&field, DW_AT_type, &of))
			take(r, addr + number(&field, DW_AT_data_member_location), &of, depth + 1);
	} while (dwarf_siblingof(&field, &field) == 0);
}

/* A variable or a field, of a type. */
static void take(struct reader *r, uint64_t addr, Dwarf_Die *type, unsigned depth)
{
	Dwarf_Die of;
	if (!meant(type) || add(r, addr, type, SYM_DWARF_VALUE))
		return;
	if (dwarf_tag(type) == DW_TAG_pointer_type) {
		if (refers(type, DW_AT_type, &of) && meant(&of))
			add(r, addr, &of, SYM_DWARF_POINTER);
	} else if (number(type, GO_KIND) == KIND_SLICE) {
		if (refers(type, GO_ELEM, &of) && meant(&of))
			add(r, addr, &of, SYM_DWARF_ELEMENTS);
	} else if (dwarf_tag(type) == DW_TAG_structure_type && number(type, GO_KIND) == KIND_STRUCT) {
		take_fields(r, addr, type, depth);
	}
}

/* ---- variables ---- */

/* The linker writes an address as a block; libdw takes only expressions for places. */
static bool address_of(Dwarf_Die *variable, uint64_t *ret)
{
	Dwarf_Attribute a, place;
	Dwarf_Block block;
	Dwarf_Op *ops = NULL;
	size_t n = 0;
	Dwarf_Addr addr = 0;
	if (!dwarf_attr(variable, DW_AT_location, &a))
		return false;
	if (dwarf_formblock(&a, &block) == 0 && block.length == 1 + sizeof(uint64_t) && block.data[0] == DW_OP_addr) {
		*ret = load_u64(block.data + 1);
		return true;
	}
	if (dwarf_getlocation(&a, &ops, &n) != 0 || n != 1 || ops[0].atom != DW_OP_addrx ||
	    dwarf_getlocation_attr(&a, &ops[0], &place) != 0 || dwarf_formaddr(&place, &addr) != 0)
		return false;
	*ret = addr;
	return true;
}

static void take_unit(struct reader *r, Dwarf_Die *unit)
{
	Dwarf_Die die, type;
	uint64_t addr = 0;
	if (dwarf_srclang(unit) != DW_LANG_Go || dwarf_child(unit, &die) != 0)
		return;
	do {
		if (dwarf_tag(&die) != DW_TAG_variable || !refers(&die, DW_AT_type, &type) || !address_of(&die, &addr))
			continue;
		r->fields = FIELDS_MAX;
		take(r, addr, &type, 0);
	} while (dwarf_siblingof(&die, &die) == 0 && r->out->n < SYM_DWARF_VARIABLES);
}

static struct err *read_units(struct reader *r, const char *name)
{
	Dwarf_CU *unit = NULL;
	for (uint64_t n = 0; n < UNITS_MAX; n++) {
		Dwarf_Die die;
		Dwarf_CU *next = NULL;
		int end = dwarf_get_units(r->dw, unit, &next, NULL, NULL, &die, NULL);
		if (end < 0)
			return err_new(ERR_FORMAT, "the debug information of %s is damaged: %s", name,
				       dwarf_errmsg(-1));
		if (end)
			return NULL;
		unit = next;
		take_unit(r, &die);
	}
	return err_new(ERR_LIMIT, "the debug information of %s has too many units", name);
}

struct err *sym_dwarf_variables(int fd, const char *name, struct arena *arena, struct sym_dwarf_variable_vec *ret)
{
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return err_new(ERR_FORMAT, "%s is no ELF file", name);
	struct reader r = { .arena = arena, .out = ret };
	struct err *err = NULL;
	uint64_t need = sym_debug_bytes(elf);
	if (need == UINT64_MAX)
		err = err_new(ERR_LIMIT, "the debug information of %s is too large, or packed in an unknown way", name);
	else if (need)
		r.dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (r.dw) {
		err = read_units(&r, name);
		dwarf_end(r.dw);
	}
	elf_end(elf);
	return err;
}
