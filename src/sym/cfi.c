/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/cfi.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "sym/cfi_parts.h"

enum {
	ENCODING_OMIT = 0xff,
	ENCODING_FORMAT = 0x0f,
	ENCODING_RELATION = 0x70,
	ENCODING_PCREL = 0x10,
	ENCODING_INDIRECT = 0x80,
	HEAD_MIN = 8,	       /* length and id */
	FRAME_HEADER_MIN = 12, /* of .eh_frame_hdr: version, encodings, pointer, count */
};

struct cursor cfi_cursor(const struct cfi_section *s, size_t at, size_t end)
{
	struct cursor c;
	cursor_init(&c, s->bytes, end < s->len ? end : s->len);
	cursor_seek(&c, at);
	return c;
}

int64_t cfi_svarint(struct cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = cursor_u8(c);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (b & 0x80)
			continue;
		if (b & 0x40 && shift < 57)
			v |= ~UINT64_C(0) << (shift + 7);
		return (int64_t)v;
	}
	c->bad = true;
	return 0;
}

static uint64_t signed16(uint16_t v)
{
	return (uint64_t)(int64_t)(int16_t)v;
}

static uint64_t signed32(uint32_t v)
{
	return (uint64_t)(int64_t)(int32_t)v;
}

static bool plain_value(struct cursor *c, uint8_t format, uint64_t *ret)
{
	switch (format) {
	case 0x00:
	case 0x04:
	case 0x0c:
		*ret = cursor_u64(c);
		break;
	case 0x01:
		*ret = cursor_uvarint(c);
		break;
	case 0x02:
		*ret = cursor_u16(c);
		break;
	case 0x03:
		*ret = cursor_u32(c);
		break;
	case 0x09:
		*ret = (uint64_t)cfi_svarint(c);
		break;
	case 0x0a:
		*ret = signed16(cursor_u16(c));
		break;
	case 0x0b:
		*ret = signed32(cursor_u32(c));
		break;
	default:
		return false;
	}
	return !c->bad;
}

bool cfi_pointer(const struct cfi_section *s, struct cursor *c, uint8_t encoding, uint64_t *ret)
{
	uint64_t here = s->addr + cursor_offset(c);
	uint8_t relation = encoding & ENCODING_RELATION;
	if (encoding & ENCODING_INDIRECT || (relation && relation != ENCODING_PCREL) ||
	    !plain_value(c, encoding & ENCODING_FORMAT, ret))
		return false;
	if (relation)
		*ret += here;
	return true;
}

/* ---- entries ---- */

bool cfi_entry(const struct cfi_section *s, size_t at, struct cfi_entry *ret)
{
	struct cursor c = cfi_cursor(s, at, s->len);
	uint64_t len = cursor_u32(&c);
	bool wide = len == UINT32_MAX;
	if (wide)
		len = cursor_u64(&c);
	size_t id_at = cursor_offset(&c);
	if (c.bad || !len || len > cursor_left(&c))
		return false;
	*ret = (struct cfi_entry){ .end = id_at + len };
	uint64_t id = wide && s->debug_frame ? cursor_u64(&c) : cursor_u32(&c);
	ret->at = cursor_offset(&c);
	if (c.bad || ret->at > ret->end)
		return false;
	if (s->debug_frame)
		ret->common = wide ? id == UINT64_MAX : id == UINT32_MAX;
	else
		ret->common = !id;
	if (ret->common)
		return true;
	if (s->debug_frame ? id >= s->len : id > id_at)
		return false;
	ret->common_at = s->debug_frame ? id : id_at - id;
	return true;
}

/* What the letters of an augmentation announce. */
static bool take_augmentation(const struct cfi_section *s, struct cursor *c, const char *letters,
			      struct cfi_common *ret)
{
	if (!*letters)
		return true;
	if (*letters != 'z')
		return false;
	ret->augmented = true;
	uint64_t len = cursor_uvarint(c);
	size_t end = cursor_offset(c) + len;
	uint64_t ignored = 0;
	if (c->bad || len > cursor_left(c))
		return false;
	for (const char *l = letters + 1; *l && !c->bad; l++) {
		if (*l == 'R') {
			ret->encoding = cursor_u8(c);
		} else if (*l == 'P') {
			uint8_t encoding = cursor_u8(c);
			if (encoding != ENCODING_OMIT && !plain_value(c, encoding & ENCODING_FORMAT, &ignored))
				return false;
		} else if (*l == 'L') {
			cursor_u8(c);
		} else if (*l == 'S') {
			ret->signal = true;
		} else {
			break;
		}
	}
	return !c->bad && cursor_offset(c) <= end && cursor_seek(c, end);
}

