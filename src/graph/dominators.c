/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/dominators.h"

#include <stdlib.h>

struct err *dominators_find(const struct graph *g, struct dominators *ret)
{
	*ret = (struct dominators){ 0 };
	return err_new(ERR_UNSUPPORTED, "dominators: not built yet");
}

void dominators_deinit(struct dominators *d)
{
	free(d->vertex);
	free(d->idom);
	*d = (struct dominators){ 0 };
}
