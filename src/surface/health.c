/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

int surface_health(const struct surface_check *checks, size_t n, bool verbose, struct strbuf *out)
{
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		ok &= checks[i].ok;
	for (size_t i = 0; i < n && (verbose || !ok); i++) {
		if (checks[i].ok)
			strbuf_printf(out, "[+]%s ok\n", checks[i].name);
		else
			strbuf_printf(out, "[-]%s failed: %s\n", checks[i].name, checks[i].why);
	}
	if (ok)
		strbuf_puts(out, "ok\n");
	return ok ? 200 : 503;
}
