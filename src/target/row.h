/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * target/row - what a live process and a core answer differently. Two rows: target_row_live and target_row_core.
 */

#include "target/target.h"

struct target_row {
	struct err *(*outcome)(const struct target *t, struct err *err);
	bool (*gone)(const struct target *t);
	uint64_t (*swapped)(const struct target *t);
	struct err *(*pages)(struct target *t, uint64_t start, uint64_t end, struct page_vec *ret);
	int (*file)(struct target *t, const struct vma *v);
	struct target_clock (*clock)(const struct target *t);
	const char *(*environ)(struct target *t, const char *name, struct arena *arena);
	void (*thread_comm)(const struct target *t, int tid, char *buf, size_t len);
	struct err *(*remap)(struct target *t);
	void (*close)(struct target *t);
};
