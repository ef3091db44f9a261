/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/module.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"
#include "sym/disasm.h"
#include "sym/pclntab.h"

enum {
	CHUNK = 512 * 1024, /* of the image, read at a time */
	OVERLAP = 256,	    /* longest pattern */
	TRIES_MAX = 16 * 1024,
	NFUNC_MAX = 4 * 1024 * 1024,
	HEADER_LEN = 72,
	PREFIX_WORDS = 32, /* words of moduledata that have been the same since 1.18 */
	PREFIX_LEN = PREFIX_WORDS * 8,
	BLOB_HEAD = 32,
	BLOB_MAX = 4 * 1024 * 1024,
	VERSION_MAX = 256,
	SETTINGS_MAX = 1024,
	EXPERIMENTS_MAX = 64,
	SCHEDINIT_MAX = 16 * 1024,
	PAGE = 4096,
	HEADERS_MAX = 4096, /* string headers looked at together */
	TEXT_START = 8,	    /* enough of a text to read "go1.22" */
	BUILDVERSION_MIN = 5,
	BUILDVERSION_MAX = 64,
};

static const uint64_t MAGIC_118 = UINT64_C(0x08010000fffffff0); /* with pad, minimal instruction, word size */
static const uint64_t MAGIC_120 = UINT64_C(0x08010000fffffff1);
static const uint64_t ANON_MAX = UINT64_C(64) << 20; /* of anonymous memory, when nothing else helped */
static const uint64_t DATA_MAX = UINT64_C(256) << 20;
static const uint64_t ADDRESS_MAX = UINT64_C(1) << 56;
static const uint64_t RANGE_MAX = UINT64_C(64) << 30; /* no part of an image is larger */

static const char BLOB_MAGIC[14] = "\xff Go buildinf:";

/* Word of moduledata, by index; see runtime/symtab.go. Each of the five slices is pointer, length, capacity. */
enum {
	W_HEADER = 0,
	W_FUNCNAMETAB = 1,
	W_CUTAB = 4,
	W_FILETAB = 7,
	W_PCTAB = 10,
	W_PCLNTABLE = 13,
	W_FTAB = 16,
	W_MINPC = 20,
	W_TEXT = 22,
	W_NOPTRDATA = 24,
	W_DATA = 26,
	W_BSS = 28,
	W_NOPTRBSS = 30,
};

/* Word of the pclntab header. */
enum {
	H_MAGIC = 0,
	H_NFUNC = 1,
	H_FUNCNAME = 4,
	H_CU = 5,
	H_FILETAB = 6,
	H_PCTAB = 7,
	H_PCLN = 8,
};

/* A walk over the image, chunk by chunk. */
struct scan {
	struct memsrc *src;
	struct gort_module *m;
	uint64_t header; /* a pclntab header that looks right, found on the way */
	unsigned tries;	 /* places looked at closely: a hostile image may offer millions */
	const unsigned char *buf;
	size_t len;    /* bytes in buf */
	size_t own;    /* those of them that the next chunk does not have too */
	uint64_t addr; /* of buf */
};

/* Looks at one chunk; true ends the walk. */
typedef bool (*chunk_fn)(struct scan *s);

static bool scan_range(struct scan *s, uint64_t start, uint64_t end, unsigned char *buf, chunk_fn fn)
{
	for (uint64_t addr = start; addr < end; addr += CHUNK) {
		s->len = (size_t)num_min(CHUNK + OVERLAP, end - addr);
		s->own = (size_t)num_min(CHUNK, end - addr);
		s->addr = addr;
		s->buf = buf;
		if (memsrc_read(s->src, addr, buf, s->len) && fn(s))
			return true;
	}
	return false;
}

/*
 * The order in which the kinds of mappings are worth reading: moduledata and build info are in writable data or, in a
 * PIE, in what was writable before relocation, which comes after the (large) constants; hence from the end.
 */
enum pass { PASS_DATA, PASS_CONST, PASS_CODE, PASS_ANON, PASS_MAX_ };

