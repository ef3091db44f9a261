/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "surface/text.h"

static struct watch_target target_of(const char *key, const char *comm, enum watch_state state)
{
	struct watch_target t = {
		.key = key, .comm = comm, .id.pid = 7, .state = state, .cgroup_path = "/a", .group = "default"
	};
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	t.forecast.rate = t.forecast.eta = t.forecast.z = NAN;
	return t;
}

static struct strbuf render(const struct watch_target *targets, size_t n, size_t max, bool openmetrics)
{
	const struct watch_target *list[8];
	for (size_t i = 0; i < n; i++)
		list[i] = &targets[i];
	struct surface_self self = { .version = "1.2.3",
				     .start_wall_ns = 1500000000,
				     .events_by_kind[WATCH_EVENT_OOM_KILL] = 4 };
	struct surface_action page = { .name = "page", .kind = "webhook", .failed = 2 };
	self.actions = &page;
	self.n_actions = 1;
	struct surface_view v = { .self = &self, .targets = list, .n = n, .metrics_max = max };
	struct strbuf out;
	strbuf_init(&out);
	surface_metrics(&v, openmetrics, &out);
	return out;
}

static void says(const struct strbuf *page, const char *line)
{
	if (!strstr(page->buf, line))
		print_error("missing: %s\n", line);
	assert_non_null(strstr(page->buf, line));
}

static void known_figures_have_samples_and_unknown_ones_none(void **state)
{
	struct watch_target t = target_of("7-1", "api", WATCH_WARNING);
	t.process.rss = 123456789012;
	t.process.gc_pause_total_ns = 1500000000;
	t.forecast.eta = 42.5;
	t.signals[0] = (struct watch_signal){ .name = "near_limit", .value = 0.93, .threshold = 0.85 };
	t.n_signals = 1;
	struct strbuf page AUTO(strbuf) = render(&t, 1, 10000, false);
	says(&page, "\n# TYPE ullage_target_rss_bytes gauge\nullage_target_rss_bytes{target=\"7-1\",comm=\"api\"} "
		    "123456789012\n");
	says(&page, "ullage_target_gc_pause_seconds_total{target=\"7-1\",comm=\"api\"} 1.5\n");
	says(&page, "ullage_target_limit_eta_seconds{target=\"7-1\",comm=\"api\"} 42.5\n");
	says(&page, "ullage_target_state{target=\"7-1\",comm=\"api\",state=\"warning\"} 1\n");
	says(&page, "ullage_target_state{target=\"7-1\",comm=\"api\",state=\"ok\"} 0\n");
	says(&page, "ullage_target_signal{target=\"7-1\",comm=\"api\",signal=\"near_limit\"} 1\n");
	says(&page, "ullage_target_signal{target=\"7-1\",comm=\"api\",signal=\"gc_thrash\"} 0\n");
	says(&page, "ullage_target_signal_value{target=\"7-1\",comm=\"api\",signal=\"near_limit\"} 0.93\n");
	says(&page, "ullage_target_breaker_open{target=\"7-1\",comm=\"api\"} 0\n");
	says(&page, "\nullage_oom_kills_total 4\n");
	says(&page, "\nullage_process_start_time_seconds 1.5\n");
	says(&page, "ullage_actions_total{action=\"page\",kind=\"webhook\",outcome=\"failed\"} 2\n");
	says(&page, "ullage_build_info{version=\"1.2.3\"} 1\n");
	says(&page, "ullage_targets{state=\"warning\"} 1\n");
	assert_null(strstr(page.buf, "ullage_target_usage_bytes{"));
	assert_null(strstr(page.buf, "ullage_target_growth_bytes_per_second{"));
	assert_null(strstr(page.buf, "# EOF"));
	assert_null(strstr(page.buf, "_created"));
}

static void openmetrics_names_families_without_their_ends(void **state)
{
	struct watch_target t = target_of("7-1", "api", WATCH_OK);
	t.process.gc_count = 3;
	struct strbuf page AUTO(strbuf) = render(&t, 1, 10000, true);
	says(&page, "# TYPE ullage_target_gc counter\nullage_target_gc_total{target=\"7-1\",comm=\"api\"} 3\n");
	says(&page, "# TYPE ullage_target info\nullage_target_info{");
	says(&page, "# TYPE ullage_target_rss_bytes gauge\n# UNIT ullage_target_rss_bytes bytes\n");
	says(&page, "\nullage_oom_kills_total 4\nullage_oom_kills_created 1.500\n");
	assert_null(strstr(page.buf, "gc_created"));
	assert_string_equal(page.buf + page.len - 6, "# EOF\n");
}

