/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/text - the sections of the account for people, in the order they are shown.
 *
 * Each prints nothing where it has nothing to say.
 */

#include "model/account.h"
#include "report/report.h"
#include "screen/say.h"

/* "2025-11-21 09:57:03 UTC", appended. */
void text_time(struct strbuf *f, int64_t unix_ns);

void text_classes(struct say *s, const struct account *a);
void text_owners(struct say *s, const struct account *a, size_t top);
void text_vmas(struct say *s, const struct account *a);
void text_runtime(struct say *s, const struct account *a);
void text_cgroup(struct say *s, const struct account *a);
void text_integrity(struct say *s, const struct account *a);
void text_c_heap(struct say *s, const struct account *a);