static enum pass pass_of(const struct vma *v)
{
	if (!v->inode)
		return PASS_ANON;
	if (v->flags & VMA_EXEC)
		return PASS_CODE;
	return v->flags & VMA_WRITE ? PASS_DATA : PASS_CONST;
}

static bool scan_image(struct scan *s, const struct vma *vmas, size_t n, chunk_fn fn)
{
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK + OVERLAP);
	uint64_t anon = 0;
	for (unsigned pass = 0; pass < PASS_MAX_; pass++) {
		for (size_t i = n; i-- > 0;) {
			const struct vma *v = &vmas[i];
			if (!(v->flags & VMA_READ) || pass_of(v) != pass)
				continue;
			if (pass == PASS_ANON && (anon += vma_size(v)) > ANON_MAX)
				continue;
			if (scan_range(s, v->start, v->end, buf, fn))
				return true;
		}
	}
	return false;
}

static bool read_words(struct memsrc *src, uint64_t addr, uint64_t *ret, size_t n)
{
	if (!memsrc_read(src, addr, ret, n * sizeof(*ret)))
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = load_u64(&ret[i]);
	return true;
}

static bool header_is_sane(const uint64_t *h)
{
	if (h[H_MAGIC] != MAGIC_118 && h[H_MAGIC] != MAGIC_120)
		return false;
	if (!h[H_NFUNC] || h[H_NFUNC] > NFUNC_MAX || h[H_FUNCNAME] < HEADER_LEN)
		return false;
	for (int i = H_FUNCNAME; i < H_PCLN; i++)
		if (h[i] > h[i + 1])
			return false;
	return h[H_PCLN] < RANGE_MAX;
}

static bool slice_is(const uint64_t *w, int at, uint64_t ptr)
{
	return w[at] == ptr && w[at + 1] == w[at + 2] && w[at + 1] < RANGE_MAX;
}

static bool range_is_sane(const uint64_t *w, int at)
{
	return w[at] <= w[at + 1] && w[at + 1] - w[at] < RANGE_MAX && w[at] < ADDRESS_MAX;
}

/* Does the moduledata w agree with the pclntab header h that it points at? */
static bool moduledata_is(const uint64_t *w, const uint64_t *h)
{
	uint64_t at = w[W_HEADER];
	return slice_is(w, W_FUNCNAMETAB, at + h[H_FUNCNAME]) && slice_is(w, W_CUTAB, at + h[H_CU]) &&
	       slice_is(w, W_FILETAB, at + h[H_FILETAB]) && slice_is(w, W_PCTAB, at + h[H_PCTAB]) &&
	       slice_is(w, W_PCLNTABLE, at + h[H_PCLN]) && slice_is(w, W_FTAB, at + h[H_PCLN]) &&
	       w[W_FTAB + 1] == h[H_NFUNC] + 1 && w[W_TEXT] < w[W_TEXT + 1] && range_is_sane(w, W_MINPC) &&
	       range_is_sane(w, W_TEXT) && range_is_sane(w, W_NOPTRDATA) && range_is_sane(w, W_DATA) &&
	       range_is_sane(w, W_BSS) && range_is_sane(w, W_NOPTRBSS);
}

static struct gort_range range_at(const uint64_t *w, int at)
{
	return (struct gort_range){ w[at], w[at + 1] };
}

static void module_set(struct gort_module *m, uint64_t addr, const uint64_t *w, const uint64_t *h)
{
	m->pclntab = w[W_HEADER];
	m->magic = (unsigned)(h[H_MAGIC] & 0xff);
	m->moduledata = addr;
	m->funcnametab = w[W_FUNCNAMETAB];
	m->funcnametab_len = w[W_FUNCNAMETAB + 1];
	m->cutab = w[W_CUTAB];
	m->cutab_len = w[W_CUTAB + 1] * sizeof(uint32_t);
	m->filetab = w[W_FILETAB];
	m->filetab_len = w[W_FILETAB + 1];
	m->pctab = w[W_PCTAB];
	m->pctab_len = w[W_PCTAB + 1];
	m->pclntable = w[W_PCLNTABLE];
	m->pclntable_len = w[W_PCLNTABLE + 1];
	m->nfunc = h[H_NFUNC];
	m->text = range_at(w, W_TEXT);
	m->noptrdata = range_at(w, W_NOPTRDATA);
	m->data = range_at(w, W_DATA);
	m->bss = range_at(w, W_BSS);
	m->noptrbss = range_at(w, W_NOPTRBSS);
}