static void hostile_names_stay_in_their_quotes(void **state)
{
	struct watch_target t = target_of("7-1", "a\"} 1\nx\\\xff\xc0\x80\x1b[31m\xe2\x82\xac\xed\xa0\x80", WATCH_OK);
	struct strbuf page AUTO(strbuf) = render(&t, 1, 10000, false);
#define BAD "\xef\xbf\xbd"
	says(&page, "ullage_target_forecast_warning{target=\"7-1\",comm=\"a\\\"} 1\\nx\\\\" BAD BAD BAD BAD
		    "[31m\xe2\x82\xac" BAD BAD BAD "\"} 0\n");
	assert_null(strchr(page.buf, '\x1b'));
}

static void long_names_keep_their_end(void **state)
{
	struct strbuf path AUTO(strbuf), labels AUTO(strbuf);
	strbuf_init(&path);
	strbuf_init(&labels);
	for (unsigned i = 0; i < 200; i++)
		strbuf_puts(&path, "\xc3\xa9/");
	strbuf_puts(&path, "end");
	text_label(&labels, "cgroup", path.buf);
	assert_true(labels.len <= TEXT_LABEL + strlen("cgroup=\"\""));
	assert_true(labels.len > TEXT_LABEL && ((unsigned char)labels.buf[8] & 0xc0) != 0x80);
	assert_string_equal(labels.buf + labels.len - 4, "end\"");
}

/* How often `what` begins a line. */
static size_t lines_of(const struct strbuf *page, const char *what)
{
	size_t n = 0;
	for (const char *s = page->buf; (s = strstr(s, what)); s++)
		n += s == page->buf || s[-1] == '\n';
	return n;
}

static void the_gravest_targets_have_room_first(void **state)
{
	struct watch_target t[5] = { target_of("1-1", "a", WATCH_OK), target_of("2-1", "b", WATCH_OPEN),
				     target_of("3-1", "c", WATCH_OK), target_of("4-1", "d", WATCH_WARNING),
				     target_of("5-1", "e", WATCH_OK) };
	for (unsigned i = 0; i < 5; i++)
		t[i].process.rss = i;
	struct strbuf all AUTO(strbuf) = render(t, 5, 100000, false);
	assert_int_equal(lines_of(&all, "ullage_target_rss_bytes{"), 5);
	says(&all, "\nullage_targets_omitted 0\n");
	struct strbuf some AUTO(strbuf) = render(t, 5, 200, false);
	size_t shown = lines_of(&some, "ullage_target_rss_bytes{");
	assert_in_range(shown, 2, 4);
	assert_true(lines_of(&some, "ullage_target_") <= 200);
	says(&some, "ullage_target_rss_bytes{target=\"2-1\",comm=\"b\"} 1\n");
	says(&some, "ullage_target_rss_bytes{target=\"4-1\",comm=\"d\"} 3\n");
	assert_null(strstr(some.buf, "target=\"5-1\""));
	struct strbuf none AUTO(strbuf) = render(t, 5, 0, false);
	says(&none, "\nullage_targets_omitted 5\n");
	says(&none, "ullage_targets{state=\"ok\"} 3\n");
}

static void every_family_has_one_head(void **state)
{
	struct watch_target t[2] = { target_of("1-1", "a", WATCH_OK), target_of("2-1", "b", WATCH_OPEN) };
	struct strbuf page AUTO(strbuf) = render(t, 2, 10000, false);
	size_t n = 0;
	for (const char *s = page.buf; (s = strstr(s, "# TYPE ")); s++, n++) {
		char head[128] = { 0 };
		memcpy(head, s, strcspn(s + 7, " ") + 8);
		assert_int_equal(lines_of(&page, head), 1);
		assert_memory_equal(head + 7, "ullage_", 7);
	}
	assert_true(n > 60 && n == lines_of(&page, "# HELP "));
}

static void the_better_liked_format_is_taken(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ "", false },
		{ "*/*", false },
		{ "text/html,application/xhtml+xml,*/*;q=0.8", false },
		{ "application/openmetrics-text", true },
		{ "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  true },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/"
		  "plain;version=0.0.4;q=0.2",
		  true },
		{ "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.9", false },
		{ "application/openmetrics-text;version=1.0.0;q=0", false },
		{ "application/openmetrics-text;version=2.0.0", false },
		{ "application/openmetrics-textual", false },
		{ "application/openmetrics-text;q=x", false },
		{ "application/openmetrics-text;version=1.0.0;q=0.001, text/plain;q=0.01", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (surface_wants_openmetrics(cases[i].accept) != cases[i].open)
			print_error("%s\n", cases[i].accept);
		assert_int_equal(surface_wants_openmetrics(cases[i].accept), cases[i].open);
	}
	assert_non_null(strstr(surface_metrics_type(true), "version=1.0.0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_figures_have_samples_and_unknown_ones_none),
		cmocka_unit_test(openmetrics_names_families_without_their_ends),
		cmocka_unit_test(hostile_names_stay_in_their_quotes),
		cmocka_unit_test(long_names_keep_their_end),
		cmocka_unit_test(the_gravest_targets_have_room_first),
		cmocka_unit_test(every_family_has_one_head),
		cmocka_unit_test(the_better_liked_format_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
