/* SPDX-License-Identifier: Apache-2.0 */
#include "record/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "format/outputs.h"
#include "operand/progress.h"
#include "operand/status.h"
#include "operand/target.h"
#include "report/record.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const int64_t DEFAULT_FOR = INT64_C(10) * 1000000000;

struct record_cli {
	struct target_name target;
	bool json, help;
	int color;
	int64_t window_ns;
	uint64_t top, buffer;
	const char *file, *flame, *folded, *procfs, *events, *budget;
};

#define AT(member) offsetof(struct record_cli, member)

static const struct option_row options[] = {
	{ "for", 0, OPTION_DURATION, AT(window_ns), "DURATION", false, 0, NULL,
	  "how long to record: 30s, 2m, 500ms (default 10s); interrupt ends it early" },
	{ "events", 0, OPTION_STR, AT(events), "LIST", false, 0, NULL,
	  "of mmap, malloc, fault and go, with commas (default mmap,malloc,fault)" },
	{ "budget", 0, OPTION_STR, AT(budget), "PERCENT", false, 0, NULL,
	  "of the target's CPU time that the probes of malloc may cost (default 1)" },
	{ "buffer", 0, OPTION_SIZE, AT(buffer), "BYTES", false, 0, NULL,
	  "memory of the kernel for events that were not read yet, as 64M; what does not fit is counted as lost" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL,
	  "show N call paths of each kind (default 5; in JSON N of all, default all)" },
	{ "output", 'o', OPTION_STR, AT(file), "FILE", false, 0, NULL,
	  "a profile as `go tool pprof` reads it, beside the text or JSON; it appears whole or not at all" },
	{ "flame", 0, OPTION_STR, AT(flame), "FILE", false, 0, NULL,
	  "the kind that took most as a flame graph, an HTML page" },
	{ "folded", 0, OPTION_STR, AT(folded), "FILE", false, 0, NULL, "the same as folded stacks" },
	OPTION_ROWS_JSON(record_cli),
	OPTION_ROWS_SCREEN(record_cli),
	OPTION_ROWS_TARGET(record_cli),
	OPTION_ROWS_HELP(record_cli),
	{ 0 },
};

/* ---- the options that are text ---- */

static struct err *read_events(const char *list, unsigned *ret)
{
	static const struct {
		const char *name;
		enum record_kind kind;
	} names[] = {
		{ "mmap", RECORD_MMAP }, { "malloc", RECORD_MALLOC }, { "fault", RECORD_RESIDENT }, { "go", RECORD_GO }
	};
	*ret = 0;
	for (const char *at = list;; at++) {
		size_t len = strcspn(at, ","), i = 0;
		while (i < LEN(names) && (strlen(names[i].name) != len || strncmp(names[i].name, at, len) != 0))
			i++;
		if (i == LEN(names))
			return err_new(ERR_ARG,
				       "--events takes mmap, malloc, fault and go, with commas between them, not '%s'",
				       list);
		*ret |= 1u << names[i].kind;
		at += len;
		if (!*at)
			return NULL;
	}
}

/* "0.5" of percent. */
static struct err *read_budget(const char *text, double *ret)
{
	char *end = NULL;
	double percent = strspn(text, "0123456789.") == strlen(text) ? strtod(text, &end) : (double)NAN;
	if (!end || *end || end == text || !(percent > 0 && percent <= 100))
		return err_new(ERR_ARG, "--budget takes percent above 0, to 100, as 0.5 or 2, not '%s'", text);
	*ret = percent / 100;
	return NULL;
}

/* ---- what is written ---- */

enum { TEXT, JSON, PPROF, FOLDED, FLAME };

static void render(const void *report, int which, struct strbuf *out)
{
	static void (*const by[])(const struct record_report *, struct strbuf *) = {
		[TEXT] = record_text,	  [JSON] = record_json,	  [PPROF] = record_pprof,
		[FOLDED] = record_folded, [FLAME] = record_flame,
	};
	by[which](report, out);
}

/* Text or JSON is on standard output: -o is the profile's. */
static struct err *open_outputs(const struct record_cli *opt, struct outputs *outs)
{
	outputs_add(outs, PPROF, opt->file);
	outputs_add(outs, FOLDED, opt->folded);
	outputs_add(outs, FLAME, opt->flame);
	return outputs_open(outs, opt->json ? JSON : TEXT, NULL, opt->json);
}

/* ---- recording ---- */

