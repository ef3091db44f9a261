/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "codec/snapfile.h"
#include "format/output.h"
#include "operand/input.h"
#include "operand/status.h"
#include "report/show.h"
#include "screen/say.h"

enum { STOP_MS = 20 };

struct snap_options {
	struct target_name target;
	bool pss, owners, help;
	int64_t stop_budget_ns; /* 0: do not stop */
	const char *file, *procfs, *exe;
};

#define AT(member) offsetof(struct snap_options, member)

static const struct option_row options[] = {
	{ "output", 'o', OPTION_STR, AT(file), "FILE", false, 0, NULL,
	  "the file to make, which appears whole or not at all (- is standard output); needed" },
	{ "pss", 0, OPTION_FLAG, AT(pss), NULL, false, 0, NULL,
	  "proportional sizes too; the kernel takes longer to tell them" },
	{ "owners", 0, OPTION_FLAG, AT(owners), NULL, false, 0, NULL,
	  "who keeps the heap alive, too: the heap is walked, which costs more than all else together" },
	{ "stop", 0, OPTION_MS, AT(stop_budget_ns), "MS", true, STOP_MS, NULL,
	  "stop the process while runtime metadata is copied, never longer than MS (default 20)" },
	OPTION_ROWS_CORE(snap_options),
	{ "procfs", 0, OPTION_STR, AT(procfs), "DIR", false, 0, NULL, "where proc is mounted (default /proc)" },
	OPTION_ROWS_TARGET(snap_options),
	OPTION_ROWS_HELP(snap_options),
	{ 0 },
};

static bool to_stdout(const struct snap_options *opt)
{
	return opt->file[0] == '-' && !opt->file[1];
}

static struct err *check_options(const struct snap_options *opt, const struct arg_vec *operands)
{
	if (!opt->file)
		return err_new(ERR_ARG, "-o FILE is needed: the snapshot is written there");
	if (to_stdout(opt) && isatty(STDOUT_FILENO))
		return err_new(ERR_ARG, "a snapshot is not for a terminal: give -o FILE, or a pipe");
	if (operands->n != 1 || !input_is_file(operands->v[0]))
		return NULL;
	enum codec_kind kind = CODEC_UNKNOWN;
	TRY(input_kind(operands->v[0], &kind));
	if (kind != CODEC_CORE)
		return err_new(ERR_ARG, "%s is %s: a snapshot is taken of a running process or of a core",
			       operands->v[0], codec_kind_names[kind]);
	return NULL;
}

static unsigned wanted(const struct snap_options *opt)
{
	return SNAPSHOT_ALL | (opt->owners ? SNAPSHOT_OWNERS : 0);
}

/* "saved 181 KiB to FILE: account of memory, heap profile; missing: timers" */
static void tell(const struct snap_options *opt, const struct snapshot *s, size_t size)
{
	char x[SAY_NUM_LEN];
	unsigned missing = wanted(opt) & ~s->parts;
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_printf(&line, "saved %s to %s: ", say_size(size, x), to_stdout(opt) ? "standard output" : opt->file);
	show_names(s->parts, &line);
	if (missing) {
		strbuf_puts(&line, "; missing: ");
		show_names(missing, &line);
		strbuf_printf(&line, " (`ullage show %s` says why)", to_stdout(opt) ? "FILE" : opt->file);
	}
	status_say("snap", line.buf);
}

static struct err *take(const struct snap_options *opt, const struct arg_vec *operands, struct snapshot *s, int *status)
{
	struct evidence_options want = {
		.parts = wanted(opt),
		.account = {
			.pss = opt->pss,
			.owners = true,
			.cgroup = true,
			.stop = opt->stop_budget_ns > 0,
			.stop_budget_ns = opt->stop_budget_ns,
			.procfs = opt->procfs,
			.exe = opt->exe,
		},
	};
	TRY(input_one(operands, &opt->target, &want, s, status));
	if (*status == STATUS_INTERRUPTED)
		snapshot_note(s, "interrupted: this snapshot is incomplete");
	return NULL;
}

static struct err *snap(const struct snap_options *opt, const struct arg_vec *operands, int *status)
{
	struct output out;
	TRY(check_options(opt, operands));
	TRY(output_open(&out, opt->file));
	AUTO(snapshot) struct snapshot s;
	AUTO(strbuf) struct strbuf data;
	strbuf_init(&data);
	struct err *err = take(opt, operands, &s, status);
	if (!err)
		err = snapfile_write(&s, &data);
	if (!err)
		err = output_commit(&out, data.buf, data.len);
	if (!err)
		tell(opt, &s, data.len);
	output_abandon(&out);
	return err;
}

static const struct snap_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return snap(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage snap 4711 -o before.ullage", "all that can be read of process 4711, in one file" },
	{ "ullage show before.ullage", "what is in it" },
	{ "ullage map before.ullage", "any reading command takes it in place of a process id" },
	{ "ullage snap 4711 --owners -o before.ullage", "who keeps its heap alive, too" },
	{ "ullage diff before.ullage after.ullage", "what grew between two of them" },
	{ "ssh HOST ullage snap --name api -o - > api.ullage", "of another machine" },
	{ NULL, NULL },
};

const struct command command_snap = {
	.name = "snap",
	.purpose = "save all that can be read of a process as one file",
	.usage = "snap [OPTIONS] PID|CORE -o FILE\nsnap [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | "
		 "--container ID -o FILE",
	.about = "Account, heap profile and census, goroutines, timers, descriptors, mappings, cgroup,\n"
		 "the identity of the build and the clocks, in one compressed file that other commands\n"
		 "take in place of a process id, on any machine. What cannot be read is left out, with a\n"
		 "note. The file holds no contents of memory, no labels, no arguments, no environment;\n"
		 "it does hold names of functions, files and peers.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH, or root; `ullage doctor PID` says what is missing.",
	.run = run,
};
