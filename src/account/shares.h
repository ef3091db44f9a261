/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/shares - what only smaps knows, by class: proportional sizes (--pss) and pages the kernel may take at any time
 * (MADV_FREE).
 *
 * smaps has one figure a mapping. Where a mapping holds several classes, Pss is divided as their resident bytes are, and
 * lazily freed pages are taken to be the runtime's free spans first.
 */

#include "target/target.h"

/* Fills account_class.pss (when `pss`) and .lazyfree from account.vmas, which must be filled. */
MUST_CHECK struct err *shares_read(const struct target *t, bool pss, struct account *a);
