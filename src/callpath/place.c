/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "callpath/parts.h"
#include "sym/demangle.h"

enum { INLINED_MAX = 64, C_INLINED_MAX = 16 };

static const struct {
	const char *name;
	enum place_kind kind;
} special[] = {
	{ "crosscall2", PLACE_CROSSCALL },
	{ "runtime.asmcgocall", PLACE_ASMCGOCALL },
	{ "runtime.asyncPreempt", PLACE_INJECTED },
	{ "runtime.callCgoMmap", PLACE_ALIGNED },
	{ "runtime.callCgoMunmap", PLACE_ALIGNED },
	{ "runtime.cgocallback", PLACE_CGOCALLBACK },
	{ "runtime.mcall", PLACE_MCALL },
	{ "runtime.morestack", PLACE_SWITCH },
	{ "runtime.sigpanic", PLACE_INJECTED },
	{ "runtime.systemstack", PLACE_SWITCH },
	{ "runtime.systemstack_switch", PLACE_MARK },
};

/* What called it is beyond what the runtime thinks of as the thread's stack. */
static const char first_of_thread[] = "runtime.mstart0";

static enum place_kind kind_of(const char *name)
{
	size_t len = strlen(name);
	if (len > 5 && strcmp(name + len - 5, ".abi0") == 0)
		len -= 5;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (strlen(special[i].name) == len && memcmp(special[i].name, name, len) == 0)
			return special[i].kind;
	}
	return PLACE_GO;
}

static void add_frame(struct callpath *c, struct place *p, uint32_t frame)
{
	*vec_push(&c->pool) = frame;
	p->n++;
}

static bool go_place(struct callpath *c, uint64_t pc, bool exact, struct place *p)
{
	struct sym_pclntab *tab = c->go ? c->target->gort.pclntab : NULL;
	uint64_t inside = exact ? pc : pc - 1;
	size_t index = 0;
	struct sym_step step;
	/* A goroutine's outermost return address is one past the first instruction of runtime.goexit. */
	if (!tab || !sym_pclntab_find(tab, inside, &index) || !sym_pclntab_step(tab, inside, &step))
		return false;
	uint32_t frames[INLINED_MAX];
	const char *name = sym_pclntab_name(tab, index);
	p->kind = (uint8_t)kind_of(name);
	p->top = step.flags & SYM_FUNC_TOP || strcmp(name, first_of_thread) == 0;
	p->spdelta = step.spdelta;
	p->function = step.entry;
	size_t n = gort_unwind_frames(c->go, pc, exact, frames, INLINED_MAX);
	for (size_t i = 0; i < n; i++)
		add_frame(c, p, frames[i]);
	return true;
}

/* Without debug information the file is the one that holds the code. */
static void add_c_frame(struct callpath *c, struct place *p, const struct module *m, uint64_t addr,
			const struct sym_symbol *s, const struct sym_line *line)
{
	char buf[SYM_DEMANGLED_MAX], offset[512];
	struct frame f = { .file = line ? line->file : m->path, .line = line ? line->line : 0 };
	if (s) {
		f.function = sym_demangle(s->name, buf);
	} else if (line && *line->function) {
		f.function = line->function;
	} else {
		snprintf(offset, sizeof(offset), "%s+0x%llx", m->name, (unsigned long long)addr);
		f.function = offset;
	}
	add_frame(c, p, stacks_frame(c->out, &f));
}

static void add_c_frames(struct callpath *c, struct place *p, struct module *m, uint64_t addr)
{
	struct sym_line lines[C_INLINED_MAX];
	struct sym_lines *from = module_lines(c, m);
	size_t n = from ? sym_lines_at(from, addr, lines, C_INLINED_MAX) : 0;
	for (size_t i = 0; i + 1 < n; i++) {
		struct frame f = { lines[i].function, lines[i].file, lines[i].line, true, 0 };
		add_frame(c, p, stacks_frame(c->out, &f));
	}
	add_c_frame(c, p, m, addr, module_function(m, addr), n ? &lines[n - 1] : NULL);
}

static bool c_place(struct callpath *c, uint64_t pc, bool exact, struct place *p)
{
	uint64_t addr = 0, end = 0;
	struct module *m = module_at(c, exact ? pc : pc - 1, &addr, &p->module);
	if (!m)
		return false;
	const struct sym_symbol *s = module_function(m, addr);
	struct sym_cfi_row row;
	p->kind = PLACE_C;
	p->has_row = m->cfi && sym_cfi_row(m->cfi, addr, &row);
	if (p->has_row) {
		p->row = (uint32_t)c->rows.n;
		*vec_push(&c->rows) = row;
	}
	if (s)
		p->function = pc - addr + s->addr - !exact;
	else if (m->cfi && sym_cfi_function(m->cfi, addr, &p->function, &end))
		p->function = pc - addr + p->function - !exact;
	add_c_frames(c, p, m, addr);
	return true;
}

/* A library may have come without our being told: look again, ever more rarely. */
static void look_again(struct callpath *c)
{
	if ((c->misses & (c->misses - 1)) == 0)
		callpath_remap(c);
	c->misses++;
}

static uint32_t place_new(struct callpath *c, uint64_t pc, bool exact)
{
	struct place p = { .at = (uint32_t)c->pool.n, .spdelta = -1 };
	if (!go_place(c, pc, exact, &p) && !c_place(c, pc, exact, &p))
		add_frame(c, &p, c->unknown);
	*vec_push(&c->places) = p;
	return (uint32_t)c->places.n;
}

const struct place *place_at(struct callpath *c, uint64_t pc, bool exact)
{
	uint64_t step = STEP(pc, exact), *id = hash_map_get(&c->place_index, step);
	if (id)
		return &c->places.v[*id - 1];
	uint64_t addr = 0;
	uint32_t module = 0;
	if (!module_at(c, exact ? pc : pc - 1, &addr, &module))
		look_again(c);
	uint32_t fresh = place_new(c, pc, exact);
	*hash_map_at(&c->place_index, step, NULL) = fresh;
	return &c->places.v[fresh - 1];
}

struct place place_of(struct callpath *c, uint64_t step)
{
	return step == STEP_UNKNOWN ? (struct place){ .kind = PLACE_NOWHERE } : *place_at(c, STEP_PC(step), step & 1);
}

void places_forget(struct callpath *c)
{
	hash_map_deinit(&c->place_index);
	hash_index_deinit(&c->seen_index);
	c->places.n = c->rows.n = c->pool.n = c->seen.n = c->keys.n = 0;
}
