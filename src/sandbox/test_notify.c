/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "sandbox/notify.h"

static int listen_at(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	memcpy(at.sun_path, name, len);
	if (*name == '@')
		at.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	return fd;
}

static const char *heard(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static void say_all(const char *name)
{
	AUTO_CLOSE int fd = listen_at(name);
	struct notify n;
	setenv("NOTIFY_SOCKET", name, 1);
	ok(notify_open(&n));
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_ready(&n);
	assert_string_equal(heard(fd), "READY=1\n");
	notify_status(&n, "watching %d processes\nREADY=1 of %s", 7, "\033x");
	assert_string_equal(heard(fd), "STATUS=watching 7 processes?READY=1 of ?x");
	notify_reloading(&n);
	assert_int_equal(strncmp(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	notify_watchdog(&n);
	assert_string_equal(heard(fd), "WATCHDOG=1\n");
	notify_extend(&n, 2000000);
	assert_string_equal(heard(fd), "EXTEND_TIMEOUT_USEC=2000\n");
	notify_stopping(&n);
	assert_string_equal(heard(fd), "STOPPING=1\n");
	notify_close(&n);
}

static void a_path_and_an_abstract_name_are_told(void **state)
{
	char name[64];
	snprintf(name, sizeof(name), "/tmp/ullage-notify-%d", getpid());
	say_all(name);
	unlink(name);
	name[0] = '@';
	say_all(name);
}

static void without_a_manager_nothing_happens(void **state)
{
	struct notify n;
	unsetenv("NOTIFY_SOCKET");
	ok(notify_open(&n));
	assert_int_equal(n.fd, -1);
	notify_ready(&n);
	notify_status(&n, "%s", "x");
	notify_close(&n);
}

static void a_socket_that_is_none_is_told(void **state)
{
	struct notify n;
	setenv("NOTIFY_SOCKET", "/nonesuch/socket", 1);
	not_ok(ERR_OS, notify_open(&n));
	assert_int_equal(n.fd, -1);
	setenv("NOTIFY_SOCKET", "relative", 1);
	not_ok(ERR_ARG, notify_open(&n));
}

static void the_watchdog_is_ours_or_not(void **state)
{
	struct notify n;
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", getpid());
	const struct {
		const char *us, *pid;
		int64_t want;
	} cases[] = { { "30000000", NULL, 30000000000 },
		      { "2000000", pid, 2000000000 },
		      { "30000000", "1", 0 },
		      { "x", NULL, 0 },
		      { NULL, pid, 0 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].us)
			setenv("WATCHDOG_USEC", cases[i].us, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", cases[i].pid, 1);
		ok(notify_open(&n));
		assert_true(n.watchdog_ns == cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_and_an_abstract_name_are_told),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(a_socket_that_is_none_is_told),
		cmocka_unit_test(the_watchdog_is_ours_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
