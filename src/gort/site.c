/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/site.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

enum {
	WINDOW = 96, /* bytes of code before the return address */
	CALL = 5,    /* E8 and a displacement */
	LEA = 7,     /* REX.W 8D ModRM and a displacement */
	OLD_GROWSLICE = 19,
};

/* The register that takes the type, as the prefix and ModRM byte of LEA reg, [rip + disp]. */
enum reg { NO_REG, RAX, RBX, RSI };

static const unsigned char modrm[] = { [RAX] = 0x05, [RBX] = 0x1d, [RSI] = 0x35 };

enum made { OBJECT, ARRAY, PARTS };

static const struct callee {
	const char *name;
	bool prefix;
	enum reg reg;
	enum made made;
	const char *type; /* always of this type, without pointers */
} callees[] = {
	{ "runtime.newobject", false, RAX, OBJECT, NULL },
	{ "runtime.mallocgc", true, RBX, OBJECT, NULL },
	{ "runtime.makeslice", true, RAX, ARRAY, NULL },
	{ "runtime.newarray", false, RAX, ARRAY, NULL },
	{ "runtime.growslice", false, RSI, ARRAY, NULL },
	{ "runtime.makechan", true, RAX, PARTS, NULL },
	{ "runtime.makemap_small", false, NO_REG, PARTS, "map" },
	{ "runtime.makemap", true, RAX, PARTS, NULL },
	{ "runtime.mapassign", true, RAX, PARTS, NULL },
	{ "runtime.convTstring", false, NO_REG, PARTS, "string header" },
	{ "runtime.convTslice", false, NO_REG, PARTS, "slice header" },
	{ "runtime.convT16", false, NO_REG, OBJECT, "uint16" },
	{ "runtime.convT32", false, NO_REG, OBJECT, "uint32" },
	{ "runtime.convT64", false, NO_REG, OBJECT, "uint64" },
	{ "runtime.convT", true, RAX, OBJECT, NULL },
	{ "runtime.concatstring", true, NO_REG, OBJECT, "string" },
	{ "runtime.slicebytetostring", false, NO_REG, OBJECT, "string" },
	{ "runtime.slicerunetostring", false, NO_REG, OBJECT, "string" },
	{ "runtime.intstring", false, NO_REG, OBJECT, "string" },
	{ "runtime.stringtoslicebyte", false, NO_REG, OBJECT, "[]uint8" },
	{ "runtime.stringtoslicerune", false, NO_REG, OBJECT, "[]int32" },
	{ "internal/bytealg.MakeNoZero", false, NO_REG, OBJECT, "[]uint8" },
	{ "runtime.newproc", false, NO_REG, PARTS, "runtime.g" },
};

static const struct callee *find_callee(const char *name)
{
	for (size_t i = 0; i < sizeof(callees) / sizeof(callees[0]); i++) {
		const struct callee *c = &callees[i];
		if (c->prefix ? strncmp(name, c->name, strlen(c->name)) == 0 : strcmp(name, c->name) == 0)
			return c;
	}
	return NULL;
}

/* The function that the call before pc goes to. */
static const struct callee *called(const struct gort *g, const unsigned char *call, uint64_t pc)
{
	size_t f = 0;
	uint64_t target = pc + (uint64_t)(int64_t)(int32_t)load_u32(call + 1);
	if (call[0] != 0xe8 || !sym_pclntab_find(g->pclntab, target, &f) || sym_pclntab_entry(g->pclntab, f) != target)
		return NULL;
	return find_callee(sym_pclntab_name(g->pclntab, f));
}

/* code[at] is an instruction of the window that ends at pc: the target of LEA reg, [rip + disp], or 0. */
static uint64_t lea_target(const unsigned char *code, size_t at, uint64_t pc, enum reg reg)
{
	if (code[at] != 0x48 || code[at + 1] != 0x8d || code[at + 2] != modrm[reg])
		return 0;
	return pc - WINDOW + at + LEA + (uint64_t)(int64_t)(int32_t)load_u32(code + at + 3);
}

static const char *array_of(struct gort_types *types, const char *element)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "[]%s", element);
	return n > 0 && (size_t)n < sizeof(text) ? intern_str(&types->strings, text) : element;
}

static bool loaded_type(struct gort_types *types, const unsigned char *code, uint64_t pc, const struct callee *c,
			struct gort_site *ret)
{
	bool old = c->reg == RSI && types->g->layout->minor <= OLD_GROWSLICE; /* the type came first then */
	for (size_t at = WINDOW - CALL - LEA + 1; at-- > 0;) {
		uint64_t rtype = lea_target(code, at, pc, old ? RAX : c->reg);
		const struct gort_type *type = gort_type_at(types, rtype);
		if (!type)
			continue;
		*ret = (struct gort_site){
			.type = type->name,
			.rtype = rtype,
			.array = c->made == ARRAY,
			.size = c->made == PARTS ? 0 : type->size,
			.pointers = type->ptrdata > 0,
			.parts = c->made == PARTS,
		};
		if (c->made == ARRAY)
			ret->type = array_of(types, ret->type);
		return true;
	}
	return false;
}

/* Strings are built in memory that this function gives out. */
static bool makes_bytes(const struct gort *g, uint64_t pc)
{
	size_t f = 0;
	return sym_pclntab_find(g->pclntab, pc - 1, &f) &&
	       strcmp(sym_pclntab_name(g->pclntab, f), "internal/bytealg.MakeNoZero") == 0;
}

bool gort_site_type(struct gort_types *types, uint64_t pc, struct gort_site *ret)
{
	unsigned char code[WINDOW];
	if (makes_bytes(types->g, pc)) {
		*ret = (struct gort_site){ .type = "[]uint8" };
		return true;
	}
	if (!memsrc_read(types->g->src, pc - WINDOW, code, WINDOW))
		return false;
	const struct callee *c = called(types->g, code + WINDOW - CALL, pc);
	if (!c)
		return false;
	if (c->reg != NO_REG)
		return loaded_type(types, code, pc, c, ret);
	*ret = (struct gort_site){ .type = c->type, .parts = c->made == PARTS };
	return true;
}