static bool try_moduledata(struct scan *s, uint64_t addr)
{
	uint64_t w[PREFIX_WORDS], h[HEADER_LEN / 8];
	if (++s->tries > TRIES_MAX || !read_words(s->src, addr, w, PREFIX_WORDS) ||
	    !read_words(s->src, w[W_HEADER], h, HEADER_LEN / 8) || !header_is_sane(h) || !moduledata_is(w, h))
		return false;
	module_set(s->m, addr, w, h);
	return true;
}

static void note_header(struct scan *s, uint64_t addr)
{
	uint64_t h[HEADER_LEN / 8];
	if (!s->header && ++s->tries <= TRIES_MAX && read_words(s->src, addr, h, HEADER_LEN / 8) && header_is_sane(h))
		s->header = addr;
}

static uint64_t word_at(const unsigned char *p, size_t i)
{
	return load_u64(p + i * sizeof(uint64_t));
}

/* Cheap signs of a moduledata: where its tables start, and that length is capacity. */
static bool may_be_moduledata(const unsigned char *p)
{
	uint64_t rows = word_at(p, W_FTAB + 1);
	return rows && rows <= NFUNC_MAX + 1 && rows == word_at(p, W_FTAB + 2) &&
	       word_at(p, W_PCLNTABLE) == word_at(p, W_FTAB) && word_at(p, W_FUNCNAMETAB) > word_at(p, W_HEADER) &&
	       word_at(p, W_FUNCNAMETAB + 1) == word_at(p, W_FUNCNAMETAB + 2);
}

static bool find_moduledata(struct scan *s)
{
	for (size_t i = 0; i < s->own && s->len - i >= 8; i += 8) {
		if ((load_u64(s->buf + i) | 1) == MAGIC_120)
			note_header(s, s->addr + i);
		if (s->len - i >= PREFIX_LEN && may_be_moduledata(s->buf + i) && try_moduledata(s, s->addr + i))
			return true;
	}
	return false;
}

/* version */

static const char *skip_prefix(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(s, prefix, len) ? NULL : s + len;
}

/* Minor version of "go1.22..." or "devel go1.22...", -1 of anything else. */
static int minor_of(const char *text)
{
	const char *p = skip_prefix(text, "devel ");
	uint64_t minor = 0;
	p = skip_prefix(p ? p : text, "go1.");
	size_t digits = p ? strspn(p, "0123456789") : 0;
	if (!digits || digits > 3 || !num_dec(p, digits, &minor))
		return -1;
	return (int)minor;
}

static void add_experiment(struct gort_module *m, const char *s, size_t len)
{
	for (size_t i = 0; i < m->experiments.n; i++)
		if (strlen(m->experiments.v[i]) == len && !memcmp(m->experiments.v[i], s, len))
			return;
	if (len && m->experiments.n < EXPERIMENTS_MAX)
		*vec_push(&m->experiments) = arena_strndup(&m->arena, s, len);
}

static void add_experiments(struct gort_module *m, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		add_experiment(m, list, len);
		if (list[len] != ',')
			return;
		list += len + 1;
	}
}

void gort_version_parse(const char *text, struct gort_module *m)
{
	const char *devel = skip_prefix(text, "devel ");
	const char *start = devel ? devel : text;
	m->version = NULL;
	m->minor = minor_of(text);
	if (m->minor < 0)
		return;
	size_t len = strcspn(start, " ");
	const char *dash = strstr(start, "-X:"), *list = strstr(start, "X:");
	if (dash && dash < start + len)
		len = (size_t)(dash - start);
	m->version = arena_strndup(&m->arena, text, (size_t)(start - text) + len);
	if (list)
		add_experiments(m, list + 2);
}

