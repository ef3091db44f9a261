/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/command.h"
#include "format/output.h"
#include "operand/status.h"

struct help_options {
	bool help;
};

static const struct option_row options[] = {
	OPTION_ROWS_HELP(help_options),
	{ 0 },
};

static void put_indented(const char *text, struct strbuf *out)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		strbuf_printf(out, "  %.*s\n", (int)n, text);
		text += n + (text[n] != 0);
	}
}

static void put_usage(const char *usage, struct strbuf *out)
{
	while (*usage) {
		size_t n = strcspn(usage, "\n");
		strbuf_printf(out, "  ullage %.*s\n", (int)n, usage);
		usage += n + (usage[n] != 0);
	}
}

static void put_one(const struct command *c, struct strbuf *out)
{
	strbuf_printf(out, "ullage %s - %s\n\nUsage:\n", c->name, c->purpose);
	put_usage(c->usage, out);
	strbuf_puts(out, "\nExamples:\n");
	for (const struct command_example *e = c->examples; e->line; e++)
		strbuf_printf(out, "  %s\n      %s\n", e->line, e->about);
	strbuf_putc(out, '\n');
	put_indented(c->about, out);
	strbuf_puts(out, "\nOptions:\n");
	options_help(c->options, out);
	if (c->needs) {
		strbuf_puts(out, "\nPermissions:\n");
		put_indented(c->needs, out);
	}
	strbuf_puts(out, "\nExit status:\n");
	status_help(out);
}

static void put_all(struct strbuf *out)
{
	strbuf_puts(out, "ullage - accounts for every resident byte of a running Go process, from "
			 "outside\n\nUsage:\n  ullage COMMAND [OPTIONS] [TARGET...]\n\nCommands:\n");
	for (size_t i = 0; command_table[i]; i++)
		strbuf_printf(out, "  %-12s  %s\n", command_table[i]->name, command_table[i]->purpose);
	strbuf_puts(out, "\nStart with:\n"
			 "  ullage ps              find the process\n"
			 "  ullage diagnose PID    does it leak, where, and when does memory run out\n"
			 "  ullage map PID         see where its memory is\n"
			 "  ullage doctor PID      when something is missing\n"
			 "\n`ullage help COMMAND` tells more; `ullage --version` tells the version.\n");
}

void command_help_text(const struct command *c, struct strbuf *out)
{
	if (c)
		put_one(c, out);
	else
		put_all(out);
}

struct err *command_print_help(const struct command *c)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	command_help_text(c, &text);
	struct output out;
	TRY(output_open(&out, NULL));
	return output_commit(&out, text.buf, text.len);
}

static struct err *show(const struct arg_vec *operands)
{
	const struct command *c = NULL;
	if (operands->n > 1)
		return err_new(ERR_ARG, "help takes one command, but %zu are given", operands->n);
	if (operands->n)
		TRY(command_find(operands->v[0], &c));
	return command_print_help(c);
}

static const struct help_options defaults = { 0 };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return show(operands);
}

static const struct command_example examples[] = {
	{ "ullage help", "the commands" },
	{ "ullage help map", "all about one of them" },
	{ NULL, NULL },
};

const struct command command_help = {
	.name = "help",
	.purpose = "what the commands do and how to call them",
	.usage = "help [COMMAND]",
	.about = "The same text as `ullage COMMAND --help`.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.run = run,
};
