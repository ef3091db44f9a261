/* SPDX-License-Identifier: Apache-2.0 */
#include "format/fields.h"

void fields_u64(struct json *j, const char *key, uint64_t value)
{
	if (value == UINT64_MAX)
		json_null(j, key);
	else
		json_u64(j, key, value);
}

static void put_i64(struct json *j, const char *key, int64_t value)
{
	if (value == INT64_MIN)
		json_null(j, key);
	else
		json_i64(j, key, value);
}

void fields_json(struct json *j, const struct field *fields, size_t n, const void *object)
{
	for (size_t i = 0; i < n; i++) {
		const void *p = (const char *)object + fields[i].offset;
		const char *key = fields[i].key;
		switch (fields[i].kind) {
		case FIELD_U64:
			fields_u64(j, key, *(const uint64_t *)p);
			break;
		case FIELD_I64:
			put_i64(j, key, *(const int64_t *)p);
			break;
		case FIELD_DOUBLE:
			json_double(j, key, *(const double *)p);
			break;
		case FIELD_STR:
			json_str(j, key, *(const char *const *)p);
			break;
		case FIELD_BOOL:
			json_bool(j, key, *(const bool *)p);
			break;
		}
	}
}
