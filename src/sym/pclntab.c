/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/pclntab.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"

enum {
	PAGE = 4096,
	BLOCK = 16 * 1024, /* one read of the target */
	BLOCK_PAGES = BLOCK / PAGE,
	BLOCKS = SYM_PCLNTAB_CACHE / BLOCK,
	VALUES = 4096, /* decoded table values kept; a stack asks for the same few again and again */

	FTAB_ROW = 8,	     /* entry, offset of the record; the row after the last has the entry only */
	FUNC_HEAD = 40,	     /* _func of 1.18 and 1.19 */
	FUNC_HEAD_120 = 44,  /* startLine came in 1.20 */
	FUNC_ID_BACK = 4,    /* funcID, flag, a pad and nfuncdata end it */
	INLINED = 20,	     /* one node of the inlining tree, 1.18 and 1.19 */
	INLINED_120 = 16,    /* 1.20 on */
	FUNC_ARGS = 2,	     /* word of the record, of four bytes */
	PCDATA_STACKMAP = 1, /* which of the stack maps, by pc */
	PCDATA_INLTREE = 2,  /* index into the tree, by pc */
	FUNCDATA_ARGS = 0,   /* stack maps of arguments, of locals */
	FUNCDATA_LOCALS = 1,
	FUNCDATA_OBJECTS = 2,
	FUNCDATA_INLTREE = 3, /* the tree */

	NAME_STEP = 256,	 /* bytes of a name read at a time */
	SCAN_CHUNK = 256 * 1024, /* of the table of names, when all of it is read */
};

struct block {
	uint64_t addr;
	unsigned valid; /* bit per page of it */
	bool used;
	unsigned char data[BLOCK];
};

struct value {
	uint64_t pc;
	uint32_t table;
	int32_t value;
	bool used;
};

struct name {
	uint64_t addr;
	const char *text;
};

/* A _func record, as far as it is used. */
struct func {
	uint64_t entry, end;
	uint32_t record; /* offset in pclntable */
	uint32_t nameoff, pcsp, pcfile, pcln, npcdata, cu;
	unsigned nfuncdata;
	uint8_t func_id, flag;
};

struct sym_pclntab {
	struct sym_pclntab_layout l;
	unsigned char *ftab;
	struct block *blocks;
	struct value *values;
	struct arena arena; /* of names */
	struct name *names; /* hash by address; cap is a power of two */
	size_t names_n, names_cap;
};

