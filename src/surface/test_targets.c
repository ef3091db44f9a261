/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static struct watch_target target_of(const char *key, uint64_t working_set)
{
	struct watch_target t = { .key = key, .comm = "a\"b", .id.pid = 7, .state = WATCH_OPEN, .reason = "full" };
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	t.forecast.rate = t.forecast.eta = t.forecast.z = NAN;
	t.cgroup.working_set = working_set;
	return t;
}

static void says(const struct strbuf *text, const char *part)
{
	if (!strstr(text->buf, part))
		print_error("missing: %s in %s\n", part, text->buf);
	assert_non_null(strstr(text->buf, part));
}

static void targets_have_the_fields_of_the_contract(void **state)
{
	struct watch_target small = target_of("1-1", 10), large = target_of("2-1", 120);
	large.cgroup.limit = 100;
	large.is_go = large.go_known = true;
	small.cgroup.available = 77;
	large.signals[0] = (struct watch_signal){ .name = "near_limit",
						  .value = 1.2,
						  .threshold = 0.85,
						  .since_wall_ns = 1000000000,
						  .evidence = "120 of 100" };
	large.n_signals = 1;
	large.classes[0].name = "go.heap.live";
	large.classes[0].bytes = 9;
	large.n_classes = 1;
	const struct watch_target *list[] = { &small, &large };
	struct surface_self self = { 0 };
	struct surface_view v = { .self = &self, .targets = list, .n = 2, .wall_ns = 2000000000 };
	struct strbuf out AUTO(strbuf);
	strbuf_init(&out);
	surface_targets(&v, &out);
	says(&out, "{\"schema\":\"ullage.watch.targets/"
		   "1\",\"time\":\"1970-01-01T00:00:02.000Z\",\"targets\":[{\"id\":\"2-1\",\"pid\":7,"
		   "\"comm\":\"a\\\"b\"");
	says(&out, "\"state\":\"open\",\"reason\":\"full\",\"limit_bytes\":100");
	says(&out, "\"headroom_bytes\":-20");
	says(&out, "\"rate_bytes_per_second\":null,\"eta_seconds\":null");
	says(&out, "\"signals\":[{\"name\":\"near_limit\",\"value\":1.2,\"threshold\":0.85,\"since\":\"1970-01-01T00:"
		   "00:01.000Z\"");
	says(&out, "\"classes\":[{\"class\":\"go.heap.live\",\"resident_bytes\":9}]");
	says(&out, "\"is_go\":true");
	says(&out, "\"is_go\":null"); /* nobody could look */
	says(&out, "\"id\":\"1-1\""); /* the smaller one, after it */
	says(&out, "\"limit_bytes\":null");
	says(&out, "\"headroom_bytes\":77"); /* without a limit, what the machine has left */
	struct strbuf one AUTO(strbuf);
	strbuf_init(&one);
	surface_target(v.wall_ns, &small, &one);
	says(&one, "{\"schema\":\"ullage.watch.target/1\"");
}

static void an_open_breaker_is_503_but_in_a_rehearsal(void **state)
{
	struct watch_target t = target_of("1-1", 10);
	struct strbuf out AUTO(strbuf);
	strbuf_init(&out);
	assert_int_equal(surface_breaker(&t, &out), 503);
	says(&out, "\"state\":\"open\",\"canary\":false,\"reason\":\"full\"}\n");
	t.canary = true;
	assert_int_equal(surface_breaker(&t, &out), 200);
	t.canary = false;
	t.state = WATCH_CRITICAL;
	assert_int_equal(surface_breaker(&t, &out), 200);
}

static void put_event(struct json *j, const void *arg, size_t i)
{
	surface_event(j, (int64_t)i + 5, arg);
}

static void put_file(struct json *j, const void *arg, size_t i)
{
	surface_file(j, arg);
}

static void lists_say_what_they_are_and_where_they_go_on(void **state)
{
	struct watch_event e = { .wall_ns = 1000000000,
				 .kind = WATCH_EVENT_OPEN,
				 .target = "1-1",
				 .text = "so",
				 .value = 0.95,
				 .threshold = NAN,
				 .dry = true };
	struct surface_list l = { .name = "events", .n = 1, .item = put_event, .arg = &e, .next = 5 };
	struct strbuf out AUTO(strbuf);
	strbuf_init(&out);
	surface_list(&l, &out);
	says(&out, "{\"schema\":\"ullage.watch.events/"
		   "1\",\"time\":\"1970-01-01T00:00:00.000Z\",\"target\":null,\"events\":[{\"id\":5,"
		   "\"time\":\"1970-01-01T00:00:01.000Z\",\"kind\":\"open\"");
	says(&out, "\"value\":0.95,\"threshold\":null,\"dry_run\":true");
	says(&out, "}],\"next\":5,\"notes\":[]}\n");
	struct watch_file f = {
		.wall_ns = 1000000000, .kind = "heap", .path = "/x", .target = "1-1", .bytes = WATCH_UNKNOWN
	};
	l = (struct surface_list){
		.name = "snapshots", .target = "1-1", .n = 1, .item = put_file, .arg = &f, .note = "One is gone."
	};
	strbuf_clear(&out);
	surface_list(&l, &out);
	says(&out, "\"target\":\"1-1\",\"snapshots\":[{");
	says(&out, "\"path\":\"/x\",\"size_bytes\":null}],\"next\":null,\"notes\":[\"One is gone.\"]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_have_the_fields_of_the_contract),
		cmocka_unit_test(an_open_breaker_is_503_but_in_a_rehearsal),
		cmocka_unit_test(lists_say_what_they_are_and_where_they_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
