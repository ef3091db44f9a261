/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "gort/heap_sites.h"
#include "gort/profile.h"
#include "proc/cgroup.h"
#include "target/target.h"

enum { LIBRARIES_MAX = 256 };

/* ---- is there a profile at all ---- */

/* The linker sets runtime.disableMemoryProfiling when it drops the functions that read the profile. */
static bool linker_kept_it(const struct target *t)
{
	static const char *const readers[] = { "runtime.memProfileInternal", "runtime.MemProfile" };
	size_t found[2];
	return sym_pclntab_find_names(t->gort.pclntab, readers, 2, found) > 0;
}

static const char *why_off(const struct target *t, const struct gort_profile *p)
{
	if (p->rate == UINT64_MAX)
		return "runtime.MemProfileRate was not found in this program";
	if (p->rate)
		return NULL;
	if (linker_kept_it(t))
		return "memory profiling is off: the program or GODEBUG set runtime.MemProfileRate to 0";
	return "memory profiling is off: nothing in this program reads the heap profile, so the linker switched it off";
}

/* ---- samples ---- */

static void take_bucket(const struct gort_profile *p, const struct gort_bucket *b, struct heap_sites *sites,
			struct profile *out)
{
	int64_t *v = profile_sample_add(out, heap_sites_stack(sites, p->pcs.v + b->at, b->depth));
	uint64_t rate = p->rate == UINT64_MAX ? 0 : p->rate;
	gort_profile_scale(b->allocs, b->alloc_bytes, rate, &v[HEAP_ALLOC_OBJECTS], &v[HEAP_ALLOC_SPACE]);
	gort_profile_scale(b->allocs - b->frees, b->alloc_bytes - b->free_bytes, rate, &v[HEAP_INUSE_OBJECTS],
			   &v[HEAP_INUSE_SPACE]);
	profile_label_number(out, "bytes", (int64_t)b->size, "bytes");
}

static void take_buckets(struct target *t, const struct gort_profile *p, struct profile *out)
{
	struct heap_sites sites;
	heap_sites_init(&sites, &t->gort, &out->stacks);
	vec_reserve(&out->samples, p->buckets.n);
	vec_reserve(&out->labels, p->buckets.n);
	vec_reserve(&out->values, p->buckets.n * out->n_types);
	for (size_t i = 0; i < p->buckets.n; i++)
		take_bucket(p, &p->buckets.v[i], &sites, out);
	heap_sites_deinit(&sites);
}

/* ---- what stands around them ---- */

static const char *library_build_id(struct target *t, const struct vma *v, struct intern *strings)
{
	int fd = target_file(t, v);
	struct sym_elf elf = { 0 };
	struct err *err AUTO(err) = fd < 0 ? err_gone() : sym_elf_open(fd, v->name, &elf);
	if (err)
		return "";
	const char *id = intern_str(strings, elf.build_id ? elf.build_id : elf.go_build_id);
	sym_elf_close(&elf);
	return id;
}

/* Code of the main binary first, then that of libraries. */
static void take_mappings(struct target *t, struct profile *out)
{
	struct intern *strings = &out->stacks.strings;
	for (int main_binary = 1; main_binary >= 0; main_binary--) {
		for (size_t i = 0; i < t->maps.n && out->mappings.n < LIBRARIES_MAX; i++) {
			const struct vma *v = &t->maps.v[i];
			bool of_main = v->inode && v->inode == t->exe_inode;
			if (!(v->flags & VMA_EXEC) || !v->inode || of_main != (main_binary == 1))
				continue;
			const char *id =
				of_main && t->has_elf
					? intern_str(strings, t->elf.build_id ? t->elf.build_id : t->elf.go_build_id)
					: library_build_id(t, v, strings);
			*vec_push(&out->mappings) = (struct profile_mapping){
				.start = v->start,
				.limit = v->end,
				.offset = v->offset,
				.file = intern_str(strings, of_main && t->exe_path ? t->exe_path : v->name),
				.build_id = id,
			};
		}
	}
}

static void comment(struct profile *out, const char *fmt, ...) ERR_PRINTF(2, 3);

static void comment(struct profile *out, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*vec_push(&out->comments) = intern_str(&out->stacks.strings, text);
}

/* Figures of the cgroup: "cgroup_limit_bytes=536870912", for whoever opens the profile elsewhere. */
static void take_cgroup(struct target *t, struct snapshot *s)
{
	struct cgroup cg;
	struct err *err AUTO(err) = proc_cgroup_read(&t->live->process, "/proc/self/mountinfo", &s->arena, &cg);
	if (err)
		return;
	struct heap_view *h = &s->heap;
	h->cgroup_limit = cg.limit;
	h->cgroup_usage = cg.usage;
	h->cgroup_working_set = proc_cgroup_working_set(&cg);
	const struct {
		const char *name;
		uint64_t value;
	} figures[] = {
		{ "cgroup_limit_bytes", h->cgroup_limit },
		{ "cgroup_usage_bytes", h->cgroup_usage },
		{ "cgroup_working_set_bytes", h->cgroup_working_set },
	};
	if (cg.path)
		comment(&h->profile, "cgroup=%s", cg.path);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		if (figures[i].value != ACCOUNT_UNKNOWN)
			comment(&h->profile, "%s=%" PRIu64, figures[i].name, figures[i].value);
	}
	proc_cgroup_deinit(&cg);
}

static void describe(struct target *t, struct snapshot *s)
{
	struct profile *out = &s->heap.profile;
	const char *version = t->gort.module.version;
	out->period_type = out->types[HEAP_INUSE_SPACE];
	out->period_type.type = intern_str(&out->stacks.strings, "space");
	out->period = s->heap.rate == ACCOUNT_UNKNOWN ? 0 : (int64_t)s->heap.rate;
	out->time_unix_ns = s->clock.wall;
	comment(out, "ullage: heap profile of pid %d (%s), %s, read from %s", t->pid, t->comm,
		version ? version : "Go of unknown version", t->live ? "outside" : "a core");
	take_mappings(t, out);
	if (t->live)
		take_cgroup(t, s);
}

static void note_damage(const struct gort_profile *p, struct snapshot *s)
{
	if (p->cut)
		snapshot_note(
			s,
			"the profile is not complete: after %zu buckets the list could not be read on (swapped out, "
			"or overwritten)",
			p->buckets.n);
	if (p->moved)
		snapshot_note(s, "garbage collections published new counts each time the profile was read: some "
				 "buckets are one collection ahead of others");
}

struct err *evidence_heap(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	struct gort_profile p AUTO(gort_profile);
	gort_profile_read(&t->gort, GORT_PROFILE_PUBLISHED, &p);
	struct heap_view *h = &s->heap;
	h->rate = p.rate == UINT64_MAX ? ACCOUNT_UNKNOWN : p.rate;
	h->reason = why_off(t, &p);
	h->enabled = !h->reason;
	if (!p.rate && !linker_kept_it(t))
		p.buckets.n = 0; /* 1.26 on: a few samples of the runtime's start, before it was switched off */
	h->buckets = p.buckets.n;
	take_buckets(t, &p, &h->profile);
	describe(t, s);
	note_damage(&p, s);
	return NULL;
}
