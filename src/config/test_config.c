/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "model/signal.h"

/* Everything that is wrong, a line each, with "w" before what is only a warning. */
static char *told(const char *text, struct config *c, bool *good)
{
	struct strbuf out;
	struct config_problems p;
	strbuf_init(&out);
	config_problems_init(&p);
	*good = config_check("f", text, strlen(text), &p, c);
	for (size_t i = 0; i < p.v.n; i++)
		strbuf_printf(&out, "%s%s%u:%u %s: %s", i ? "\n" : "", p.v.v[i].warning ? "w " : "", p.v.v[i].line,
			      p.v.v[i].column, p.v.v[i].key, p.v.v[i].text);
	config_problems_deinit(&p);
	return out.buf;
}

static void good(const char *text, struct config *c)
{
	bool ok = false;
	AUTO_FREE char *problems = told(text, c, &ok);
	assert_string_equal(problems, "");
	assert_true(ok);
}

static void an_empty_text_means_the_defaults(void **state)
{
	static const char *const texts[] = { "", "# nothing\n", "---\n", "null\n", "targets:\npolicies:\nsampling:\n" };
	struct config defaults;
	AUTO(strbuf) struct strbuf want, got;
	strbuf_init(&want);
	strbuf_init(&got);
	config_defaults(&defaults);
	config_print(&defaults, &want);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config c;
		good(texts[i], &c);
		strbuf_clear(&got);
		config_print(&c, &got);
		assert_string_equal(got.buf, want.buf);
		config_deinit(&c);
	}
	config_deinit(&defaults);
}

