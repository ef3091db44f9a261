// SPDX-License-Identifier: Apache-2.0
/*
 * gen-layouts BINARY... > src/gort/layouts.c - the layout tables of the Go runtime, out of debug information.
 *
 * Each argument is an unstripped Go program. What is asked is src/gort/layout_fields.def; a path may have
 * alternatives ("entryOff|entryoff"), of which the first that exists is taken. A program built with a
 * GOEXPERIMENT gets a row of its own only if some field differs from the plain row of its version.
 * Fields that a version does not have are named on stderr: read that list.
 * tools/make-layouts builds the programs and calls this.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <err.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TYPES_MAX = 64, ROWS_MAX = 64, CLASSES = 68 };

struct want {
	const char *id, *type, *path; /* path NULL: the size of the type */
};

/* clang-format off */
static const struct want wants[] = {
#define SIZEOF(st, type) { #st "_SIZEOF", type, NULL },
#define FIELD(st, field, type, path) { #st "_" #field, type, path },
#include "gort/layout_fields.def"
};
/* clang-format on */

enum { WANTS = sizeof(wants) / sizeof(wants[0]) };

struct offset {
	long off;
	unsigned long size;
};

struct row {
	char version[32], experiment[64];
	int minor;
	struct offset f[WANTS];
	uint16_t classes[CLASSES];
};

struct types {
	const char *name[TYPES_MAX];
	Dwarf_Die die[TYPES_MAX];
	bool found[TYPES_MAX];
	size_t n;
};

static size_t type_index(struct types *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->name[i], name))
			return i;
	if (t->n == TYPES_MAX)
		errx(1, "more than %d types: raise TYPES_MAX", TYPES_MAX);
	t->name[t->n] = name;
	return t->n++;
}

/* Is it one of "a|b"? */
static bool one_of(const char *names, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = names; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (strcspn(p, "|") == len && memcmp(p, name, len) == 0)
			return true;
	return false;
}

/* Remember the DIE of each wanted structure; Go describes each once, below the unit of its package. */
static void find_types(Dwarf *dw, struct types *t)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit, die;
	while (!dwarf_get_units(dw, cu, &cu, NULL, NULL, &unit, NULL)) {
		if (dwarf_child(&unit, &die))
			continue;
		do {
			const char *name = dwarf_diename(&die);
			if (dwarf_tag(&die) != DW_TAG_structure_type || !name)
				continue;
			for (size_t i = 0; i < t->n; i++) {
				if (t->found[i] || !one_of(t->name[i], name))
					continue;
				t->die[i] = die;
				t->found[i] = true;
			}
		} while (!dwarf_siblingof(&die, &die));
	}
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute at;
	return dwarf_formref_die(dwarf_attr(die, DW_AT_type, &at), ret) && !dwarf_peel_type(ret, ret);
}

static bool member_of(Dwarf_Die *st, const char *name, size_t len, Dwarf_Die *ret, Dwarf_Word *off)
{
	if (dwarf_child(st, ret))
		return false;
	do {
		const char *have = dwarf_diename(ret);
		Dwarf_Attribute at;
		if (dwarf_tag(ret) != DW_TAG_member || !have || strlen(have) != len || memcmp(have, name, len) != 0)
			continue;
		return !dwarf_formudata(dwarf_attr(ret, DW_AT_data_member_location, &at), off);
	} while (!dwarf_siblingof(ret, ret));
	return false;
}

/* `path` (len bytes, dots between fields) inside the structure `die`. */
static bool resolve(Dwarf_Die die, const char *path, size_t len, struct offset *ret)
{
	*ret = (struct offset){ 0 };
	for (const char *end = path + len; path < end;) {
		size_t part = strcspn(path, ".|");
		Dwarf_Die member;
		Dwarf_Word off = 0, size = 0;
		if (!member_of(&die, path, part, &member, &off) || !type_of(&member, &die) ||
		    dwarf_aggregate_size(&die, &size))
			return false;
		ret->off += (long)off;
		ret->size = size;
		path += part + 1;
	}
	return true;
}

static struct offset resolve_any(Dwarf_Die *die, const char *path)
{
	struct offset ret = { 0 };
	while (path) {
		size_t len = strcspn(path, "|");
		if (resolve(*die, path, len, &ret))
			return ret;
		path = path[len] ? path + len + 1 : NULL;
	}
	return (struct offset){ .off = -1 };
}

static struct offset resolve_want(struct types *t, const struct want *w)
{
	size_t i = type_index(t, w->type);
	Dwarf_Word size = 0;
	if (!t->found[i])
		return (struct offset){ .off = -1 };
	if (w->path)
		return resolve_any(&t->die[i], w->path);
	if (dwarf_aggregate_size(&t->die[i], &size))
		return (struct offset){ .off = -1 };
	return (struct offset){ .size = size };
}

static Elf_Scn *section(Elf *elf, const char *name, GElf_Shdr *sh)
{
	size_t strings = 0;
	Elf_Scn *scn = NULL;
	elf_getshdrstrndx(elf, &strings);
	while ((scn = elf_nextscn(elf, scn))) {
		const char *have = NULL;
		if (gelf_getshdr(scn, sh) && (have = elf_strptr(elf, strings, sh->sh_name)) && !strcmp(have, name))
			return scn;
	}
	return NULL;
}

