/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <string.h>

#include "base/num.h"
#include "codec/folded.h"
#include "format/flamegraph.h"
#include "format/parts.h"

/*
 * An account as a profile. Frames from the root: the levels of the class ("go", "go.heap", "go.heap.live"), the package,
 * the function. Owners are known by resident size only; other values stop at the class.
 */

enum { LEVELS_MAX = 4, FRAMES_MAX = LEVELS_MAX + 2 };

static const char *const value_names[] = { "resident", "proportional", "swapped" };

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

static uint32_t frame(struct profile *p, const char *name, size_t len)
{
	const char *kept = intern_mem(&p->stacks.strings, name, len);
	return stacks_frame(&p->stacks, &(struct frame){ .function = kept });
}

static void add_stack(struct profile *p, enum mem_class c, const char *owner, uint64_t value)
{
	uint32_t rooted[FRAMES_MAX], frames[FRAMES_MAX], n = 0;
	const char *class = mem_classes[c].name;
	for (const char *dot = strchr(class, '.'); dot && n + 1 < LEVELS_MAX; dot = strchr(dot + 1, '.'))
		rooted[n++] = frame(p, class, (size_t)(dot - class));
	rooted[n++] = frame(p, class, strlen(class));
	size_t package = owner ? parts_package(c, owner) : 0;
	if (package)
		rooted[n++] = frame(p, owner, package);
	if (owner)
		rooted[n++] = frame(p, owner, strlen(owner));
	for (uint32_t i = 0; i < n; i++)
		frames[i] = rooted[n - 1 - i];
	profile_sample_add(p, stacks_add(&p->stacks, frames, n))[0] = (int64_t)value;
}

/* What the owners of a class leave is a stack without an owner. */
static void make_profile(const struct account *a, enum report_value value, struct profile *p)
{
	profile_init(p);
	profile_type_add(p, value_names[value], "bytes");
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		uint64_t left = class_value(&a->classes[c], value);
		for (size_t i = 0; value == REPORT_RSS && i < a->owners.n; i++) {
			const struct account_owner *o = &a->owners.v[i];
			if (o->class != c || !o->owner || !o->resident)
				continue;
			uint64_t part = num_min(left, o->resident);
			left -= part;
			if (part)
				add_stack(p, c, o->owner, part);
		}
		if (left)
			add_stack(p, c, NULL, left);
	}
}

void report_folded(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	make_profile(a, opt->value, &p);
	folded_write(&p, 0, out);
}

static const char *color(const char *function)
{
	size_t len = strlen(function);
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		const char *class = mem_classes[c].name;
		if (strncmp(class, function, len) == 0 && (!class[len] || class[len] == '.'))
			return class[len] ? "#8b949c" : mem_classes[c].color; /* a level above the class is grey */
	}
	return NULL;
}

static const char *about(const char *function)
{
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		if (strcmp(mem_classes[c].name, function) == 0)
			return mem_classes[c].about;
	}
	return NULL;
}

void report_flame(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	AUTO_FREE char *title = xasprintf("%s (pid %d), %s memory", a->comm, a->pid, value_names[opt->value]);
	parts_time(a->time_unix_ns, time);
	AUTO_FREE char *subtitle = xasprintf("%.10s %.8s UTC", time, time + sizeof("2025-11-21"));
	AUTO(profile) struct profile p;
	make_profile(a, opt->value, &p);
	struct flamegraph f = { title, subtitle, &p, 0, -1, color, about };
	flamegraph_put(&f, out);
}
