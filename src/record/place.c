/* SPDX-License-Identifier: Apache-2.0 */
#include "record/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sym/disasm.h"

#define DI EBPF_REG_DI
#define SI EBPF_REG_SI
#define DX EBPF_REG_DX

/* clang-format off: a line each */
const struct record_function record_functions[] = {
	/* name						kind		size	count	addr	out */
	{ "malloc", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "calloc", EBPF_ALLOC, DI, SI, 0, 0 },
	{ "realloc", EBPF_REALLOC, SI, 0, DI, 0 },
	{ "memalign", EBPF_ALLOC, SI, 0, 0, 0 },
	{ "aligned_alloc", EBPF_ALLOC, SI, 0, 0, 0 },
	{ "posix_memalign", EBPF_ALLOC, DX, 0, 0, DI },
	{ "valloc", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "pvalloc", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "free", EBPF_FREE, 0, 0, DI, 0 },
	{ "cfree", EBPF_FREE, 0, 0, DI, 0 },
	/* jemalloc's own */
	{ "mallocx", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "rallocx", EBPF_REALLOC, SI, 0, DI, 0 },
	{ "dallocx", EBPF_FREE, 0, 0, DI, 0 },
	{ "sdallocx", EBPF_FREE, 0, 0, DI, 0 },
	/* operator new, new[], with alignment, nothrow; delete, delete[] with size, alignment */
	{ "_Znwm", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_Znam", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnwmRKSt9nothrow_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnamRKSt9nothrow_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnwmSt11align_val_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnamSt11align_val_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnwmSt11align_val_tRKSt9nothrow_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZnamSt11align_val_tRKSt9nothrow_t", EBPF_ALLOC, DI, 0, 0, 0 },
	{ "_ZdlPv", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdaPv", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdlPvm", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdaPvm", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdlPvRKSt9nothrow_t", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdaPvRKSt9nothrow_t", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdlPvSt11align_val_t", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdaPvSt11align_val_t", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdlPvmSt11align_val_t", EBPF_FREE, 0, 0, DI, 0 },
	{ "_ZdaPvmSt11align_val_t", EBPF_FREE, 0, 0, DI, 0 },
	/* the Go runtime: a size, or that of a type's objects */
	{ "mallocgc", EBPF_GOALLOC, EBPF_REG_AX, 0, 0, 0 },
};
/* clang-format on */

enum { N_FUNCTIONS = sizeof(record_functions) / sizeof(record_functions[0]), GO_FUNCTION = N_FUNCTIONS - 1 };

const char *const record_families[RECORD_FAMILY_MAX_] = {
	[RECORD_FAMILY_NONE] = NULL,
	[RECORD_FAMILY_GLIBC] = "glibc",
	[RECORD_FAMILY_MUSL] = "musl",
	[RECORD_FAMILY_JEMALLOC] = "jemalloc",
	[RECORD_FAMILY_TCMALLOC] = "tcmalloc",
	[RECORD_FAMILY_MIMALLOC] = "mimalloc",
	[RECORD_FAMILY_OTHER] = "an allocator of its own",
};

/* What only one allocator has; the first that is found decides. */
static const struct {
	const char *name;
	enum record_family family;
} marks[] = {
	{ "mallctl", RECORD_FAMILY_JEMALLOC },
	{ "je_mallctl", RECORD_FAMILY_JEMALLOC },
	{ "_rjem_mallctl", RECORD_FAMILY_JEMALLOC },
	{ "tc_malloc", RECORD_FAMILY_TCMALLOC },
	{ "TCMallocInternalMalloc", RECORD_FAMILY_TCMALLOC },
	{ "mi_malloc", RECORD_FAMILY_MIMALLOC },
	{ "__libc_mallopt", RECORD_FAMILY_GLIBC },
	{ "mallopt", RECORD_FAMILY_GLIBC },
	{ "mallinfo2", RECORD_FAMILY_GLIBC },
	{ "__libc_malloc_impl", RECORD_FAMILY_MUSL },
	{ "__malloc_replaced", RECORD_FAMILY_MUSL },
};

static const char *const prefixes[] = { "", "je_", "_rjem_", "tc_", "mi_" };

void record_places_deinit(struct record_places *p)
{
	vec_deinit(&p->v);
}

static bool is_push(const unsigned char *p, size_t len)
{
	if (len && (p[0] & 0xf8) == 0x50)
		return true;
	return len > 1 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50;
}

/* test %rdi,%rdi; je */
static bool is_null_test(const unsigned char *p, size_t len)
{
	static const unsigned char test[] = { 0x48, 0x85, 0xff };
	if (len < 5 || memcmp(p, test, sizeof(test)) != 0)
		return false;
	return p[3] == 0x74 || (p[3] == 0x0f && p[4] == 0x84);
}