static void every_kind_of_value_is_read(void **state)
{
	struct config c;
	good("listen: 'unix:/run/u.sock'\n"
	     "data: /var/lib/u\n"
	     "log: json\n"
	     "targets:\n"
	     "  - {name: api-*, exclude: true}\n"
	     "  - cgroup: /kubepods/*\n"
	     "    go_only: false\n"
	     "sampling:\n"
	     "  steps: [{below: 50%, interval: 2s}, {below: 1, interval: 20ms, snapshot: true}]\n"
	     "  map: 0\n"
	     "policies:\n"
	     "  - name: shop\n"
	     "    match: {unit: shop.service}\n"
	     "    mode: act\n"
	     "    open: 0.9\n"
	     "    close_after: 1m30s\n"
	     "    limit: 1.5GiB\n"
	     "    actions:\n"
	     "      - {kind: webhook, url: 'http://127.0.0.1:1/x', retries: 2}\n"
	     "      - {kind: command, name: drain, argv: [/usr/bin/drain, --now]}\n"
	     "profiles: [{match: {name: api}, goroutines: true, interval: 1h}]\n"
	     "signals:\n"
	     "  gc_pause: {threshold: 50ms, window: 2m}\n"
	     "  psi: {off: true}\n"
	     "storage: {size: 2G, age: 30d}\n",
	     &c);
	assert_string_equal(c.file, "f");
	assert_string_equal(c.listen, "unix:/run/u.sock");
	assert_string_equal(c.data, "/var/lib/u");
	assert_string_equal(c.log, "json");
	assert_int_equal(c.targets.n, 2);
	assert_string_equal(c.targets.v[0].name, "api-*");
	assert_true(c.targets.v[0].exclude && c.targets.v[0].go_only && !c.targets.v[1].go_only);
	assert_int_equal(c.n_steps, 2);
	assert_true(c.steps[0].below == .5 && c.steps[0].interval_ms == 2000 && !c.steps[0].snapshot);
	assert_true(c.steps[1].below == 1 && c.steps[1].interval_ms == 20 && c.steps[1].snapshot);
	assert_int_equal(c.map_ms, 0);
	assert_int_equal(c.policies.n, 2);
	const struct config_policy *p = &c.policies.v[0];
	assert_true(p->mode == CONFIG_ACT && p->open == .9 && p->warn == .85 && p->close_after_ms == 90000);
	assert_true(p->limit == UINT64_C(3) << 29);
	assert_int_equal(p->actions.n, 2);
	assert_string_equal(p->actions.v[0].name, "shop-1");
	assert_true(p->actions.v[0].kind == ACTION_WEBHOOK && p->actions.v[0].retries == 2 && !p->actions.v[0].dry_run);
	assert_true(p->actions.v[1].kind == ACTION_COMMAND && p->actions.v[1].dry_run);
	assert_string_equal(p->actions.v[1].argv.v[1], "--now");
	assert_string_equal(c.policies.v[1].name, "default");
	assert_true(c.profiles.n == 1 && c.profiles.v[0].heap && c.profiles.v[0].interval_ms == 3600000);
	assert_int_equal(c.signals.n, 2);
	assert_string_equal(c.signals.v[0].name, "gc_pause");
	assert_true(c.signals.v[0].threshold == .05 && c.signals.v[0].window_ms == 120000);
	assert_true(c.signals.v[1].off && isnan(c.signals.v[1].threshold));
	assert_true(c.retain_bytes == UINT64_C(2) << 30 && c.retain_ms == UINT64_C(30) * 86400000);
	config_deinit(&c);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *problems;
	} rows[] = {
		{ "lissten: 1\n", "1:1 lissten: no such key; did you mean listen?" },
		{ "a: &x 1\n\nlog: caf\xe9\n", "3:9 : this is no text in UTF-8: incomplete UTF-8 octet sequence" },
		{ "kernel: {xyzzy: 1}\n", "1:10 kernel.xyzzy: no such key; there are bpf, log" },
		{ "data: /a\nlog: text\ndata: /b\n", "3:1 data: the key stands here twice, first at line 1" },
		{ "listen: 0.0.0.0:80\n", "1:9 listen: only a loopback address is listened on (127.0.0.1, [::1]), as "
					  "nobody is asked who they are" },
		{ "listen: null\n", "1:9 listen: a text is needed" },
		{ "data: [a]\n", "1:7 data: a text is needed, not a list" },
		{ "data: relative\n", "1:7 data: an absolute path is needed: the daemon has no directory of its own" },
		{ "log: xml\n", "1:6 log: 'xml' is not one of text, json" },
		{ "kernel:\n  bpf: yes\n", "2:8 kernel.bpf: 'yes' is not true or false" },
		{ "sampling: {go: 5}\n", "1:16 sampling.go: '5' is not a duration, as 200ms, 15s or 1h30m" },
		{ "sampling: {go: 1ms}\n", "1:16 sampling.go: 1ms is out of range: from 50ms to 1h" },
		{ "sampling: {steps: []}\n", "1:19 sampling.steps: at least one step is needed" },
		{ "sampling: {steps: [{below: 50%}]}\n",
		  "1:28 sampling.steps[0].below: the last step must reach to 100%" },
		{ "sampling: {steps: [{below: 50%}, {below: 40%}, {below: 1}]}\n",
		  "1:42 sampling.steps[1].below: the shares of the steps must rise" },
		{ "policies: [{warn: 85}]\n", "1:19 policies[0].warn: '85' is more than all; 85% is meant?" },
		{ "policies: [{open: 80%}]\n", "1:12 policies[0].close: 80% is not below open, which is 80%\n"
					       "1:12 policies[0].warn: 85% is not below open, which is 80%" },
		{ "policies: [1]\n", "1:12 policies[0]: a row with keys is needed: begin with name:" },
		{ "policies: {name: x}\n",
		  "1:11 policies: a list of rows that begin with '- ' is needed, not a group of keys" },
		{ "policies: [{name: a, match: {name: a}}, {name: a}]\n",
		  "1:48 policies[1].name: another policy has this name" },
		{ "policies: [{actions: [{kind: webhook}]}]\n", "1:23 policies[0].actions[0].url: webhook needs it" },
		{ "policies: [{actions: [{url: 'ftp://x'}]}]\n",
		  "1:23 policies[0].actions[0].kind: one of webhook, alertmanager, file, command is needed\n"
		  "1:29 policies[0].actions[0].url: a URL begins with http:// or https://" },
		{ "policies: [{actions: [{kind: command, argv: [rm, -rf]}]}]\n",
		  "1:45 policies[0].actions[0].argv: the program's path must be absolute" },
		{ "signals: {gc_pauses: {off: true}}\n",
		  "1:11 signals.gc_pauses: no such name; did you mean gc_pause?" },
		{ "signals: {psi: {off: true}, psi: {}}\n", "1:29 signals.psi: the name stands here twice" },
		{ "signals:\n  gc_thrash: {threshold: 20ms}\n  gc_pause:\n    threshold: 85%\n",
		  "2:26 signals.gc_thrash.threshold: '20ms' is not a share, as 85% or 0.85, which gc_thrash is judged "
		  "by\n"
		  "4:16 signals.gc_pause.threshold: '85%' is not a duration, as 20ms or 10m, which gc_pause is judged "
		  "by" },
		{ "signals: {swap_out: {threshold: 10s}, gc_stalled: {threshold: 300%}, failcnt: {threshold: 1.5}}\n",
		  "1:33 signals.swap_out.threshold: '10s' is not a size, as 64MiB or 1GiB, which swap_out is judged "
		  "by\n"
		  "1:63 signals.gc_stalled.threshold: '300%' is not a number of times, as 2.5, which gc_stalled is "
		  "judged "
		  "by\n"
		  "1:91 signals.failcnt.threshold: '1.5' is not a whole number, as 1 or 20, which failcnt is judged "
		  "by" },
		{ "signals: {psi: {threshold: 20}}\n",
		  "1:28 signals.psi.threshold: '20' is more than all; 20% is meant?" },
		{ "forecast: {z_alarm: 5s}\n", "1:21 forecast.z_alarm: '5s' is not a number, as 3.5" },
		{ "storage: {size: 1K}\nlog: 1\n", "1:17 storage.size: 1K is out of range: from 16MiB to 4EiB\n"
						   "2:6 log: '1' is not one of text, json" },
		{ "a: b: c\n", "1:5 : mapping values are not allowed in this context" },
		{ "- a\n", "1:1 : keys are needed, as 'listen: 127.0.0.1:9723'" },
		{ "log: text\n---\nlog: json\n", "2:1 : one document is read, and this begins a second" },
		{ "targets: &a [*a]\n", "1:14 : an alias of what it stands in" },
		{ "targets: *b\n", "1:10 : there is no anchor '&b' before" },
		{ "listen: !mine x\n", "1:9 : tags of one's own mean nothing here" },
		{ "[a]: b\n", "1:1 : a key must be a word" },
		{ "data: \"/a\\0b\"\n", "1:7 : a text of one line, without control characters, is needed" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config c;
		bool ok = true;
		AUTO_FREE char *problems = told(rows[i].text, &c, &ok);
		assert_string_equal(problems, rows[i].problems);
		assert_false(ok);
	}
}

