/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "httpd/head.h"
#include "httpd/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A connection's bytes: one head after the other, as far as they are accepted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	for (size_t n; (n = head_length(at, size, 0)); at += n, size -= n) {
		assert(n <= size && at[n - 1] == '\n');
		assert(n < 2 || head_length(at, n - 1, 0) == 0);
		AUTO_FREE char *text = xmalloc(n + 1);
		memcpy(text, at, n);
		text[n] = '\0';
		struct head head;
		if (head_parse(text, n, &head) != HEAD_OK)
			return 0;
		assert(*head.method && *head.target == '/' && strlen(head.target) <= HEAD_TARGET);
		assert(head.old || (head.host && *head.host));
		assert(!head.host || !uri_is_loopback(head.host) || uri_is_authority(head.host));
		struct uri uri;
		if (!uri_parse(head.target, &uri))
			return 0;
		assert(*uri.path == '/' && uri.n <= URI_PARAMETERS);
		for (const char *p = uri.path; *p; p++)
			assert((unsigned char)*p >= 0x20);
	}
	return 0;
}
