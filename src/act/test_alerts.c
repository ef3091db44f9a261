/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "act/alerts.h"
#include "base/alloc.h"

#define S INT64_C(1000000000)

static struct order *order(const char *incident, const char *labels, bool resolved)
{
	struct order *o = xcalloc(1, sizeof(*o));
	*o = (struct order){ .refs = 1,
			     .policy = "p",
			     .incident = incident,
			     .labels = labels,
			     .annotations = "{}",
			     .started = "S",
			     .now = "N",
			     .resolved = resolved };
	return o;
}

/* What is told of it, "" nothing. */
static const char *tell(struct alerts *a, const char *incident, const char *labels, bool resolved, int64_t now)
{
	static char text[512];
	struct strbuf out;
	strbuf_init(&out);
	struct order *o = order(incident, labels, resolved);
	bool any = alerts_tell(a, "am", o, now, &out);
	order_unref(o);
	assert_true(out.len < sizeof(text));
	memcpy(text, out.buf, out.len + 1);
	strbuf_deinit(&out);
	assert_int_equal(any, *text != 0);
	return text;
}

static bool again(struct alerts *a, int64_t now)
{
	struct strbuf out;
	strbuf_init(&out);
	bool any = alerts_again(a, "p", "am", now, &out);
	strbuf_deinit(&out);
	return any;
}

static void an_alert_begins_and_ends_with_its_first_labels(void **state)
{
	struct alerts a = { 0 };
	assert_string_equal(tell(&a, "i", "{1}", false, 0), "[{\"labels\":{1},\"annotations\":{},\"startsAt\":\"S\"}]");
	assert_string_equal(tell(&a, "i", "{0}", true, 0),
			    "[{\"labels\":{1},\"annotations\":{},\"startsAt\":\"S\",\"endsAt\":\"N\"}]");
	assert_string_equal(tell(&a, "i", "{0}", true, 0), "");
	assert_int_equal(a.v.n, 0);
	alerts_deinit(&a);
}

static void another_severity_ends_the_alert_before(void **state)
{
	struct alerts a = { 0 };
	tell(&a, "i", "{1}", false, 0);
	assert_string_equal(tell(&a, "i", "{2}", false, 0),
			    "[{\"labels\":{1},\"annotations\":{},\"startsAt\":\"S\",\"endsAt\":\"N\"},"
			    "{\"labels\":{2},\"annotations\":{},\"startsAt\":\"S\"}]");
	alerts_deinit(&a);
}

static void labels_of_two_incidents_end_with_the_last(void **state)
{
	struct alerts a = { 0 };
	tell(&a, "i", "{1}", false, 0);
	tell(&a, "k", "{1}", false, 0);
	assert_string_equal(tell(&a, "i", "{0}", true, 0), "");
	assert_string_equal(tell(&a, "k", "{0}", true, 0),
			    "[{\"labels\":{1},\"annotations\":{},\"startsAt\":\"S\",\"endsAt\":\"N\"}]");
	alerts_deinit(&a);
}

static void an_alert_that_lasts_is_told_every_minute(void **state)
{
	struct alerts a = { 0 };
	assert_true(alerts_next(&a) == INT64_MAX);
	tell(&a, "i", "{1}", false, 0);
	assert_true(alerts_next(&a) == 60 * S);
	assert_false(again(&a, 59 * S));
	assert_true(again(&a, 60 * S));
	assert_false(again(&a, 61 * S));
	assert_false(alerts_told(&a, "p", "am", true, 61 * S));
	assert_true(alerts_next(&a) == 120 * S);
	alerts_deinit(&a);
}

static void a_failure_is_news_once_and_tried_sooner(void **state)
{
	struct alerts a = { 0 };
	tell(&a, "i", "{1}", false, 0);
	assert_true(again(&a, 60 * S));
	assert_true(alerts_told(&a, "p", "am", false, 61 * S));
	assert_true(alerts_next(&a) == 76 * S);
	assert_true(again(&a, 76 * S));
	assert_false(alerts_told(&a, "p", "am", false, 77 * S));
	assert_false(alerts_told(&a, "p", "am", true, 77 * S));
	assert_true(alerts_told(&a, "p", "am", false, 77 * S));
	alerts_deinit(&a);
}

static enum alerts_fate only_i_ends(void *arg, const struct alert *one)
{
	return strcmp(one->order->incident, "i") == 0 ? ALERTS_END : ALERTS_DROP;
}

static void alerts_of_a_link_that_is_gone_are_forgotten(void **state)
{
	struct alerts a = { 0 };
	tell(&a, "i", "{1}", false, 0);
	tell(&a, "k", "{2}", false, 0);
	alerts_drop(&a, only_i_ends, NULL);
	assert_int_equal(a.v.n, 1);
	assert_false(again(&a, 60 * S));
	assert_true(alerts_next(&a) == INT64_MAX);
	assert_true(*tell(&a, "i", "{1}", true, 61 * S) != 0);
	assert_true(*tell(&a, "k", "{2}", true, 61 * S) == 0);
	assert_int_equal(a.v.n, 0);
	alerts_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_begins_and_ends_with_its_first_labels),
		cmocka_unit_test(another_severity_ends_the_alert_before),
		cmocka_unit_test(labels_of_two_incidents_end_with_the_last),
		cmocka_unit_test(an_alert_that_lasts_is_told_every_minute),
		cmocka_unit_test(a_failure_is_news_once_and_tried_sooner),
		cmocka_unit_test(alerts_of_a_link_that_is_gone_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