static void what_has_no_effect_is_a_warning(void **state)
{
	struct config c;
	bool ok = false;
	AUTO_FREE char *problems = told("policies:\n"
					"  - actions: [{kind: file, path: /a, url: 'http://h'}]\n"
					"  - name: never\n",
					&c, &ok);
	assert_string_equal(problems, "w 2:5 policies[0].match: matches every process, so that no policy below it ever "
				      "holds\nw 2:43 policies[0].actions[0].url: has no effect on file");
	assert_true(ok);
	config_deinit(&c);
}

static void anchors_repeat_what_was_said(void **state)
{
	struct config c;
	good("policies:\n"
	     "  - name: a\n"
	     "    match: {name: a}\n"
	     "    actions: &chain\n"
	     "      - {kind: file, path: /log}\n"
	     "profiles:\n"
	     "  - {match: &m {name: a}}\n"
	     "  - {match: *m, heap: false, goroutines: true}\n",
	     &c);
	assert_string_equal(c.profiles.v[1].match.name, "a");
	config_deinit(&c);
}

static void a_bomb_of_aliases_stays_small(void **state)
{
	AUTO(strbuf) struct strbuf text;
	struct config c;
	bool ok = true;
	strbuf_init(&text);
	strbuf_puts(&text, "policies:\n  - &p {name: a, actions: [");
	for (int i = 0; i < 16; i++)
		strbuf_puts(&text, "{kind: command, argv: [/a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v]},");
	strbuf_puts(&text, "]}\n");
	for (int i = 0; i < 200; i++)
		strbuf_puts(&text, "  - *p\n");
	AUTO_FREE char *problems = told(text.buf, &c, &ok);
	assert_false(ok);
	assert_non_null(strstr(problems, "more than 20000 values, with those that aliases repeat"));
}

