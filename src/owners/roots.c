/* SPDX-License-Identifier: Apache-2.0 */
#include "owners/owners.h"

struct err *owners_roots_make(struct owners_work *w)
{
	return NULL;
}