static size_t hash_addr(uint64_t addr, size_t cap)
{
	return (size_t)((addr * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);
}

static void block_fill(struct memsrc *src, struct block *b, uint64_t addr)
{
	b->addr = addr;
	b->used = true;
	b->valid = (1u << BLOCK_PAGES) - 1;
	if (memsrc_read(src, addr, b->data, BLOCK))
		return;
	/* At the edge of a mapping some pages of a block are there and others not. */
	b->valid = 0;
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		if (memsrc_read(src, addr + i * PAGE, b->data + i * PAGE, PAGE))
			b->valid |= 1u << i;
}

static bool pages_valid(const struct block *b, size_t from, size_t len)
{
	for (size_t page = from / PAGE; page <= (from + len - 1) / PAGE; page++)
		if (!(b->valid & (1u << page)))
			return false;
	return true;
}

static bool cached(struct sym_pclntab *t, uint64_t addr, void *buf, size_t len)
{
	for (unsigned char *to = buf; len;) {
		uint64_t start = addr & ~(uint64_t)(BLOCK - 1);
		struct block *b = &t->blocks[(start / BLOCK) % BLOCKS];
		size_t from = (size_t)(addr - start);
		size_t part = BLOCK - from < len ? BLOCK - from : len;
		if (!b->used || b->addr != start)
			block_fill(t->l.src, b, start);
		if (!pages_valid(b, from, part))
			return false;
		memcpy(to, b->data + from, part);
		to += part;
		addr += part;
		len -= part;
	}
	return true;
}

/* len bytes at `off` of a table of the target. */
static bool table_read(struct sym_pclntab *t, uint64_t table, uint64_t table_len, uint64_t off, void *buf, size_t len)
{
	return off <= table_len && len <= table_len - off && cached(t, table + off, buf, len);
}

static bool pclntable_u32(struct sym_pclntab *t, uint64_t off, uint32_t *ret)
{
	unsigned char b[4];
	if (!table_read(t, t->l.pclntable, t->l.pclntable_len, off, b, sizeof(b)))
		return false;
	*ret = load_u32(b);
	return true;
}

static uint32_t ftab_entry(const struct sym_pclntab *t, size_t index)
{
	return load_u32(t->ftab + index * FTAB_ROW);
}

static uint32_t ftab_record(const struct sym_pclntab *t, size_t index)
{
	return load_u32(t->ftab + index * FTAB_ROW + 4);
}

static struct err *ftab_load(struct sym_pclntab *t)
{
	const struct sym_pclntab_layout *l = &t->l;
	size_t len = (size_t)l->nfunc * FTAB_ROW + 4;
	if (len > l->pclntable_len)
		return err_new(ERR_FORMAT, "function table: %zu functions do not fit its region", (size_t)l->nfunc);
	TRY(alloc_checked(len, 1, SYM_PCLNTAB_FUNCS_MAX * (size_t)FTAB_ROW + 4, &t->ftab));
	if (!memsrc_read(l->src, l->pclntable, t->ftab, len))
		return memsrc_fault(l->pclntable, len, "the function table");
	for (size_t i = 0; i < l->nfunc; i++)
		if (ftab_entry(t, i) > ftab_entry(t, i + 1))
			return err_new(ERR_FORMAT, "function table: row %zu is not in order", i + 1);
	return NULL;
}

struct err *sym_pclntab_new(const struct sym_pclntab_layout *layout, struct sym_pclntab **ret)
{
	*ret = NULL;
	if (layout->nfunc == 0 || layout->nfunc > SYM_PCLNTAB_FUNCS_MAX)
		return err_new(layout->nfunc ? ERR_LIMIT : ERR_FORMAT, "function table: %llu functions",
			       (unsigned long long)layout->nfunc);
	struct sym_pclntab *t = xcalloc(1, sizeof(*t));
	t->l = *layout;
	arena_init(&t->arena);
	struct err *err = ftab_load(t);
	if (err) {
		sym_pclntab_free(t);
		return err;
	}
	t->blocks = xcalloc(BLOCKS, sizeof(*t->blocks));
	t->values = xcalloc(VALUES, sizeof(*t->values));
	*ret = t;
	return NULL;
}

void sym_pclntab_free(struct sym_pclntab *t)
{
	if (!t)
		return;
	free(t->ftab);
	free(t->blocks);
	free(t->values);
	free(t->names);
	arena_deinit(&t->arena);
	free(t);
}

size_t sym_pclntab_count(const struct sym_pclntab *t)
{
	return (size_t)t->l.nfunc;
}

uint64_t sym_pclntab_entry(const struct sym_pclntab *t, size_t index)
{
	return t->l.text + ftab_entry(t, index);
}

bool sym_pclntab_find(struct sym_pclntab *t, uint64_t pc, size_t *ret)
{
	size_t lo = 0, hi = sym_pclntab_count(t);
	if (pc < sym_pclntab_entry(t, 0) || pc >= sym_pclntab_entry(t, hi))
		return false;
	while (hi - lo > 1) { /* entry(lo) <= pc < entry(hi) */
		size_t mid = lo + (hi - lo) / 2;
		if (sym_pclntab_entry(t, mid) <= pc)
			lo = mid;
		else
			hi = mid;
	}
	*ret = lo;
	return true;
}

static struct name *name_slot(struct sym_pclntab *t, uint64_t addr)
{
	size_t i = hash_addr(addr, t->names_cap);
	while (t->names[i].text && t->names[i].addr != addr)
		i = (i + 1) & (t->names_cap - 1);
	return &t->names[i];
}

static void names_grow(struct sym_pclntab *t)
{
	struct name *old = t->names;
	size_t cap = t->names_cap;
	t->names_cap = cap ? cap * 2 : 256;
	t->names = xcalloc(t->names_cap, sizeof(*t->names));
	for (size_t i = 0; i < cap; i++)
		if (old[i].text)
			*name_slot(t, old[i].addr) = old[i];
	free(old);
}

/* The string at `off` of a table, copied into the arena; NULL when it cannot be read or does not end. */
static const char *string_read(struct sym_pclntab *t, uint64_t table, uint64_t table_len, uint64_t off)
{
	char buf[SYM_PCLNTAB_NAME_MAX];
	for (size_t len = 0; off + len < table_len && len < sizeof(buf);) {
		size_t part = (size_t)num_min(NAME_STEP, table_len - off - len);
		part = (size_t)num_min(part, sizeof(buf) - len);
		if (!cached(t, table + off + len, buf + len, part))
			return NULL;
		const char *end = memchr(buf + len, 0, part);
		if (end)
			return arena_strndup(&t->arena, buf, (size_t)(end - buf));
		len += part;
		if (len == sizeof(buf))
			return arena_strndup(&t->arena, buf, len);
	}
	return NULL;
}

static const char *intern(struct sym_pclntab *t, uint64_t table, uint64_t table_len, uint64_t off)
{
	if (off >= table_len)
		return "?";
	if (t->names_n * 4 >= t->names_cap * 3)
		names_grow(t);
	struct name *slot = name_slot(t, table + off);
	if (!slot->text) {
		const char *text = string_read(t, table, table_len, off);
		*slot = (struct name){ table + off, text && *text ? text : "?" };
		t->names_n++;
	}
	return slot->text;
}

static const char *func_name(struct sym_pclntab *t, uint32_t nameoff)
{
	return intern(t, t->l.funcnametab, t->l.funcnametab_len, nameoff);
}

const char *sym_pclntab_name(struct sym_pclntab *t, size_t index)
{
	uint32_t nameoff = 0;
	if (index >= sym_pclntab_count(t) || !pclntable_u32(t, (uint64_t)ftab_record(t, index) + 4, &nameoff))
		return "?";
	return func_name(t, nameoff);
}

/* The names of one search: where each stands in the table of names, once seen. */
struct search {
	const char *const *names;
	size_t n, len[SYM_PCLNTAB_FIND_MAX];
	uint64_t at[SYM_PCLNTAB_FIND_MAX]; /* UINT64_MAX: not seen */
	uint64_t lengths;		   /* bit per length modulo 64 */
	uint64_t offsets;		   /* bit per offset modulo 64 */
};

static void search_name(struct search *s, const char *text, size_t len, uint64_t off)
{
	if (!(s->lengths & (UINT64_C(1) << (len % 64))))
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i] != UINT64_MAX || s->len[i] != len || memcmp(s->names[i], text, len) != 0)
			continue;
		s->at[i] = off;
		s->offsets |= UINT64_C(1) << (off % 64);
	}
}

