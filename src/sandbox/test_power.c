/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "sandbox/child.h"
#include "sandbox/power.h"

struct report {
	unsigned have;
	int no_new_privs, error;
};

static int keep(int fd, void *arg)
{
	const unsigned *wanted = arg;
	struct err *err = power_keep(*wanted);
	struct report r = { power_have(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), err != NULL };
	err_free(err);
	return write(fd, &r, sizeof(r)) == sizeof(r) ? 0 : 1;
}

static struct report after(unsigned wanted)
{
	struct child c;
	struct report r = { 0 };
	ok(child_start("test-power", CHILD_MESSAGES, keep, &wanted, &c));
	assert_int_equal(poll(&(struct pollfd){ .fd = c.fd, .events = POLLIN }, 1, 10000), 1);
	assert_int_equal(read(c.fd, &r, sizeof(r)), sizeof(r));
	child_stop(&c, 10000);
	return r;
}

static void what_is_not_kept_is_gone(void **state)
{
	unsigned have = power_have();
	const unsigned each[] = { 0, POWER_PTRACE, POWER_PTRACE | POWER_DAC_READ_SEARCH, POWER_BPF, POWER_SYSLOG, ~0u };
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct report r = after(each[i]);
		assert_int_equal(r.error, 0);
		assert_int_equal(r.have, have & each[i]);
		assert_int_equal(r.no_new_privs, 1);
	}
	assert_int_equal(power_have(), have);
}

static int count_descriptors(int fd, void *arg)
{
	unsigned n = 0;
	for (int i = 0; i < 256; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return write(fd, &n, sizeof(n)) == sizeof(n) ? 7 : 1;
}

static void a_child_has_its_socket_and_no_more(void **state)
{
	struct child c;
	unsigned n = 0;
	char how[64] = "";
	AUTO_CLOSE int open_here = open("/dev/null", O_RDONLY);
	assert_true(open_here >= 0);
	ok(child_start("test-child", CHILD_STREAM, count_descriptors, NULL, &c));
	assert_int_equal(poll(&(struct pollfd){ .fd = c.fd, .events = POLLIN }, 1, 10000), 1);
	assert_int_equal(read(c.fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 4);
	for (unsigned i = 0; i < 100 && !child_ended(&c, how, sizeof(how)); i++)
		poll(NULL, 0, 10);
	assert_string_equal(how, "has ended with status 7");
	child_stop(&c, 0);
	assert_int_equal(c.fd, -1);
}

static int sleep_for_ever(int fd, void *arg)
{
	for (;;)
		pause();
	return 0;
}

static void one_that_does_not_end_is_killed(void **state)
{
	struct child c;
	ok(child_start("test-child", CHILD_STREAM, sleep_for_ever, NULL, &c));
	pid_t pid = c.pid;
	child_stop(&c, 20);
	assert_int_equal(c.pid, 0);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_kept_is_gone),
		cmocka_unit_test(a_child_has_its_socket_and_no_more),
		cmocka_unit_test(one_that_does_not_end_is_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
