/* SPDX-License-Identifier: Apache-2.0 */
#include "core/write.h"

#include <elf.h>
#include <string.h>
#include <sys/procfs.h>

#include "base/num.h"
#include "core/note.h"

enum { PAGE = 4096 };

_Static_assert(sizeof(struct elf_prstatus) == 336 &&
		       sizeof(((struct elf_prstatus *)0)->pr_reg) == CORE_REGS * sizeof(uint64_t),
	       "threads are written as the kernel of amd64 does");

/* ---- notes ---- */

static void add_note(struct strbuf *notes, const char *owner, uint32_t type, const void *desc, size_t len)
{
	static const char zeros[4];
	const Elf64_Nhdr n = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)len, type };
	strbuf_add(notes, &n, sizeof(n));
	strbuf_add(notes, owner, n.n_namesz);
	strbuf_add(notes, zeros, -n.n_namesz & 3);
	strbuf_add(notes, desc, len);
	strbuf_add(notes, zeros, -n.n_descsz & 3);
}

static void add_u64(struct strbuf *sb, uint64_t v)
{
	strbuf_add(sb, &v, sizeof(v));
}

static void add_u32(struct strbuf *sb, uint32_t v)
{
	strbuf_add(sb, &v, sizeof(v));
}

static void add_string(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s) + 1);
}

static void add_command(struct strbuf *notes, const struct core_about *a)
{
	struct elf_prpsinfo info = { .pr_pid = a->pid };
	memcpy(info.pr_fname, a->comm, strnlen(a->comm, sizeof(info.pr_fname) - 1));
	memcpy(info.pr_psargs, a->args, strnlen(a->args, sizeof(info.pr_psargs) - 1));
	add_note(notes, "CORE", NT_PRPSINFO, &info, sizeof(info));
}

static void add_threads(struct strbuf *notes, const struct core_about *a)
{
	for (size_t i = 0; i < a->threads->n; i++) {
		const struct core_thread *th = &a->threads->v[i];
		struct elf_prstatus st = { .pr_pid = th->tid };
		memcpy(&st.pr_reg, th->regs, sizeof(st.pr_reg));
		add_note(notes, "CORE", NT_PRSTATUS, &st, sizeof(st));
		if (i < a->fp->n)
			add_note(notes, "CORE", NT_FPREGSET, a->fp->v[i].bytes, sizeof(a->fp->v[i].bytes));
	}
}

/* Files that have a name. */
static void add_files(struct strbuf *notes, const struct core_about *a)
{
	AUTO(strbuf) struct strbuf rows, names, all;
	uint64_t n = 0;
	strbuf_init(&rows);
	strbuf_init(&names);
	strbuf_init(&all);
	for (size_t i = 0; i < a->maps->n; i++) {
		const struct vma *v = &a->maps->v[i];
		if (!v->inode || v->name[0] != '/')
			continue;
		add_u64(&rows, v->start);
		add_u64(&rows, v->end);
		add_u64(&rows, v->offset / PAGE);
		add_string(&names, v->name);
		n++;
	}
	add_u64(&all, n);
	add_u64(&all, PAGE);
	strbuf_add(&all, rows.buf, rows.len);
	strbuf_add(&all, names.buf, names.len);
	add_note(notes, "CORE", NT_FILE, all.buf, all.len);
}

static void add_origin(struct strbuf *notes, const struct core_origin *o)
{
	AUTO(strbuf) struct strbuf d;
	strbuf_init(&d);
	const uint64_t words[] = {
		CORE_NOTE_VERSION,
		o->structure_only ? CORE_NOTE_STRUCTURE_ONLY : 0,
		(uint64_t)o->wall,
		(uint64_t)o->monotonic,
		(uint64_t)o->boot,
		o->start_ticks,
		o->rss,
		o->stopped_ns,
	};
	strbuf_add(&d, words, sizeof(words));
	add_string(&d, o->boot_id ? o->boot_id : "");
	add_note(notes, CORE_NOTE_OWNER, CORE_NOTE_ORIGIN, d.buf, d.len);
}

static void add_maps(struct strbuf *notes, const struct vma_vec *maps)
{
	AUTO(strbuf) struct strbuf d;
	strbuf_init(&d);
	for (size_t i = 0; i < maps->n; i++) {
		const struct vma *v = &maps->v[i];
		add_u64(&d, v->start);
		add_u64(&d, v->end);
		add_u64(&d, v->offset);
		add_u64(&d, v->inode);
		add_u32(&d, v->dev_major);
		add_u32(&d, v->dev_minor);
		add_u32(&d, v->flags);
		add_string(&d, v->name);
	}
	add_note(notes, CORE_NOTE_OWNER, CORE_NOTE_MAPS, d.buf, d.len);
}

