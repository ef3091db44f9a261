/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pprof.h"

struct err *pprof_read(struct stream *s, struct profile *ret)
{
	profile_init(ret);
	return err_new(ERR_UNSUPPORTED, "not built yet");
}

void pprof_write(const struct profile *p, struct strbuf *out)
{
}
