/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "report/diagnosis.h"

enum { MIB = 1 << 20 };

/* A run of two looks with one finding; nothing of it is read from a process. */
static void make(struct diagnose_run *run, enum diagnosis_verdict verdict)
{
	*run = (struct diagnose_run){ .has_first = true };
	snapshot_init(&run->first);
	run->first.id.pid = 81;
	struct diagnosis *d = &run->diagnosis;
	arena_init(&d->arena);
	d->verdict = verdict;
	d->seconds = 30;
	d->oom = (struct diagnosis_oom){ 512u * MIB, "cgroup /pod", 100 * MIB, 2 * MIB, (double)NAN };
	for (int i = 0; i < 2; i++) {
		struct diagnosis_sample *s = vec_push(&run->samples);
		memset(s, 0xff, sizeof(*s));
		s->rss = (uint64_t)(100 + 60 * i) * MIB;
	}
}

static void add_leak(struct diagnose_run *run, const char *file)
{
	struct finding *f = vec_push(&run->diagnosis.findings);
	*f = (struct finding){
		.kind = "heap",
		.leak = true,
		.also = { "timer" },
		.level = DIAGNOSIS_CRITICAL,
		.confidence = 0.9,
		.class = "go.heap.live",
		.bytes = 60 * MIB,
		.rate = 2 * MIB,
		.count = ACCOUNT_UNKNOWN,
		.count_rate = (double)NAN,
		.site = { .function = "main.keep", .file = file, .line = 12 },
		.advice = "Keep less.",
	};
	*vec_push(&f->evidence) = "It grew.";
	run->diagnosis.oom.eta = 206;
}

static void end(struct diagnose_run *run, struct strbuf *out)
{
	diagnose_run_deinit(run);
	strbuf_deinit(out);
}

static void text(const struct diagnose_run *run, struct strbuf *out)
{
	struct style style = { .color = false, .utf8 = true, .width = 100 };
	strbuf_init(out);
	diagnosis_text(run, &style, out);
}

static void the_first_line_has_the_answer(void **state)
{
	struct diagnose_run run;
	struct strbuf out;
	make(&run, DIAGNOSIS_LEAK);
	add_leak(&run, "/go/src/example.org/app/store/map.go");
	text(&run, &out);
	assert_non_null(strstr(out.buf, "about 3 min\nKeep less.\n")); /* and the second what to do */
	out.buf[strcspn(out.buf, "\n")] = 0;
	assert_string_equal(out.buf, "LEAK: heap grows by 2.00 MiB/s, at main.keep (store/map.go:12); out of "
				     "memory in about 3 min");
	end(&run, &out);
	make(&run, DIAGNOSIS_NO_LEAK);
	text(&run, &out);
	assert_non_null(strstr(out.buf, "No leak: nothing that was watched for 30 s"));
	end(&run, &out);
	make(&run, DIAGNOSIS_INCONCLUSIVE);
	*vec_push(&run.diagnosis.open) =
		(struct diagnosis_open){ "mmap.anon", MIB, 1, "mmap.anon grew.", "Look again." };
	text(&run, &out);
	assert_non_null(strstr(out.buf, "INCONCLUSIVE: mmap.anon grew."));
	assert_non_null(strstr(out.buf, "Look again."));
	end(&run, &out);
}

static void names_of_the_target_are_cleaned(void **state)
{
	struct diagnose_run run;
	struct strbuf out;
	make(&run, DIAGNOSIS_LEAK);
	add_leak(&run, "a\x1b[31m.go");
	text(&run, &out);
	assert_null(strchr(out.buf, '\x1b'));
	end(&run, &out);
}

static void json_has_the_fields_of_the_contract(void **state)
{
	static const char *const parts[] = {
		"\"schema\":\"ullage.diagnose/1\"",
		"\"verdict\":\"leak\"",
		"\"kind\":\"heap\"",
		"\"also\":[\"timer\"]",
		"\"level\":\"critical\"",
		"\"site\":{\"function\":\"main.keep\",\"file\":\"a.go\",\"line\":12}",
		"\"holder\":null",
		"\"stack\":[]",
		"\"evidence\":[\"It grew.\"]",
		"\"advice\":\"Keep less.\"",
		"\"count\":null",
		"\"limit_bytes\":536870912",
		"\"limit_source\":\"cgroup /pod\"",
		"\"before\":{",
		"\"after\":{",
		"\"notes\":[",
		"\"rss_bytes\":167772160",
		"\"threads\":null",
	};
	struct diagnose_run run;
	struct strbuf out;
	make(&run, DIAGNOSIS_LEAK);
	add_leak(&run, "a.go");
	strbuf_init(&out);
	diagnosis_json(&run, &out);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!strstr(out.buf, parts[i]))
			fail_msg("%s is not in %s", parts[i], out.buf);
	}
	end(&run, &out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_has_the_answer),
		cmocka_unit_test(names_of_the_target_are_cleaned),
		cmocka_unit_test(json_has_the_fields_of_the_contract),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
