/* SPDX-License-Identifier: Apache-2.0 */
#include "format/page.h"

#include "base/alloc.h"
#include "format/parts.h"

/*
 * In JSON these bytes stand in strings only, so that they may be escaped without parsing it. "<" could start a tag or a
 * comment; U+2028 and U+2029 end lines in old scripts.
 */
static const char *escape_of(const char *p, size_t left, size_t *len)
{
	*len = 1;
	if (*p == '<')
		return "\\u003c";
	if (*p == '>')
		return "\\u003e";
	if (*p == '&')
		return "\\u0026";
	if (left < 3 || p[0] != '\xe2' || p[1] != '\x80' || (p[2] & ~1) != '\xa8')
		return NULL;
	*len = 3;
	return p[2] & 1 ? "\\u2029" : "\\u2028";
}

void page_put(const struct page *page, const struct strbuf *json, struct strbuf *out)
{
	strbuf_puts(out, page->head);
	size_t from = 0, len = 0;
	for (size_t i = 0; i < json->len; i += len) {
		const char *escape = escape_of(json->buf + i, json->len - i, &len);
		if (!escape)
			continue;
		strbuf_add(out, json->buf + from, i - from);
		strbuf_puts(out, escape);
		from = i + len;
	}
	strbuf_add(out, json->buf + from, json->len - from);
	strbuf_puts(out, page->tail);
}

void page_classes(struct json *j)
{
	json_array(j, "class_table");
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		json_object(j, NULL);
		json_str(j, "name", mem_classes[c].name);
		json_str(j, "about", mem_classes[c].about);
		json_str(j, "color", mem_classes[c].color);
		json_object_end(j);
	}
	json_array_end(j);
}

void page_owner(struct json *j, enum mem_class c, const char *owner, uint64_t bytes)
{
	size_t len = owner ? parts_package(c, owner) : 0;
	AUTO_FREE char *package = len ? xstrndup(owner, len) : NULL;
	json_array(j, NULL);
	json_u64(j, NULL, c);
	json_str(j, NULL, package);
	json_str(j, NULL, len ? owner + len + 1 : owner);
	json_u64(j, NULL, bytes);
	json_array_end(j);
}