/* The version string stands in the build info: a length byte at 32, then text. */
static void read_version(Elf *elf, const char *file, struct row *row)
{
	GElf_Shdr sh;
	Elf_Scn *scn = section(elf, ".go.buildinfo", &sh);
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	char text[128] = "";
	if (!data || data->d_size < 33)
		errx(1, "%s: no .go.buildinfo", file);
	const unsigned char *p = data->d_buf;
	if (p[32] < sizeof(text) && p[32] <= data->d_size - 33)
		memcpy(text, p + 33, p[32]);
	if (sscanf(text, "%31[^- ]", row->version) != 1 || sscanf(text, "go1.%d", &row->minor) != 1)
		errx(1, "%s: odd version '%s'", file, text);
	const char *x = strstr(text, "X:");
	snprintf(row->experiment, sizeof(row->experiment), "%s", x ? x + 2 : "");
}

static bool symbol_offset(Elf *elf, const char *name, GElf_Sym *ret)
{
	GElf_Shdr sh;
	Elf_Scn *scn = section(elf, ".symtab", &sh);
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	if (!data)
		return false;
	for (int i = 0; (size_t)i < sh.sh_size / sh.sh_entsize; i++) {
		const char *have = NULL;
		if (gelf_getsym(data, i, ret) && (have = elf_strptr(elf, sh.sh_link, ret->st_name)) &&
		    !strcmp(have, name))
			return true;
	}
	return false;
}

/* The sizes of the size classes are an array of uint16 in initialized data. */
static void read_classes(Elf *elf, const char *file, struct row *row)
{
	GElf_Sym sym;
	GElf_Shdr sh;
	if (!symbol_offset(elf, "internal/runtime/gc.SizeClassToSize", &sym) &&
	    !symbol_offset(elf, "runtime.class_to_size", &sym))
		errx(1, "%s: no table of size classes", file);
	Elf_Scn *scn = elf_getscn(elf, sym.st_shndx);
	Elf_Data *data = scn && gelf_getshdr(scn, &sh) ? elf_getdata(scn, NULL) : NULL;
	if (!data || sym.st_size != sizeof(row->classes) || sym.st_value < sh.sh_addr ||
	    sym.st_value - sh.sh_addr + sym.st_size > data->d_size)
		errx(1, "%s: the table of size classes is not %d long", file, CLASSES);
	memcpy(row->classes, (const char *)data->d_buf + (sym.st_value - sh.sh_addr), sizeof(row->classes));
}

static void read_binary(const char *file, struct row *row)
{
	struct types t = { .n = 0 };
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Dwarf *dw = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
	if (!dw)
		errx(1, "%s: no debug information can be read", file);
	read_version(elf, file, row);
	read_classes(elf, file, row);
	for (size_t i = 0; i < WANTS; i++)
		type_index(&t, wants[i].type);
	find_types(dw, &t);
	for (size_t i = 0; i < WANTS; i++) {
		row->f[i] = resolve_want(&t, &wants[i]);
		if (row->f[i].off < 0)
			fprintf(stderr, "%s%s%s has no %s.%s\n", row->version, *row->experiment ? " X:" : "",
				row->experiment, wants[i].type, wants[i].path ? wants[i].path : "");
	}
	dwarf_end(dw);
	elf_end(elf);
	close(fd);
}

static bool same_fields(const struct row *a, const struct row *b)
{
	for (size_t i = 0; i < WANTS; i++)
		if (a->f[i].off != b->f[i].off || a->f[i].size != b->f[i].size)
			return false;
	return true;
}

/* A row that says what the plain row of its version says already is not needed. */
static bool is_repeated(const struct row *rows, size_t n, const struct row *row)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].minor == row->minor && same_fields(&rows[i], row))
			return true;
	return false;
}

static void print_row(const struct row *row)
{
	printf("\t{\n\t\t.minor = %d,\n\t\t.experiment = \"%s\",\n\t\t.generated = \"%s\",\n\t\t.f = {\n", row->minor,
	       row->experiment, row->version);
	for (size_t i = 0; i < WANTS; i++)
		printf("\t\t\t[GORT_%s] = { %ld, %lu },\n", wants[i].id, row->f[i].off, row->f[i].size);
	printf("\t\t},\n\t},\n");
}

static void print_classes(const uint16_t *classes)
{
	printf("const uint16_t gort_class_sizes[GORT_SIZE_CLASSES] = {");
	for (int i = 0; i < CLASSES; i++)
		printf("%s%u,", i % 12 ? " " : "\n\t", classes[i]);
	printf("\n};\n");
}

int main(int argc, char **argv)
{
	static struct row rows[ROWS_MAX];
	size_t n = 0;
	if (argc < 2 || argc > ROWS_MAX)
		errx(2, "usage: gen-layouts BINARY... (at most %d)", ROWS_MAX - 1);
	elf_version(EV_CURRENT);
	for (int i = 1; i < argc; i++) {
		rows[n] = (struct row){ .minor = 0 };
		read_binary(argv[i], &rows[n]);
		if (memcmp(rows[n].classes, rows[0].classes, sizeof(rows[0].classes)) != 0)
			errx(1, "%s: its size classes differ from those of %s", argv[i], argv[1]);
		if (!is_repeated(rows, n, &rows[n]))
			n++;
	}
	printf("/* SPDX-License-Identifier: Apache-2.0 */\n"
	       "/* Generated by tools/gen-layouts from debug information: do not edit. */\n"
	       "#include \"gort/layout.h\"\n\n"
	       "/* Generated for another list of fields? Run tools/make-layouts. */\n"
	       "_Static_assert(GORT_FIELD_MAX_ == %d, \"run tools/make-layouts\");\n\n"
	       "/* clang-format off */\n"
	       "const struct gort_layout gort_layouts[] = {\n",
	       (int)WANTS);
	for (size_t i = 0; i < n; i++)
		print_row(&rows[i]);
	printf("};\n\nconst unsigned gort_layouts_count = sizeof(gort_layouts) / sizeof(gort_layouts[0]);\n\n");
	print_classes(rows[0].classes);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
