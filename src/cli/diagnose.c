/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "engine/diagnose.h"
#include "format/output.h"
#include "operand/input.h"
#include "operand/progress.h"
#include "operand/status.h"
#include "operand/target.h"
#include "report/diagnosis.h"

static const int64_t DEFAULT_FOR = INT64_C(30) * 1000000000;

struct diagnose_cli {
	struct target_name target;
	bool json, no_bpf, help;
	int color;
	int64_t window_ns, interval_ns;
	const char *file, *procfs;
};

#define AT(member) offsetof(struct diagnose_cli, member)

static const struct option_row options[] = {
	{ "for", 0, OPTION_DURATION, AT(window_ns), "DURATION", false, 0, NULL,
	  "how long to watch: 10s, 2m, 500ms (default 30s); a slow leak needs a long look" },
	{ "interval", 0, OPTION_DURATION, AT(interval_ns), "DURATION", false, 0, NULL,
	  "time between quick looks (default a twentieth of --for)" },
	{ "no-bpf", 0, OPTION_FLAG, AT(no_bpf), NULL, false, 0, NULL,
	  "record nothing: growth outside of the Go heap stays inconclusive" },
	OPTION_ROWS_JSON(diagnose_cli),
	OPTION_ROWS_OUT(diagnose_cli),
	OPTION_ROWS_TARGET(diagnose_cli),
	OPTION_ROWS_HELP(diagnose_cli),
	{ 0 },
};

static struct err *watch(int pid, const struct diagnose_cli *opt, struct diagnose_run *run)
{
	struct diagnose_options want = {
		.no_bpf = opt->no_bpf,
		.window_ns = opt->window_ns,
		.interval_ns = opt->interval_ns,
		.procfs = opt->procfs,
		.interrupted = &progress_interrupted,
		.progress = progress_step,
	};
	progress_start();
	struct err *err = engine_diagnose(pid, &want, run);
	progress_end();
	return err;
}

static struct err *show(const struct diagnose_cli *opt, const struct diagnose_run *run, struct output *out)
{
	struct style style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (opt->json)
		diagnosis_json(run, &text);
	else
		diagnosis_text(run, &style, &text);
	return output_commit(out, text.buf, text.len);
}

/* An interrupt only ends the window early, so its verdict counts like any other. */
static int status_of_run(const struct diagnose_run *run)
{
	if (run->gone)
		return STATUS_GONE;
	return run->diagnosis.verdict == DIAGNOSIS_LEAK ? STATUS_BAD : STATUS_OK;
}

/* ---- snapshots in place of a process ---- */

static struct err *check_files(const struct diagnose_cli *opt, const struct arg_vec *operands)
{
	for (size_t i = 0; i < operands->n; i++) {
		if (!input_is_file(operands->v[i]))
			return err_new(ERR_ARG,
				       "process %s cannot be judged together with files: give snapshots alone, or "
				       "the process alone",
				       operands->v[i]);
	}
	if (target_given(&(struct arg_vec){ 0 }, &opt->target))
		return err_new(ERR_ARG, "a process by name cannot be judged together with files");
	if (operands->n < 2)
		return err_new(ERR_ARG,
			       "one snapshot shows no growth: give two or more of one process, or a process id");
	if (operands->n > DIAGNOSIS_SAMPLES)
		return err_new(ERR_ARG, "at most %d snapshots are judged together, not %zu", DIAGNOSIS_SAMPLES,
			       operands->n);
	if (opt->window_ns || opt->interval_ns)
		return err_new(ERR_ARG, "--for and --interval are about a process; snapshots have times of their own");
	return NULL;
}

static struct err *judge_files(const struct arg_vec *operands, struct diagnose_run *run, int *status)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_ALL & ~(unsigned)SNAPSHOT_CENSUS,
		.required = SNAPSHOT_ACCOUNT,
	};
	struct snapshot *v = xcalloc(operands->n, sizeof(*v));
	struct err *err = NULL;
	*run = (struct diagnose_run){ 0 };
	for (size_t i = 0; i < operands->n && !err; i++)
		err = input_operand(operands->v[i], &want, &v[i], status);
	if (!err)
		err = engine_diagnose_snapshots(v, operands->n, run);
	for (size_t i = 0; i < operands->n; i++)
		snapshot_deinit(&v[i]);
	free(v);
	return err;
}

static bool any_file(const struct arg_vec *operands)
{
	for (size_t i = 0; i < operands->n; i++) {
		if (input_is_file(operands->v[i]))
			return true;
	}
	return false;
}

static struct err *judge_process(const struct diagnose_cli *opt, const struct arg_vec *operands,
				 struct diagnose_run *run)
{
	int pid = 0;
	*run = (struct diagnose_run){ 0 };
	TRY(target_one(opt->procfs, operands, &opt->target, &pid));
	return watch(pid, opt, run);
}

static struct err *judge(struct diagnose_cli *opt, const struct arg_vec *operands, int *status)
{
	struct output out;
	struct diagnose_run run;
	bool files = any_file(operands);
	if (files)
		TRY(check_files(opt, operands));
	opt->window_ns = opt->window_ns ? opt->window_ns : DEFAULT_FOR;
	if (opt->interval_ns > opt->window_ns)
		return err_new(ERR_ARG, "--interval is longer than --for");
	TRY(output_open(&out, opt->file));
	struct err *err = files ? judge_files(operands, &run, status) : judge_process(opt, operands, &run);
	if (!err)
		err = show(opt, &run, &out);
	if (!err && run.gone)
		status_say("diagnose", "the process exited while it was watched; the verdict is over what was seen");
	if (!err)
		*status = status_of_run(&run);
	output_abandon(&out);
	diagnose_run_deinit(&run);
	return err;
}

static const struct diagnose_cli defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return judge(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage diagnose 4711", "watch for 30 seconds, then judge" },
	{ "ullage diagnose --name etcd --for 5m", "a slow leak, or one between rare collections" },
	{ "ullage diagnose 4711 --json | jq '.verdict, .findings[].site'", "for programs" },
	{ "ullage diagnose 4711 || page-someone", "the exit status is 1 when it leaks" },
	{ "ullage diagnose monday.ullage tuesday.ullage wednesday.ullage", "from snapshots of one process" },
	{ NULL, NULL },
};

const struct command command_diagnose = {
	.name = "diagnose",
	.purpose = "whether a process leaks, what explains its memory, and what to do",
	.usage = "diagnose [OPTIONS] PID\ndiagnose [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | "
		 "--container ID\n"
		 "diagnose [OPTIONS] SNAPSHOT SNAPSHOT...",
	.about = "Watches a process, which is not stopped, and says leak, no-leak or inconclusive. A leak is\n"
		 "what keeps growing without bound: bytes that each garbage collection finds alive, or a\n"
		 "count (goroutines, timers, threads, descriptors, cgroups). Garbage between collections,\n"
		 "caches that fill, page cache and memory not yet returned are explained, not accused.\n"
		 "Between rare collections growth proves nothing: then it says how long to look.\n"
		 "When memory outside of the Go heap, mappings or threads grow, it records who takes them,\n"
		 "within 1 % of the target's CPU, and names the call path (see `ullage record`).\n"
		 "Interrupt ends the window early, with a verdict over what was seen.\n"
		 "Snapshots of one process (`ullage snap`) are judged in its place: three can prove that a\n"
		 "heap grows, five that a count does.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH, or root. To record, CAP_BPF and CAP_PERFMON besides.\n"
		 "`ullage doctor PID` says what is missing.",
	.run = run,
};
