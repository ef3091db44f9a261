/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/integrity - is the code that runs the code on disk: replaced binary, changed text pages, executable memory that
 * no file backs, preloaded libraries.
 */

#include "account/role.h"

void integrity_check(struct target *t, const struct role *roles, struct account *a);