/*
 * Length of the check that a Go function's stack has room, with the jump that makes more; 0 when it has none. It begins the
 * function again after that, and after the scheduler took the turn away there: a probe at its start is hit twice.
 */
static size_t stack_check(const unsigned char *code, size_t len)
{
	static const unsigned char compare[] = { 0x3b, 0x66, 0x10 }; /* cmp 16(%r14), with %rsp or %r12 */
	enum { R12 = 12 };
	struct sym_insn insn;
	size_t at = 0;
	if (sym_disasm_step(code, len, 0, &insn) && insn.kind == SYM_INSN_ADDRESS && insn.reg == R12)
		at = insn.len; /* lea -N(%rsp),%r12: of a large frame */
	if (len - at <= sizeof(compare) || (code[at] != 0x49 && code[at] != 0x4d) ||
	    memcmp(code + at + 1, compare, sizeof(compare)) != 0)
		return 0;
	at += 1 + sizeof(compare);
	return sym_disasm_step(code + at, len - at, 0, &insn) && insn.kind == SYM_INSN_JUMP && !insn.always
		       ? at + insn.len
		       : 0;
}

size_t record_place_pick(const unsigned char *code, size_t len, uint32_t args, bool null, bool *cheap)
{
	enum { WALK_MAX = 48 };
	*cheap = true;
	bool tested = false;
	size_t start = stack_check(code, len);
	for (size_t at = start; at < len && at < WALK_MAX;) {
		struct sym_insn insn;
		if (is_push(code + at, len - at))
			return at;
		if (!sym_disasm_step(code + at, len - at, 0, &insn))
			break;
		if (at == 0 && (insn.kind == SYM_INSN_JUMP || insn.kind == SYM_INSN_CALL) && insn.len == 5 &&
		    code[0] == 0xe9)
			return 0; /* a jump, which the kernel carries out as well */
		if (insn.kind == SYM_INSN_JUMP && tested)
			tested = false;
		else if (insn.kind == SYM_INSN_CALL || insn.kind == SYM_INSN_JUMP || tested ||
			 (insn.written & (args | 1u << SYM_RSP)) || code[at] == 0xc3)
			break;
		else
			tested = null && is_null_test(code + at, len - at);
		at += insn.len;
	}
	*cheap = false;
	return start;
}

/* File offset of an address, or false. */
static bool file_offset(const struct sym_elf *elf, uint64_t addr, uint64_t *ret)
{
	for (size_t i = 0; i < elf->segments.n; i++) {
		const struct sym_segment *s = &elf->segments.v[i];
		if ((s->flags & 1) && addr >= s->vaddr && addr - s->vaddr < s->filesz) {
			*ret = addr - s->vaddr + s->offset;
			return true;
		}
	}
	return false;
}

/* Registers of ebpf/ebpf by sym/disasm's numbers. */
static uint32_t bit_of(enum ebpf_register reg)
{
	static const unsigned numbers[] = {
		[EBPF_REG_DI] = 7, [EBPF_REG_SI] = 6, [EBPF_REG_DX] = 2, [EBPF_REG_CX] = 1,
		[EBPF_REG_R8] = 8, [EBPF_REG_R9] = 9, [EBPF_REG_AX] = 0, [EBPF_REG_BX] = 3
	};
	return reg == EBPF_REG_NONE ? 0 : 1u << numbers[reg];
}

static uint32_t args_of(const struct record_function *f)
{
	return bit_of(f->size) | bit_of(f->count) | bit_of(f->addr) | bit_of(f->out);
}

static const char *without_prefix(const char *name, size_t prefix)
{
	size_t len = strlen(prefixes[prefix]);
	return strncmp(name, prefixes[prefix], len) == 0 ? name + len : NULL;
}

/* Index of the function that a symbol names, or N_FUNCTIONS. */
static unsigned function_named(const char *name, bool *plain)
{
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		const char *rest = without_prefix(name, p);
		for (unsigned i = 0; rest && i < GO_FUNCTION; i++)
			if (strcmp(rest, record_functions[i].name) == 0) {
				*plain = p == 0;
				return i;
			}
	}
	return N_FUNCTIONS;
}

struct found {
	uint64_t addr, size;
	unsigned function;
};

VEC_TYPE(found_vec, struct found);

static void look_at(const struct sym_symbol_vec *symbols, struct found_vec *found, struct record_places *ret)
{
	enum record_family family = ret->family;
	for (size_t i = 0; i < symbols->n && found->n < RECORD_PLACES_MAX; i++) {
		const struct sym_symbol *s = &symbols->v[i];
		bool plain = false;
		unsigned function = s->object || !s->addr ? N_FUNCTIONS : function_named(s->name, &plain);
		if (function < N_FUNCTIONS) {
			*vec_push(found) = (struct found){ s->addr, s->size, function };
			ret->replaces = ret->replaces || (plain && function == 0);
		}
		for (size_t m = 0; m < sizeof(marks) / sizeof(marks[0]); m++)
			if (strcmp(s->name, marks[m].name) == 0 &&
			    (family == RECORD_FAMILY_NONE || marks[m].family != RECORD_FAMILY_GLIBC))
				family = marks[m].family;
	}
	ret->family = family;
}

