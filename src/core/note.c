/* SPDX-License-Identifier: Apache-2.0 */
#include "core/note.h"

#include <elf.h>

#include "base/cursor.h"
#include "base/num.h"
#include "core/parts.h"

enum {
	PAGE = 4096,
	/* struct elf_prstatus and struct elf_prpsinfo of linux/elfcore.h on amd64 */
	PRSTATUS_SIGNAL = 12,
	PRSTATUS_PID = 32,
	PRSTATUS_REGS = 112,
	PRPSINFO_PID = 24,
	PRPSINFO_NAME = 40,
	NAME_LEN = 16,
	RUN_KIND = CORE_NOTE_HUGE - 1,
	VMA_FLAGS = VMA_READ | VMA_WRITE | VMA_EXEC | VMA_SHARED | VMA_DELETED | VMA_HUGETLB,
};

/* ---- those of Linux ---- */

static void take_prstatus(struct core *c, struct cursor *d)
{
	struct core_thread th = { 0 };
	cursor_skip(d, PRSTATUS_SIGNAL);
	th.signal = cursor_u16(d);
	cursor_seek(d, PRSTATUS_PID);
	th.tid = (int)cursor_u32(d);
	cursor_seek(d, PRSTATUS_REGS);
	for (int i = 0; i < CORE_REGS; i++)
		th.regs[i] = cursor_u64(d);
	if (!d->bad && c->threads.n < CORE_THREADS_MAX)
		*vec_push(&c->threads) = th;
}

static void take_prpsinfo(struct core *c, struct cursor *d)
{
	cursor_seek(d, PRPSINFO_PID);
	uint32_t pid = cursor_u32(d);
	cursor_seek(d, PRPSINFO_NAME);
	const unsigned char *name = cursor_bytes(d, NAME_LEN);
	if (!name)
		return;
	c->pid = (int)(pid & INT32_MAX);
	c->comm = arena_strndup(&c->arena, (const char *)name, strnlen((const char *)name, NAME_LEN));
}

static void take_auxv(struct core *c, struct cursor *d)
{
	const struct {
		uint64_t type;
		uint64_t *to;
	} wanted[] = {
		{ AT_PHDR, &c->auxv.phdr },	{ AT_ENTRY, &c->auxv.entry },	    { AT_EXECFN, &c->auxv.execfn },
		{ AT_RANDOM, &c->auxv.random }, { AT_SYSINFO_EHDR, &c->auxv.vdso },
	};
	while (cursor_left(d) >= 16) {
		uint64_t type = cursor_u64(d), value = cursor_u64(d);
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			if (wanted[i].type == type)
				*wanted[i].to = value;
		}
	}
}

/* Count, page size, (start, end, offset in pages) of each, then the names. */
static void take_files(struct core *c, struct cursor *d)
{
	uint64_t count = cursor_u64(d), page = cursor_u64(d);
	if (count > CORE_FILES_MAX || count > cursor_left(d) / 24 || page > 1 << 30)
		return;
	struct cursor names = *d;
	cursor_skip(&names, count * 24);
	for (uint64_t i = 0; i < count; i++) {
		struct vma v = { 0 };
		v.start = cursor_u64(d);
		v.end = cursor_u64(d);
		uint64_t pages = cursor_u64(d);
		v.name = cursor_str(&names);
		if (!v.name)
			return;
		if (!__builtin_mul_overflow(pages, page, &v.offset))
			core_parts_add(c, &c->parts->listed, &v);
	}
}

/* ---- our own ---- */

static void take_origin(struct core *c, struct cursor *d)
{
	struct core_origin o = { .ullage = true };
	if (cursor_u64(d) != CORE_NOTE_VERSION)
		return;
	o.structure_only = cursor_u64(d) & CORE_NOTE_STRUCTURE_ONLY;
	o.wall = (int64_t)cursor_u64(d);
	o.monotonic = (int64_t)cursor_u64(d);
	o.boot = (int64_t)cursor_u64(d);
	o.start_ticks = cursor_u64(d);
	o.rss = cursor_u64(d);
	o.stopped_ns = cursor_u64(d);
	const char *boot_id = cursor_str(d);
	if (d->bad)
		return;
	c->origin = o;
	if (*boot_id)
		c->origin.boot_id = arena_strdup(&c->arena, boot_id);
}

static void take_maps(struct core *c, struct cursor *d)
{
	while (cursor_left(d)) {
		struct vma v = { 0 };
		v.start = cursor_u64(d);
		v.end = cursor_u64(d);
		v.offset = cursor_u64(d);
		v.inode = cursor_u64(d);
		v.dev_major = cursor_u32(d);
		v.dev_minor = cursor_u32(d);
		v.flags = cursor_u32(d) & VMA_FLAGS;
		v.name = cursor_str(d);
		if (!v.name)
			return;
		core_parts_add(c, &c->maps, &v);
	}
}

static void take_pages(struct core *c, struct cursor *d)
{
	while (cursor_left(d) >= 16) {
		uint64_t word = cursor_u64(d), start = word - word % PAGE, end = cursor_u64(d);
		uint64_t after = c->pages.n ? c->pages.v[c->pages.n - 1].end : 0;
		if (start < after || end <= start || end % PAGE || (word & RUN_KIND) > PAGE_SWAP)
			return;
		const struct page_run run = {
			.start = start,
			.end = end,
			.kind = (enum page_kind)(word & RUN_KIND),
			.huge = word & CORE_NOTE_HUGE,
		};
		*vec_push(&c->pages) = run;
		if (run.kind == PAGE_SWAP)
			*vec_push(&c->swapped) = run;
	}
}

/* ---- all ---- */

static const struct {
	const char *owner;
	uint32_t type;
	void (*take)(struct core *c, struct cursor *d);
} takers[] = {
	{ "CORE", NT_PRSTATUS, take_prstatus },
	{ "CORE", NT_PRPSINFO, take_prpsinfo },
	{ "CORE", NT_AUXV, take_auxv },
	{ "CORE", NT_FILE, take_files },
	{ CORE_NOTE_OWNER, CORE_NOTE_ORIGIN, take_origin },
	{ CORE_NOTE_OWNER, CORE_NOTE_MAPS, take_maps },
	{ CORE_NOTE_OWNER, CORE_NOTE_PAGES, take_pages },
};

static void take_note(struct core *c, const unsigned char *owner, size_t owner_len, uint32_t type, struct cursor *d)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
		size_t len = strlen(takers[i].owner);
		if (takers[i].type == type && owner_len >= len && owner_len <= len + 1 &&
		    memcmp(owner, takers[i].owner, len) == 0)
			takers[i].take(c, d);
	}
}

bool core_notes_take(struct core *c, const void *notes, size_t len)
{
	struct cursor all;
	cursor_init(&all, notes, len);
	while (cursor_left(&all) >= sizeof(Elf64_Nhdr)) {
		uint32_t owner_len = cursor_u32(&all), desc_len = cursor_u32(&all), type = cursor_u32(&all);
		const unsigned char *owner = cursor_bytes(&all, owner_len);
		cursor_skip(&all, -(uint64_t)owner_len & 3);
		const unsigned char *desc = cursor_bytes(&all, desc_len);
		if (!owner || !desc)
			return false;
		struct cursor d;
		cursor_init(&d, desc, desc_len);
		take_note(c, owner, owner_len, type, &d);
		cursor_skip(&all, num_min(-(uint64_t)desc_len & 3, cursor_left(&all)));
	}
	return true;
}
