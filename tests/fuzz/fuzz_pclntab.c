/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function tables of any content: the input is a head (magic, number of functions, where each table lies) and the
 * memory that the tables lie in. Everything that can be asked of the table is asked.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "sym/pclntab.h"

enum { BASE = 0x10000, TEXT = 0x400000, FUNCS = 64, FRAMES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	struct memsrc src; /* first */
	const unsigned char *bytes;
	size_t len;
};

static bool memory_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memory *m = (struct memory *)src;
	if (addr < BASE || addr - BASE > m->len || len > m->len - (size_t)(addr - BASE))
		return false;
	memcpy(buf, m->bytes + (addr - BASE), len);
	return true;
}

static const struct memsrc_ops ops = { .read = memory_read };

static void take_table(struct cursor *c, uint64_t *addr, uint64_t *len)
{
	*addr = BASE + (uint64_t)cursor_u16(c);
	*len = cursor_u16(c);
}

static void ask(struct sym_pclntab *t, uint64_t pc)
{
	struct sym_frame f[FRAMES];
	size_t n = sym_pclntab_frames(t, pc, f, FRAMES);
	for (size_t i = 0; i < n; i++)
		(void)(strlen(f[i].function) + strlen(f[i].file));
	struct sym_step step;
	(void)sym_pclntab_step(t, pc, &step);
	(void)sym_pclntab_wrapper_id(t);
}

static void ask_all(struct sym_pclntab *t)
{
	static const char *const names[] = { "main.main", "runtime.goexit", "", "main.inner" };
	size_t n = sym_pclntab_count(t) < FUNCS ? sym_pclntab_count(t) : FUNCS;
	size_t index[4];
	for (size_t i = 0; i < n; i++) {
		uint64_t entry = sym_pclntab_entry(t, i), end = sym_pclntab_entry(t, i + 1);
		(void)strlen(sym_pclntab_name(t, i));
		ask(t, entry);
		ask(t, entry + (end - entry) / 2);
		ask(t, end - 1);
	}
	(void)sym_pclntab_find_names(t, names, 4, index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	struct memory m = { .src = { &ops } };
	struct sym_pclntab_layout l = { .src = &m.src, .text = TEXT };
	struct sym_pclntab *t = NULL;
	cursor_init(&c, data, size);
	l.magic = 0xf0 | (cursor_u8(&c) & 1);
	l.nfunc = cursor_u16(&c);
	take_table(&c, &l.funcnametab, &l.funcnametab_len);
	take_table(&c, &l.cutab, &l.cutab_len);
	take_table(&c, &l.filetab, &l.filetab_len);
	take_table(&c, &l.pctab, &l.pctab_len);
	take_table(&c, &l.pclntable, &l.pclntable_len);
	l.gofunc = BASE + (uint64_t)cursor_u16(&c);
	m.len = c.bad ? 0 : cursor_left(&c);
	m.bytes = c.p;
	struct err *err = sym_pclntab_new(&l, &t);
	if (!err)
		ask_all(t);
	err_free(err);
	sym_pclntab_free(t);
	return 0;
}