/* Look at every string that ends in buf; gives how many bytes of it were used up. */
static size_t search_chunk(struct search *s, const char *buf, size_t len, uint64_t off)
{
	size_t pos = 0;
	for (const char *end; pos < len && (end = memchr(buf + pos, 0, len - pos));) {
		size_t n = (size_t)(end - (buf + pos));
		search_name(s, buf + pos, n, off + pos);
		pos += n + 1;
	}
	return pos;
}

static void search_table(struct sym_pclntab *t, struct search *s)
{
	AUTO_FREE char *buf = xmalloc(SCAN_CHUNK);
	uint64_t off = 0, len = t->l.funcnametab_len;
	while (off < len) {
		size_t part = (size_t)num_min(SCAN_CHUNK, len - off);
		if (!memsrc_read(t->l.src, t->l.funcnametab + off, buf, part))
			return;
		size_t used = search_chunk(s, buf, part, off);
		off += used ? used : part; /* no name is that long: step over it */
	}
}

static void search_match(struct search *s, size_t index, uint32_t nameoff, size_t *ret)
{
	if (!(s->offsets & (UINT64_C(1) << (nameoff % 64))))
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i] == nameoff && ret[i] == SYM_PCLNTAB_NONE)
			ret[i] = index;
}

size_t sym_pclntab_find_names(struct sym_pclntab *t, const char *const *names, size_t n, size_t *ret)
{
	struct search s = { .names = names, .n = n < SYM_PCLNTAB_FIND_MAX ? n : SYM_PCLNTAB_FIND_MAX };
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		ret[i] = SYM_PCLNTAB_NONE;
	for (size_t i = 0; i < s.n; i++) {
		s.at[i] = UINT64_MAX;
		s.len[i] = strlen(names[i]);
		s.lengths |= UINT64_C(1) << (s.len[i] % 64);
	}
	search_table(t, &s);
	for (size_t i = 0; s.offsets && i < sym_pclntab_count(t); i++) {
		uint32_t nameoff = 0;
		if (pclntable_u32(t, (uint64_t)ftab_record(t, i) + 4, &nameoff))
			search_match(&s, i, nameoff, ret);
	}
	for (size_t i = 0; i < s.n; i++)
		found += ret[i] != SYM_PCLNTAB_NONE;
	return found;
}

bool sym_pclntab_find_name(struct sym_pclntab *t, const char *name, size_t *ret)
{
	size_t index = SYM_PCLNTAB_NONE;
	if (!sym_pclntab_find_names(t, &name, 1, &index))
		return false;
	*ret = index;
	return true;
}

