/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/program.h"

#include <elf.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sym/elf.h"
#include "target/target.h"

enum {
	PROGRAMS_MAX = 4096, /* remembered; beyond, those that nobody runs are forgotten */
	BUILDINFO_MAX = 1 << 20,
	AUXV_MAX = 4096,
	TRIES_MAX = 4, /* to attach: a runtime that has just begun does not pass the checks yet */
};

static void program_free(struct sense_program *p)
{
	free(p->go_version);
	free(p->module);
	free(p->build_id);
	free(p->refusal);
	free(p);
}

void sense_programs_deinit(struct sense_programs *ps)
{
	for (size_t i = 0; i < ps->v.n; i++)
		program_free(ps->v.v[i]);
	vec_deinit(&ps->v);
	hash_index_deinit(&ps->by_file);
}

void sense_program_unref(struct sense_program *p)
{
	if (p)
		p->refs--;
}

/* ---- what the file says ---- */

static char *copy_of(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static void read_buildinfo(struct sense_program *p, int fd, const struct sym_elf *elf)
{
	const struct sym_section *s = sym_elf_section(elf, ".go.buildinfo");
	if (!s || s->nobits || s->size > BUILDINFO_MAX)
		return;
	AUTO_FREE char *blob = xcalloc(1, s->size + 1);
	struct gort_module m = { .minor = -1 };
	if (!sym_elf_read(fd, s->offset, blob, s->size))
		return;
	arena_init(&m.arena);
	struct err *err AUTO(err) = gort_buildinfo_parse(blob, s->size, &m);
	if (!err) {
		p->go_version = copy_of(m.version);
		p->module = copy_of(m.main_path);
	}
	gort_module_deinit(&m);
}

static void read_file(struct sense_program *p, int fd, const char *name)
{
	struct sym_elf elf;
	struct err *err AUTO(err) = sym_elf_open(fd, name, &elf);
	if (err)
		return;
	p->is_go = sym_elf_is_go(&elf) == 1;
	p->entry = elf.entry;
	p->build_id = copy_of(elf.build_id ? elf.build_id : elf.go_build_id);
	if (p->is_go)
		read_buildinfo(p, fd, &elf);
	sym_elf_close(&elf);
}

/* ---- the table ---- */

struct lookup {
	const struct sense_programs *ps;
	const struct sense_program *want;
};

static bool same_file(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct sense_program *a = l->ps->v.v[id], *b = l->want;
	return a->dev == b->dev && a->inode == b->inode && a->size == b->size && a->changed_ns == b->changed_ns;
}

static uint64_t key_of(const struct sense_program *p)
{
	const uint64_t key[] = { p->dev, p->inode, p->size, p->changed_ns };
	return hash_bytes(key, sizeof(key));
}

/* Those that nobody runs go; the index is made anew. */
static void forget_unused(struct sense_programs *ps)
{
	size_t kept = 0;
	hash_index_deinit(&ps->by_file);
	for (size_t i = 0; i < ps->v.n; i++) {
		struct sense_program *p = ps->v.v[i];
		if (!p->refs) {
			program_free(p);
			continue;
		}
		hash_index_add(&ps->by_file, key_of(p), (uint32_t)kept);
		ps->v.v[kept++] = p;
	}
	ps->v.n = kept;
}

struct sense_program *sense_program_of(struct sense_programs *ps, const struct proc_process *process)
{
	struct stat st;
	if (process->exe < 0 || fstat(process->exe, &st) != 0)
		return NULL;
	struct sense_program want = {
		.dev = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_ns = (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec,
	};
	const struct lookup l = { ps, &want };
	uint32_t id = hash_index_find(&ps->by_file, key_of(&want), same_file, &l);
	if (id == HASH_NONE) {
		if (ps->v.n >= PROGRAMS_MAX)
			forget_unused(ps);
		struct sense_program *p = xmalloc(sizeof(*p));
		*p = want;
		read_file(p, process->exe, process->comm);
		id = (uint32_t)ps->v.n;
		*vec_push(&ps->v) = p;
		hash_index_add(&ps->by_file, key_of(p), id);
	}
	ps->v.v[id]->refs++;
	return ps->v.v[id];
}

/* ---- the runtime ---- */

static void settle(struct sense_program *p, const struct target *t)
{
	const struct gort *g = &t->gort;
	if (t->is_go && !p->go_version)
		p->go_version = copy_of(g->module.version);
	if (t->is_go && !p->module)
		p->module = copy_of(g->module.main_path);
	if (t->is_go && t->bias + p->entry && gort_quick_init(g, t->bias, &p->quick)) {
		p->runtime = SENSE_RUNTIME_KNOWN;
		return;
	}
	if (++p->tries < TRIES_MAX)
		return;
	p->runtime = SENSE_RUNTIME_REFUSED;
	p->refusal = copy_of(!t->mem && t->mem_err    ? err_text(t->mem_err)
			     : t->is_go && g->refusal ? g->refusal
						      : "the runtime's variables were not found");
}

struct err *sense_program_attach(struct sense_program *p, const char *procfs, int pid)
{
	struct target t AUTO(target);
	t.row = NULL;
	TRY(target_open(procfs, pid, &t));
	t.no_symbols = true; /* the code tells as much, for a tenth of the memory */
	const struct proc_process *now = &t.live->process;
	bool same = now->exe_dev == p->dev && now->exe_inode == p->inode;
	struct err *err = same ? target_attach(&t, NULL) : err_gone();
	err = target_outcome(&t, err);
	if (!err)
		settle(p, &t);
	target_close(&t);
	malloc_trim(0); /* what it took stays with the allocator otherwise, for good */
	return err;
}

bool sense_program_bias(const struct sense_program *p, const struct proc_process *process, uint64_t *ret)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct err *err AUTO(err) = proc_process_text(process, "auxv", AUXV_MAX, &text);
	if (err)
		return false;
	struct cursor c;
	cursor_init(&c, text.buf, text.len);
	while (cursor_left(&c) >= 16) {
		uint64_t type = cursor_u64(&c), value = cursor_u64(&c);
		if (type != AT_ENTRY)
			continue;
		*ret = value - p->entry;
		return true;
	}
	return false;
}
