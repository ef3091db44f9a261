/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/json.h"
#include "cli/command.h"
#include "engine/doctor.h"
#include "format/output.h"
#include "format/parts.h"
#include "operand/target.h"
#include "screen/say.h"
#include "store/store.h"

struct doctor_options {
	struct target_name target;
	bool json, help;
	int color;
	const char *file, *procfs;
};

static const struct option_row options[] = {
	OPTION_ROWS_JSON(doctor_options),
	OPTION_ROWS_OUT(doctor_options),
	OPTION_ROWS_TARGET(doctor_options),
	OPTION_ROWS_HELP(doctor_options),
	{ 0 },
};

static const struct {
	const char *word;
	enum style_role role;
} results[] = {
	[DOCTOR_OK] = { "ok", STYLE_GOOD },
	[DOCTOR_DEGRADED] = { "degraded", STYLE_WARN },
	[DOCTOR_MISSING] = { "missing", STYLE_BAD },
};

enum { CHECK_WIDTH = 19, TEXT_INDENT = 8 + 2 + CHECK_WIDTH + 2 };

static size_t count(const struct doctor *d, enum doctor_result result)
{
	size_t n = 0;
	for (size_t i = 0; i < d->rows.n; i++)
		n += d->rows.v[i].result == result;
	return n;
}

static void put_json(const struct doctor *d, int pid, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.doctor/1");
	json_str(&j, "time", parts_time(parts_now(), time));
	if (pid)
		json_i64(&j, "pid", pid);
	else
		json_null(&j, "pid");
	json_bool(&j, "ok", !count(d, DOCTOR_MISSING));
	json_array(&j, "checks");
	for (size_t i = 0; i < d->rows.n; i++) {
		const struct doctor_row *r = &d->rows.v[i];
		json_object(&j, NULL);
		json_str(&j, "check", r->check);
		json_str(&j, "result", results[r->result].word);
		json_str(&j, "found", r->found);
		json_str(&j, "remedy", r->remedy);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_array(&j, "notes");
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

static void put_text(const struct doctor *d, const struct style *style, struct strbuf *out)
{
	struct say s = { out, style };
	for (size_t i = 0; i < d->rows.n; i++) {
		const struct doctor_row *r = &d->rows.v[i];
		const char *word = results[r->result].word;
		enum style_role role = results[r->result].role;
		strbuf_printf(out, "%s%-8s%s  %-*s  ", style_on(style, role), word, style_off(style, role), CHECK_WIDTH,
			      r->check);
		say_hang(&s, TEXT_INDENT, "%s", r->found ? r->found : "");
		if (!r->remedy)
			continue;
		strbuf_printf(out, "%*s-> ", TEXT_INDENT, "");
		say_hang(&s, TEXT_INDENT + 3, "%s", r->remedy);
	}
	size_t missing = count(d, DOCTOR_MISSING), degraded = count(d, DOCTOR_DEGRADED);
	if (!missing && !degraded)
		say_line(&s, STYLE_GOOD, 0, "All that is needed works.");
	else
		say_line(&s, STYLE_HEAD, 0, "%zu missing, %zu degraded.", missing, degraded);
}

static struct err *examine(const struct doctor_options *opt, const struct arg_vec *operands)
{
	int pid = 0;
	if (target_given(operands, &opt->target))
		TRY(target_one(opt->procfs, operands, &opt->target, &pid));
	struct output out;
	TRY(output_open(&out, opt->file));
	struct doctor d = { 0 };
	AUTO_FREE char *data = store_default_directory();
	struct err *err = engine_doctor(opt->procfs, pid, data, &d);
	if (err) {
		output_abandon(&out);
		return err;
	}
	struct style style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (opt->json)
		put_json(&d, pid, &text);
	else
		put_text(&d, &style, &text);
	engine_doctor_free(&d);
	return output_commit(&out, text.buf, text.len);
}

static const struct doctor_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return examine(values, operands);
}

static const struct command_example examples[] = {
	{ "ullage doctor", "what works on this machine" },
	{ "ullage doctor 4711", "what works for process 4711, and what to do about the rest" },
	{ NULL, NULL },
};

const struct command command_doctor = {
	.name = "doctor",
	.purpose = "what works here for a target, and the remedy for what does not",
	.usage = "doctor [OPTIONS] [PID]",
	.about = "Each line is one check: ok, degraded (it works, with less to show) or missing. What is\n"
		 "missing has its remedy below it. The exit status is 0 however the checks end: read\n"
		 "the field `ok` of --json.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = NULL,
	.run = run,
};
