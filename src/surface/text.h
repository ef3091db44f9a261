/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * surface/text - lines of the two formats of metrics.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum text_type { TEXT_GAUGE, TEXT_COUNTER, TEXT_INFO };

/* All samples of a family stand together, under one head. */
struct text_family {
	const char *name; /* without "_total" or "_info" */
	const char *unit; /* the last word of the name, "bytes" or "seconds" or "ratio"; NULL none */
	enum text_type type;
	const char *help;
};

struct text {
	struct strbuf *out;
	bool openmetrics;
	const struct text_family *family; /* whose samples come */
	int64_t created_ns; /* since when the counters that come count, of the wall clock: OpenMetrics says so; 0: not known */
};

void text_family(struct text *t, const struct text_family *f);
/* A sample of it; labels: "a=\"b\",c=\"d\"", "" none. */
void text_u64(struct text *t, const char *labels, uint64_t value);
void text_double(struct text *t, const char *labels, double value);

/*
 * Appends NAME="VALUE", after a comma where something stands before: escaped, bytes that are not UTF-8 and control
 * characters replaced by U+FFFD. What is longer than TEXT_LABEL bytes loses its beginning, since the end of a path says
 * more. A NULL value: nothing is appended.
 */
enum { TEXT_LABEL = 256 };
void text_label(struct strbuf *labels, const char *name, const char *value);