/* While it records it says so every second: how many have gone. A script can wait for the first line. */
static void say_step(const char *step)
{
	static char text[64];
	static unsigned seconds;
	if (step != record_step_recording) {
		progress_step(step);
		return;
	}
	if (!seconds && !isatty(STDERR_FILENO))
		status_say("record", "recording; interrupt ends it early");
	snprintf(text, sizeof(text), "%s, %u s", step, seconds++);
	progress_step(text);
}

/* All processes of what is a cgroup; of what else names a target, the one that it means. We are not among them. */
static struct err *find_targets(const struct record_cli *opt, const struct arg_vec *operands, struct pid_vec *ret)
{
	const struct target_name *name = &opt->target;
	size_t several = (size_t) !!name->cgroup + !!name->unit + !!name->container;
	if (operands->n || name->comm || several != 1)
		return target_one(opt->procfs, operands, name, vec_push(ret));
	TRY(engine_target_find(opt->procfs, name, ret));
	size_t n = 0;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->v[i] != getpid())
			ret->v[n++] = ret->v[i];
	}
	ret->n = n;
	return n ? NULL : err_new(ERR_NOT_FOUND, "there is no process in it but this one");
}

static bool all_gone(const struct record *r)
{
	for (size_t i = 0; i < r->processes.n; i++) {
		if (!r->processes.v[i].exited)
			return false;
	}
	return r->processes.n > 0;
}

static struct err *record_targets(const struct record_cli *opt, const struct arg_vec *operands,
				  struct record_options *how, struct record *ret)
{
	struct pid_vec pids = { 0 };
	struct err *err = find_targets(opt, operands, &pids);
	how->pids = pids.v;
	how->n_pids = pids.n;
	progress_start();
	if (!err)
		err = record_run(how, ret);
	progress_end();
	vec_deinit(&pids);
	return err;
}

static struct err *record(const struct record_cli *opt, const struct arg_vec *operands, struct outputs *outs,
			  int *status)
{
	struct record_options how = {
		.cgroup = opt->target.cgroup,
		.procfs = opt->procfs,
		.window_ns = opt->window_ns,
		.ring_bytes = opt->buffer,
		.interrupted = &progress_interrupted,
		.progress = say_step,
	};
	AUTO(record) struct record r;
	record_init(&r);
	TRY(read_events(opt->events, &how.wanted));
	TRY(read_budget(opt->budget, &how.budget));
	TRY(open_outputs(opt, outs));
	TRY(record_targets(opt, operands, &how, &r));
	const struct record_report report = {
		.record = &r,
		.top = opt->top,
		.style = style_of(STDOUT_FILENO, (enum style_when)opt->color),
	};
	TRY(outputs_write(outs, render, &report));
	if (!all_gone(&r))
		return NULL;
	*status = STATUS_GONE;
	status_say("record", "the process exited while it was recorded; what is shown was seen until then");
	return NULL;
}

static const struct record_cli defaults = {
	.procfs = "/proc", .window_ns = DEFAULT_FOR, .events = "mmap,malloc,fault", .budget = "1"
};

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	struct outputs outs = { 0 };
	struct err *err = record(values, operands, &outs, status);
	outputs_abandon(&outs);
	return err;
}

static const struct command_example examples[] = {
	{ "ullage record 4711", "ten seconds: who took memory outside the Go heap and kept it" },
	{ "ullage record 4711 --for 5m -o offheap.pb.gz",
	  "a slow leak; for `go tool pprof`, speedscope, `ullage diff`" },
	{ "ullage record --cgroup /system.slice/shop.service", "every process of a cgroup" },
	{ "ullage record 4711 --events fault", "memory that was reserved long ago and is touched now" },
	{ "ullage record 4711 --flame offheap.html", "the kind that took most as a picture" },
	{ "ullage record 4711 --json | jq '.outstanding[0].site'", "for programs" },
	{ NULL, NULL },
};

const struct command command_record = {
	.name = "record",
	.purpose = "who takes memory outside the Go heap: malloc, mmap, page faults, by call path",
	.usage = "record [OPTIONS] PID\nrecord [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "Watches a process, or all of a cgroup, unit or container, for a window by probes in the\n"
		 "kernel (eBPF), and shows what was taken in it and not given back, by call path: from the\n"
		 "allocator or the system call through C up to the Go function that called into C.\n"
		 "Mappings are exact. Blocks of malloc are exact as long as watching every call costs no\n"
		 "more than --budget; above that they are watched part of the time, and a figure comes\n"
		 "with the interval that holds the truth. Page faults are sampled. The process is not\n"
		 "stopped, and every probe is gone when the command ends, however it ends. To be told\n"
		 "whether it is a leak, see `ullage diagnose`.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Linux 5.15 with BTF, and root; or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH. `ullage doctor` says what is missing.",
	.run = run,
};
