/* SPDX-License-Identifier: Apache-2.0 */
#include "model/heap.h"

#include <math.h>

void heap_view_init(struct heap_view *h)
{
	*h = (struct heap_view){
		.rate = ACCOUNT_UNKNOWN,
		.typed_ratio = NAN,
		.cgroup_limit = ACCOUNT_UNKNOWN,
		.cgroup_usage = ACCOUNT_UNKNOWN,
		.cgroup_working_set = ACCOUNT_UNKNOWN,
	};
	profile_init(&h->profile);
	profile_type_add(&h->profile, "alloc_objects", "count");
	profile_type_add(&h->profile, "alloc_space", "bytes");
	profile_type_add(&h->profile, "inuse_objects", "count");
	profile_type_add(&h->profile, "inuse_space", "bytes");
	h->profile.default_type = h->profile.types[HEAP_INUSE_SPACE].type;
}

void heap_view_deinit(struct heap_view *h)
{
	profile_deinit(&h->profile);
	vec_deinit(&h->types);
	vec_deinit(&h->spans);
}