static int by_addr(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

static bool is_operator(unsigned function)
{
	return strncmp(record_functions[function].name, "_Z", 2) == 0;
}

/* Does the code go to another function that is probed? Then that one has the event. */
static bool passes_on(const unsigned char *code, size_t len, uint64_t addr, const struct found_vec *found)
{
	enum { REFS_MAX = 64 };
	struct sym_ref refs[REFS_MAX];
	size_t n = sym_disasm_refs(code, len, addr, refs, REFS_MAX);
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; refs[i].kind == SYM_REF_CALL && f < found->n; f++)
			if (found->v[f].addr == refs[i].target && !is_operator(found->v[f].function))
				return true;
	return false;
}

static void add_place(int fd, const struct sym_elf *elf, const struct found_vec *found, const struct found *f,
		      struct record_places *ret)
{
	enum { CODE_MAX = 256 };
	unsigned char code[CODE_MAX] = { 0 };
	const struct record_function *function = &record_functions[f->function];
	uint64_t offset;
	size_t len = f->size && f->size < CODE_MAX ? (size_t)f->size : CODE_MAX;
	if (!file_offset(elf, f->addr, &offset) || !sym_elf_read(fd, offset, code, len))
		return;
	if (is_operator(f->function) && passes_on(code, len, f->addr, found))
		return;
	struct record_place *place = vec_push(&ret->v);
	place->function = f->function;
	bool null = function->kind == EBPF_FREE;
	place->offset = offset + record_place_pick(code, len, args_of(function), null, &place->cheap);
}

struct err *record_places_find(int fd, const char *name, bool all, struct record_places *ret)
{
	struct sym_elf elf;
	TRY(sym_elf_open(fd, name, &elf));
	struct sym_symbol_vec symbols = { 0 };
	struct found_vec found = { 0 };
	struct err *err = sym_elf_dynamic_symbols(fd, &elf, &symbols);
	if (!err)
		look_at(&symbols, &found, ret);
	if (!err && all) {
		err = sym_elf_symbols(fd, &elf, &symbols);
		if (!err)
			look_at(&symbols, &found, ret);
	}
	vec_sort(&found, by_addr);
	bool has_malloc = false;
	for (size_t i = 0; i < found.n; i++)
		has_malloc = has_malloc || !is_operator(found.v[i].function);
	for (size_t i = 0; has_malloc && i < found.n; i++)
		if (i == 0 || found.v[i].addr != found.v[i - 1].addr)
			add_place(fd, &elf, &found, &found.v[i], ret);
	if (ret->v.n && ret->family == RECORD_FAMILY_NONE)
		ret->family = RECORD_FAMILY_OTHER;
	if (!ret->v.n)
		ret->family = RECORD_FAMILY_NONE;
	vec_deinit(&found);
	vec_deinit(&symbols);
	sym_elf_close(&elf);
	return err;
}

/* "runtime.mallocgcSmallNoScanSC5": for objects of one size, called by compiled code without mallocgc. */
static bool is_go_allocator(const char *name)
{
	static const char start[] = "runtime.mallocgc";
	size_t len = sizeof(start) - 1;
	if (strncmp(name, start, len) != 0)
		return false;
	if (!name[len])
		return true;
	const char *class = strstr(name + len, "SC");
	return class && class[2] && strspn(class + 2, "0123456789") == strlen(class + 2);
}

struct err *record_places_go(const struct gort *g, int fd, const struct sym_elf *elf, uint64_t bias,
			     struct record_places *ret)
{
	enum { CODE_MAX = 256 };
	size_t n = g->pclntab ? sym_pclntab_count(g->pclntab) : 0;
	for (size_t i = 0; i < n && ret->v.n < RECORD_PLACES_MAX; i++) {
		unsigned char code[CODE_MAX] = { 0 };
		uint64_t addr = sym_pclntab_entry(g->pclntab, i) - bias, offset;
		if (!is_go_allocator(sym_pclntab_name(g->pclntab, i)) || !file_offset(elf, addr, &offset) ||
		    !sym_elf_read(fd, offset, code, sizeof(code)))
			continue;
		struct record_place *place = vec_push(&ret->v);
		place->function = GO_FUNCTION;
		place->offset =
			offset + record_place_pick(code, sizeof(code), bit_of(EBPF_REG_AX), false, &place->cheap);
	}
	return ret->v.n ? NULL : err_new(ERR_NOT_FOUND, "there is no runtime.mallocgc");
}
