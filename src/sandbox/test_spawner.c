/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fixture/ok.h"
#include "sandbox/spawner.h"

#define S INT64_C(1000000000)

/* Answers each byte with the next letter, until its input ends. */
static int answer(int fd, void *arg)
{
	char c = 0;
	while (read(fd, &c, 1) == 1) {
		c++;
		if (write(fd, &c, 1) != 1)
			return 1;
	}
	return *(int *)arg;
}

static char asked(const struct child *c, char letter)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	assert_int_equal(write(c->fd, &letter, 1), 1);
	assert_int_equal(poll(&p, 1, 10000), 1);
	return read(c->fd, &letter, 1) == 1 ? letter : '-';
}

static void wait_for_end(const struct child *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void a_part_that_was_killed_begins_again(void **state)
{
	static int status = 3;
	const struct spawner_part parts[] = { { "t-one", CHILD_STREAM, answer, &status },
					      { "t-two", CHILD_STREAM, answer, &status } };
	struct spawner s = SPAWNER_NONE;
	struct child one, two, again;
	char how[80] = "";
	ok(spawner_start(&s, parts, 2, 0));
	ok(spawner_begin(&s, 0, &one));
	ok(spawner_begin(&s, 1, &two));
	assert_int_equal(asked(&one, 'a'), 'b');
	assert_int_equal(kill(one.pid, SIGKILL), 0);
	wait_for_end(&one);
	assert_true(spawner_ended(&s, 0, how, sizeof(how)));
	assert_string_equal(how, "was killed by signal 9 (KILL)");
	ok(spawner_begin(&s, 0, &again));
	assert_int_not_equal(again.pid, one.pid);
	assert_int_equal(asked(&again, 'x'), 'y');
	assert_int_equal(asked(&two, 'k'), 'l');
	close(two.fd); /* the end of its socket is its end: nobody else has that */
	assert_true(spawner_ended(&s, 1, how, sizeof(how)));
	assert_string_equal(how, "has ended with status 3");
	close(one.fd);
	close(again.fd);
	spawner_stop(&s, 5000);
}

static void without_a_spawner_nothing_begins(void **state)
{
	const struct spawner_part part = { "t-one", CHILD_STREAM, answer, NULL };
	struct spawner s = SPAWNER_NONE;
	struct child c;
	char how[80] = "";
	ok(spawner_start(&s, &part, 1, 0));
	assert_int_equal(kill(s.child.pid, SIGKILL), 0);
	wait_for_end(&s.child);
	assert_false(spawner_ended(&s, 0, how, sizeof(how)));
	not_ok(ERR_GONE, spawner_begin(&s, 0, &c));
	assert_int_equal(c.fd, -1);
	spawner_stop(&s, 0);
}

static void who_keeps_ending_waits_ever_longer(void **state)
{
	struct spawner_again a = { 0 };
	int64_t now = S;
	static const unsigned pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	spawner_again_began(&a, now);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		spawner_again_ended(&a, now + S);
		assert_int_equal(a.due_ns - now - S, pauses[i] * S);
		now = a.due_ns;
		spawner_again_began(&a, now);
	}
	assert_int_equal(a.times, 8);
	spawner_again_ended(&a, now + SPAWNER_STABLE_S * S);
	assert_int_equal(a.due_ns, now + SPAWNER_STABLE_S * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_that_was_killed_begins_again),
		cmocka_unit_test(without_a_spawner_nothing_begins),
		cmocka_unit_test(who_keeps_ending_waits_ever_longer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
