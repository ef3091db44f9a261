/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/labels - the profiler labels of a goroutine, which runtime/pprof.Do sets.
 *
 * Source: runtime/pprof/label.go. A map of strings to Go 1.23, a list of pairs since.
 */

#include "gort/gort.h"
#include "model/goroutine.h"

enum { GORT_LABELS_MAX = 256, GORT_LABEL_LEN_MAX = 4096 }; /* of one goroutine; more and longer are cut */

/* Those at `labels` (g.labels; 0: none) are appended, by key; strings go into `strings`. */
void gort_labels_read(const struct gort *g, uint64_t labels, struct intern *strings, struct goroutine_label_vec *ret);
