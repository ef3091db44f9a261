/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"

#define NS_PER_US INT64_C(1000)
#define US_PER_S INT64_C(1000000)
enum { STATUS_MAX = 400 };

static struct err *connect_to(const char *name, int *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	if ((*name != '/' && *name != '@') || len >= sizeof(to.sun_path))
		return err_new(ERR_ARG, "NOTIFY_SOCKET: '%s' is neither a path nor an abstract name", name);
	memcpy(to.sun_path, name, len);
	bool abstract = *name == '@';
	if (abstract)
		to.sun_path[0] = 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, size) != 0)
		return err_os(errno, "NOTIFY_SOCKET %s", name);
	*ret = take_fd(fd);
	return NULL;
}

/* Of the watchdog; 0 where it is not for us. */
static int64_t watchdog(void)
{
	uint64_t us = 0, pid = 0;
	const char *interval = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
	bool ours = !whose || (num_str(whose, &pid) && pid == (uint64_t)getpid());
	return interval && ours && num_str(interval, &us) && us < INT64_MAX / NS_PER_US ? (int64_t)us * NS_PER_US : 0;
}

struct err *notify_open(struct notify *ret)
{
	*ret = NOTIFY_NONE;
	const char *name = getenv("NOTIFY_SOCKET");
	ret->watchdog_ns = watchdog();
	struct err *err = name && *name ? connect_to(name, &ret->fd) : NULL;
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return err;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	*n = NOTIFY_NONE;
}

static void tell(const struct notify *n, const char *text)
{
	if (n->fd >= 0 && send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* it is not there, or has enough to read */
}

void notify_ready(const struct notify *n)
{
	tell(n, "READY=1\n");
}

void notify_reloading(const struct notify *n)
{
	char text[80];
	struct timespec t = { 0 };
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n",
		 (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / NS_PER_US);
	tell(n, text);
}

void notify_stopping(const struct notify *n)
{
	tell(n, "STOPPING=1\n");
}

void notify_watchdog(const struct notify *n)
{
	tell(n, "WATCHDOG=1\n");
}

void notify_extend(const struct notify *n, int64_t ns)
{
	char text[64];
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRId64 "\n", ns / NS_PER_US);
	tell(n, text);
}

void notify_status(const struct notify *n, const char *fmt, ...)
{
	static const char name[] = "STATUS=";
	char text[sizeof(name) + STATUS_MAX];
	size_t len = sizeof(name) - 1;
	memcpy(text, name, sizeof(name));
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text + len, STATUS_MAX, fmt, ap);
	va_end(ap);
	for (char *s = text + len; *s; s++) {
		if ((unsigned char)*s < ' ') /* a line is a field: a name must not begin another */
			*s = '?';
	}
	tell(n, text);
}
