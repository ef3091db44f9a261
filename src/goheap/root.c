/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/root.h"

#include <stdlib.h>

struct err *goheap_roots_read(const struct goheap_objects *o, struct goheap_roots *ret)
{
	*ret = (struct goheap_roots){ 0 };
	return err_new(ERR_UNSUPPORTED, "roots: not built yet");
}

void goheap_roots_deinit(struct goheap_roots *r)
{
	vec_deinit(&r->v);
	vec_deinit(&r->stacks);
}
