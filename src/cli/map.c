/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "format/outputs.h"
#include "operand/input.h"
#include "operand/status.h"
#include "report/report.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { TOP = 3, STOP_MS = 20 };

struct map_options {
	struct target_name target;
	bool json, csv, vmas, pss, help;
	int color, value;
	uint64_t top;
	int64_t stop_budget_ns; /* 0: do not stop */
	const char *file, *html, *flame, *procfs, *exe;
};

static const char *const measures[] = { "rss", "pss", "swap", NULL }; /* as enum report_value */

#define AT(member) offsetof(struct map_options, member)

static const struct option_row options[] = {
	OPTION_ROWS_JSON(map_options),
	{ "csv", 0, OPTION_FLAG, AT(csv), NULL, false, 0, NULL, "one row per mapping and class, with a header row" },
	{ "html", 0, OPTION_STR, AT(html), "FILE", false, 0, NULL,
	  "a page of its own: treemap by class, owner and function, and a heat map of the address "
	  "space" },
	{ "flame", 0, OPTION_STR, AT(flame), "FILE", false, 0, NULL,
	  "a flame graph of classes and owners; folded stacks when FILE ends in .folded" },
	{ "value", 0, OPTION_CHOICE, AT(value), "VALUE", false, 0, measures,
	  "what the flame graph measures: rss, pss or swap (pss and swap are known by class only)" },
	{ "vmas", 0, OPTION_FLAG, AT(vmas), NULL, false, 0, NULL, "list every mapping" },
	{ "pss", 0, OPTION_FLAG, AT(pss), NULL, false, 0, NULL,
	  "proportional sizes too; the kernel takes longer to tell them" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL, "owners shown of each large class (default 3)" },
	{ "stop", 0, OPTION_MS, AT(stop_budget_ns), "MS", true, STOP_MS, NULL,
	  "stop the process while runtime metadata is copied, never longer than MS (default 20)" },
	OPTION_ROWS_CORE(map_options),
	OPTION_ROWS_OUT(map_options),
	OPTION_ROWS_TARGET(map_options),
	OPTION_ROWS_HELP(map_options),
	{ 0 },
};

enum { TEXT, JSON, CSV, HTML, FLAME, FOLDED };

struct map_report {
	const struct account *account;
	struct report_options options;
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static void render(const void *report, int which, struct strbuf *out)
{
	static const report_fn by[] = {
		[TEXT] = report_text, [JSON] = report_json,   [CSV] = report_csv,
		[HTML] = report_html, [FLAME] = report_flame, [FOLDED] = report_folded,
	};
	const struct map_report *r = report;
	by[which](r->account, &r->options, out);
}

static struct err *open_outputs(const struct map_options *opt, struct outputs *outs)
{
	if (opt->json && opt->csv)
		return err_new(ERR_ARG, "--json and --csv exclude each other");
	outputs_add(outs, HTML, opt->html);
	outputs_add(outs, opt->flame && ends_with(opt->flame, ".folded") ? FOLDED : FLAME, opt->flame);
	return outputs_open(outs, opt->json ? JSON : opt->csv ? CSV : TEXT, opt->file, opt->json || opt->csv);
}

static struct err *write_outputs(struct outputs *outs, const struct map_options *opt, const struct account *a)
{
	const struct map_report r = {
		.account = a,
		.options = {
			.top = opt->top,
			.vmas = opt->vmas,
			.value = (enum report_value)opt->value,
			.style = style_of(output_is_stdout(opt->file) ? STDOUT_FILENO : -1, (enum style_when)opt->color),
		},
	};
	return outputs_write(outs, render, &r);
}

static struct err *take_account(const struct map_options *opt, const struct arg_vec *operands, struct snapshot *ret,
				int *status)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_ACCOUNT,
		.required = SNAPSHOT_ACCOUNT,
		.account = {
			.pss = opt->pss || opt->value == REPORT_PSS,
			.cells = opt->html,
			.owners = !opt->csv || opt->html || opt->flame,
			.cgroup = !opt->csv || opt->html,
			.stop = opt->stop_budget_ns > 0,
			.stop_budget_ns = opt->stop_budget_ns,
			.procfs = opt->procfs,
			.exe = opt->exe,
		},
	};
	bool file = operands->n == 1 && input_is_file(operands->v[0]);
	TRY(input_one(operands, &opt->target, &want, ret, status));
	if (want.account.pss && ret->account.pss == ACCOUNT_UNKNOWN && file)
		return err_new(ERR_UNSUPPORTED, "%s has no proportional sizes: it was taken without --pss",
			       operands->v[0]);
	if (*status == STATUS_INTERRUPTED)
		account_note(&ret->account, "interrupted: this account is incomplete");
	return NULL;
}

static struct err *map_target(const struct map_options *opt, const struct arg_vec *operands, struct outputs *outs,
			      int *status)
{
	if (opt->stop_budget_ns > 0 && operands->n == 1 && input_is_file(operands->v[0]))
		return err_new(ERR_ARG, "--stop is for a running process, and '%s' is a file", operands->v[0]);
	TRY(open_outputs(opt, outs));
	AUTO(snapshot) struct snapshot s;
	TRY(take_account(opt, operands, &s, status));
	return write_outputs(outs, opt, &s.account);
}

static const struct map_options defaults = { .top = TOP, .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	struct outputs outs = { 0 };
	struct err *err = map_target(values, operands, &outs, status);
	outputs_abandon(&outs);
	return err;
}

static const struct command_example examples[] = {
	{ "ullage map 4711", "where the resident memory of process 4711 is" },
	{ "ullage map --name etcd", "of the one process of that name" },
	{ "ullage map 4711 --json | jq .classes", "for programs" },
	{ "ullage map 4711 --html map.html", "treemap and address space, for a browser" },
	{ "ullage map 4711 --flame owners.folded", "folded stacks for flame graph tools" },
	{ "ullage map before.ullage", "of a file that `ullage snap` made" },
	{ "ullage map 4711 --stop", "an exact picture of a busy process, stopped for some ms" },
	{ NULL, NULL },
};

const struct command command_map = {
	.name = "map",
	.purpose = "where the resident memory of a process is, byte by byte",
	.usage = "map [OPTIONS] PID | FILE\nmap [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | "
		 "--container ID",
	.about = "Every resident byte belongs to one class: Go heap (live, dead, free, idle), goroutine\n"
		 "stacks, runtime metadata, files, C heap, thread stacks, shared memory. The classes add\n"
		 "up to RSS; what they leave is called unexplained. The process is read from outside and\n"
		 "never stopped unless --stop asks for it. A process that is not Go is shown too, with\n"
		 "the classes that apply.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH, or root; `ullage doctor PID` says what is missing.",
	.run = run,
};
