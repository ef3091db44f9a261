/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/json - a streaming JSON writer over a strbuf.
 *
 * The writer keeps the commas and escapes the text; bytes that are not UTF-8 become U+FFFD.
 * Inside an object every value has a key; inside an array key is NULL.
 * A number that is not finite becomes null.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct json {
	struct strbuf *out; /* borrowed */
	unsigned depth;
	bool comma; /* something stands before, at this depth */
};

void json_init(struct json *j, struct strbuf *out);
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_str(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
/* `value` is JSON, put as it stands; bytes in its strings that are not UTF-8 become U+FFFD. NULL: null. */
void json_raw(struct json *j, const char *key, const char *value);
void json_null(struct json *j, const char *key);
