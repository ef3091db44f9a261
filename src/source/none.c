/* SPDX-License-Identifier: Apache-2.0 */
#include "source/lacks.h"

/* What stands in place of the room where it could not be built. */

struct err *source_open(const char *dir, struct source **ret)
{
	*ret = NULL;
	return err_new(ERR_UNSUPPORTED, "this ullage was built without tree-sitter and its grammar of Go: `tools/setup "
					"source` brings both, then build again; all but --source works");
}

void source_close(struct source *s)
{
}

bool source_lacks(struct source *s, const struct source_place *place, struct arena *arena, struct source_lack_vec *ret)
{
	return false;
}
