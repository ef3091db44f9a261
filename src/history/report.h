/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history/report - what `ullage history` shows.
 */

#include "history/compare.h"
#include "history/history.h"
#include "screen/style.h"

/* One life, the answer first; or, where all are listed, the list. */
void history_text(const struct history *h, const struct style *style, struct strbuf *out);
/* "ullage.history/1" */
void history_json(const struct history *h, struct strbuf *out);

void compare_text(const struct compare *c, const struct style *style, struct strbuf *out);
/* "ullage.history/1" */
void compare_json(const struct compare *c, struct strbuf *out);

/* Columns of block characters from `min` to `max`, at most `width`; each shows the largest of its values. */
void spark_add(struct strbuf *out, const double *values, size_t n, size_t width, bool utf8);
