/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cli/lacks - what source/lacks says about the places where groups of goroutines are blocked and were started, as
 * suspicions of these groups.
 */

#include "analysis/suspicion.h"
#include "source/lacks.h"

/* The groups are those of *s, by site. Texts are in s->arena. Returns how many places were found in the source. */
size_t lacks_add(struct source *source, const struct goroutine_groups *sites, struct suspicions *s);
