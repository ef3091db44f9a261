/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snapfile.h"

struct err *snapfile_read(struct stream *s, struct snapshot *ret)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}

struct err *snapfile_write(const struct snapshot *s, struct strbuf *out)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}
