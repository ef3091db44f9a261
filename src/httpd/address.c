/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/num.h"

enum { BACKLOG = 1024, MODE = 0660 };

union place {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

static int new_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static struct err *malformed(const char *text)
{
	return err_new(ERR_ARG, "'%s' is no address to listen on: 127.0.0.1:PORT, [::1]:PORT or unix:/PATH", text);
}

/* "HOST:PORT" with a literal address or localhost: a name that has to be looked up may point anywhere. */
static struct err *parse_inet(const char *text, union place *ret, socklen_t *len)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;
	if (!colon || !num_str(colon + 1, &port) || port > 65535)
		return malformed(text);
	AUTO_FREE char *host = xstrndup(text, (size_t)(colon - text));
	size_t n = strlen(host);
	if (strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		if (strcmp(host, "localhost") == 0)
			ret->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		*len = sizeof(ret->v4);
		if (ntohl(ret->v4.sin_addr.s_addr) >> 24 == 127)
			return NULL;
	} else {
		if (n < 2 || host[0] != '[' || host[n - 1] != ']')
			return malformed(text);
		host[n - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) != 1)
			return malformed(text);
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)port);
		*len = sizeof(ret->v6);
		if (IN6_IS_ADDR_LOOPBACK(&ret->v6.sin6_addr))
			return NULL;
	}
	return err_new(ERR_ARG, "%s: listens on loopback addresses and unix sockets only, as nobody is asked who he is",
		       text);
}

static struct err *not_had(const char *text)
{
	if (errno == EADDRINUSE)
		return err_new(ERR_WRITE, "listening on %s: another process listens there", text);
	bool denied = errno == EACCES || errno == EPERM;
	return err_recode(err_os(errno, "listening on %s", text), denied ? ERR_DENIED : ERR_WRITE);
}

static struct err *listen_inet(const char *text, struct address *ret)
{
	union place place = { 0 };
	socklen_t len = 0;
	TRY(parse_inet(text, &place, &len));
	AUTO_CLOSE int fd = new_socket(place.any.sa_family);
	int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_os(errno, "listening on %s", text);
	bool bound = bind(fd, &place.any, len) == 0;
	if (!bound && errno == EACCES)
		return err_new(ERR_DENIED, "listening on %s: that port needs CAP_NET_BIND_SERVICE", text);
	if (!bound || listen(fd, BACKLOG) < 0 || getsockname(fd, &place.any, &len) < 0)
		return not_had(text);
	ret->port = ntohs(place.any.sa_family == AF_INET ? place.v4.sin_port : place.v6.sin6_port);
	ret->fd = take_fd(fd);
	return NULL;
}

/* Removes a socket that nobody listens on: what a daemon that was killed left behind. */
static bool remove_stale(const union place *place, socklen_t len)
{
	struct stat st;
	if (lstat(place->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	AUTO_CLOSE int fd = new_socket(AF_UNIX);
	if (fd < 0 || connect(fd, &place->any, len) == 0 || errno != ECONNREFUSED)
		return false;
	return unlink(place->un.sun_path) == 0;
}

static struct err *listen_unix(const char *text, const char *path, struct address *ret)
{
	union place place = { .un.sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (*path != '/')
		return malformed(text);
	if (n >= sizeof(place.un.sun_path))
		return err_new(ERR_ARG, "%s: the path of a socket has at most %zu bytes", text,
			       sizeof(place.un.sun_path) - 1);
	memcpy(place.un.sun_path, path, n + 1);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	AUTO_CLOSE int fd = new_socket(AF_UNIX);
	if (fd < 0)
		return err_os(errno, "listening on %s", text);
	int bound = bind(fd, &place.any, len);
	if (bound < 0 && errno == EADDRINUSE) {
		bound = remove_stale(&place, len) ? bind(fd, &place.any, len) : -1;
		if (bound < 0)
			errno = EADDRINUSE;
	}
	struct stat st; /* nobody can connect before listen() */
	if (bound < 0 && errno == EADDRINUSE && lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_new(ERR_WRITE, "listening on %s: there is a file of that name that is no socket", text);
	if (bound < 0 || chmod(path, MODE) < 0 || lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0)
		return not_had(text);
	*ret = (struct address){ .fd = take_fd(fd), .path = xstrdup(path), .dev = st.st_dev, .ino = st.st_ino };
	return NULL;
}

struct err *address_listen(const char *text, struct address *ret)
{
	*ret = (struct address){ .fd = -1 };
	return strncmp(text, "unix:", 5) == 0 ? listen_unix(text, text + 5, ret) : listen_inet(text, ret);
}

void address_close(struct address *a)
{
	struct stat st;
	if (a->path && lstat(a->path, &st) == 0 && st.st_dev == a->dev && st.st_ino == a->ino)
		unlink(a->path);
	free(a->path);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct address){ .fd = -1 };
}
