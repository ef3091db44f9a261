/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/folded.h"

void folded_write(const struct profile *p, size_t type, struct strbuf *out)
{
}
