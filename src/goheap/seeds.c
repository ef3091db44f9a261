/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/typing.h"

void goheap_seeds_sampled(const struct goheap_objects *o, struct gort_types *types, struct goheap_seed_vec *ret)
{
}

void goheap_seeds_globals(const struct gort *g, struct gort_types *types, struct goheap_seed_vec *ret)
{
}
