/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include "engine/target.h"

struct err *evidence_heap(struct target *t, struct snapshot *s)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}
