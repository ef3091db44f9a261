/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/rows - the end of a window: the books of a process become rows of the record.
 */

#include "record/watch.h"

/* How the program's way through the window compares with its way in the phases of the allocator's probes. */
struct record_scale {
	double likely, high; /* 1: they were never off */
};

/*
 * Compares the book of mappings with the target's mappings as they were read when the window ended: what the kernel does
 * not have goes, and a difference has a note. Not for a process that is over.
 */
void record_rows_compare(struct record_watch *w, struct record_target *t);

/* Rows of all kinds that were asked for. */
void record_rows_add(struct record_watch *w, struct record_target *t, const struct record_scale *scale);

/* By kind, then by bytes. */
void record_rows_sort(struct record *r);
