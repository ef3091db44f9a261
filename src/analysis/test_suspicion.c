/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "analysis/suspicion.h"

enum { HOUR = 60, ROWS = 4 }; /* waits are in minutes here */

enum on { NOTHING, ONE, OWN }; /* what they wait on: unknown, one thing together, one thing each */

/* Some goroutines that are alike. */
struct crowd {
	unsigned n;
	const char *reason; /* NULL: running */
	const char *stack;  /* "f;g;main.h", the innermost first */
	const char *creator;
	int wait; /* minutes, -1 unknown */
	enum on on;
	unsigned flags, step; /* step: between ids, 0 is 1 */
	const char *peer;
};

struct test_case {
	const char *what;
	const char *rules; /* expected of the first crowd's group: "a b", "" for none */
	struct crowd crowds[ROWS];
};

static uint32_t stack(struct goroutines *gs, const char *text)
{
	uint32_t frames[16], n = 0;
	while (text && *text) {
		char name[128] = "";
		size_t len = strcspn(text, ";");
		memcpy(name, text, len);
		frames[n++] = stacks_frame(&gs->stacks, &(struct frame){ .function = name, .file = "a.go", .line = 7 });
		text += len + (text[len] == ';');
	}
	return stacks_add(&gs->stacks, frames, n);
}

static void add(struct goroutines *gs, const struct crowd *c, uint64_t *id)
{
	for (unsigned i = 0; i < c->n; i++) {
		*id += c->step ? c->step : 1;
		*vec_push(&gs->v) = (struct goroutine){
			.id = *id,
			.state = c->reason ? "waiting" : "running",
			.wait_reason = c->reason,
			.wait_ns = c->wait < 0 ? -1 : c->wait * INT64_C(60000000000),
			.stack_bytes = ACCOUNT_UNKNOWN,
			.stack = stack(gs, c->stack),
			.created_by = c->creator ? stacks_place(&gs->stacks, c->creator, "b.go", 1) : 0,
			.count = 1,
			.fd = -1,
			.peer = c->peer,
			.wait_on = c->on == NOTHING ? 0 : 0xc000 + (c->on == OWN ? *id : 0),
			.flags = c->flags,
		};
	}
	gs->total += c->n;
}

#define MAIN                                                                                                           \
	{                                                                                                              \
		.n = 1, .reason = "chan receive", .stack = "main.main", .wait = 2 * HOUR                               \
	}

