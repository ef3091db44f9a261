/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * callpath/parts - what the parts of callpath share. module.c knows files and addresses, place.c what an address is
 * called, walk.c follows a copy of a stack, chain.c checks and mends a chain of frame pointers, callpath.c joins them.
 */

#include "callpath/callpath.h"
#include "gort/unwind.h"
#include "sym/cfi.h"
#include "sym/lines.h"

enum { STEPS_MAX = 1024 }; /* of one path */

/* A file with code. */
struct module {
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	const char *path, *name; /* name: its last part */
	bool opened;
	uint64_t skew; /* address - offset in the file, of its code segment */
	bool placed;   /* skew is known */
	struct sym_cfi *cfi;
	struct sym_lines *lines; /* NULL: no debug information, or not looked for yet */
	bool lined;		 /* looked for */
	struct vma vma;		 /* of which the file was opened */
	struct sym_elf elf;	 /* keeps the symbols' names */
	bool has_elf;
	struct sym_symbol_vec functions; /* one an address, by address */
};

/* A mapping of code. */
struct range {
	struct vma vma;
	uint32_t module;
};

VEC_TYPE(module_vec, struct module);
VEC_TYPE(range_vec, struct range);

/* What the Go runtime's functions that change stacks do. */
enum place_kind {
	PLACE_NOWHERE, /* in no code that is known */
	PLACE_C,
	PLACE_GO,
	PLACE_SWITCH,	   /* systemstack and its like: the goroutine's stack is left here */
	PLACE_MCALL,	   /* the same, and the goroutine may be left for good */
	PLACE_ASMCGOCALL,  /* the same for C, or a call of C by the system stack itself */
	PLACE_ALIGNED,	   /* a call of C without a change of stack: the stack pointer is kept where it then is */
	PLACE_INJECTED,	   /* entered without a call, in the middle of whatever ran */
	PLACE_MARK,	   /* what a goroutine that left its stack has as its saved pc: no call at all */
	PLACE_CROSSCALL,   /* from C to Go: keeps C's registers */
	PLACE_CGOCALLBACK, /* the goroutine's side of the same */
};

/* A place in code: the call before a return address, or an instruction itself. */
struct place {
	uint8_t kind; /* enum place_kind */
	bool top;     /* Go says that nothing called it */
	bool has_row;
	int32_t spdelta;   /* of Go: from sp to the return address; -1 unknown */
	uint64_t function; /* where it begins; 0 unknown */
	uint32_t module;   /* of C */
	uint32_t at, n;	   /* its frames, in `pool` */
	uint32_t row;
};

/* A step of a path: pc << 1, and 1 when pc is no return address. 0: unknown. */
#define STEP(pc, exact) ((pc) << 1 | (exact))
#define STEP_UNKNOWN UINT64_C(0)

/* Between the parts of a copy that a thread went through before and after it was in Go. */
#define STEP_CALLBACK UINT64_MAX

/* A function by its entry, where it is not known at which line it is. */
#define STEP_SOMEWHERE (UINT64_C(1) << 63)
#define STEP_PC(step) (((step) & ~STEP_SOMEWHERE) >> 1)

struct path {
	uint64_t v[STEPS_MAX];
	size_t n;
	bool whole;
};

struct seen {
	uint32_t at, n; /* in `keys` */
	uint32_t stack;
	bool whole;
};

struct callpath {
	struct target *target;
	struct stacks *out;
	struct gort_unwinder *go; /* NULL: not Go */
	struct arena arena;
	struct module_vec modules;
	struct range_vec ranges; /* by address, disjoint */
	uint64_t misses;	 /* addresses in no mapping */
	uint64_t file_bytes;	 /* read of files */
	unsigned n_lines;	 /* files whose debug information was read */
	struct hash_map place_index;
	VEC(struct place) places;
	VEC(struct sym_cfi_row) rows;
	struct u32_vec pool;
	struct hash_index seen_index;
	VEC(struct seen) seen;
	struct u64_vec keys, key; /* of the stacks seen; of the one at hand */
	uint32_t unknown;	  /* the frame "(unknown)" */
	uint64_t cgo_area;	  /* bytes that runtime.asmcgocall takes on the system stack; 0: not looked at yet */
	struct path walk, path;
	bool walk_top; /* what was before the last callback is known to where a thread began */
	uint32_t frames[STACK_FRAMES_MAX];
};

static inline void path_add(struct path *p, uint64_t step)
{
	if (p->n < STEPS_MAX)
		p->v[p->n++] = step;
	else
		p->whole = false;
}

/* A gap of unknown frames; one after the other is one. */
static inline void path_gap(struct path *p)
{
	p->whole = false;
	if (!p->n || p->v[p->n - 1] != STEP_UNKNOWN)
		path_add(p, STEP_UNKNOWN);
}

static inline uint64_t path_last(const struct path *p)
{
	return p->n ? p->v[p->n - 1] : STEP_UNKNOWN;
}

/* ---- module.c ---- */

/* Reads the table of mappings of the target. True: something else is now where code was known. */
bool modules_refresh(struct callpath *c);
void modules_free(struct callpath *c);

/* The file whose code is at pc, opened, and the address of pc in it; NULL: none. */
struct module *module_at(struct callpath *c, uint64_t pc, uint64_t *addr, uint32_t *index);

/* Code, as the process has it; of one that is gone, as its file has it: events of it may still wait to be read. */
bool module_code(struct callpath *c, uint64_t addr, void *buf, size_t len);

/* The function of a file that holds addr; NULL: no symbol says. */
const struct sym_symbol *module_function(const struct module *m, uint64_t addr);

/* Its debug information, read when it is first asked for; NULL: none. */
struct sym_lines *module_lines(struct callpath *c, struct module *m);

/* ---- place.c ---- */

const struct place *place_at(struct callpath *c, uint64_t pc, bool exact);

/* Of a step of a path; of a place in no code for one that is unknown. */
struct place place_of(struct callpath *c, uint64_t step);

/* Is this address in a goroutine's chain the mark that it had left its stack? */
static inline bool place_is_mark(struct callpath *c, uint64_t pc)
{
	return place_at(c, pc, true)->kind == PLACE_MARK;
}
void places_forget(struct callpath *c);

/* ---- walk.c ---- */

enum walk_end {
	WALK_NONE,   /* there is no copy */
	WALK_TOP,    /* to where nothing called */
	WALK_SWITCH, /* to where the goroutine's stack was left */
	WALK_CUT,    /* to the end of the copy */
	WALK_LOST,
};

/*
 * Follows the copy of the stack, into c->walk. When the goroutine's chain has callbacks from C, which its mark in the
 * middle tells or its end, what the copy has of the C code that made them follows behind STEP_CALLBACK each.
 */
enum walk_end walk_bytes(struct callpath *c, const struct callpath_raw *raw);

/* ---- chain.c ---- */

/*
 * Adds return addresses that frame pointers gave to c->path, after the frame that is its last. Gaps are mended or marked.
 * True: they lead to where nothing called.
 */
bool chain_add(struct callpath *c, const uint64_t *ra, size_t n);

/* Is there a call right before this address? *target is where a direct one leads, else 0. */
bool chain_is_return(struct callpath *c, uint64_t ra, uint64_t *target);