bool cfi_common(const struct cfi_section *s, size_t at, struct cfi_common *ret)
{
	struct cfi_entry e;
	if (!cfi_entry(s, at, &e) || !e.common)
		return false;
	struct cursor c = cfi_cursor(s, e.at, e.end);
	*ret = (struct cfi_common){ .program_end = e.end };
	uint8_t version = cursor_u8(&c);
	const char *letters = cursor_str(&c);
	if (!letters || (version != 1 && version != 3 && version != 4))
		return false;
	if (version == 4) {
		uint8_t address_size = cursor_u8(&c), segment_size = cursor_u8(&c);
		if (address_size != 8 || segment_size)
			return false;
	}
	ret->code_align = cursor_uvarint(&c);
	ret->data_align = cfi_svarint(&c);
	ret->return_reg = version == 1 ? cursor_u8(&c) : cursor_uvarint(&c);
	if (c.bad || ret->return_reg >= SYM_REG_MAX_ || !take_augmentation(s, &c, letters, ret))
		return false;
	ret->program = cursor_offset(&c);
	return !c.bad;
}

bool cfi_range(const struct cfi_section *s, const struct cfi_common *common, struct cursor *c, uint64_t *start,
	       uint64_t *len)
{
	if (!cfi_pointer(s, c, common->encoding, start) || !plain_value(c, common->encoding & ENCODING_FORMAT, len))
		return false;
	if (common->augmented)
		cursor_skip(c, cursor_uvarint(c));
	return !c->bad && *len && *len <= UINT32_MAX && *start <= UINT64_MAX - *len;
}

/* ---- the list of functions ---- */

static int by_start(const void *a, const void *b)
{
	const struct cfi_function *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void list_functions(struct cfi_section *s)
{
	struct cfi_common common = { 0 };
	size_t common_at = SIZE_MAX, at = 0;
	bool usable = false;
	while (s->len - at >= HEAD_MIN && s->functions.n < SYM_CFI_FUNCTIONS_MAX) {
		struct cfi_entry e;
		if (!load_u32(s->bytes + at)) { /* the end of what one of the linked files had */
			at += 4;
			continue;
		}
		if (!cfi_entry(s, at, &e))
			return;
		size_t here = at;
		at = e.end;
		if (e.common)
			continue;
		if (e.common_at != common_at) {
			common_at = e.common_at;
			usable = cfi_common(s, common_at, &common);
		}
		struct cursor c = cfi_cursor(s, e.at, e.end);
		uint64_t start = 0, len = 0;
		if (usable && cfi_range(s, &common, &c, &start, &len))
			*vec_push(&s->functions) = (struct cfi_function){ start, (uint32_t)len, (uint32_t)here };
	}
}

/* Takes the bytes. */
static void add_section(struct sym_cfi *c, unsigned char *bytes, size_t len, uint64_t addr, bool debug_frame)
{
	struct cfi_section *s = &c->sections[c->n++];
	*s = (struct cfi_section){ .bytes = bytes, .len = len, .addr = addr, .debug_frame = debug_frame };
	list_functions(s);
	vec_sort(&s->functions, by_start);
}

struct err *sym_cfi_new(const void *bytes, size_t len, uint64_t addr, bool debug_frame, struct sym_cfi **ret)
{
	unsigned char *own = NULL;
	TRY(alloc_checked(len + 1, 1, SYM_CFI_BYTES_MAX, &own));
	if (len)
		memcpy(own, bytes, len);
	*ret = xcalloc(1, sizeof(**ret));
	add_section(*ret, own, len, addr, debug_frame);
	return NULL;
}

void sym_cfi_free(struct sym_cfi *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->sections[i].bytes);
		vec_deinit(&c->sections[i].functions);
	}
	free(c);
}

