/* SPDX-License-Identifier: Apache-2.0 */
#include "model/owners.h"

#include <math.h>
#include <string.h>

const char *const owners_root_kinds[OWNERS_ROOT_MAX_] = {
	[OWNERS_GLOBAL] = "global", [OWNERS_STACK] = "stack", [OWNERS_FINALIZER] = "finalizer",
	[OWNERS_TIMER] = "timer",   [OWNERS_OTHER] = "other",
};

void owners_init(struct owners *o)
{
	*o = (struct owners){ .heap_marked = ACCOUNT_UNKNOWN, .typed_ratio = NAN };
	stacks_init(&o->stacks);
}

void owners_deinit(struct owners *o)
{
	vec_deinit(&o->roots);
	vec_deinit(&o->types);
	vec_deinit(&o->steps);
	vec_deinit(&o->paths);
	vec_deinit(&o->maps);
	vec_deinit(&o->waste);
	vec_deinit(&o->holders);
	vec_deinit(&o->stuck);
	vec_deinit(&o->iterators);
	stacks_deinit(&o->stacks);
}

static const char *bare(const char *type)
{
	return type + strspn(type, "*[]");
}

bool owners_type_is(const char *type, const char *asked)
{
	return strcmp(bare(type), bare(asked)) == 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool owners_path_extends(const struct owners *o, const struct owners_path *p, const struct owners_path *start)
{
	if (p->step_n <= start->step_n)
		return false;
	for (uint32_t i = 0; i < start->step_n; i++) {
		const struct owners_step *a = &o->steps.v[p->step_at + i], *b = &o->steps.v[start->step_at + i];
		if (!same_text(a->type, b->type) || !same_text(a->field, b->field))
			return false;
	}
	return true;
}