static void add_pages(struct strbuf *notes, const struct page_vec *pages)
{
	AUTO(strbuf) struct strbuf d;
	strbuf_init(&d);
	for (size_t i = 0; i < pages->n; i++) {
		const struct page_run *r = &pages->v[i];
		add_u64(&d, r->start | (uint64_t)r->kind | (r->huge ? CORE_NOTE_HUGE : 0));
		add_u64(&d, r->end);
	}
	add_note(notes, CORE_NOTE_OWNER, CORE_NOTE_PAGES, d.buf, d.len);
}

static void make_notes(const struct core_about *a, struct strbuf *notes)
{
	add_command(notes, a);
	add_threads(notes, a);
	add_note(notes, "CORE", NT_AUXV, a->auxv, a->auxv_len);
	add_files(notes, a);
	add_origin(notes, &a->origin);
	add_maps(notes, a->maps);
	add_pages(notes, a->pages);
}

/* ---- segments ---- */

VEC_TYPE(phdr_vec, Elf64_Phdr);

static void add_load(struct phdr_vec *to, const struct vma *v, uint64_t start, uint64_t end, bool stored)
{
	if (start >= end)
		return;
	*vec_push(to) = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = (v->flags & VMA_READ ? PF_R : 0u) | (v->flags & VMA_WRITE ? PF_W : 0u) |
			   (v->flags & VMA_EXEC ? PF_X : 0u),
		.p_vaddr = start,
		.p_filesz = stored ? end - start : 0,
		.p_memsz = end - start,
		.p_align = PAGE,
	};
}

static void make_loads(const struct core_about *a, const struct core_range_vec *stored, struct phdr_vec *to)
{
	size_t s = 0;
	*vec_push(to) = (Elf64_Phdr){ .p_type = PT_NOTE, .p_align = 4 };
	for (size_t i = 0; i < a->maps->n; i++) {
		const struct vma *v = &a->maps->v[i];
		uint64_t at = v->start;
		for (; s < stored->n && stored->v[s].start < v->end; s++) {
			add_load(to, v, at, stored->v[s].start, false);
			add_load(to, v, stored->v[s].start, stored->v[s].end, true);
			at = stored->v[s].end;
		}
		add_load(to, v, at, v->end, false);
	}
}

/* Contents follow each other in the file from the first page behind the head. */
static void place(struct core_plan *p, struct phdr_vec *loads, uint64_t head)
{
	uint64_t at = (head + PAGE - 1) / PAGE * PAGE;
	for (size_t i = 1; i < loads->n; i++) {
		Elf64_Phdr *l = &loads->v[i];
		l->p_offset = at;
		if (!l->p_filesz)
			continue;
		*vec_push(&p->segments) = (struct core_segment){
			.start = l->p_vaddr,
			.end = l->p_vaddr + l->p_memsz,
			.at = at,
			.filled = l->p_filesz,
		};
		at += l->p_filesz;
	}
	p->size = at;
}

/* With more segments than e_phnum can say, their number is in a section header. */
static void put_head(struct core_plan *p, struct phdr_vec *loads, const struct strbuf *notes)
{
	const bool many = loads->n >= PN_XNUM;
	const Elf64_Shdr section = { .sh_info = (Elf64_Word)loads->n, .sh_size = 1 };
	Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(e),
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (Elf64_Half)loads->n,
	};
	uint64_t notes_at = sizeof(e) + loads->n * sizeof(Elf64_Phdr);
	loads->v[0].p_offset = notes_at;
	loads->v[0].p_filesz = notes->len;
	if (many) {
		e.e_shoff = notes_at + notes->len;
		e.e_shentsize = sizeof(section);
		e.e_shnum = 1;
	}
	place(p, loads, notes_at + notes->len + (many ? sizeof(section) : 0));
	strbuf_add(&p->head, &e, sizeof(e));
	strbuf_add(&p->head, loads->v, loads->n * sizeof(*loads->v));
	strbuf_add(&p->head, notes->buf, notes->len);
	if (many)
		strbuf_add(&p->head, &section, sizeof(section));
}

struct err *core_plan_make(const struct core_about *about, const struct core_range_vec *stored, struct core_plan *ret)
{
	struct phdr_vec loads = { 0 };
	AUTO(strbuf) struct strbuf notes;
	*ret = (struct core_plan){ 0 };
	strbuf_init(&ret->head);
	strbuf_init(&notes);
	make_loads(about, stored, &loads);
	struct err *err = NULL;
	if (loads.n > CORE_SEGMENTS_MAX)
		err = err_new(ERR_LIMIT, "a core of %zu segments: more than the %d that can be read again", loads.n,
			      CORE_SEGMENTS_MAX);
	if (!err) {
		make_notes(about, &notes);
		put_head(ret, &loads, &notes);
	}
	vec_deinit(&loads);
	return err;
}

void core_plan_deinit(struct core_plan *p)
{
	strbuf_deinit(&p->head);
	vec_deinit(&p->segments);
}
