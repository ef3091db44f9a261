/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "surface/surface.h"
#include "surface/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that a target chose, as a label; the Accept field of whoever asks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	surface_wants_openmetrics(text);
	struct strbuf label AUTO(strbuf);
	strbuf_init(&label);
	text_label(&label, "a", text);
	assert(label.len >= 4 && label.len <= 3 * TEXT_LABEL + 4 && label.buf[label.len - 1] == '"');
	for (size_t i = 3; i + 1 < label.len;) { /* what is between the quotes */
		size_t n = utf8_len(label.buf + i, label.len - i);
		assert(n && (unsigned char)label.buf[i] >= 0x20 && label.buf[i] != 0x7f && label.buf[i] != '"');
		if (label.buf[i] == '\\')
			assert(i + 2 < label.len && strchr("\\\"n", label.buf[++i]));
		i += n;
	}
	return 0;
}
