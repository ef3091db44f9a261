/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/report/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "ui/report/clean.h"
#include "ui/report/page.h"
#include "ui/report/parts.h"

/*
 * Frames from the root: the process, the levels of the class ("go", "go.heap", "go.heap.live"), the package, the
 * function. Owners are known by resident size only; other values stop at the class.
 */

typedef void (*stack_fn)(void *sink, enum mem_class c, const char *owner, uint64_t value);

static uint64_t class_value(const struct account_class *c, enum report_value value)
{
	switch (value) {
	case REPORT_RSS:
		return c->resident;
	case REPORT_PSS:
		return c->pss == ACCOUNT_UNKNOWN ? 0 : c->pss;
	case REPORT_SWAP:
		return c->swap;
	}
	return 0;
}

/* Calls fn for every stack; what the owners of a class leave is a stack without an owner. */
static void each_stack(const struct account *a, enum report_value value, stack_fn fn, void *sink)
{
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		uint64_t left = class_value(&a->classes[c], value);
		for (size_t i = 0; value == REPORT_RSS && i < a->owners.n; i++) {
			const struct account_owner *o = &a->owners.v[i];
			if (o->class != c || !o->owner || !o->resident)
				continue;
			uint64_t part = num_min(left, o->resident);
			left -= part;
			if (part)
				fn(sink, c, o->owner, part);
		}
		if (left)
			fn(sink, c, NULL, left);
	}
}

/* A frame of folded stacks: ";" parts frames and line breaks end stacks, so neither may be in a name. */
static void put_frame(struct strbuf *out, const char *name, size_t len)
{
	AUTO(strbuf) struct strbuf clean;
	AUTO_FREE char *copy = xstrndup(name, len);
	strbuf_init(&clean);
	clean_add(&clean, copy, true);
	for (char *p = clean.buf; *p; p++) {
		if (*p == ';')
			*p = ':';
	}
	strbuf_puts(out, clean.buf);
}

static void fold(void *sink, enum mem_class c, const char *owner, uint64_t value)
{
	struct strbuf *out = sink;
	const char *class = mem_classes[c].name;
	for (const char *dot = strchr(class, '.'); dot; dot = strchr(dot + 1, '.'))
		strbuf_printf(out, "%.*s;", (int)(dot - class), class);
	strbuf_puts(out, class);
	size_t package = owner ? parts_package(c, owner) : 0;
	if (package) {
		strbuf_putc(out, ';');
		put_frame(out, owner, package);
	}
	if (owner) {
		strbuf_putc(out, ';');
		put_frame(out, owner, strlen(owner));
	}
	strbuf_printf(out, " %" PRIu64 "\n", value);
}

void report_folded(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	each_stack(a, opt->value, fold, out);
}

static void put_stack(void *sink, enum mem_class c, const char *owner, uint64_t value)
{
	page_owner(sink, c, owner, value);
}

void report_flame(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	static const char *const names[] = { "resident", "proportional", "swapped" };
	char time[PARTS_TIME_LEN];
	AUTO(strbuf) struct strbuf data;
	strbuf_init(&data);
	struct json j;
	json_init(&j, &data);
	json_object(&j, NULL);
	json_i64(&j, "pid", a->pid);
	json_str(&j, "comm", a->comm);
	json_str(&j, "time", parts_time(a->time_unix_ns, time));
	json_str(&j, "value", names[opt->value]);
	page_classes(&j);
	json_array(&j, "stacks");
	each_stack(a, opt->value, put_stack, &j);
	json_array_end(&j);
	json_object_end(&j);
	page_put(&page_flame, &data, out);
}
