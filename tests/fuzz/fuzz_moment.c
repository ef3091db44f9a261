/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "history/moment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now = 1764126724000000000, second = 1000000000;

/* Times as a person writes them: one of the forms that there are, or a sentence; what is shown can be read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	int64_t at = 0, again = 0, from = 0, to = 0;
	char buf[MOMENT_LEN];
	struct err *err = moment_parse(text, now, &at);
	if (!err && at >= 0) {
		err = moment_parse(moment_text(at, buf), now, &again);
		assert(!err && again <= at && at - again < second);
	}
	err_free(err);
	err = moment_span(text, now, &from, &to);
	assert(err || to > from);
	err_free(err);
	return 0;
}
