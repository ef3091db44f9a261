/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast/lumps - a heap of which much is allocated at once, every so often: batches, refreshes, reports.
 *
 * Pure. How much is in one is known of those in which no collection ended, and when it came of all of them. Where they are alike
 * and evenly apart, that tells with which of them the last room is taken; a mean over time would tell a moment between two.
 * Units: seconds and bytes.
 */

#include <stddef.h>

enum { LUMPS_KEPT = 4 };

struct lumps {
	size_t n;				    /* lumps seen, LUMPS_KEPT of them kept */
	double began[LUMPS_KEPT], size[LUMPS_KEPT]; /* the latest at the end; size NAN unknown */
	double ended;				    /* the latest, as far as it was seen */
	double beside;				    /* allocated outside of them, since the first that is kept */
};

/* `taken` since the look before; NAN: a collection ended, so that it is not known. */
void lumps_add(struct lumps *l, double t, double taken, double limit);
/* Seconds until the one that takes the last of so much room; NAN: there are none, or they are not alike. */
double lumps_eta(const struct lumps *l, double now, double room);
