/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "format/output.h"
#include "operand/input.h"
#include "report/fds.h"

struct fds_options {
	struct target_name target;
	bool json, list, help;
	int color;
	uint64_t top;
	const char *file, *procfs;
};

#define AT(member) offsetof(struct fds_options, member)

static const struct option_row options[] = {
	OPTION_ROWS_JSON(fds_options),
	{ "list", 0, OPTION_FLAG, AT(list), NULL, false, 0, NULL, "every descriptor, one by one" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL, "rows of each table in text (default 15)" },
	OPTION_ROWS_OUT(fds_options),
	OPTION_ROWS_TARGET(fds_options),
	OPTION_ROWS_HELP(fds_options),
	{ 0 },
};

static struct err *show(const struct fds_options *opt, const struct snapshot *s, struct output *out)
{
	struct fds_report r = {
		.snapshot = s,
		.top = opt->top,
		.list = opt->list,
		.style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color),
	};
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	(opt->json ? fds_json : fds_text)(&r, &text);
	return output_commit(out, text.buf, text.len);
}

static struct err *list(const struct fds_options *opt, const struct arg_vec *operands, int *status)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_FDS,
		.required = SNAPSHOT_FDS,
		.account.procfs = opt->procfs,
	};
	struct output out;
	TRY(output_open(&out, opt->file));
	AUTO(snapshot) struct snapshot s;
	struct err *err = input_one(operands, &opt->target, &want, &s, status);
	if (!err)
		err = show(opt, &s, &out);
	output_abandon(&out);
	return err;
}

static const struct fds_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return list(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage fds 4711", "descriptors by kind, sockets by peer, what they hold" },
	{ "ullage fds --name etcd --top 50", "more rows of each table" },
	{ "ullage fds 4711 --list", "every descriptor, one by one" },
	{ "ullage fds 4711 --json | jq '.sockets[] | select(.state == \"CLOSE-WAIT\")'", "for programs" },
	{ NULL, NULL },
};

const struct command command_fds = {
	.name = "fds",
	.purpose = "descriptors by kind, sockets by peer, memory they hold",
	.usage = "fds [OPTIONS] PID | FILE\nfds [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "For any process, Go or not, or of a snapshot. UNREAD and UNSENT are bytes in the queues of\n"
		 "a socket; of one that listens, the connections that wait to be accepted and how many may.\n"
		 "KERNEL is what the kernel charges for it: memory that is in no RSS. Connections that were\n"
		 "accepted are one row for each host. Removed files, epoll instances and cgroups without\n"
		 "processes are shown where there are any.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH, or root; the memory of sockets in another network namespace needs\n"
		 "CAP_SYS_ADMIN.",
	.run = run,
};
