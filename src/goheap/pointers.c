/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/pointers.h"

#include <stdlib.h>

struct err *goheap_pointers_read(const struct goheap_objects *o, struct graph *graph, struct goheap_pointers *ret)
{
	*ret = (struct goheap_pointers){ 0 };
	return err_new(ERR_UNSUPPORTED, "pointers: not built yet");
}

void goheap_pointers_deinit(struct goheap_pointers *p)
{
	vec_deinit(&p->seen);
}