/* Where .eh_frame is in a file whose sections are not known: its header points to it, and its segment ends it. */
static bool find_by_header(int fd, const struct sym_elf *elf, struct sym_section *ret)
{
	unsigned char head[FRAME_HEADER_MIN];
	if (elf->eh_frame_hdr_size < sizeof(head) || !sym_elf_read(fd, elf->eh_frame_hdr_offset, head, sizeof(head)))
		return false;
	struct cfi_section s = { .bytes = head, .len = sizeof(head), .addr = elf->eh_frame_hdr_addr };
	struct cursor c = cfi_cursor(&s, 4, sizeof(head));
	uint64_t addr = 0;
	if (head[0] != 1 || !cfi_pointer(&s, &c, head[1], &addr))
		return false;
	for (size_t i = 0; i < elf->segments.n; i++) {
		const struct sym_segment *g = &elf->segments.v[i];
		if (addr < g->vaddr || addr - g->vaddr >= g->filesz)
			continue;
		uint64_t skip = addr - g->vaddr;
		*ret = (struct sym_section){ .addr = addr, .offset = g->offset + skip, .size = g->filesz - skip };
		return true;
	}
	return false;
}

static struct err *read_section(int fd, const struct sym_section *from, bool debug_frame, struct sym_cfi *c)
{
	unsigned char *bytes = NULL;
	if (from->size >= SYM_CFI_BYTES_MAX)
		return err_new(ERR_LIMIT, "%llu bytes of frame information are more than %d",
			       (unsigned long long)from->size, SYM_CFI_BYTES_MAX);
	TRY(alloc_checked(from->size + 1, 1, SYM_CFI_BYTES_MAX, &bytes));
	if (!sym_elf_read(fd, from->offset, bytes, from->size)) {
		free(bytes);
		return err_new(ERR_FORMAT, "the frame information is cut short");
	}
	add_section(c, bytes, from->size, from->addr, debug_frame);
	return NULL;
}

struct err *sym_cfi_open(int fd, const struct sym_elf *elf, struct sym_cfi **ret)
{
	struct sym_section found;
	const struct sym_section *eh = sym_elf_section(elf, ".eh_frame");
	const struct sym_section *debug = sym_elf_section(elf, ".debug_frame");
	*ret = NULL;
	if (elf->machine != EM_X86_64)
		return err_new(ERR_UNSUPPORTED, "frame information is read for amd64 only");
	if ((!eh || eh->nobits) && find_by_header(fd, elf, &found))
		eh = &found;
	struct sym_cfi *c = xcalloc(1, sizeof(*c));
	struct err *err = NULL;
	if (eh && !eh->nobits && eh->size)
		err = read_section(fd, eh, false, c);
	if (!err && debug && !debug->nobits && !debug->compressed && debug->size)
		err = read_section(fd, debug, true, c);
	if (!err && !c->n)
		err = err_new(ERR_NOT_FOUND, "there is no frame information");
	if (err) {
		sym_cfi_free(c);
		return err;
	}
	*ret = c;
	return NULL;
}

/* ---- look-ups ---- */

static const struct cfi_function *find_in(const struct cfi_section *s, uint64_t addr)
{
	size_t low = bisect(s->functions.n, i, s->functions.v[i].start <= addr);
	const struct cfi_function *f = low ? &s->functions.v[low - 1] : NULL;
	return f && addr - f->start < f->len ? f : NULL;
}

const struct cfi_section *cfi_find(const struct sym_cfi *c, uint64_t addr, const struct cfi_function **ret)
{
	for (size_t i = 0; i < c->n; i++) {
		*ret = find_in(&c->sections[i], addr);
		if (*ret)
			return &c->sections[i];
	}
	return NULL;
}

size_t sym_cfi_count(const struct sym_cfi *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++)
		n += c->sections[i].functions.n;
	return n;
}

bool sym_cfi_function(const struct sym_cfi *c, uint64_t addr, uint64_t *start, uint64_t *end)
{
	const struct cfi_function *f = NULL;
	if (!cfi_find(c, addr, &f))
		return false;
	*start = f->start;
	*end = f->start + f->len;
	return true;
}

bool sym_cfi_row(const struct sym_cfi *c, uint64_t addr, struct sym_cfi_row *ret)
{
	const struct cfi_function *f = NULL;
	const struct cfi_section *s = cfi_find(c, addr, &f);
	return s && cfi_interpret(s, f, addr, ret);
}
