/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/image - who owns a stretch of the Go executable: package by package for code, and for data where a symbol
 * table names it; the kind of section otherwise.
 */

#include "analysis/tally.h"
#include "target/target.h"

/* Hand [start, end) of the image, pages of `run` in `class`, to the tally piece by piece. */
void image_split(struct target *t, struct tally *tally, const struct page_run *run, uint64_t start, uint64_t end,
		 enum mem_class class);