static void only_so_many_problems_are_told(void **state)
{
	AUTO(strbuf) struct strbuf text;
	struct config c;
	struct config_problems p;
	strbuf_init(&text);
	config_problems_init(&p);
	for (int i = 0; i < 100; i++)
		strbuf_printf(&text, "k%d: 1\n", i);
	assert_false(config_check("f", text.buf, text.len, &p, &c));
	assert_int_equal(p.v.n, CONFIG_PROBLEMS);
	assert_int_equal(p.more, 100 - CONFIG_PROBLEMS);
	config_problems_deinit(&p);
}

static void a_missing_file_is_told(void **state)
{
	struct config c;
	AUTO(err) struct err *err = config_read("/nonexistent/x.yaml", NULL, &c);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
}

/* What is printed is read as the same, and printed the same again. */
static void round_trip(const struct config *c)
{
	AUTO(strbuf) struct strbuf once, twice;
	struct config again;
	strbuf_init(&once);
	strbuf_init(&twice);
	config_print(c, &once);
	good(once.buf, &again);
	config_print(&again, &twice);
	assert_string_equal(once.buf, twice.buf);
	config_deinit(&again);
}

static void what_is_printed_is_read_as_the_same(void **state)
{
	struct config c;
	config_defaults(&c);
	round_trip(&c);
	config_deinit(&c);
	good("data: \"/a \\\"b\\\\ \xc3\xa9\"\n"
	     "policies:\n"
	     "  - {name: a, warn: 84.25%, match: {exe: '*'}, actions: [{kind: command, argv: [/x, '- y: #z']}]}\n"
	     "  - {name: default, match: {name: x}, limit: 12345}\n"
	     "signals: {psi: {threshold: 12.5%}, gc_pause: {threshold: 1s500ms}, virtual_gap: {threshold: 3G}, "
	     "failcnt: {threshold: 4}}\n",
	     &c);
	assert_string_equal(c.policies.v[2].name, "all-others");
	round_trip(&c);
	config_deinit(&c);
}

/* The words before a colon, in order, each with a newline; not those that begin a comment. */
static void keys_of(const char *text, struct strbuf *out)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != 0) {
		const char *s = line + strspn(line, " #-");
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");
		bool comment = s >= line + 2 && s[-2] == '#';
		if (n && s[n] == ':' && !comment)
			strbuf_printf(out, "%.*s\n", (int)n, s);
	}
}

static void the_example_is_valid_and_has_every_key(void **state)
{
	const char *root = getenv("ULLAGE_SOURCE");
	if (!root)
		skip();
	AUTO_FREE char *path = xasprintf("%s/docs/examples/ullage.yaml", root);
	AUTO(strbuf) struct strbuf text, all, keys, have;
	struct config defaults, c;
	strbuf_init(&text);
	strbuf_init(&all);
	strbuf_init(&keys);
	strbuf_init(&have);
	assert_null(config_text(path, &text));
	good(text.buf, &c);
	config_defaults(&defaults);
	config_print(&defaults, &all);
	keys_of(all.buf, &keys);
	strbuf_putc(&have, '\n');
	keys_of(text.buf, &have);
	for (char *save = NULL, *key = strtok_r(keys.buf, "\n", &save); key; key = strtok_r(NULL, "\n", &save)) {
		AUTO_FREE char *line = xasprintf("\n%s\n", key);
		bool signal = strcmp(key, signal_names[0]) == 0; /* stands for any of them */
		if (!signal && !strstr(have.buf, line))
			fail_msg("the example lacks %s", key);
	}
	config_deinit(&c);
	config_deinit(&defaults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_text_means_the_defaults),
		cmocka_unit_test(every_kind_of_value_is_read),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
		cmocka_unit_test(what_has_no_effect_is_a_warning),
		cmocka_unit_test(anchors_repeat_what_was_said),
		cmocka_unit_test(a_bomb_of_aliases_stays_small),
		cmocka_unit_test(only_so_many_problems_are_told),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(what_is_printed_is_read_as_the_same),
		cmocka_unit_test(the_example_is_valid_and_has_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
