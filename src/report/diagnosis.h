/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/diagnosis - a verdict for people (the answer in the first line) and as JSON ("ullage.diagnose/1").
 */

#include "base/strbuf.h"
#include "engine/diagnose.h"
#include "screen/style.h"

void diagnosis_text(const struct diagnose_run *run, const struct style *style, struct strbuf *out);
void diagnosis_json(const struct diagnose_run *run, struct strbuf *out);
