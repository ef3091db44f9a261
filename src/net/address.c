/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

/* A part of an address, to be freed with lib->free(); NULL where there is none. */
static char *part(const struct libcurl *lib, const CURLU *url, CURLUPart what, unsigned flags)
{
	char *text = NULL;
	return lib->url_get((CURLU *)(uintptr_t)url, what, &text, flags) == CURLUE_OK ? text : NULL;
}

char *address_shown(const struct libcurl *lib, const CURLU *url)
{
	CURLU *copy = lib->url_dup((CURLU *)(uintptr_t)url);
	lib->url_set(copy, CURLUPART_USER, NULL, 0);
	lib->url_set(copy, CURLUPART_PASSWORD, NULL, 0);
	char *text = part(lib, copy, CURLUPART_URL, 0), *own = xstrdup(text ? text : "?");
	lib->free(text);
	lib->url_cleanup(copy);
	return own;
}

bool address_same_part(const struct libcurl *lib, const CURLU *a, const CURLU *b, CURLUPart what)
{
	char *x = part(lib, a, what, CURLU_DEFAULT_PORT), *y = part(lib, b, what, CURLU_DEFAULT_PORT);
	bool same = x && y && strcasecmp(x, y) == 0;
	lib->free(x);
	lib->free(y);
	return same;
}

bool address_is_scheme(const struct libcurl *lib, const CURLU *url, const char *scheme)
{
	char *text = part(lib, url, CURLUPART_SCHEME, 0);
	bool is = text && strcmp(text, scheme) == 0;
	lib->free(text);
	return is;
}

static bool is_loopback(const struct libcurl *lib, const CURLU *url)
{
	char *host = part(lib, url, CURLUPART_HOST, 0);
	size_t len = host ? strlen(host) : 0;
	static const char local[] = ".localhost";
	const size_t n = sizeof(local) - 1;
	bool is = host && (strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0 ||
			   strcasecmp(host, local + 1) == 0 || (len > n && strcasecmp(host + len - n, local) == 0));
	lib->free(host);
	return is;
}

const char *address_proxy(const struct libcurl *lib, const CURLU *url)
{
	return is_loopback(lib, url) ? "" : NULL; /* a proxy would look for this machine's names on itself */
}

struct err *address_parse(const struct libcurl *lib, const char *text, CURLU **url, char **shown)
{
	*url = lib->url();
	*shown = NULL;
	CURLUcode code = lib->url_set(*url, CURLUPART_URL, text, 0);
	if (code != CURLUE_OK)
		return err_new(ERR_ARG, "'%s' is no address: %s", strchr(text, '@') ? "what was given" : text,
			       lib->url_strerror(code));
	*shown = address_shown(lib, *url);
	if (!address_is_scheme(lib, *url, "http") && !address_is_scheme(lib, *url, "https"))
		return err_new(ERR_ARG, "%s: only http and https can be spoken to", *shown);
	return NULL;
}
