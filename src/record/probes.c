/* SPDX-License-Identifier: Apache-2.0 */
#include "record/probes.h"

#include <string.h>

static bool looked_at(const struct record_target *t, uint64_t inode)
{
	for (size_t i = 0; i < t->files.n; i++)
		if (t->files.v[i] == inode)
			return true;
	return false;
}

static bool is_often(const char *name)
{
	static const char *const names[] = { "malloc", "calloc", "realloc", "free", "mallocgc" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void add(struct record_watch *w, struct record_target *t, int fd, const struct record_places *places)
{
	const char *path = arena_printf(&t->arena, "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < places->v.n && w->probes.n < EBPF_PROBES_MAX; i++) {
		const struct record_place *place = &places->v.v[i];
		const struct record_function *f = &record_functions[place->function];
		*vec_push(&w->probes) = (struct ebpf_probe){ .pid = t->pid,
							     .path = path,
							     .offset = place->offset,
							     .kind = f->kind,
							     .function = place->function,
							     .arg_size = f->size,
							     .arg_count = f->count,
							     .arg_addr = f->addr,
							     .arg_out = f->out,
							     .often = is_often(f->name) };
		w->dear += !place->cheap;
	}
}

static void note_family(struct record_watch *w, struct record_target *t, const struct record_places *places)
{
	if (places->family == RECORD_FAMILY_NONE || !places->replaces)
		return;
	if (places->family != RECORD_FAMILY_GLIBC)
		t->foreign = true;
	if (t->family != RECORD_FAMILY_NONE && places->family == RECORD_FAMILY_GLIBC)
		return;
	t->family = places->family;
	w->r->processes.v[t->process].allocator.name = record_families[t->family];
}

/* Libraries of allocators may keep their functions to themselves; a program may have one built in. */
static bool worth_symbols(const struct record_target *t, const struct vma *v)
{
	const char *base = strrchr(v->name, '/');
	return v->inode == t->t.exe_inode || (base && strstr(base, "alloc"));
}

static void look_into(struct record_watch *w, struct record_target *t, const struct vma *v)
{
	int fd = v->inode == t->t.exe_inode && t->t.exe >= 0 ? t->t.exe : target_file(&t->t, v);
	if (fd < 0)
		return;
	struct record_places places = { 0 };
	struct err *err AUTO(err) = record_places_find(fd, v->name, worth_symbols(t, v), &places);
	if (err)
		record_note(w->r, "pid %d: what %s allocates with was not looked for: %s", t->pid, v->name,
			    err_text(err));
	add(w, t, fd, &places);
	note_family(w, t, &places);
	record_places_deinit(&places);
}

static void add_go(struct record_watch *w, struct record_target *t)
{
	struct record_places places = { 0 };
	int fd = t->t.library.inode ? target_file(&t->t, &t->t.library) : t->t.exe;
	struct err *err AUTO(err) = fd < 0 || !t->t.has_elf
					    ? err_new(ERR_NOT_FOUND, "its executable cannot be read")
					    : record_places_go(&t->t.gort, fd, &t->t.elf, t->t.bias, &places);
	if (err)
		record_note(w->r, "pid %d: allocations of the Go runtime are not seen: %s", t->pid, err_text(err));
	add(w, t, fd, &places);
	record_places_deinit(&places);
}

size_t record_probes_add(struct record_watch *w, struct record_target *t)
{
	size_t before = w->probes.n;
	bool first = !t->files.n;
	if (first && t->t.is_go && w->opt->wanted & 1u << RECORD_GO)
		add_go(w, t);
	for (size_t i = 0; w->opt->wanted & 1u << RECORD_MALLOC && i < t->t.maps.n; i++) {
		const struct vma *v = &t->t.maps.v[i];
		if (!(v->flags & VMA_EXEC) || !v->inode || looked_at(t, v->inode))
			continue;
		*vec_push(&t->files) = v->inode;
		look_into(w, t, v);
	}
	return w->probes.n - before;
}

double record_probes_spent(const struct record_watch *w, const struct ebpf_stats *s)
{
	/* Measured on Linux 6.18 in a virtual machine, and less on others: a trap on a `push`, one on an instruction that has
	 * to be stepped through, and a return caught. */
	static const double CHEAP = 500, DEAR = 4900, RETURN = 750;
	double entry = w->probes.n ? CHEAP + (DEAR - CHEAP) * (double)w->dear / (double)w->probes.n : CHEAP;
	double returns = (double)(s->hits[EBPF_ALLOC] + s->hits[EBPF_REALLOC]);
	double others = (double)(s->hits[EBPF_FREE] + s->hits[EBPF_GOALLOC]);
	return returns * (entry + RETURN) + others * entry + (double)s->program_ns;
}
