/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fd.h"

void fds_init(struct fds *f)
{
	*f = (struct fds){ .limit = ACCOUNT_UNKNOWN, .cgroups_dying = ACCOUNT_UNKNOWN };
	arena_init(&f->arena);
}

void fds_deinit(struct fds *f)
{
	arena_deinit(&f->arena);
	vec_deinit(&f->kinds);
	vec_deinit(&f->sockets);
	vec_deinit(&f->epolls);
	vec_deinit(&f->rows);
	vec_deinit(&f->cgroups);
}
