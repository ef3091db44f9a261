/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/retain.h"

#include <stdlib.h>

struct err *retain_find(const struct retain_input *in, struct retain *ret)
{
	*ret = (struct retain){ 0 };
	return err_new(ERR_UNSUPPORTED, "retained sizes: not built yet");
}

void retain_deinit(struct retain *r)
{
	free(r->roots);
	free(r->kinds);
	free(r->path_of);
	vec_deinit(&r->paths);
	*r = (struct retain){ 0 };
}
