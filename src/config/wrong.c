/* SPDX-License-Identifier: Apache-2.0 */
#include "config/wrong.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "base/num.h"

enum { ADDRESS_MAX = 46, SOCKET_PATH_MAX = 107, PORT_MAX = 65535 };

const char *wrong_url(const char *text)
{
	static const char *const schemes[] = { "http://", "https://" };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);
		if (strncmp(text, schemes[i], n) != 0)
			continue;
		if (!text[n] || strchr("/:?#", text[n]))
			return "the URL names no host";
		return strpbrk(text, " <>\"") ? "a URL has no spaces or quotes" : NULL;
	}
	return "a URL begins with http:// or https://";
}

const char *wrong_path(const char *text)
{
	return text[0] == '/' ? NULL : "an absolute path is needed: the daemon has no directory of its own";
}

static bool loopback(const char *address, size_t len)
{
	char copy[ADDRESS_MAX] = { 0 };
	struct in_addr v4;
	struct in6_addr v6;
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, address, len);
	if (strcmp(copy, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, copy, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	if (len < 2 || copy[0] != '[' || copy[len - 1] != ']')
		return false;
	copy[len - 1] = 0;
	return inet_pton(AF_INET6, copy + 1, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

const char *wrong_listen(const char *text)
{
	uint64_t port = 0;
	if (strncmp(text, "unix:", 5) == 0) {
		if (text[5] != '/')
			return "an absolute path follows unix:, as unix:/run/ullage/ullage.sock";
		return strlen(text + 5) > SOCKET_PATH_MAX ? "the path of a socket has at most 107 bytes" : NULL;
	}
	const char *colon = strrchr(text, ':');
	if (!colon || !num_str(colon + 1, &port) || port > PORT_MAX)
		return "an address and a port are needed, as 127.0.0.1:9723, or unix:/PATH";
	if (!loopback(text, (size_t)(colon - text)))
		return "only a loopback address is listened on (127.0.0.1, [::1]), as nobody is asked who they are";
	return NULL;
}
