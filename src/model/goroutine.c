/* SPDX-License-Identifier: Apache-2.0 */
#include "model/goroutine.h"

void goroutines_init(struct goroutines *gs)
{
	*gs = (struct goroutines){ .since_gc_ns = -1 };
	stacks_init(&gs->stacks);
}

void goroutines_deinit(struct goroutines *gs)
{
	stacks_deinit(&gs->stacks);
	vec_deinit(&gs->v);
	vec_deinit(&gs->labels);
}
