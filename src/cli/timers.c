/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "format/output.h"
#include "operand/input.h"
#include "report/timers.h"

struct timers_options {
	struct target_name target;
	bool json, help;
	int color;
	uint64_t top;
	const char *file, *procfs, *exe;
};

static const struct option_row options[] = {
	OPTION_ROWS_JSON(timers_options),
	{ "top", 0, OPTION_COUNT, offsetof(struct timers_options, top), "N", false, 0, NULL,
	  "show N groups (default 20 in text, all in JSON)" },
	OPTION_ROWS_CORE(timers_options),
	OPTION_ROWS_OUT(timers_options),
	OPTION_ROWS_TARGET(timers_options),
	OPTION_ROWS_HELP(timers_options),
	{ 0 },
};

static struct err *read_and_show(const struct timers_options *opt, const struct arg_vec *operands, struct snapshot *s,
				 struct output *out, int *status)
{
	const struct evidence_options want = {
		.parts = SNAPSHOT_TIMERS,
		.required = SNAPSHOT_TIMERS,
		.account = { .procfs = opt->procfs, .exe = opt->exe },
	};
	TRY(input_one(operands, &opt->target, &want, s, status));
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct timers_report report = {
		.snapshot = s,
		.top = opt->top,
		.style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color),
	};
	if (opt->json)
		timers_json(&report, &text);
	else
		timers_text(&report, &text);
	return output_commit(out, text.buf, text.len);
}

static struct err *list(const struct timers_options *opt, const struct arg_vec *operands, int *status)
{
	struct output out;
	struct snapshot s;
	TRY(output_open(&out, opt->file));
	struct err *err = read_and_show(opt, operands, &s, &out, status);
	output_abandon(&out);
	snapshot_deinit(&s);
	return err;
}

static const struct timers_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return list(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage timers 4711", "which callbacks wait for their time, most first" },
	{ "ullage timers 4711 --json | jq '.timers[] | select(.kind == \"ticker\")'", "for programs" },
	{ NULL, NULL },
};

const struct command command_timers = {
	.name = "timers",
	.purpose = "timers by callback, and whether the collector may take them",
	.usage = "timers [OPTIONS] PID | FILE\n"
		 "timers [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "The timers that are started and not stopped, of a running process, which is not\n"
		 "stopped, or of a snapshot. CALLBACK is what runs: the function given to AfterFunc,\n"
		 "time.sendTime for a timer with a channel. FOR is who sleeps or waits for the channel.\n"
		 "Since Go 1.23 a timer with a channel is known to the runtime only while somebody\n"
		 "waits for it, unless GODEBUG has asynctimerchan=1, as Debian's builds have.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE, or root.",
	.run = run,
};
