/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <inttypes.h>
#include <string.h>

#include "format/parts.h"
#include "screen/clean.h"

/*
 * RFC 4180, with the line ends of the system: a cell with a comma, a quote or a line break stands in quotes, quotes doubled. Other control characters and
 * bytes that are not UTF-8 are written as \xNN, as in text. A cell that a spreadsheet would take for a formula gets an
 * apostrophe in front.
 */
static void put_cell(const char *s, struct strbuf *out)
{
	if (!s)
		s = "";
	size_t len = strlen(s);
	bool quoted = strpbrk(s, ",\"\n") != NULL;
	if (quoted)
		strbuf_putc(out, '"');
	if (len && strchr("=+-@\t", s[0]))
		strbuf_putc(out, '\'');
	for (size_t i = 0; i < len;) {
		unsigned cp = 0;
		size_t n = clean_decode(s + i, len - i, &cp);
		if (!n || (cp < 0x20 && cp != '\n' && cp != '\r') || (cp >= 0x7f && cp < 0xa0))
			strbuf_printf(out, "\\x%02x", n ? cp : (unsigned char)s[i]);
		else if (cp == '"')
			strbuf_puts(out, "\"\"");
		else
			strbuf_add(out, s + i, n);
		i += n ? n : 1;
	}
	if (quoted)
		strbuf_putc(out, '"');
}

static void put_row(const struct vma *m, const struct account_vma *v, const char *class, uint64_t resident,
		    struct strbuf *out)
{
	char perms[PARTS_PERMS_LEN];
	strbuf_printf(out, "0x%" PRIx64 ",0x%" PRIx64 ",%s,", m->start, m->end, parts_perms(m->flags, perms));
	put_cell(m->name, out);
	strbuf_putc(out, ',');
	put_cell(v->label, out);
	strbuf_printf(out, ",%s,%" PRIu64 "\n", class, resident);
}

/* A mapping without a resident byte has one row, without a class: the address space stays whole. */
void report_csv(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	strbuf_puts(out, "start,end,perms,name,label,class,resident_bytes\n");
	for (size_t i = 0; i < a->vmas.n && i < a->maps.n; i++) {
		enum mem_class list[CLASS_MAX_];
		const struct account_vma *v = &a->vmas.v[i];
		size_t n = parts_vma_classes(v->classes, list);
		for (size_t c = 0; c < n; c++)
			put_row(&a->maps.v[i], v, mem_classes[list[c]].name, v->classes[list[c]], out);
		if (!n)
			put_row(&a->maps.v[i], v, "", 0, out);
	}
}
