/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gotext.h"

struct err *gotext_read(struct stream *s, uint32_t input, struct goroutines *ret)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}
