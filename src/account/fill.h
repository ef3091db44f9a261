/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/fill - turn what was read into the account's tables: the Go build, the runtime's figures, its collector.
 */

#include "gort/goroutine.h"
#include "gort/heap.h"
#include "gort/stats.h"
#include "target/target.h"

void fill_go(struct target *t, struct account *a);
void fill_runtime(struct target *t, const struct gort_heap *h, const struct gort_stats *s,
		  const struct gort_goroutines *gs, struct account *a);
void fill_gc(const struct gort_stats *s, struct account *a);
void fill_space(const struct target *t, struct account *a);
