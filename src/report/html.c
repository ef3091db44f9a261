/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include "base/num.h"
#include "format/page.h"
#include "format/space.h"

enum { OWNERS_MAX = 500 }; /* of one class in the treemap: more cannot be seen */

/* The largest owners of [from, to), which are of one class, a row for the rest, and the remainder row. */
static void put_class_owners(struct json *j, const struct account_owner *o, size_t from, size_t to)
{
	size_t named = o[to - 1].owner && o[to - 1].owner[0] == '(' ? to - 1 : to;
	size_t shown = num_min(named, from + OWNERS_MAX);
	uint64_t left = 0;
	for (size_t i = from; i < shown; i++)
		page_owner(j, o[i].class, o[i].owner, o[i].resident);
	for (size_t i = shown; i < named; i++)
		left += o[i].resident;
	if (left) {
		AUTO_FREE char *rest = xasprintf("(%zu smaller ones)", named - shown);
		page_owner(j, o[from].class, rest, left);
	}
	if (named < to)
		page_owner(j, o[named].class, o[named].owner, o[named].resident);
}

static void put_owners(struct json *j, const struct account_owner_vec *owners)
{
	json_array(j, "owner_table");
	for (size_t i = 0, k = 0; i < owners->n; i = k) {
		for (k = i + 1; k < owners->n && owners->v[k].class == owners->v[i].class; k++)
			;
		put_class_owners(j, owners->v, i, k);
	}
	json_array_end(j);
}

void report_html(const struct account *a, const struct report_options *opt, struct strbuf *out)
{
	AUTO(strbuf) struct strbuf data;
	strbuf_init(&data);
	struct json j;
	json_init(&j, &data);
	json_object(&j, NULL);
	report_json_members(&j, a, 0);
	page_classes(&j);
	put_owners(&j, &a->owners);
	space_json(&j, "space", a);
	json_object_end(&j);
	page_put(&page_map, &data, out);
}