static uint64_t func_head_len(const struct sym_pclntab *t)
{
	return t->l.magic == 0xf0 ? FUNC_HEAD : FUNC_HEAD_120;
}

static bool func_read(struct sym_pclntab *t, size_t index, struct func *ret)
{
	unsigned char b[FUNC_HEAD_120];
	size_t len = (size_t)func_head_len(t);
	uint32_t record = ftab_record(t, index);
	if (!table_read(t, t->l.pclntable, t->l.pclntable_len, record, b, len))
		return false;
	*ret = (struct func){
		.entry = sym_pclntab_entry(t, index),
		.end = sym_pclntab_entry(t, index + 1),
		.record = record,
		.nameoff = load_u32(b + 4),
		.pcsp = load_u32(b + 16),
		.pcfile = load_u32(b + 20),
		.pcln = load_u32(b + 24),
		.npcdata = load_u32(b + 28),
		.cu = load_u32(b + 32),
		.nfuncdata = b[len - 1],
		.func_id = b[len - FUNC_ID_BACK],
		.flag = b[len - FUNC_ID_BACK + 1],
	};
	return true;
}

/* A varint of a pc-value table; the table's bytes are cached, so reading five at a time is cheap. */
static bool varint(struct sym_pclntab *t, uint64_t *off, uint32_t *ret)
{
	unsigned char b[5];
	uint32_t v = 0;
	uint64_t left = *off < t->l.pctab_len ? t->l.pctab_len - *off : 0;
	size_t n = (size_t)num_min(left, sizeof(b));
	if (!cached(t, t->l.pctab + *off, b, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		v |= (uint32_t)(b[i] & 0x7f) << (7 * i);
		if (!(b[i] & 0x80)) {
			*off += i + 1;
			*ret = v;
			return true;
		}
	}
	return false;
}

static uint32_t zigzag(uint32_t v)
{
	return v & 1 ? ~(v >> 1) : v >> 1;
}

/* Steps of (value difference, length in bytes of code), until the step that covers pc. */
static int32_t value_decode(struct sym_pclntab *t, const struct func *f, uint32_t table, uint64_t pc)
{
	uint64_t off = table, at = f->entry;
	uint32_t value = (uint32_t)-1, dv = 0, dpc = 0;
	for (bool first = true; at < f->end; first = false) {
		if (!varint(t, &off, &dv) || (!dv && !first) || !varint(t, &off, &dpc) || !dpc)
			return -1;
		value += zigzag(dv);
		at += dpc;
		if (pc < at)
			return (int32_t)value;
	}
	return -1;
}

static int32_t value_at(struct sym_pclntab *t, const struct func *f, uint32_t table, uint64_t pc)
{
	if (!table)
		return -1;
	struct value *v = &t->values[hash_addr(pc ^ ((uint64_t)table << 40), VALUES)];
	if (!v->used || v->pc != pc || v->table != table)
		*v = (struct value){ pc, table, value_decode(t, f, table, pc), true };
	return v->value;
}

bool sym_pclntab_step(struct sym_pclntab *t, uint64_t pc, struct sym_step *ret)
{
	size_t index = 0;
	struct func f;
	if (!sym_pclntab_find(t, pc, &index) || !func_read(t, index, &f))
		return false;
	*ret = (struct sym_step){ .entry = f.entry, .spdelta = value_at(t, &f, f.pcsp, pc), .flags = f.flag };
	return true;
}

/* The n-th table of values by pc that a function has for the runtime, 0: none. */
static uint32_t pcdata(struct sym_pclntab *t, const struct func *f, uint32_t n)
{
	uint32_t table = 0;
	if (n >= f->npcdata || !pclntable_u32(t, f->record + func_head_len(t) + UINT64_C(4) * n, &table))
		return 0;
	return table;
}

/* The address of its n-th table that does not depend on the pc, 0: none. */
static uint64_t funcdata(struct sym_pclntab *t, const struct func *f, uint32_t n)
{
	uint32_t off = 0;
	uint64_t at = f->record + func_head_len(t) + (uint64_t)f->npcdata * 4 + UINT64_C(4) * n;
	if (n >= f->nfuncdata || !pclntable_u32(t, at, &off) || off == UINT32_MAX)
		return 0;
	return t->l.gofunc + off;
}

bool sym_pclntab_stack_map(struct sym_pclntab *t, uint64_t pc, struct sym_stack_map *ret)
{
	size_t index = 0;
	struct func f;
	uint32_t args = 0;
	if (!t->l.gofunc || !sym_pclntab_find(t, pc, &index) || !func_read(t, index, &f) ||
	    !pclntable_u32(t, f.record + UINT64_C(4) * FUNC_ARGS, &args))
		return false;
	int32_t map = pc == f.entry ? -1 : value_at(t, &f, pcdata(t, &f, PCDATA_STACKMAP), pc - 1);
	*ret = (struct sym_stack_map){
		.locals = funcdata(t, &f, FUNCDATA_LOCALS),
		.args = funcdata(t, &f, FUNCDATA_ARGS),
		.objects = funcdata(t, &f, FUNCDATA_OBJECTS),
		.map = map == -1 ? 0 : map, /* before the first call: as at the entry */
		.args_size = args,
		.spdelta = value_at(t, &f, f.pcsp, pc),
		.flags = f.flag,
	};
	return true;
}

unsigned sym_pclntab_wrapper_id(struct sym_pclntab *t)
{
	unsigned max = 0;
	for (size_t i = 0; i < sym_pclntab_count(t); i++) {
		uint64_t off = ftab_record(t, i) + func_head_len(t) - FUNC_ID_BACK;
		unsigned char id = 0;
		if (table_read(t, t->l.pclntable, t->l.pclntable_len, off, &id, sizeof(id)) && id > max)
			max = id;
	}
	return max;
}

static const char *file_name(struct sym_pclntab *t, const struct func *f, uint64_t pc)
{
	int32_t file = value_at(t, f, f->pcfile, pc);
	unsigned char b[4];
	if (file < 0 ||
	    !table_read(t, t->l.cutab, t->l.cutab_len, ((uint64_t)f->cu + (uint32_t)file) * sizeof(b), b, sizeof(b)))
		return "?";
	return intern(t, t->l.filetab, t->l.filetab_len, load_u32(b));
}

static struct sym_frame frame_at(struct sym_pclntab *t, const struct func *f, uint64_t pc)
{
	int32_t line = value_at(t, f, f->pcln, pc);
	return (struct sym_frame){
		.file = file_name(t, f, pc),
		.line = line > 0 ? (uint32_t)line : 0,
	};
}

/* Address of the function's inlining tree and the table that indexes it by pc; false when nothing is inlined. */
static bool inline_tree(struct sym_pclntab *t, const struct func *f, uint64_t *tree, uint32_t *index_table)
{
	*index_table = pcdata(t, f, PCDATA_INLTREE);
	*tree = t->l.gofunc ? funcdata(t, f, FUNCDATA_INLTREE) : 0;
	return *tree && f->npcdata > PCDATA_INLTREE;
}

/* One node: the inlined function, and where in the code of its parent it was called. */
struct inlined {
	uint32_t nameoff, parent_pc;
	uint8_t func_id;
};

static bool inline_node(struct sym_pclntab *t, uint64_t tree, uint32_t index, struct inlined *ret)
{
	unsigned char b[INLINED];
	bool old = t->l.magic == 0xf0;
	size_t len = old ? INLINED : INLINED_120;
	if (!cached(t, tree + (uint64_t)index * len, b, len))
		return false;
	*ret = (struct inlined){
		.nameoff = load_u32(b + (old ? 12 : 4)),
		.parent_pc = load_u32(b + (old ? 16 : 8)),
		.func_id = b[old ? 2 : 0],
	};
	return true;
}

size_t sym_pclntab_frames(struct sym_pclntab *t, uint64_t pc, struct sym_frame *ret, size_t max)
{
	size_t n = 0, index = 0;
	uint64_t tree = 0;
	uint32_t table = 0;
	struct inlined in;
	struct func f;
	if (!max || !sym_pclntab_find(t, pc, &index) || !func_read(t, index, &f))
		return 0;
	bool has_tree = inline_tree(t, &f, &tree, &table);
	while (has_tree && n + 1 < max) {
		int32_t node = value_at(t, &f, table, pc);
		if (node < 0 || !inline_node(t, tree, (uint32_t)node, &in))
			break;
		ret[n] = frame_at(t, &f, pc);
		ret[n].function = func_name(t, in.nameoff);
		ret[n].func_id = in.func_id;
		ret[n++].inlined = true;
		pc = f.entry + in.parent_pc;
	}
	ret[n] = frame_at(t, &f, pc);
	ret[n].func_id = f.func_id;
	ret[n++].function = func_name(t, f.nameoff);
	return n;
}
