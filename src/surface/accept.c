/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <string.h>
#include <strings.h>

/* The weight in the parameters of one media range, in thousandths; 1000 where there is none, 0 where it is malformed. */
static unsigned weight(const char *range, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++) {
		if (range[i] != ';')
			continue;
		size_t at = i + 1 + strspn(range + i + 1, " \t");
		if (at + 2 >= len || strncasecmp(range + at, "q=", 2) != 0)
			continue;
		const char *q = range + at + 2, *end = range + len;
		unsigned value = *q == '1' ? 1000 : 0;
		if (*q != '0' && *q != '1')
			return 0;
		if (q + 1 < end && q[1] == '.')
			for (unsigned place = 100, k = 2; place && q + k < end && q[k] >= '0' && q[k] <= '9';
			     place /= 10)
				value += (unsigned)(q[k++] - '0') * place;
		return value > 1000 ? 1000 : value;
	}
	return 1000;
}

static bool is_type(const char *range, size_t len, const char *type)
{
	size_t n = strlen(type);
	return len >= n && strncasecmp(range, type, n) == 0 && (len == n || strchr("; \t", range[n]));
}

static bool has(const char *range, size_t len, const char *parameter)
{
	return memmem(range, len, parameter, strlen(parameter)) != NULL;
}

bool surface_wants_openmetrics(const char *accept)
{
	unsigned open = 0, text = 0;
	while (*accept) {
		accept += strspn(accept, ", \t");
		size_t len = strcspn(accept, ",");
		unsigned q = weight(accept, len);
		bool one = has(accept, len, "version=1.0.0") || !has(accept, len, "version=");
		if (is_type(accept, len, "application/openmetrics-text") && one && q > open)
			open = q;
		if ((is_type(accept, len, "text/plain") || is_type(accept, len, "text/*")) && q > text)
			text = q;
		accept += len;
	}
	return open && open >= text;
}

const char *surface_metrics_type(bool openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8";
}