/* Text of a version is printable; what is not is no version. */
static bool is_printable(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

static bool parse_version_bytes(const char *s, size_t len, struct gort_module *m)
{
	char text[VERSION_MAX];
	if (len >= sizeof(text) || !is_printable(s, len))
		return false;
	memcpy(text, s, len);
	text[len] = 0;
	gort_version_parse(text, m);
	return m->version != NULL;
}

/* build info */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One escape of a Go string at s (which is after the backslash); gives the bytes used, 0 when it is unknown. */
static size_t unescape(const char *s, const char *end, unsigned char *ret)
{
	static const char from[] = "ntr\"\\";
	static const unsigned char to[] = "\n\t\r\"\\";
	if (s == end)
		return 0;
	const char *at = *s ? strchr(from, *s) : NULL;
	if (at) {
		*ret = to[at - from];
		return 1;
	}
	if (*s != 'x' || end - s < 3 || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
		return 0;
	*ret = (unsigned char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
	return 3;
}

/* A plain or quoted word that ends before `stop` or at the end; *s moves behind it. */
static const char *word(struct arena *arena, const char **s, const char *end, char stop)
{
	const char *p = *s;
	char quote = 0;
	if (p < end && (*p == '"' || *p == '`'))
		quote = *p++;
	unsigned char *out = arena_alloc(arena, (size_t)(end - p) + 1), *to = out;
	for (; p < end && *p != (quote ? quote : stop); p++) {
		size_t used = quote == '"' && *p == '\\' ? unescape(p + 1, end, to) : 0;
		if (!used)
			*to = (unsigned char)*p;
		to++;
		p += used;
	}
	*s = quote && p < end ? p + 1 : p;
	return (const char *)out;
}

static void parse_setting(struct gort_module *m, const char *s, const char *end)
{
	if (m->settings.n == SETTINGS_MAX)
		return;
	const char *name = word(&m->arena, &s, end, '=');
	if (s == end || *s++ != '=')
		return;
	const char *value = word(&m->arena, &s, end, 0);
	*vec_push(&m->settings) = (struct gort_setting){ name, value };
	if (!strcmp(name, "vcs.revision"))
		m->vcs_revision = value;
	if (!strcmp(name, "GOEXPERIMENT"))
		add_experiments(m, value);
}

/* One line of module information: a word, a tab, fields between tabs. */
static void parse_line(struct gort_module *m, const char *s, const char *end)
{
	const char *tab = memchr(s, '\t', (size_t)(end - s));
	if (!tab)
		return;
	size_t key = (size_t)(tab - s);
	const char *rest = tab + 1;
	if (key == 4 && !memcmp(s, "path", 4))
		m->main_path = arena_strndup(&m->arena, rest, (size_t)(end - rest));
	if (key == 3 && !memcmp(s, "mod", 3) && (tab = memchr(rest, '\t', (size_t)(end - rest)))) {
		rest = tab + 1;
		tab = memchr(rest, '\t', (size_t)(end - rest));
		m->module_version = arena_strndup(&m->arena, rest, (size_t)((tab ? tab : end) - rest));
	}
	if (key == 5 && !memcmp(s, "build", 5))
		parse_setting(m, rest, end);
}

/* The text stands between two marks of 16 bytes, for those who search a file for it. */
static void parse_modinfo(struct gort_module *m, const char *s, size_t len)
{
	enum { MARK = 16 };
	if (len < 2 * MARK + 1 || s[len - MARK - 1] != '\n')
		return;
	const char *end = s + len - MARK;
	for (s += MARK; s < end;) {
		const char *eol = memchr(s, '\n', (size_t)(end - s));
		parse_line(m, s, eol ? eol : end);
		s = eol ? eol + 1 : end;
	}
}

static bool blob_head_is(const unsigned char *p)
{
	return !memcmp(p, BLOB_MAGIC, sizeof(BLOB_MAGIC)) && (p[15] & 2); /* 2: strings are inline */
}

struct err *gort_buildinfo_parse(const void *blob, size_t len, struct gort_module *m)
{
	struct cursor c;
	if (len < BLOB_HEAD || !blob_head_is(blob))
		return err_new(ERR_FORMAT, "no build info of Go 1.18 or later");
	cursor_init(&c, blob, len);
	cursor_skip(&c, BLOB_HEAD);
	uint64_t n = cursor_uvarint(&c);
	const char *version = (const char *)cursor_bytes(&c, n);
	TRY(cursor_check(&c, "build info"));
	if (!parse_version_bytes(version, (size_t)n, m))
		return err_new(ERR_FORMAT, "build info has no version");
	uint64_t info_len = cursor_uvarint(&c);
	const char *info = (const char *)cursor_bytes(&c, info_len);
	if (info)
		parse_modinfo(m, info, (size_t)info_len);
	return NULL; /* cut module information is no reason to doubt the version */
}

/* Length of the varint at addr and of the text behind it, together; 0 when it cannot be. */
static uint64_t varint_text_len(struct memsrc *src, uint64_t addr)
{
	uint64_t v = 0;
	uint8_t b = 0x80;
	unsigned i = 0;
	for (; i < 5 && (b & 0x80); i++) {
		if (!memsrc_u8(src, addr + i, &b))
			return 0;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
	}
	return b & 0x80 || v > BLOB_MAX ? 0 : i + v;
}

static bool try_buildinfo(struct scan *s, uint64_t addr)
{
	AUTO_FREE unsigned char *blob = NULL;
	uint64_t len = ++s->tries > TRIES_MAX ? 0 : varint_text_len(s->src, addr + BLOB_HEAD);
	if (!len)
		return false;
	len += BLOB_HEAD;
	len += varint_text_len(s->src, addr + len);
	struct err *err = alloc_checked(len, 1, 2 * BLOB_MAX + VERSION_MAX, &blob);
	if (!err && !memsrc_read(s->src, addr, blob, len))
		return false;
	if (!err)
		err = gort_buildinfo_parse(blob, len, s->m);
	bool ok = !err;
	err_free(err);
	return ok;
}

static bool find_buildinfo(struct scan *s)
{
	for (size_t i = 0; i < s->own && s->len - i >= BLOB_HEAD; i += 16)
		if (s->buf[i] == 0xff && blob_head_is(s->buf + i) && try_buildinfo(s, s->addr + i))
			return true;
	return false;
}

/* runtime.buildVersion, for a binary without build info */

/* Is there a string header at addr whose text is a version? Then it is parsed. */
static bool try_version_header(struct memsrc *src, uint64_t addr, struct gort_module *m)
{
	uint64_t w[2];
	char text[BUILDVERSION_MAX];
	return read_words(src, addr, w, 2) && w[1] >= BUILDVERSION_MIN && w[1] <= sizeof(text) &&
	       memsrc_read(src, w[0], text, (size_t)w[1]) && parse_version_bytes(text, (size_t)w[1], m);
}

static struct sym_pclntab *open_pclntab(struct memsrc *src, const struct gort_module *m)
{
	struct sym_pclntab *t = NULL;
	struct sym_pclntab_layout l = {
		.src = src,
		.magic = m->magic,
		.text = m->text.start,
		.funcnametab = m->funcnametab,
		.funcnametab_len = m->funcnametab_len,
		.pclntable = m->pclntable,
		.pclntable_len = m->pclntable_len,
		.nfunc = m->nfunc,
	};
	err_free(sym_pclntab_new(&l, &t));
	return t;
}

/* runtime.schedinit replaces an empty version by "unknown", so its code refers to the string's length. */
static bool version_by_code(struct memsrc *src, struct gort_module *m)
{
	enum { REFS = 512 };
	AUTO(sym_pclntab) struct sym_pclntab *t = open_pclntab(src, m);
	size_t index = 0;
	if (!t || !sym_pclntab_find_name(t, "runtime.schedinit", &index))
		return false;
	uint64_t start = sym_pclntab_entry(t, index);
	size_t len = (size_t)num_min(sym_pclntab_entry(t, index + 1) - start, SCHEDINIT_MAX);
	AUTO_FREE unsigned char *code = xmalloc(len + 1);
	AUTO_FREE struct sym_ref *refs = xcalloc(REFS, sizeof(*refs));
	if (!memsrc_read(src, start, code, len))
		return false;
	size_t n = sym_disasm_refs(code, len, start, refs, REFS);
	for (size_t i = 0; i < n; i++)
		if (refs[i].kind != SYM_REF_CALL &&
		    (try_version_header(src, refs[i].target, m) || try_version_header(src, refs[i].target - 8, m)))
			return true;
	return false;
}

/*
 * Without names: the newest version among all strings of initialized data. The standard library names versions in
 * tables of its own, but never one that is newer than itself.
 */
struct headers {
	uint64_t addr[HEADERS_MAX], text[HEADERS_MAX];
	char start[HEADERS_MAX * TEXT_START];
	size_t n;
};

static void headers_flush(struct memsrc *src, struct headers *h, struct gort_module *m)
{
	memset(h->start, 0, sizeof(h->start));
	memsrc_gather(src, h->text, h->n, TEXT_START, h->start, NULL);
	for (size_t i = 0; i < h->n; i++) {
		char start[TEXT_START + 1] = "";
		memcpy(start, h->start + i * TEXT_START, TEXT_START);
		if (minor_of(start) > m->minor)
			try_version_header(src, h->addr[i], m);
	}
	h->n = 0;
}

static void version_by_structure(struct memsrc *src, struct gort_module *m)
{
	AUTO_FREE struct headers *h = xcalloc(1, sizeof(*h));
	AUTO_FREE uint64_t *buf = xmalloc(CHUNK);
	uint64_t end = num_min(m->data.end, m->data.start + DATA_MAX);
	for (uint64_t at = m->data.start & ~UINT64_C(7); at < end; at += CHUNK - 8) {
		size_t words = (size_t)num_min(CHUNK, end - at) / 8;
		if (!read_words(src, at, buf, words))
			continue;
		for (size_t i = 0; i + 1 < words; i++) {
			if (buf[i] < PAGE || buf[i + 1] < BUILDVERSION_MIN || buf[i + 1] > BUILDVERSION_MAX)
				continue;
			h->addr[h->n] = at + i * 8;
			h->text[h->n++] = buf[i];
			if (h->n == HEADERS_MAX)
				headers_flush(src, h, m);
		}
	}
	headers_flush(src, h, m);
}

static void find_version(struct scan *s, const struct vma *vmas, size_t n)
{
	s->tries = 0;
	s->m->has_buildinfo = scan_image(s, vmas, n, find_buildinfo);
	if (!s->m->has_buildinfo && !version_by_code(s->src, s->m))
		version_by_structure(s->src, s->m);
}

struct err *gort_module_find(struct memsrc *src, const struct vma *vmas, size_t n, struct gort_module *ret)
{
	struct scan s = { .src = src, .m = ret };
	*ret = (struct gort_module){ .minor = -1 };
	arena_init(&ret->arena);
	if (scan_image(&s, vmas, n, find_moduledata)) {
		find_version(&s, vmas, n);
		return NULL;
	}
	gort_module_deinit(ret);
	if (s.header)
		return err_new(ERR_FORMAT, "the Go function table at 0x%" PRIx64 " belongs to no module", s.header);
	return err_new(ERR_NOT_FOUND, "the executable has no Go function table");
}

void gort_module_deinit(struct gort_module *m)
{
	vec_deinit(&m->experiments);
	vec_deinit(&m->settings);
	arena_deinit(&m->arena);
}

struct sym_pclntab_layout gort_module_pclntab(const struct gort_module *m, struct memsrc *src)
{
	return (struct sym_pclntab_layout){
		.src = src,
		.magic = m->magic,
		.text = m->text.start,
		.funcnametab = m->funcnametab,
		.cutab = m->cutab,
		.filetab = m->filetab,
		.pctab = m->pctab,
		.pclntable = m->pclntable,
		.funcnametab_len = m->funcnametab_len,
		.cutab_len = m->cutab_len,
		.filetab_len = m->filetab_len,
		.pctab_len = m->pctab_len,
		.pclntable_len = m->pclntable_len,
		.nfunc = m->nfunc,
	};
}
