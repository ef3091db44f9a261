/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "format/output.h"
#include "operand/input.h"
#include "report/show.h"

struct show_options {
	bool json, help;
	int color;
	const char *file, *procfs, *exe;
};

static const struct option_row options[] = {
	OPTION_ROWS_JSON(show_options),
	OPTION_ROWS_CORE(show_options),
	OPTION_ROWS_OUT(show_options),
	OPTION_ROWS_HELP(show_options),
	{ 0 },
};

static uint64_t file_size(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static struct err *check_operands(const struct arg_vec *operands)
{
	if (operands->n != 1)
		return err_new(ERR_ARG, "one file is needed: `ullage snap PID -o FILE` makes one");
	if (!input_is_file(operands->v[0]))
		return err_new(ERR_ARG, "'%s' is a process id, and files are shown: `ullage snap %s -o FILE` makes one",
			       operands->v[0], operands->v[0]);
	return NULL;
}

static struct err *show(const struct show_options *opt, const struct arg_vec *operands, int *status)
{
	struct output out;
	struct evidence_options want = { .account = { .procfs = opt->procfs, .exe = opt->exe } };
	TRY(check_operands(operands));
	TRY(output_open(&out, opt->file));
	AUTO(snapshot) struct snapshot snap;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct err *err = input_operand(operands->v[0], &want, &snap, status);
	if (err) {
		output_abandon(&out);
		return err;
	}
	struct style style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
	if (opt->json)
		show_json(&snap, file_size(operands->v[0]), &text);
	else
		show_text(&snap, file_size(operands->v[0]), &style, &text);
	return output_commit(&out, text.buf, text.len);
}

static const struct show_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return show(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage show before.ullage", "of which process, when, and what is in it" },
	{ "ullage show before.ullage --json | jq '.goroutines.groups[0]'", "all of it, for programs" },
	{ NULL, NULL },
};

const struct command command_show = {
	.name = "show",
	.purpose = "what a snapshot holds, and which command reads it",
	.usage = "show [OPTIONS] FILE",
	.about = "Tells of which process a file of `ullage snap` is, when it was taken and at which\n"
		 "point of the garbage collector's cycle, which parts are in it and what could not be\n"
		 "read. The parts themselves are shown by `map`, `heap`, `goroutines`, `timers` and\n"
		 "`fds`, which take the file in place of a process id; --json holds them all.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.run = run,
};
