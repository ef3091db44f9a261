/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings of real programs under real limits, see tests/recordings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture/recording.h"
#include "forecast/forecast.h"

struct outcome {
	double warned, withdrawn,
		worst; /* NAN: not; the largest error of the time left, as a share, in the last minute */
	bool held;     /* a warning was up at the end */
	struct recording r;
};

/* From the second half of its life on: before, nobody can know. */
static double error_of(const struct recording *r, double t, double eta)
{
	double left = r->end - t;
	if (isnan(left) || left > 60 || left > (r->end - r->start) / 2 || left < 5)
		return 0;
	return isnan(eta) ? 1 : fabs(eta - left) / left;
}

static struct outcome replay(const char *name)
{
	struct outcome o = { NAN, NAN, 0, false, { 0 } };
	const struct forecast_options usual = { 3.5, 600 };
	struct forecast *f = forecast_new(&usual);
	struct forecast_sample s;
	struct watch_forecast now;
	char path[512];
	double t = 0;
	snprintf(path, sizeof(path), "%s/tests/recordings/%s.climb", getenv("ULLAGE_SOURCE"), name);
	assert_true(recording_open(path, &o.r));
	while (recording_next(&o.r, &t, &s)) {
		forecast_add(f, &s);
		forecast_now(f, &now);
		if (now.warning && isnan(o.warned))
			o.warned = t;
		if (o.held && !now.warning)
			o.withdrawn = t;
		o.held = now.warning;
		o.worst = fmax(o.worst, error_of(&o.r, t, now.eta));
	}
	recording_close(&o.r);
	forecast_free(f);
	return o;
}

static void leaks_are_told_in_time(void **state)
{
	static const char *const leaks[] = { "line-256-60-1.24", "line-garbage-256-60", "line-64-20-1.27",
					     "late-64-90",	 "small-64-90-1.19",	"small-64-90",
					     "map-64-20",	 "map-64-60-1.19",	"map-1024-60-1.19",
					     "mmap-64-60",	 "steps-64-60",		"pool-64-90" };
	for (size_t i = 0; i < sizeof(leaks) / sizeof(*leaks); i++) {
		struct outcome o = replay(leaks[i]);
		double life = o.r.end - o.r.start;
		if (!(o.r.end - o.warned >= fmin(60, life / 2)) || !o.held)
			fail_msg("%s: warned %.1f s of a life of %.1f s, held %d", leaks[i], o.warned, life, o.held);
	}
}

static void the_time_left_is_near_the_truth(void **state)
{
	static const char *const even[] = { "line-256-60-1.24", "line-garbage-256-60", "line-64-20-1.27",
					    "late-64-90",	"map-1024-60-1.19",    "mmap-64-60" };
	for (size_t i = 0; i < sizeof(even) / sizeof(*even); i++) {
		struct outcome o = replay(even[i]);
		if (o.worst >= 0.2)
			fail_msg("%s: off by %.2f", even[i], o.worst);
	}
}

static void harmless_programs_raise_nothing(void **state)
{
	static const char *const harmless[] = { "warm-512-0.36-30", "garbage-64-8", "burst-64-5",
						"cache-64",	    "teeth-64-4",   "reload-64-6-1.19" };
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		struct outcome o = replay(harmless[i]);
		if (!isnan(o.warned))
			fail_msg("%s: warned at %.1f s", harmless[i], o.warned);
	}
}

static void what_stops_near_the_limit_is_withdrawn(void **state)
{
	struct outcome o = replay("near-512");
	assert_true(o.warned < o.r.still);
	assert_false(o.held);
	assert_true(o.withdrawn - o.r.still < 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaks_are_told_in_time),
		cmocka_unit_test(the_time_left_is_near_the_truth),
		cmocka_unit_test(harmless_programs_raise_nothing),
		cmocka_unit_test(what_stops_near_the_limit_is_withdrawn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
