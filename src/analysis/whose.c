/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/whose.h"

#include <string.h>

bool rule_of_runtime(const char *function)
{
	return strncmp(function, "runtime.", 8) == 0 || strncmp(function, "internal/runtime/", 17) == 0 ||
	       strncmp(function, "runtime/", 8) == 0;
}

/* A path whose first element has no dot is the library's, unless it is the program's own module or main. */
bool rule_of_library(const char *function, const char *module)
{
	size_t first = strcspn(function, "/["); /* types of a generic function are not its path */
	size_t own = module ? strlen(module) : 0;
	if (own && strncmp(function, module, own) == 0 && (function[own] == '/' || function[own] == '.'))
		return false;
	if (function[first] != '/') /* "os.Open", "main.main", "slices.Grow[...]" */
		return strncmp(function, "main.", 5) != 0;
	return memchr(function, '.', first) == NULL;
}

const struct frame *rule_own_frame(const struct stacks *s, uint32_t stack, const char *module)
{
	const struct frame *library = NULL;
	for (uint32_t i = 0; i < stacks_depth(s, stack); i++) {
		const struct frame *f = stacks_at(s, stack, i);
		if (!*f->function || rule_of_runtime(f->function))
			continue;
		if (!rule_of_library(f->function, module))
			return f;
		library = library ? library : f;
	}
	return library;
}