/* clang-format off: a case is a few lines */
static const struct test_case cases[] = {
	{ "proven by the runtime",
	  "leaked",
	  { { .n = 1, .reason = "chan send", .stack = "main.f", .wait = -1, .flags = GOROUTINE_LEAKED }, MAIN } },
	{ "a nil channel",
	  "nil-channel",
	  { { .n = 1, .reason = "chan receive (nil chan)", .stack = "main.f", .wait = -1 }, MAIN } },

	{ "answers that nobody takes",
	  "blocked-send",
	  { { .n = 40, .reason = "chan send", .stack = "main.ask.func1", .creator = "main.ask", .wait = -1, .on = OWN },
	    MAIN } },
	{ "one send that lasts for an hour",
	  "blocked-send",
	  { { .n = 1, .reason = "chan send", .stack = "main.f", .creator = "main.main", .wait = HOUR }, MAIN } },
	{ "producers that wait for a moment",
	  "",
	  { { .n = 8, .reason = "chan send", .stack = "main.produce", .creator = "main.main", .wait = 1 }, MAIN } },
	{ "many producers whose creator still collects",
	  "",
	  { { .n = 40, .reason = "chan send", .stack = "main.produce", .creator = "main.collect", .wait = -1 },
	    { .n = 1, .stack = "main.collect;main.main", .wait = -1 } } },

	{ "calls that nobody answers, each on a channel of its own",
	  "blocked-receive",
	  { { .n = 40,
	      .reason = "chan receive",
	      .stack = "main.wait",
	      .creator = "main.call",
	      .wait = HOUR,
	      .on = OWN },
	    MAIN } },
	{ "the same in a dump: no addresses, but started over time",
	  "blocked-receive",
	  { { .n = 40,
	      .reason = "chan receive",
	      .stack = "main.wait",
	      .creator = "main.call",
	      .wait = HOUR,
	      .step = 9 },
	    MAIN } },
	{ "thousands at one place",
	  "blocked-receive",
	  { { .n = 1500, .reason = "chan receive", .stack = "main.wait", .creator = "main.main", .wait = -1 }, MAIN } },
	{ "a pool of eight workers, idle for two hours",
	  "",
	  { { .n = 8,
	      .reason = "chan receive",
	      .stack = "main.worker",
	      .creator = "main.newPool",
	      .wait = 2 * HOUR,
	      .on = ONE },
	    MAIN } },
	{ "a large pool: one channel",
	  "",
	  { { .n = 500,
	      .reason = "chan receive",
	      .stack = "main.worker",
	      .creator = "main.newPool",
	      .wait = 2 * HOUR,
	      .on = ONE },
	    MAIN } },
	{ "a pool in a dump: started in one loop",
	  "",
	  { { .n = 200, .reason = "chan receive", .stack = "main.worker", .creator = "main.newPool", .wait = 2 * HOUR },
	    MAIN } },
	{ "one that waits to be stopped",
	  "",
	  { { .n = 1,
	      .reason = "chan receive",
	      .stack = "main.serve",
	      .creator = "main.start",
	      .wait = 9 * HOUR,
	      .on = OWN },
	    MAIN } },

	{ "selects without a way out",
	  "stuck-select",
	  { { .n = 50, .reason = "select", .stack = "main.wait", .creator = "main.handle", .wait = HOUR }, MAIN } },
	{ "loops with a ticker",
	  "",
	  { { .n = 50, .reason = "select", .stack = "main.loop", .creator = "main.handle", .wait = 0 }, MAIN } },
	{ "a few loops of services",
	  "",
	  { { .n = 6, .reason = "select", .stack = "main.loop", .creator = "main.start", .wait = 9 * HOUR }, MAIN } },
	{ "selects whose creator goes on",
	  "",
	  { { .n = 50, .reason = "select", .stack = "main.wait", .creator = "main.main", .wait = HOUR }, MAIN } },
	{ "idle writers of net/http",
	  "",
	  { { .n = 50,
	      .reason = "select",
	      .stack = "net/http.(*persistConn).writeLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = HOUR },
	    MAIN } },

	{ "a crowd at one lock, its holder at work",
	  "lock-crowd",
	  { { .n = 40,
	      .reason = "sync.Mutex.Lock",
	      .stack = "sync.(*Mutex).Lock;main.(*Store).Get",
	      .wait = -1,
	      .on = ONE },
	    { .n = 1, .reason = "IO wait", .stack = "net.(*conn).Read;main.(*Store).load", .wait = -1 },
	    MAIN } },
	{ "the same before Go 1.20",
	  "lock-crowd",
	  { { .n = 40,
	      .reason = "semacquire",
	      .stack = "sync.runtime_SemacquireMutex;sync.(*Mutex).Lock;main.(*Store).Get",
	      .wait = -1 },
	    { .n = 1, .stack = "main.(*Store).load", .wait = -1 },
	    MAIN } },
	{ "passing contention",
	  "",
	  { { .n = 6,
	      .reason = "sync.Mutex.Lock",
	      .stack = "sync.(*Mutex).Lock;main.(*Store).Get",
	      .wait = -1,
	      .on = ONE },
	    { .n = 1, .stack = "main.(*Store).load", .wait = -1 },
	    MAIN } },
	{ "many locks, one waiter each",
	  "",
	  { { .n = 40,
	      .reason = "sync.Mutex.Lock",
	      .stack = "sync.(*Mutex).Lock;main.(*Store).Get",
	      .wait = -1,
	      .on = OWN },
	    { .n = 1, .stack = "main.(*Store).load", .wait = -1 },
	    MAIN } },

	{ "a lock that was left locked",
	  "lock-abandoned",
	  { { .n = 3,
	      .reason = "sync.Mutex.Lock",
	      .stack = "sync.(*Mutex).Lock;main.(*Store).Get;main.handle",
	      .wait = 20 },
	    MAIN } },
	{ "a holder that reads from the network",
	  "",
	  { { .n = 3, .reason = "sync.Mutex.Lock", .stack = "sync.(*Mutex).Lock;main.(*Store).Get", .wait = 20 },
	    { .n = 1, .reason = "IO wait", .stack = "net.(*conn).Read;main.(*Store).load", .wait = 20 },
	    MAIN } },
	{ "somebody runs, whose stack is not known",
	  "",
	  { { .n = 3, .reason = "sync.Mutex.Lock", .stack = "sync.(*Mutex).Lock;main.(*Store).Get", .wait = 20 },
	    { .n = 1, .stack = "", .wait = -1, .flags = GOROUTINE_MOVING },
	    MAIN } },

	{ "reads without a deadline",
	  "no-deadline",
	  { { .n = 20,
	      .reason = "IO wait",
	      .stack = "net.(*conn).Read;main.read",
	      .wait = HOUR,
	      .flags = GOROUTINE_NO_DEADLINE,
	      .peer = "tcp 10.0.0.1:5432" },
	    MAIN } },
	{ "reads with a deadline",
	  "",
	  { { .n = 20,
	      .reason = "IO wait",
	      .stack = "net.(*conn).Read;main.read",
	      .wait = HOUR,
	      .flags = GOROUTINE_DEADLINE },
	    MAIN } },
	{ "listeners that accept",
	  "",
	  { { .n = 20,
	      .reason = "IO wait",
	      .stack = "net.(*TCPListener).Accept;net/http.(*Server).Serve",
	      .wait = HOUR,
	      .flags = GOROUTINE_NO_DEADLINE },
	    MAIN } },
	{ "connections that were just opened",
	  "",
	  { { .n = 20,
	      .reason = "IO wait",
	      .stack = "net.(*conn).Read;main.read",
	      .wait = 0,
	      .flags = GOROUTINE_NO_DEADLINE },
	    MAIN } },

	{ "bodies that nobody closes",
	  "open-bodies",
	  { { .n = 30,
	      .reason = "select",
	      .stack = "net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = -1 },
	    MAIN } },
	{ "bodies that are read",
	  "",
	  { { .n = 30,
	      .reason = "select",
	      .stack = "net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = 5 },
	    { .n = 30,
	      .reason = "sync.Cond.Wait",
	      .stack = "sync.(*Cond).Wait;net/http.(*bodyEOFSignal).Read;main.copy",
	      .wait = 5 },
	    MAIN } },
	{ "one stream",
	  "",
	  { { .n = 1,
	      .reason = "select",
	      .stack = "net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = -1 },
	    MAIN } },

	{ "idle connections",
	  "idle-connections",
	  { { .n = 60,
	      .reason = "IO wait",
	      .stack = "net/http.(*persistConn).Read;net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = -1,
	      .peer = "tcp 10.0.0.9:80" },
	    MAIN } },
	{ "two idle connections",
	  "",
	  { { .n = 2,
	      .reason = "IO wait",
	      .stack = "net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = HOUR },
	    MAIN } },
	{ "connections with a request each",
	  "",
	  { { .n = 60,
	      .reason = "IO wait",
	      .stack = "net/http.(*persistConn).readLoop",
	      .creator = "net/http.(*Transport).dialConn",
	      .wait = -1 },
	    { .n = 60, .reason = "select", .stack = "net/http.(*persistConn).roundTrip;main.get", .wait = -1 },
	    MAIN } },

	{ "contexts that are never cancelled",
	  "context-watch",
	  { { .n = 20,
	      .reason = "select",
	      .stack = "context.(*cancelCtx).propagateCancel.func2",
	      .creator = "context.(*cancelCtx).propagateCancel",
	      .wait = -1 },
	    MAIN } },
	{ "the same before Go 1.21",
	  "context-watch",
	  { { .n = 20,
	      .reason = "select",
	      .stack = "context.propagateCancel.func1",
	      .creator = "context.propagateCancel",
	      .wait = -1 },
	    MAIN } },
	{ "one such context",
	  "",
	  { { .n = 1,
	      .reason = "select",
	      .stack = "context.propagateCancel.func1",
	      .creator = "context.propagateCancel",
	      .wait = 9 * HOUR },
	    MAIN } },

	{ "a database that is opened again and again",
	  "left-open",
	  { { .n = 40,
	      .reason = "select",
	      .stack = "database/sql.(*DB).connectionOpener",
	      .creator = "database/sql.OpenDB",
	      .wait = HOUR },
	    MAIN } },
	{ "one database",
	  "",
	  { { .n = 1,
	      .reason = "select",
	      .stack = "database/sql.(*DB).connectionOpener",
	      .creator = "database/sql.OpenDB",
	      .wait = HOUR },
	    MAIN } },
	{ "readers of queues",
	  "left-open",
	  { { .n = 60,
	      .reason = "select",
	      .stack = "github.com/segmentio/kafka-go.(*reader).run",
	      .creator = "github.com/segmentio/kafka-go.(*Reader).start",
	      .wait = 0 },
	    MAIN } },
	{ "pipes without an end",
	  "left-open",
	  { { .n = 20, .reason = "select", .stack = "io.(*pipe).read;io.(*PipeReader).Read;main.copy", .wait = HOUR },
	    MAIN } },
};
/* clang-format on */

static void judge(const struct test_case *c, char *rules, size_t len)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	struct suspicions found;
	uint64_t id = 0;
	goroutines_init(&gs);
	for (size_t i = 0; i < ROWS; i++)
		add(&gs, &c->crowds[i], &id);
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	suspicions_find(&gs, &groups, &found);
	rules[0] = 0;
	for (size_t i = 0; i < groups.v.n; i++) {
		bool mine = groups.members.v[groups.v.v[i].at] == 0;
		for (uint32_t k = found.at.v[i]; k < found.at.v[i + 1]; k++) {
			if (mine)
				snprintf(rules + strlen(rules), len - strlen(rules), "%s%s", rules[0] ? " " : "",
					 found.v.v[k].rule);
			assert_true(strlen(found.v.v[k].text) > 40);
			assert_int_equal(found.v.v[k].text[strlen(found.v.v[k].text) - 1], '.');
		}
	}
	suspicions_deinit(&found);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

static void each_rule_fires_on_its_case_and_not_on_what_looks_alike(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rules[256];
		judge(&cases[i], rules, sizeof(rules));
		if (strcmp(rules, cases[i].rules) != 0)
			fail_msg("%s: [%s], not [%s]", cases[i].what, rules, cases[i].rules);
	}
}

static void every_rule_has_both_kinds_of_case(void **state)
{
	for (const struct suspicion_rule *r = suspicion_rules; r->name; r++) {
		bool fires = false;
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			fires = fires || strcmp(cases[i].rules, r->name) == 0;
		if (!fires)
			fail_msg("no case for %s", r->name);
		assert_true(strlen(r->why) > 10);
	}
}

/* With parents known, another goroutine inside of the creator does not hide that this one's has returned. */
static void the_parents_own_stack_tells_whether_the_creator_returned(void **state)
{
	for (int inside = 0; inside < 2; inside++) {
		struct goroutines gs;
		struct goroutine_groups groups;
		struct suspicions found;
		uint64_t id = 0;
		goroutines_init(&gs);
		add(&gs,
		    &(struct crowd){
			    .n = 40, .reason = "chan send", .stack = "main.f", .creator = "main.ask", .wait = -1 },
		    &id);
		add(&gs, &(struct crowd){ .n = 1, .stack = inside ? "main.ask;main.serve" : "main.serve", .wait = -1 },
		    &id);
		add(&gs, &(struct crowd){ .n = 1, .stack = "main.ask;main.serve", .wait = -1 }, &id);
		for (size_t i = 0; i < 40; i++)
			gs.v.v[i].parent = 41;
		goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
		suspicions_find(&gs, &groups, &found);
		assert_int_equal(found.v.n, inside ? 0 : 1);
		suspicions_deinit(&found);
		goroutine_groups_deinit(&groups);
		goroutines_deinit(&gs);
	}
}

static void what_a_cut_dump_lacks_is_no_evidence(void **state)
{
	static const struct crowd senders = {
		.n = 40, .reason = "chan send", .stack = "main.f", .creator = "main.ask", .wait = -1
	};
	for (int cut = 0; cut < 2; cut++) {
		struct goroutines gs;
		struct goroutine_groups groups;
		struct suspicions found;
		uint64_t id = 0;
		goroutines_init(&gs);
		add(&gs, &senders, &id);
		gs.v.v[39].flags = cut ? GOROUTINE_END : 0;
		goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
		suspicions_find(&gs, &groups, &found);
		assert_int_equal(found.v.n, cut ? 0 : 1);
		suspicions_deinit(&found);
		goroutine_groups_deinit(&groups);
		goroutines_deinit(&gs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_fires_on_its_case_and_not_on_what_looks_alike),
		cmocka_unit_test(every_rule_has_both_kinds_of_case),
		cmocka_unit_test(the_parents_own_stack_tells_whether_the_creator_returned),
		cmocka_unit_test(what_a_cut_dump_lacks_is_no_evidence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
