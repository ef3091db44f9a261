/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/balance - from the heap's live bytes step by step to what the cgroup is charged.
 *
 * Pure. Reads account.classes, account.runtime and the figures of account.cgroup; fills cgroup.balance and
 * cgroup.unexplained. Steps are signed and add up, with `unexplained`, to the cgroup's usage. Private pages only: file
 * and shared pages come in as the cgroup's own page cache and tmpfs, whoever maps them.
 */

#include "model/account.h"

void balance_cgroup(struct account *a);
