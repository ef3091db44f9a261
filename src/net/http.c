/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

struct err *http_get(const struct http_request *request, struct strbuf *body)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}
