/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/uri.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(char *s, bool form)
{
	char *out = s;
	for (; *s; s++) {
		int c = (unsigned char)*s;
		if (c == '%') {
			int high = hex_digit(s[1]), low = high < 0 ? -1 : hex_digit(s[2]);
			if (low < 0)
				return false;
			c = high << 4 | low;
			if (c < 0x20 || c == 0x7f)
				return false;
			s += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		*out++ = (char)c;
	}
	*out = '\0';
	return true;
}

bool uri_parse(char *target, struct uri *ret)
{
	*ret = (struct uri){ .path = target };
	char *query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	if (!decode(target, false))
		return false;
	char *pair;
	while ((pair = strsep(&query, "&"))) {
		if (!*pair)
			continue;
		char *value = strchr(pair, '=');
		if (value)
			*value++ = '\0';
		if (ret->n == URI_PARAMETERS || !decode(pair, true) || (value && !decode(value, true)))
			return false;
		ret->parameters[ret->n].key = pair;
		ret->parameters[ret->n++].value = value ? value : "";
	}
	return true;
}

/* Length of the host in an authority, and whether what follows it is nothing or a port. */
static bool split_port(const char *authority, size_t *host)
{
	size_t n = *authority == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":");
	if (n > strlen(authority))
		return false;
	*host = n;
	const char *port = authority + n;
	if (!*port)
		return n > 0;
	size_t digits = strspn(port + 1, "0123456789");
	return n > 0 && *port == ':' && digits <= 5 && !port[1 + digits];
}

bool uri_is_authority(const char *authority)
{
	size_t n;
	return split_port(authority, &n) &&
	       !authority[strspn(authority, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[:]%")];
}

bool uri_is_loopback(const char *authority)
{
	size_t n;
	char host[64];
	if (!split_port(authority, &n) || n >= sizeof(host))
		return false;
	memcpy(host, authority, n);
	host[n] = '\0';
	struct in_addr v4;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}
