/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "format/outputs.h"
#include "operand/input.h"
#include "report/owners.h"

struct owners_cli {
	struct target_name target;
	bool json, quick, help;
	int color, by;
	uint64_t top, memory;
	const char *file, *procfs, *flame, *type, *stop, *exe;
};

#define AT(member) offsetof(struct owners_cli, member)

static const struct option_row options[] = {
	{ "by", 0, OPTION_CHOICE, AT(by), "BY", false, 0, owners_by_names,
	  "one list, longer: root (globals, goroutines, ...), type, or path (each step of it); without: the first of "
	  "all" },
	{ "type", 0, OPTION_STR, AT(type), "NAME", false, 0, NULL,
	  "who holds objects of this type: paths that end there, such as '*main.Session'" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL, "show N rows of a list (all in JSON)" },
	{ "flame", 0, OPTION_STR, AT(flame), "FILE", false, 0, NULL,
	  "what holds what as a flame graph, an HTML page; beside the text or JSON" },
	{ "stop", 0, OPTION_STR, AT(stop), "MS", true, 0, NULL,
	  "stop the process while its roots are copied, never longer than MS (default 20); full: while the whole heap "
	  "is copied, so that all is of one moment" },
	{ "memory", 0, OPTION_SIZE, AT(memory), "BYTES", false, 0, NULL,
	  "use no more memory than this, as 512M; a heap that needs more is refused (default: half of what is "
	  "available)" },
	{ "quick", 0, OPTION_FLAG, AT(quick), NULL, false, 0, NULL,
	  "leave out maps, other holders and waste, which takes a second look at the contents" },
	OPTION_ROWS_JSON(owners_cli),
	OPTION_ROWS_CORE(owners_cli),
	OPTION_ROWS_OUT(owners_cli),
	OPTION_ROWS_TARGET(owners_cli),
	OPTION_ROWS_HELP(owners_cli),
	{ 0 },
};

static struct err *read_stop(const char *text, struct owners_options *ret)
{
	static const enum owners_stop stops[] = {
		[STOP_NO] = OWNERS_STOP_NO,
		[STOP_BRIEFLY] = OWNERS_STOP_ROOTS,
		[STOP_FULL] = OWNERS_STOP_FULL,
	};
	struct stop_choice stop;
	TRY(stop_parse(text, &stop));
	ret->stop = stops[stop.kind];
	ret->stop_budget_ns = stop.budget_ns;
	return NULL;
}

static struct err *check_options(const struct owners_cli *opt, const struct arg_vec *operands,
				 const struct owners_options *how)
{
	if (how->stop != OWNERS_STOP_NO && operands->n == 1 && input_is_file(operands->v[0]))
		return err_new(ERR_ARG, "--stop is for a running process, and '%s' is none", operands->v[0]);
	return NULL;
}

enum { TEXT, JSON, FLAME };

static void render(const void *report, int which, struct strbuf *out)
{
	static void (*const by[])(const struct owners_report *, struct strbuf *) = {
		[TEXT] = owners_text,
		[JSON] = owners_json,
		[FLAME] = owners_flame,
	};
	by[which](report, out);
}

static struct err *show(const struct owners_cli *opt, const struct arg_vec *operands,
			const struct evidence_options *want, struct outputs *outs, int *status)
{
	AUTO(snapshot) struct snapshot s;
	TRY(input_one(operands, &opt->target, want, &s, status));
	const struct owners_report r = {
		.snapshot = &s,
		.by = (enum owners_by)opt->by,
		.type = opt->type,
		.top = opt->top,
		.style = style_of(output_is_stdout(opt->file) ? STDOUT_FILENO : -1, (enum style_when)opt->color),
	};
	return outputs_write(outs, render, &r);
}

static struct err *owners(const struct owners_cli *opt, const struct arg_vec *operands, struct outputs *outs,
			  int *status)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_OWNERS | SNAPSHOT_HEAP, /* the profile tells where it was allocated */
		.required = SNAPSHOT_OWNERS,
		.account = { .procfs = opt->procfs, .exe = opt->exe },
		.owners = { .memory = opt->memory, .quick = opt->quick, .type = opt->type },
	};
	TRY(read_stop(opt->stop, &want.owners));
	TRY(check_options(opt, operands, &want.owners));
	outputs_add(outs, FLAME, opt->flame);
	TRY(outputs_open(outs, opt->json ? JSON : TEXT, opt->file, opt->json));
	return show(opt, operands, &want, outs, status);
}

static const struct owners_cli defaults = { .procfs = "/proc", .by = OWNERS_BY_ALL, .stop = stop_not_given };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	struct outputs outs = { 0 };
	struct err *err = owners(values, operands, &outs, status);
	outputs_abandon(&outs);
	return err;
}

static const struct command_example examples[] = {
	{ "ullage owners 4711", "who keeps the heap alive, and what of it is garbage" },
	{ "ullage owners 4711 --by path", "how, step by step: which field of which type holds what" },
	{ "ullage owners 4711 --type '*main.Session'", "who holds the sessions" },
	{ "ullage owners 4711 --stop=full", "of one moment: stops the process while its heap is copied" },
	{ "ullage owners 4711 --flame owners.html", "the same as a picture" },
	{ "ullage owners 4711 --json | jq '.paths[0].text'", "for programs" },
	{ NULL, NULL },
};

const struct command command_owners = {
	.name = "owners",
	.purpose = "who keeps the heap alive: roots, paths, types, maps and other holders",
	.usage = "owners [OPTIONS] PID | FILE\n"
		 "owners [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "Walks the heap of a Go process from its roots (globals, goroutine stacks, finalizers,\n"
		 "timers), as its garbage collector does, on a copy: the process is not stopped. What no\n"
		 "root leads to is floating: garbage that the next collection takes, and no leak.\n"
		 "RETAINED is what would be freed if that root, path or type were gone: all that every\n"
		 "way from the roots goes through it. Debug information is not needed. A snapshot of\n"
		 "`ullage snap --owners` may stand in place of the process.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE, or root.",
	.run = run,
};
