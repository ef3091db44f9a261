/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "account/census.h"
#include "base/json.h"
#include "cli/command.h"
#include "format/fields.h"
#include "format/output.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct ps_options {
	bool json, help;
	int color;
	const char *file, *procfs;
};

static const struct option_row options[] = {
	OPTION_ROWS_JSON(ps_options),
	OPTION_ROWS_OUT(ps_options),
	OPTION_ROWS_HELP(ps_options),
	{ 0 },
};

static const struct field row_fields[] = {
	FIELD(census_row, comm, FIELD_STR, "comm"),
	FIELD(census_row, exe, FIELD_STR, "exe"),
	FIELD(census_row, go_version, FIELD_STR, "go_version"),
	FIELD(census_row, module, FIELD_STR, "module"),
	FIELD(census_row, stripped, FIELD_BOOL, "stripped"),
	FIELD(census_row, pie, FIELD_BOOL, "pie"),
	FIELD(census_row, cgo, FIELD_BOOL, "cgo"),
	FIELD(census_row, rss, FIELD_U64, "rss_bytes"),
	FIELD(census_row, cgroup_path, FIELD_STR, "cgroup_path"),
	FIELD(census_row, cgroup_usage, FIELD_U64, "cgroup_usage_bytes"),
	FIELD(census_row, working_set, FIELD_U64, "working_set_bytes"),
	FIELD(census_row, cgroup_limit, FIELD_U64, "cgroup_limit_bytes"),
};

static char *denied_note(const struct census *c)
{
	if (!c->denied)
		return NULL;
	return xasprintf("%llu process%s could not be looked into: that takes root, or CAP_SYS_PTRACE",
			 (unsigned long long)c->denied, c->denied == 1 ? "" : "es");
}

static void put_json(const struct census *c, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	AUTO_FREE char *note = denied_note(c);
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.ps/1");
	json_str(&j, "time", parts_time(parts_now(), time));
	json_array(&j, "processes");
	for (size_t i = 0; i < c->rows.n; i++) {
		json_object(&j, NULL);
		json_i64(&j, "pid", c->rows.v[i].pid);
		fields_json(&j, row_fields, LEN(row_fields), &c->rows.v[i]);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_u64(&j, "denied", c->denied);
	json_array(&j, "notes");
	if (note)
		json_str(&j, NULL, note);
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

static void put_row(struct table *t, const struct census_row *r)
{
	table_cellf(t, "%d", r->pid);
	table_cell(t, r->comm);
	table_cell(t, r->go_version);
	table_size(t, r->rss);
	table_size(t, r->working_set);
	table_size(t, r->cgroup_limit);
	table_cellf(t, "%c%c%c", r->stripped ? 's' : '-', r->pie ? 'p' : '-', r->cgo ? 'c' : '-');
	table_cell(t, r->module ? r->module : r->exe);
}

static void put_text(const struct census *c, const struct style *style, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ "PID", TABLE_RIGHT, 0 }, { "COMM", TABLE_LEFT, 16 },	 { "GO", TABLE_LEFT, 12 },
		{ "RSS", TABLE_RIGHT, 0 }, { "CGROUP", TABLE_RIGHT, 0 }, { "LIMIT", TABLE_RIGHT, 0 },
		{ "SPC", TABLE_LEFT, 0 },  { "MODULE", TABLE_LEFT, 0 },
	};
	struct say s = { out, style };
	AUTO_FREE char *note = denied_note(c);
	struct table t;
	table_init(&t, columns, LEN(columns), style);
	for (size_t i = 0; i < c->rows.n; i++)
		put_row(&t, &c->rows.v[i]);
	if (c->rows.n)
		table_print(&t, out);
	else
		say_line(&s, STYLE_PLAIN, 0, "No Go process is visible here.");
	table_deinit(&t);
	if (note)
		say_line(&s, STYLE_DIM, 0, "%s.", note);
}

static struct err *list(const struct ps_options *opt)
{
	struct census c = { 0 };
	struct output out;
	TRY(output_open(&out, opt->file));
	struct err *err = engine_census(opt->procfs, &c);
	if (err) {
		output_abandon(&out);
		return err;
	}
	struct style style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (opt->json)
		put_json(&c, &text);
	else
		put_text(&c, &style, &text);
	engine_census_free(&c);
	return output_commit(&out, text.buf, text.len);
}

static const struct ps_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	if (operands->n)
		return err_new(ERR_ARG, "ps takes no operand, but '%s' is given", operands->v[0]);
	return list(values);
}

static const struct command_example examples[] = {
	{ "ullage ps", "the Go processes here, largest first" },
	{ "ullage ps --json | jq '.processes[].go_version'", "for programs" },
	{ NULL, NULL },
};

const struct command command_ps = {
	.name = "ps",
	.purpose = "the Go processes here, with version, size and limit",
	.usage = "ps [OPTIONS]",
	.about = "CGROUP and LIMIT are those of the process's cgroup: its working set, which is usage\n"
		 "without inactive page cache, and the nearest limit above it. SPC tells what the\n"
		 "executable is like: s stripped of symbols, p position independent, c linked with C.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. To see those of other users: CAP_SYS_PTRACE, or root.",
	.run = run,
};
