/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/object.h"

#include <stdlib.h>

struct err *goheap_objects_init(const struct gort *g, const struct gort_heap *heap, struct goheap_objects *ret)
{
	*ret = (struct goheap_objects){ .g = g, .heap = heap };
	return err_new(ERR_UNSUPPORTED, "objects: not built yet");
}

void goheap_objects_deinit(struct goheap_objects *o)
{
	vec_deinit(&o->spans);
	free(o->first);
	free(o->allocated);
	*o = (struct goheap_objects){ 0 };
}

bool goheap_object_find(const struct goheap_objects *o, uint64_t addr, struct goheap_object_at *ret)
{
	return false;
}

struct goheap_object_at goheap_object_get(const struct goheap_objects *o, uint32_t number)
{
	return (struct goheap_object_at){ .number = number };
}

uint64_t goheap_object_header(const struct goheap_objects *o, uint32_t span)
{
	return 0;
}
