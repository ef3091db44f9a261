/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/fields - members of a plain struct as JSON, by table.
 */

#include <stddef.h>

#include "base/json.h"

enum field_kind { FIELD_U64, FIELD_I64, FIELD_DOUBLE, FIELD_STR, FIELD_BOOL };

struct field {
	const char *key;
	size_t offset;
	enum field_kind kind;
};

#define FIELD(type, member, kind, key)                                                                                 \
	{                                                                                                              \
		(key), offsetof(struct type, member), (kind)                                                           \
	}

/* A u64 of UINT64_MAX, an i64 of INT64_MIN, a NULL string and a number that is not finite become null. */
void fields_json(struct json *j, const struct field *fields, size_t n, const void *object);

/* One u64, null where it is UINT64_MAX. */
void fields_u64(struct json *j, const char *key, uint64_t value);
