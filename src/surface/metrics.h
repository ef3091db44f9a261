/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * surface/metrics - the two halves of the page of metrics. Inside of surface only.
 */

#include "surface/surface.h"
#include "surface/text.h"

/* What is said of the daemon itself; `shown` targets are on the page. */
void metrics_self(struct text *t, const struct surface_view *v, size_t shown);
