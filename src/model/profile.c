/* SPDX-License-Identifier: Apache-2.0 */
#include "model/profile.h"

#include <string.h>

void profile_init(struct profile *p)
{
	*p = (struct profile){ 0 };
	stacks_init(&p->stacks);
}

void profile_deinit(struct profile *p)
{
	stacks_deinit(&p->stacks);
	vec_deinit(&p->samples);
	vec_deinit(&p->values);
	vec_deinit(&p->labels);
	vec_deinit(&p->mappings);
	vec_deinit(&p->comments);
}

void profile_type_add(struct profile *p, const char *type, const char *unit)
{
	if (p->n_types < PROFILE_TYPES_MAX)
		p->types[p->n_types++] = (struct profile_type){ intern_str(&p->stacks.strings, type),
								intern_str(&p->stacks.strings, unit) };
}

int64_t *profile_sample_add(struct profile *p, uint32_t stack)
{
	*vec_push(&p->samples) = (struct profile_sample){ .stack = stack, .label_at = (uint32_t)p->labels.n };
	size_t at = p->values.n;
	if (at + p->n_types > p->values.cap)
		vec_reserve(&p->values, 2 * (at + p->n_types));
	p->values.n += p->n_types;
	return memset(&p->values.v[at], 0, p->n_types * sizeof(*p->values.v));
}

static void add_label(struct profile *p, struct profile_label label)
{
	*vec_push(&p->labels) = label;
	p->samples.v[p->samples.n - 1].label_n++;
}

void profile_label_text(struct profile *p, const char *key, const char *text)
{
	add_label(p, (struct profile_label){ .key = intern_str(&p->stacks.strings, key),
					     .text = intern_str(&p->stacks.strings, text),
					     .unit = "" });
}

void profile_label_number(struct profile *p, const char *key, int64_t number, const char *unit)
{
	add_label(p, (struct profile_label){ .key = intern_str(&p->stacks.strings, key),
					     .number = number,
					     .unit = intern_str(&p->stacks.strings, unit) });
}

int profile_type_find(const struct profile *p, const char *type)
{
	const char *name = type ? type : p->default_type;
	for (size_t i = 0; name && i < p->n_types; i++) {
		if (strcmp(p->types[i].type, name) == 0)
			return (int)i;
	}
	return type ? -1 : (int)p->n_types - 1;
}
